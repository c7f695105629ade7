"""Every setting of a run, built from its declaration: searched, changed, reset, each with its reason."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Collapsible, Input, Static

from loratui.basemodels.facts import BaseModelNeed
from loratui.screens.shared.base_model import BaseModelScreen
from loratui.screens.shared.editors import ask_unkept
from loratui.screens.wizard.preset_saving import PresetSavingStep
from loratui.settings.answers import counted_images, preset_values
from loratui.settings.checks import NotAValue, parse, problems, recipe_of, shown
from loratui.settings.draft import Draft
from loratui.widgets.settingrow import SettingRow, explain
from trainer.contract.settings.config import BY_KEY, SECTION_TITLES, SETTINGS
from trainer.contract.settings.fields import Setting

FIRST = ("train", "sample")  # what is most often changed
SECTIONS = {name: SECTION_TITLES[name] for name in (*FIRST, *(one for one in SECTION_TITLES if one not in FIRST))}
ELSEWHERE = frozenset(
    {"name", "kind", "preset", "dataset.path", "dataset.skip", "dataset.accept"}
)  # other steps own these
SHOWN = tuple(one for one in SETTINGS if one.key not in ELSEWHERE)


class SettingsScreen(PresetSavingStep):
    """The form on the left, what is known of the setting under the cursor on the right."""

    TITLE_OF = "Settings"
    PURPOSE = "Change a setting, or leave all as the preset has it. Next: the plan."
    HELP = """
Nothing here must be changed. • marks what differs from the preset.

  up, down     from setting to setting      /   search
  enter        change; choices and on/off   r   back to the preset's value
               change at once               u   undo the last change
                                            m   only what differs
                                            p   keep all as your preset

On the right stands what a setting does, what is allowed, the preset's and
the default value, and who says so. A value that breaks a rule is marked at
once; the plan needs them all in order. Lists are written with ; between.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/"),
        Binding("m", "mine", "Changed"),
        Binding("u", "undo", "Undo"),
        Binding("p", "ask_for_preset", "Preset"),
    ]

    def __init__(self, draft: Draft, session: Any = None) -> None:
        super().__init__(draft, session)
        self._only_mine = False
        self._editing: SettingRow | None = None
        self._before = ""  # what the line to edit in began with
        self._undo: list[tuple[Setting, Any]] = []  # values of the person's before each change; None: the preset's
        self._typed: dict[str, str] = {}  # what was typed and is no value: shown until put right

    def compose_body(self) -> ComposeResult:
        """Search, form, explanation with the line to edit in."""
        with Horizontal():
            with Vertical(id="form-side"):
                yield Input(placeholder="/ search: rank, memory, snr ...", id="search", compact=True)
                with VerticalScroll(id="form", can_focus=False):
                    for section, title in SECTIONS.items():
                        rows = [SettingRow(one) for one in SHOWN if one.section == section]
                        yield Collapsible(*rows, title=title, collapsed=section != "train", id=f"section-{section}")
            with Vertical(id="why-side"):
                with VerticalScroll(id="why", can_focus=False):
                    yield Static("", id="why-text", markup=False)
                yield Input(id="edit", compact=True, select_on_focus=True)
                yield Static("", id="edit-words", markup=False)

    def on_mount(self) -> None:
        """Show all values; start on the first setting."""
        self.query_one("#why").border_title = Content("why")
        self._show_values()
        self.query(SettingRow).first().focus()

    def _layers(self) -> dict[str, Any]:
        """What the preset alone would give."""
        values = {one.key: one.default for one in SETTINGS}
        one = recipe_of(self.draft)
        values.update(preset_values(one.name, self.draft.values))
        if one.steps_per_image and self.draft.images:
            values["train.steps"] = one.steps_per_image * counted_images(self.draft.images, values | self.draft.values)
        return values

    def _show_values(self) -> None:
        found, base = problems(self.draft), self._layers()
        words = self.query_one("#search", Input).value.lower().split()
        for section in SECTIONS:
            box = self.query_one(f"#section-{section}", Collapsible)
            rows = list(box.query(SettingRow))
            for row in rows:
                key = row.setting.key
                value = self.draft.values.get(key, base[key])
                differs = key in self.draft.values and shown(value) != shown(base[key])
                row.show(self._typed.get(key, shown(value)), differs, key in found or key in self._typed)
                row.display = _matches(row.setting, words) and (differs or not self._only_mine)
            visible = sum(bool(row.display) for row in rows)
            box.display = visible > 0
            if (words or self._only_mine) and visible:
                box.collapsed = False
            changed = sum(row._differs for row in rows)
            box.title = SECTIONS[section] + (f"  • {changed} changed" if changed else "")
        count = len(found) + len(self._typed)
        self.say(f"{count} to put right: {', '.join((*self._typed, *found))}" if count else "", "bad" if count else "")
        self._explain()

    def _explain(self) -> None:
        row = self._editing or (self.focused if isinstance(self.focused, SettingRow) else None)
        if row is None:
            return
        one, base = row.setting, self._layers()
        recipe = next((value for value in recipe_of(self.draft).values if value.key == one.key), None)
        own = one.key in self.draft.values
        of_preset = shown(base[one.key]) if recipe is not None or shown(base[one.key]) != shown(one.default) else ""
        self.query_one("#why-text", Static).update(
            explain(
                one,
                self._typed.get(one.key, shown(self.draft.values.get(one.key, base[one.key])))
                + ("  (yours)" if own else ""),
                shown(one.default) or "empty",
                of_preset,
                recipe.source if recipe is not None else one.source,
                recipe is not None and recipe.inferred,
                problems(self.draft).get(one.key, ""),
            )
        )
        self.query_one("#why").scroll_home(animate=False)

    @on(SettingRow.Focused)
    def _focused(self) -> None:
        self._explain()

    @on(Input.Changed, "#search")
    def _searched(self) -> None:
        self._show_values()

    @on(Input.Submitted, "#search")
    def _search_done(self) -> None:
        first = next((row for row in self.query(SettingRow) if row.display), None)
        (first or self.query_one("#search")).focus()

    def action_search(self) -> None:
        """To the search line."""
        self.query_one("#search", Input).focus()

    def action_mine(self) -> None:
        """Only what differs from the preset, or all."""
        self._only_mine = not self._only_mine
        self._show_values()
        if isinstance(self.focused, SettingRow) and not self.focused.display:
            self._search_done()

    @on(SettingRow.EditAsked)
    def _edit(self, event: SettingRow.EditAsked) -> None:
        one = event.row.setting
        value = self.draft.values.get(one.key, self._layers()[one.key])
        if one.kind == "bool":
            self._set(one, not value)
        elif one.key == "model.base":
            need = BaseModelNeed.of(self._layers() | self.draft.values)
            self.app.push_screen(BaseModelScreen(str(value), need), self._base_taken)
        elif one.kind == "choice":
            place = one.choices.index(value) if value in one.choices else -1
            self._set(one, one.choices[(place + 1) % len(one.choices)])
        else:
            self._editing = event.row
            line = self.query_one("#edit", Input)
            line.value = self._before = self._typed.get(one.key, shown(value))
            self.add_class("-editing")
            self.set_focus(line)  # at once: the next key may already be on its way

    def _base_taken(self, value: str | None) -> None:
        if value is not None:
            self._set(BY_KEY["model.base"], value)

    @on(SettingRow.ResetAsked)
    def _reset(self, event: SettingRow.ResetAsked) -> None:
        one = event.row.setting
        if one.key in self.draft.values:
            self._set(one, None)
            self._note(f"{one.title}: the preset's value again. u undoes it.")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Undo is there once something was changed."""
        return bool(self._undo) if action == "undo" else super().check_action(action, parameters)

    def action_undo(self) -> None:
        """Take the last change back, a reset too."""
        one, before = self._undo.pop()
        self._put(one, before)
        value = self.draft.values.get(one.key, self._layers()[one.key])
        self._note(f"{one.title}: {shown(value) or 'empty'} again.")

    def _note(self, words: str) -> None:
        """Say it, where nothing is to be put right."""
        if not problems(self.draft) and not self._typed:
            self.say(words)

    def _set(self, one: Setting, value: Any) -> None:
        """Keep a value; None takes it back. What it was before can be had again."""
        self._undo.append((one, self.draft.values.get(one.key)))
        self._put(one, value)

    def _put(self, one: Setting, value: Any) -> None:
        self._typed.pop(one.key, None)
        self.edit(self.draft.with_settings({one.key: value}))
        self._show_values()
        self.refresh_bindings()

    @on(Input.Changed, "#edit")
    def _typing(self, event: Input.Changed) -> None:
        if self._editing is not None:
            bad = self._check(self._editing.setting, event.value)
            words = (
                Content.styled(f"✗ {bad}", "$text-error")
                if bad
                else Content.styled("Enter keeps, Escape cancels", "$muted")
            )
            self.query_one("#edit-words", Static).update(words)

    def _check(self, one: Setting, typed: str) -> str:
        """What is wrong with `typed` as the value of `one`; empty if nothing."""
        try:
            return problems(self.draft, {one.key: parse(one, typed)}).get(one.key, "")
        except NotAValue as error:
            return str(error)

    @on(Input.Submitted, "#edit")
    def _keep(self, event: Input.Submitted) -> None:
        row = self._editing
        if row is None:
            return
        if self._check(row.setting, event.value):
            return  # the words below the line say why; Escape leaves the old value
        self._close_editor()
        self._set(row.setting, parse(row.setting, event.value))

    def _close_editor(self) -> None:
        row, self._editing = self._editing, None
        self.remove_class("-editing")
        if row is not None:
            row.focus()

    @property
    def unkept(self) -> bool:
        """Whether a value was typed and not entered."""
        return self._editing is not None and self.query_one("#edit", Input).value != self._before

    def action_back(self) -> None:
        """Close the line, else empty the search, else one step back."""
        search = self.query_one("#search", Input)
        if self.unkept:
            ask_unkept(self.app, "Keep it", self.action_next, self._close_editor)
        elif self._editing is not None:
            self._close_editor()
        elif search.value:
            search.value = ""
        else:
            super().action_back()

    def action_next(self) -> None:
        """On to the plan, if all rules hold."""
        if self._editing is not None:
            line = self.query_one("#edit", Input)
            if self._check(self._editing.setting, line.value):
                return
            line.post_message(Input.Submitted(line, line.value))
            return
        found = problems(self.draft)
        if found:
            key, words = next(iter(found.items()))
            self.say(f"{key}: {words}", "bad")
            return
        self.dismiss(self.draft)


def _matches(one: Setting, words: list[str]) -> bool:
    text = f"{one.key} {one.title} {one.help} {one.up} {one.down}".lower()
    return all(word in text for word in words)
