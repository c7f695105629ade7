"""Keeps the present settings as a preset of one's own: one dialog, from the settings' screen."""

from __future__ import annotations

from loratui.errors import Refusal
from loratui.screens.shared.editors import Form
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.step import Step
from loratui.settings.checks import answers_of, problems
from loratui.terminal.text import safe_text

WORDS = """What differs from the defaults is kept for other pictures too. Not kept: the
folder, the trigger, the class word and what was skipped or accepted."""
NAME, TITLE = "name", "title"


class PresetSavingStep(Step):
    """The action asks for a name, writes the file and says so."""

    def action_ask_for_preset(self) -> None:
        """Ask for the name; nothing is written while a setting breaks a rule."""
        if problems(self.draft):
            self.say("Put the settings right first: a preset must be sound.", "bad")
            return
        self._ask_name("", "")

    def _ask_name(self, name: str, title: str, wrong: str = "") -> None:
        words = f"✗ {wrong}" if wrong else WORDS
        fields = [(NAME, name, "such as my-face"), (TITLE, title, "a few words; may stay empty")]
        form = Form("Keep as a preset of your own", words, fields, does="Keep the preset", typed=bool(name or title))
        self.app.push_screen(form, self._named)

    def _named(self, typed: dict[str, str] | None) -> None:
        if typed is None:
            return
        from loratui.settings.own_presets import found_presets

        name, title = typed[NAME], typed[TITLE]
        if name and name in {one.name for one in found_presets().presets}:
            words = f"There is a preset '{safe_text(name, 40)}' of yours already."
            question = Confirm("Write over it?", words, "Write over it", "Another name", destroys=True)
            self.app.push_screen(
                question,
                lambda yes: self._save_preset(name, title, replace=True) if yes else self._ask_name(name, title),
            )
        else:
            self._save_preset(name, title, replace=False)

    def _save_preset(self, name: str, title: str, replace: bool) -> None:
        from loratui.settings.preset_file import save_preset

        try:
            saved = save_preset(name, answers_of(self.draft), "the wizard", title, replace=replace)
        except Refusal as error:
            self._ask_name(name, title, safe_text(error.messages[0], 200))
        else:
            self.say(saved.words, "good")
