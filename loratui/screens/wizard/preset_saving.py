"""Keeps the present settings as a preset of one's own: one dialog, from the settings' screen."""

from __future__ import annotations

from loratui.errors import Refusal
from loratui.screens.shared.dialogs import Confirm, Form
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
            self.say("Put the settings right first: a preset must hold.", "bad")
            return
        fields = [(NAME, "", "such as my-face"), (TITLE, "", "a few words; may stay empty")]
        self.app.push_screen(Form("Keep as a preset of your own", WORDS, fields), self._named)

    def _named(self, typed: dict[str, str] | None) -> None:
        if typed is None:
            return
        from loratui.settings.own_presets import found_presets

        name, title = typed[NAME], typed[TITLE]
        if name and name in {one.name for one in found_presets().presets}:
            words = f"There is a preset '{safe_text(name, 40)}' of yours already."
            question = Confirm("Write over it?", words, "Write over it", "Keep the old one", careful=True)
            self.app.push_screen(question, lambda yes: self._save_preset(name, title, replace=True) if yes else None)
        else:
            self._save_preset(name, title, replace=False)

    def _save_preset(self, name: str, title: str, replace: bool) -> None:
        from loratui.settings.preset_file import save_preset

        try:
            saved = save_preset(name, answers_of(self.draft), "the wizard", title, replace=replace)
        except Refusal as error:
            self.say(safe_text(error.messages[0], 200), "bad")
        else:
            self.say(saved.words, "good")
