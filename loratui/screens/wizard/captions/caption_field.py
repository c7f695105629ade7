"""The field in which a caption is typed: one line that wraps, its triggers lit, its tokens counted."""

from __future__ import annotations

import re
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import TextArea
from textual.widgets.text_area import Edit, EditResult

from loratui.terminal.text import plural, safe_text
from trainer.contract.captioning.tokens import TokenCount
from trainer.contract.pictures.folder import MAX_CAPTION_BYTES
from trainer.contract.settings.triggers import holds_word, split_triggers, word_pattern

LONGEST = MAX_CAPTION_BYTES // 4  # letters: of four bytes at most


class CaptionField(TextArea):
    """Enter, PgUp and PgDn ask for another picture; what is typed or pasted is made safe to show."""

    DEFAULT_CSS = """
    CaptionField { border: round $line; border-title-color: $foreground; background: $background; padding: 0 1; }
    CaptionField:focus { border: round $accent; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,pagedown", "picture(1)", "Next picture", key_display="⏎", priority=True),
        Binding("pageup", "picture(-1)", "Previous picture", key_display="pgup", priority=True),
        Binding("ctrl+z", "undo", "Undo typing", show=False),
        Binding("f6", "app.shade", show=False),  # and not TextArea's own
        Binding("f7", "select_all", "Select all", show=False),
    ]

    class Another(Message):
        """The picture so many places further is wanted."""

        def __init__(self, places: int) -> None:
            super().__init__()
            self.places = places

    def __init__(self, trigger: str, *, id: str | None = None) -> None:
        super().__init__("", id=id, highlight_cursor_line=False)
        self.cursor_blink = False
        self._triggers = split_triggers(trigger)
        self._start = ""

    @property
    def typed(self) -> bool:
        """Whether something else stands there than at first."""
        return self.text != self._start

    def start(self, caption: str) -> None:
        """Put another picture's caption there, the cursor behind it; nothing of before is undone into it."""
        self._start = safe_text(caption)
        self.load_text(self._start)
        self.move_cursor(self.document.end)

    def taken(self) -> None:
        """What stands there is kept elsewhere now; the way back through what was typed stays."""
        self._start = self.text

    def action_picture(self, places: int) -> None:
        """The next picture, or the one before; what was typed is kept."""
        self.post_message(self.Another(places))

    def edit(self, edit: Edit) -> EditResult:
        """Take an edit without what a terminal would obey; line ends become spaces."""
        edit.text = safe_text(edit.text)[: max(0, LONGEST - len(self.text))]
        return super().edit(edit)

    def get_line(self, line_index: int) -> Text:
        """A line with its triggers lit."""
        line = super().get_line(line_index)
        for word in self._triggers:
            for found in re.finditer(word_pattern(word), line.plain):
                line.stylize("bold reverse", found.start(), found.end())
        return line

    def tell(self, count: TokenCount, most: int) -> None:
        """Write into the border how long it is and whether the trigger stands in it."""
        about = "" if count.exact else "about "
        over = count.over(most)
        words = f"{about}{count.count} of {plural(most, 'token')}" + (f", {over} not read" if over else "")
        self.border_title = Content.styled(words, "bold $text-error" if over else "$foreground")
        if not self._triggers:
            self.border_subtitle = Content("no trigger")
        elif any(holds_word(self.text, one) for one in self._triggers):
            self.border_subtitle = Content.styled("✓ trigger", "$text-success")
        else:
            self.border_subtitle = Content.styled(f"! without {safe_text(self._triggers[0], 16)}", "$text-warning")
