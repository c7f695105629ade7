"""One setting as a row: mark, title, value; light enough for a form of seventy."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click, Focus
from textual.message import Message
from textual.widget import Widget

from loratui.terminal.text import safe_text
from trainer.contract.settings.fields import Setting

TITLE = 25


class SettingRow(Widget, can_focus=True):
    """`• rank   16`; the dot says that the value differs from the preset. It only draws and speaks of keys."""

    DEFAULT_CSS = """
    SettingRow {
        height: 1; width: 1fr; padding: 0 1;
        &:focus { background: $accent 25%; }
        &:hover { background: $panel; }
        &.-wrong { color: $text-error; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "edit", "Change"),
        Binding("r", "reset", "Reset"),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]

    class Focused(Message):
        """The cursor came to this row."""

        def __init__(self, row: SettingRow) -> None:
            super().__init__()
            self.row = row

    class EditAsked(Message):
        """The person wants to change the value."""

        def __init__(self, row: SettingRow) -> None:
            super().__init__()
            self.row = row

    class ResetAsked(Message):
        """The person wants the preset's value back."""

        def __init__(self, row: SettingRow) -> None:
            super().__init__()
            self.row = row

    def __init__(self, setting: Setting) -> None:
        super().__init__(id="set-" + setting.key.replace(".", "-"))
        self.setting = setting
        self._value = ""
        self._differs = False

    def show(self, value: str, differs: bool, wrong: bool) -> None:
        """Show a value, whether it differs from the preset, whether it breaks a rule."""
        self._value, self._differs = value, differs
        self.set_class(wrong, "-wrong")
        self.refresh()

    def render(self) -> Content:
        """The row as text."""
        mark = "✗ " if self.has_class("-wrong") else "• " if self._differs else "  "
        room = max(4, self.size.width - TITLE - 2)
        unit = f" {self.setting.unit}" if self.setting.unit else ""
        style = "bold $accent" if self._differs else "bold"
        value = safe_text(self._value, room - len(unit)) or "-"
        return Content.assemble(
            (mark, "$accent"),
            f"{safe_text(self.setting.title, TITLE - 3):<{TITLE - 2}}",
            (value, style),
            (unit, "$muted"),
        )

    def on_focus(self, _event: Focus) -> None:
        """Tell the screen."""
        self.post_message(self.Focused(self))

    def on_click(self, event: Click) -> None:
        """A double click edits."""
        if event.chain == 2:
            self.post_message(self.EditAsked(self))

    def action_edit(self) -> None:
        """Ask for a change."""
        self.post_message(self.EditAsked(self))

    def action_reset(self) -> None:
        """Ask for the preset's value."""
        self.post_message(self.ResetAsked(self))


def explain(setting: Setting, value: Any, default: str, preset: str, source: str, inferred: bool, bad: str) -> Content:
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
    lines += [Content(""), *(_fact(name, text) for name, text in facts if text != "")]
    mark = "~ inferred: " if inferred else "why: "
    lines += [
        Content(""),
        Content.assemble((mark, "$text-warning" if inferred else "$muted"), (safe_text(source), "$muted")),
    ]
    return Content("\n").join(lines)


def _fact(name: str, text: str) -> Content:
    return Content.assemble((f"{name:<8} ", "$muted"), (safe_text(text), "bold" if name == "value" else ""))
