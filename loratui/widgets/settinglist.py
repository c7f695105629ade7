"""The settings as one list: mark, title, value; a section's heading is a row too, so that the cursor crosses it."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from loratui.terminal.text import safe_text
from trainer.contract.settings.config import BY_KEY
from trainer.contract.settings.fields import Setting, post_named

TITLE = max(len(one.title) for one in BY_KEY.values()) + 1
VALUE = 16  # cells that are kept for values; a longer title goes before that where the value is short
SHORTEST = 9  # cells of a title
INDENT = "    "  # before a value that stands below its title
MOST = 4  # lines of a value; all of a longer one stands beside the list


@dataclass(frozen=True)
class SettingRow:
    """`• rank   16`; the dot says that the value differs from the preset."""

    setting: Setting
    value: str
    differs: bool = False
    wrong: bool = False
    stands_for: str = ""  # what a 0 comes to

    @property
    def id(self) -> str:
        """The setting's key."""
        return self.setting.key

    def drawn(self, width: int) -> Content:
        """The row in `width` cells."""
        mark = "✗ " if self.wrong else "• " if self.differs else "  "
        unit = f" {self.setting.unit}" if self.setting.unit else ""
        style = "bold $text-error" if self.wrong else "bold $accent" if self.differs else "bold"
        value = safe_text(self.value) or "-"
        if len(mark + self.setting.title + value + unit) >= width:  # below its title, and whole
            below = [line for line in textwrap.wrap(value, max(8, width - len(INDENT + unit))) or [value]]
            head = Content.assemble((mark, "$text-error" if self.wrong else "$accent"), self.setting.title)
            lines = [Content.assemble(INDENT, (line, style)) for line in below[:MOST]]
            return Content("\n").join([head, *lines[:-1], Content.assemble(lines[-1], (unit, "$muted"))])
        room = max(SHORTEST, width - len(mark + value + unit))  # the label goes before what a 0 comes to
        cells = max(1, min(TITLE, width - len(mark) - VALUE, room - 1))
        title = f"{safe_text(self.setting.title, room - 1):<{cells}}"
        title += "" if title.endswith(" ") else " "
        left = width - len(mark + title + value + unit)
        said = (f" = {self.stands_for}", f" = {self.stands_for.partition(',')[0]}") if self.stands_for else ()
        more = next((one for one in said if len(one) <= left), "")
        return Content.assemble(
            (mark, "$text-error" if self.wrong else "$accent"), title, (value, style), (unit + more, "$muted")
        )


@dataclass(frozen=True)
class HeadingRow:
    """`▼ training  • 2 changed`; Enter opens and closes the section. Without an `id` it is a remark and no row."""

    title: str
    id: str = ""
    open: bool = False
    changed: int = 0

    def drawn(self, width: int) -> Content:
        """The heading in `width` cells."""
        if not self.id:
            return Content.styled(safe_text(self.title, width), "$muted")
        changed = f"  • {self.changed} changed" if self.changed else ""
        return Content.styled(safe_text(f"{'▼' if self.open else '▶'} {self.title}{changed}", width), "$accent")


Row = SettingRow | HeadingRow


class SettingList(OptionList):
    """Draws the rows and speaks of keys; one widget, whatever the number of settings."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "select", "Change"),
        Binding("r", "reset", "Reset"),
    ]

    class ResetAsked(Message):
        """The person wants the preset's value back."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id, compact=True, markup=False)
        self._rows: tuple[Row, ...] = ()
        self._width = 0

    def show(self, rows: Sequence[Row]) -> None:
        """Show `rows`; only those that changed are made anew, and the cursor stays on its setting."""
        before, self._rows = self._rows, tuple(rows)
        width = self._room
        if [one.id for one in before] == [one.id for one in rows] and width == self._width:
            for index, (old, new) in enumerate(zip(before, rows, strict=True)):
                if old != new:
                    self.replace_option_prompt_at_index(index, new.drawn(width))
            return
        here, self._width = self.key, width
        self.set_options([Option(one.drawn(width), id=one.id or None, disabled=not one.id) for one in rows])
        self.go_to(here)

    def go_to(self, key: str) -> bool:
        """Put the cursor on a setting or a heading; where it is not shown, on the first row. Whether it is shown."""
        ids = [one.id for one in self._rows]
        found = key in ids and key != ""
        first = next((index for index, one in enumerate(ids) if one), None)
        self.highlighted = ids.index(key) if found else first
        return found

    @property
    def key(self) -> str:
        """The key of the setting, or the id of the heading, under the cursor; empty if there is none."""
        option = self.highlighted_option
        return (option.id or "") if option is not None else ""

    @property
    def rows(self) -> dict[str, Row]:
        """What is shown, by key."""
        return {one.id: one for one in self._rows if one.id}

    def on_resize(self) -> None:
        """Draw the rows for the new width."""
        if self._room != self._width:
            self.show(self._rows)

    @property
    def _room(self) -> int:
        return self.scrollable_content_region.width

    def action_select(self) -> None:
        """Change the value, or open and close the section."""
        super().action_select()

    def action_reset(self) -> None:
        """Ask for the preset's value."""
        self.post_message(self.ResetAsked())


class Reason(Widget):
    """What is known of a setting, scrolled by the wheel. It wraps its own words: other ones lay out nothing anew.

    In a container that scrolls, each longer text is two layouts of the whole screen, with every Down.
    """

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._words = Content("")
        self._top = 0  # the first line that is seen

    def show(self, words: Content) -> None:
        """Show `words` from their beginning."""
        self._words, self._top = words, 0
        self.refresh()

    def render(self) -> Content:
        """The lines that are seen; beside them, where there are more, which part they are."""
        width, height = self.size.width - 1, self.size.height  # a cell stays free before the border
        if width < 2 or height < 1:
            return Content("")
        lines = self._words.wrap(width)
        if len(lines) <= height:
            return Content("\n").join(lines)
        lines = self._words.wrap(width - 1)
        count = max(height + 1, len(lines))
        self._top = max(0, min(self._top, count - height))
        long = max(1, height * height // count)
        first = round(self._top * (height - long) / (count - height))
        seen = lines[self._top : self._top + height]
        seen += [Content("")] * (height - len(seen))
        bar = [" " if first <= y < first + long else "" for y in range(height)]
        room = [" " * (width - line.cell_length) for line in seen]
        rows = zip(seen, room, bar, strict=True)
        return Content("\n").join([Content.assemble(line, gap, (mark, "on $line")) for line, gap, mark in rows])

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Further down in the words."""
        self._scroll_by(1, event)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Back up."""
        self._scroll_by(-1, event)

    def _scroll_by(self, lines: int, event: MouseScrollDown | MouseScrollUp) -> None:
        event.stop()
        self._top = max(0, self._top + lines)
        self.refresh()


def in_sections(rows: Sequence[SettingRow], sections: Mapping[str, str], is_open: Collection[str]) -> list[Row]:
    """The rows under the heading of their section, where it is open; a section without a row has no heading."""
    found: list[Row] = []
    for section, title in sections.items():
        inside = [row for row in rows if row.setting.section == section]
        if inside:
            changed = sum(row.differs for row in inside)
            found.append(HeadingRow(title, f"section-{section}", section in is_open, changed))
            found += inside if section in is_open else []
    return found


def explain(
    setting: Setting,
    value: Any,
    default: str,
    preset: str,
    source: str,
    inferred: bool,
    bad: str,
    others: Sequence[str] = (),
) -> Content:
    """All that is known of a setting: for the panel beside the form."""
    lines = [Content.styled(setting.title, "bold"), Content.styled(setting.key, "$muted")]
    if bad:
        lines.append(Content.styled(f"✗ {safe_text(bad)}", "$text-error"))
    lines += [Content(""), Content(setting.help)]
    if setting.up:
        lines.append(Content.assemble(("↑ ", "$accent"), setting.up))
    if setting.down:
        lines.append(Content.assemble(("↓ ", "$accent"), setting.down))
    facts = [("value", value), ("preset", preset), ("default", default), ("allowed", setting.bounds)]
    facts += [("others", ", ".join(others))]  # what other trainers call it
    lines += [Content(""), *(_fact(name, text) for name, text in facts if text != "")]
    mark = "~ inferred: " if inferred else "why: "
    lines += [
        Content(""),
        Content.assemble((mark, "$text-warning" if inferred else "$muted"), (safe_text(source), "$muted")),
    ]
    if post := post_named([source]):
        lines.append(Content.styled(post, "$muted"))
    return Content("\n").join(lines)


def _fact(name: str, text: str) -> Content:
    return Content.assemble((f"{name:<8} ", "$muted"), (safe_text(text), "bold" if name == "value" else ""))
