"""The row at the top of the wizard: where the person is, what is done, what is to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.content import Content
from textual.widget import Widget

MARKS = {True: "!", False: "✓", None: "○"}


class StepBar(Widget):
    """`✓ Pictures  ● Subject  ○ Preset`: a glyph and a word each; narrow terminals name only the current step.

    `!` before one that was left with something to decide, `○` before one of which that is not known.
    """

    DEFAULT_CSS = """
    StepBar { height: 1; width: 1fr; background: $panel; padding: 0 1; }
    """

    def __init__(self, titles: Sequence[str], current: int, undecided: Mapping[str, bool | None] | None = None) -> None:
        """`undecided`: by title whether it was left so; None where nobody knows."""
        super().__init__()
        self._titles, self._current, self._undecided = tuple(titles), current, undecided or {}

    def mark(self, title: str, undecided: bool | None) -> None:
        """It is known now."""
        self._undecided = {**self._undecided, title: undecided}
        self.refresh()

    def render(self) -> Content:
        """The steps after the welcome."""
        parts: list[Content | str | tuple[str, str]] = [("loratui  ", "bold $accent")]
        full = 9 + sum(len(title) + 4 for title in self._titles)
        for index, title in enumerate(self._titles):
            passed = MARKS[self._undecided.get(title, False)]
            glyph = passed if index < self._current else "●" if index == self._current else "○"
            style = "bold $text" if index == self._current else "$muted" if index < self._current else "$faint"
            words = f"{glyph} {title}  " if index == self._current or full <= self.size.width else f"{glyph} "
            parts.append((words, style))
        return Content.assemble(*parts)
