"""The chart widget: shows a Plot, draws it once per change and size, and takes its colours from the theme."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from loratui.widgets.braille import Plot, draw, x_of


class Chart(Widget):
    """A braille chart. Give it a Plot through `show`; the value of the day belongs into its border title."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chart--axis",
        "chart--band",
        "chart--cursor",
        "chart--line1",
        "chart--line2",
        "chart--line3",
        "chart--mark",
    }
    DEFAULT_CSS = """
    Chart {
        border: round $line;
        border-title-color: $foreground;
        border-subtitle-color: $muted;
        & > .chart--axis { color: $faint; }
        & > .chart--band { color: $faint; }
        & > .chart--cursor { color: $foreground; text-style: bold; }
        & > .chart--line1 { color: $accent; }
        & > .chart--line2 { color: $success; }
        & > .chart--line3 { color: $warning; }
        & > .chart--mark { color: $muted; }
    }
    """

    class Pointed(Message):
        """The mouse was clicked at `x` of the axis; None beside it."""

        def __init__(self, chart: Chart, x: float | None) -> None:
            super().__init__()
            self.chart, self.x = chart, x

        @property
        def control(self) -> Chart:
            """The chart."""
            return self.chart

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._plot = Plot()
        self._rows: list[Strip] = []
        self._drawn: tuple[int, int] | None = None

    def show(self, plot: Plot) -> None:
        """Show `plot` from now on."""
        self._plot = plot
        self._drawn = None
        self.refresh()

    @property
    def plot(self) -> Plot:
        """What is shown."""
        return self._plot

    def on_click(self, event: Click) -> None:
        """Say where on the axis that was."""
        offset = event.get_content_offset(self)
        self.post_message(self.Pointed(self, None if offset is None else x_of(self._plot, offset.x, self.size.width)))

    def notify_style_update(self) -> None:
        """A new theme: the cached rows hold the old colours."""
        self._drawn = None
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        size = (self.size.width, self.size.height)
        if self._drawn != size:
            self._rows = [self._strip(row) for row in draw(self._plot, *size)]
            self._drawn = size
        return self._rows[y] if y < len(self._rows) else Strip.blank(size[0], self.rich_style)

    def _strip(self, row: list[tuple[str, str]]) -> Strip:
        styled = [
            Segment(text, self.get_component_rich_style(f"chart--{name}") if name else self.rich_style)
            for text, name in row
        ]
        return Strip(styled).simplify()
