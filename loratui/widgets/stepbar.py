"""The row at the top of the wizard: where the person is, what is done, what is to come."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from textual.content import Content
from textual.widget import Widget


class StepBar(Widget):
    """`✓ Pictures  ● Subject  ○ Preset`: a glyph and a word each; narrow terminals name only the current step.

    `!` before one that was left with something to decide.
    """

    DEFAULT_CSS = """
    StepBar { height: 1; width: 1fr; background: $panel; padding: 0 1; }
    """

    def __init__(self, titles: Sequence[str], current: int, undecided: Collection[str] = ()) -> None:
        super().__init__()
        self._titles, self._current, self._undecided = tuple(titles), current, undecided

    def render(self) -> Content:
        """The steps after the welcome."""
        parts: list[Content | str | tuple[str, str]] = [("loratui  ", "bold $accent")]
        full = 9 + sum(len(title) + 4 for title in self._titles)
        for index, title in enumerate(self._titles):
            passed = "!" if title in self._undecided else "✓"
            glyph = passed if index < self._current else "●" if index == self._current else "○"
            style = "bold $text" if index == self._current else "$muted" if index < self._current else "$faint"
            words = f"{glyph} {title}  " if index == self._current or full <= self.size.width else f"{glyph} "
            parts.append((words, style))
        return Content.assemble(*parts)
