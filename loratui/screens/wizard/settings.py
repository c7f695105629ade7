"""Every setting of a run, built from its declaration: searched, changed, reset, each with its reason."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from loratui.basemodels.facts import BaseModelNeed
from loratui.screens.shared.base_model import BaseModelScreen
from loratui.screens.shared.editors import ask_unkept
from loratui.screens.shared.scan import CountingStep
from loratui.screens.wizard.preset_saving import PresetSavingStep
from loratui.screens.wizard.setting_undo import SettingUndo
from loratui.settings.bases import with_base
from loratui.settings.checks import parse, preset_layer_of, problems, shown, trouble_with, values_of_preset
from loratui.settings.drafts.draft import Draft
from loratui.settings.other_trainers.imported import other_names
from loratui.settings.resolve import ValueSource
from loratui.settings.search import found
from loratui.widgets.settinglist import HeadingRow, Reason, Row, SettingList, SettingRow, explain, in_sections
from trainer.contract.settings.config import BY_KEY, SECTION_TITLES, SETTINGS
from trainer.contract.settings.fields import Setting
from trainer.contract.settings.stand_ins import stands_for

FIRST = ("train", "sample")  # what is most often changed
SECTIONS = {name: SECTION_TITLES[name] for name in (*FIRST, *(one for one in SECTION_TITLES if one not in FIRST))}
# other steps own these
ELSEWHERE = frozenset({"name", "kind", "preset", "dataset.path", "dataset.skip", "dataset.accept", "concepts"})
SHOWN = tuple(one for one in SETTINGS if one.key not in ELSEWHERE)


class SettingsScreen(SettingUndo, PresetSavingStep, CountingStep):
    """The form on the left, what is known of the setting under the cursor on the right."""

    TITLE_OF = "Settings"
    PURPOSE = "Change a setting, or leave all as the preset has it. Next: the plan."
    HELP = """
Nothing here must be changed. • marks what differs from the preset. The search
knows values and help, and what kohya, OneTrainer and diffusers call a setting.

  up, down     from setting to setting      /   search
  enter        change; choices and on/off   r   back to the preset's value
               change at once               u   undo the last change; U redo it
                                            m   only what differs
                                            p   keep all as your preset

On the right stands what a setting does, what is allowed, the preset's and
the default value, and who says so. A value that breaks a rule is marked at
once; the plan needs them all in order. Lists are written with ; between.
"""
    LETTERS = frozenset(["search", "mine", "undo", "redo", "ask_for_preset"])
    LETTERS_AT = "#form"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/"),
        Binding("m", "mine", "Changed"),
        Binding("p", "ask_for_preset", "Preset"),
        Binding("down", "to_form", show=False),
    ]

    def __init__(self, draft: Draft, session: Any = None) -> None:
        super().__init__(draft, session)
        self._only_mine = False
        self._open = {FIRST[0]}
        self._editing: Setting | None = None
        self._before = ""  # what the line to edit in began with
        self._typed: dict[str, str] = {}  # what was typed and is no value: shown until put right
        self._base: dict[str, Any] = {}  # what the preset alone would give
        self._said: dict[str, ValueSource] = {}  # who says so of a value of the preset
        self._wrong: dict[str, str] = {}  # what breaks a rule, by key

    def compose_body(self) -> ComposeResult:
        """Search, form, explanation with the line to edit in."""
        with Horizontal():
            with Vertical(id="form-side"):
                yield Input(placeholder="/ search: rank, memory, network_dim ...", id="search", compact=True)
                yield SettingList("form")
            with Vertical(id="why-side"):
                yield Reason("why")
                yield Input(id="edit", compact=True, select_on_focus=True)
                yield Static("", id="edit-words", markup=False)

    def on_mount(self) -> None:
        """Show all values; start on the first setting."""
        self.query_one("#why").border_title = Content("why")
        self._take_stock()
        self.form.go_to(next(one.key for one in SHOWN if one.section == FIRST[0]))
        self.form.focus()
        self.watch(self.form, "highlighted", self._explain, init=False)  # in the same turn: painted once

    @property
    def form(self) -> SettingList:
        """The list of settings."""
        return self.query_one("#form", SettingList)

    def _take_stock(self) -> None:
        """The draft changed: what the preset gives beside it, what breaks a rule, and all of it shown."""
        self._wrong, self._base = problems(self.draft), values_of_preset(self.draft)
        self._said = preset_layer_of(self.draft)[1]
        self._show_values()

    def counted(self) -> None:
        """What the preset makes of so many pictures."""
        self._take_stock()

    def _show_values(self) -> None:
        self.form.show(self._rows())
        count = len(self._wrong) + len(self._typed)
        words = f"{count} to put right: {', '.join((*self._typed, *self._wrong))}" if count else ""
        self.say(words, "bad" if count else "")
        self._explain()

    def _rows(self) -> list[Row]:
        """What the search finds, the nearest first; else each section, with its settings where it is open."""
        query, values = self.query_one("#search", Input).value.strip().lstrip("/"), self._base | self.draft.values
        wanted = found(query, SHOWN, values) if query else SHOWN
        rows = [self._row(one, values) for one in wanted]
        rows = [row for row in rows if row.differs or not self._only_mine]
        if query:
            return [*rows] or [HeadingRow(f"Nothing here is called '{query}'.")]
        is_open = set(SECTIONS) if self._only_mine else self._open
        return in_sections(rows, SECTIONS, is_open) or [HeadingRow("Nothing differs from the preset.")]

    def _row(self, one: Setting, values: dict[str, Any]) -> SettingRow:
        value, key = shown(values[one.key]), one.key
        differs = key in self.draft.values and value != shown(self._base[key])
        wrong, shows = key in self._wrong or key in self._typed, self._typed.get(key, value)
        return SettingRow(one, shows, differs, wrong, stands_for(key, values))

    def _explain(self) -> None:
        one = self._editing or BY_KEY.get(self.form.key)
        if one is None:
            title = SECTIONS.get(self.form.key.partition("-")[2], "")
            words = Content.styled(f"{title}: Enter opens or closes it." if title else "", "$muted")
        else:
            words = self._explained(one)
        self.query_one("#why", Reason).show(words)

    def _explained(self, one: Setting) -> Content:
        base, value = self._base, (self._base | self.draft.values)[one.key]
        said = self._said.get(one.key)
        of_preset = shown(base[one.key]) if said is not None or shown(base[one.key]) != shown(one.default) else ""
        meant = stands_for(one.key, base | self.draft.values)
        words = self._typed.get(one.key, shown(value)) + (f" = {meant}" if meant else "")
        return explain(
            one,
            words + ("  (yours)" if one.key in self.draft.values else ""),
            shown(one.default) or "empty",
            of_preset,
            said.source if said is not None else one.source,
            said is not None and said.inferred,
            self._wrong.get(one.key, ""),
            other_names(one.key),
        )

    @on(Input.Changed, "#search")
    def _searched(self) -> None:
        self._show_values()
        self.form.go_to("")  # the nearest

    @on(Input.Submitted, "#search")
    def action_to_form(self) -> None:
        """From the search to what it found."""
        if self.form.rows:
            self.set_focus(self.form)

    def action_search(self) -> None:
        """To the search line."""
        self.query_one("#search", Input).focus()

    def action_mine(self) -> None:
        """Only what differs from the preset, or all."""
        self._only_mine = not self._only_mine
        self._show_values()

    @on(OptionList.OptionSelected, "#form")
    def _edit(self, event: OptionList.OptionSelected) -> None:
        key = event.option_id or ""
        if key not in BY_KEY:
            self._open ^= {key.partition("-")[2]}
            self._show_values()
            return
        one, value = BY_KEY[key], (self._base | self.draft.values)[key]
        if one.kind == "bool":
            self.change(one, not value)
        elif one.key == "model.base":
            need = BaseModelNeed.of(self._base | self.draft.values)
            self.app.push_screen(BaseModelScreen(str(value), need), self._base_taken)
        elif one.kind == "choice":
            place = one.choices.index(value) if value in one.choices else -1
            self.change(one, one.choices[(place + 1) % len(one.choices)])
        else:
            self._editing = one
            line = self.query_one("#edit", Input)
            line.value = self._before = self._typed.get(one.key, shown(value))
            self.add_class("-editing")
            self.set_focus(line)  # at once: the next key may already be on its way

    def _base_taken(self, value: str | None) -> None:
        if value is not None:
            side = with_base(self.draft, value).get("train.resolution")
            own = {} if side == self.draft.get("train.resolution") else {BY_KEY["train.resolution"]: side}
            self.change(BY_KEY["model.base"], value, own)
            if own:
                self.note(f"Its pictures have {side} px: so has the resolution now. u takes both back.")

    @on(SettingList.ResetAsked)
    def _reset(self) -> None:
        one = BY_KEY.get(self.form.key)
        if one is not None and one.key in self.draft.values:
            self.change(one, None)
            self.note(f"{one.title}: the preset's value again. u takes it back.")

    def note(self, words: str) -> None:
        """Say it, where nothing is to be put right."""
        if not self._wrong and not self._typed:
            self.say(words)

    def put(self, one: Setting, value: Any) -> None:
        """Keep a value; None takes it back."""
        self._typed.pop(one.key, None)
        self.edit(self.draft.with_settings({one.key: value}))
        self._take_stock()
        self.refresh_bindings()

    @on(Input.Changed, "#edit")
    def _typing(self, event: Input.Changed) -> None:
        if self._editing is not None:
            bad = trouble_with(self.draft, self._editing, event.value)
            words = (f"✗ {bad}", "$text-error") if bad else ("Enter keeps, Escape cancels", "$muted")
            self.query_one("#edit-words", Static).update(Content.styled(*words))

    @on(Input.Submitted, "#edit")
    def _keep(self, event: Input.Submitted) -> None:
        one = self._editing
        if one is None:
            return
        if trouble_with(self.draft, one, event.value):
            return  # the words below the line say why; Escape leaves the old value
        self._close_editor()
        self.change(one, parse(one, event.value))

    def _close_editor(self) -> None:
        one, self._editing = self._editing, None
        self.remove_class("-editing")
        if one is not None:
            self.form.go_to(one.key)
            self.form.focus()

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
            self.set_focus(self.form)  # where / begins the next search
        else:
            super().action_back()

    def action_next(self) -> None:
        """On to the plan, if all rules hold."""
        if self._editing is not None:
            line = self.query_one("#edit", Input)
            if trouble_with(self.draft, self._editing, line.value):
                return
            line.post_message(Input.Submitted(line, line.value))
            return
        if found := problems(self.draft):
            key, words = next(iter(found.items()))
            self.say(f"{key}: {words}", "bad")
            return
        self.dismiss(self.draft)
