"""Keys of the review for a run that would not work here: the small model, another base model, another machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input
from textual.worker import get_current_worker

from loratui.basemodels.facts import BaseModelNeed
from loratui.screens.shared.base_model import BaseModelScreen
from loratui.screens.shared.copy_box import copy
from loratui.screens.shared.editors import Form
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.scan import ScanningStep
from loratui.screens.shared.undoing import UndoingStep
from loratui.screens.wizard.plan_words import fitting_words
from loratui.settings.bases import with_base
from loratui.settings.checks import answers_of, changed_words, effective
from loratui.settings.demo import SMALL_SIZE
from loratui.settings.drafts.draft import Draft
from loratui.settings.steps import suiting_steps
from loratui.terminal.text import not_written, plural, safe_text, shell_path, show_path
from trainer.contract.paths import can_see, expanded, is_folder

if TYPE_CHECKING:
    from loratui.curation.report import Outcome
    from loratui.planning.plan import Plan
    from loratui.settings.resolve import Resolved

FILE = "file"
WORDS = "All that was chosen, as the answer file that 'loratui replay' runs without a question. Nothing is started."


class HubAnswered(Message):
    """The hub said how large the base model is, and what its licence and gate are."""


class WaysOut(UndoingStep, ScanningStep):
    """Adds them to a step that shows a plan."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "next", "Start"),
        Binding("s", "solve", "Solve"),
        Binding("f3", "steps", "Fitting steps"),
        Binding("f4", "fit", "Make it fit"),
        Binding("f5", "small", "Small SDXL"),
        Binding("f7", "write", "Write answers"),
        Binding("f8", "base", "Base model"),
        Binding("u", "undo", "Undo"),
    ]
    _plan: Plan | None = None
    _outcome: Outcome | None = None
    _resolved: Resolved | None = None
    _done = ""  # what was decided here last, until the next
    _asking = False

    def check(self) -> None:
        """Look at the pictures again if the settings ask for it, and plan."""

    def make_plan(self) -> None:
        """Plan with what is known of the pictures."""

    def plan_anew(self) -> None:
        """The settings changed, the base model perhaps."""
        self.ask_hub()
        self.check()

    def ask_hub(self, again: bool = False) -> None:
        """Find out whether the base model can be had, and plan then; `again`: though this process has asked before."""
        self._asking = True
        self._ask_hub(again)

    @work(thread=True, exclusive=True, group="hub")
    def _ask_hub(self, again: bool = False) -> None:
        from loratui.basemodels.facts import ask_missing

        ask_missing(effective(self.draft), again)
        if not get_current_worker().is_cancelled:
            self.post_message(HubAnswered())

    @on(HubAnswered)
    def _answered(self) -> None:
        self._asking = False
        self.make_plan()

    @property
    def waits_for_hub(self) -> bool:
        """Whether it is not known yet that the base model can be had."""
        from loratui.basemodels.words import base_absent

        return self._asking and self._resolved is not None and base_absent(self._resolved.config)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys are there where the plan says why."""
        plan = self._plan
        if action == "steps":
            return bool(suiting_steps(self.draft))
        if action == "solve":
            return self._outcome is not None and bool(self._outcome.to_decide) and not isinstance(self.focused, Input)
        if action == "undo":
            return bool(self.session.undo) and not isinstance(self.focused, Input)
        if action == "fit":
            return plan is not None and plan.proposal is not None
        if action == "small":
            return plan is not None and bool(plan.first)
        if action == "base":
            return plan is not None and bool(plan.base)
        return super().check_action(action, parameters)

    def action_small(self) -> None:
        """The same pictures and words on the small SDXL."""
        draft = self.draft.with_settings({"model.revision": None, "model.vae_revision": None, **SMALL_SIZE})
        self.do(f"The small SDXL: {changed_words(self.draft, draft)}.", draft)

    def action_solve(self) -> None:
        """What was found, at the pictures, where each has a key that solves it."""
        from loratui.screens.wizard.dataset import PicturesScreen

        trigger = {"dataset.trigger": effective(self.draft)["dataset.trigger"]}  # it is known here
        pictures = PicturesScreen(self.draft.with_settings(trigger), self.session)
        pictures.at_findings = True

        def back(_: object) -> None:
            self.edit(pictures.draft)
            self.check()

        self.app.push_screen(pictures, back)

    def remember_done(self, words: str) -> None:
        """The words stay before the verdict of the plan."""
        self._done = words

    def tell(self, words: str, tone: str) -> None:
        """The verdict of the plan, after what was decided here last."""
        self.say(f"{self._done} {words}".strip(), tone)

    def action_steps(self) -> None:
        """The number of steps that suits the pictures."""
        if steps := suiting_steps(self.draft):
            self.do(f"{plural(steps, 'step')}.", self.draft.with_settings({"train.steps": steps}))

    def take_draft(self, draft: Draft) -> None:
        """Plan with what was decided, or without it again."""
        super().take_draft(draft)
        self.plan_anew()

    def action_fit(self) -> None:
        """Show what would make the run fit, and make the changes if the person wants them."""
        proposal = self._plan.proposal if self._plan is not None else None
        if proposal is None:
            return
        from loratui.planning.fitting import nothing_words

        if not proposal.changes:
            self.say(nothing_words(proposal), "bad")
            return
        title = f"Make it fit: {plural(len(proposal.changes), 'change')}"
        words = fitting_words(proposal, min(68, self.size.width - 8))
        self.app.push_screen(Confirm(title, words, "Change", "Leave as it is"), self._fit)

    def _fit(self, yes: bool | None) -> None:
        if yes and self._plan is not None and self._plan.proposal is not None:
            self.edit(self.draft.with_settings(self._plan.proposal.settings))
            self.check()

    def action_base(self) -> None:
        """Another base model, or another place for it."""
        values = effective(self.draft)
        chooser = BaseModelScreen(str(values["model.base"]), BaseModelNeed.of(values), "Next: back to the plan.")
        self.app.push_screen(chooser, self._base_taken)

    def _base_taken(self, value: str | None) -> None:
        if value is not None and value != str(effective(self.draft)["model.base"]):
            chosen = with_base(self.draft, value)
            side = chosen.get("train.resolution")
            own = f", the resolution {side} px" if side != self.draft.get("train.resolution") else ""
            self.do(f"The base model is {safe_text(value, 40)}{own}.", chosen)

    def action_write(self) -> None:
        """Write the answer file, for another machine or another day."""
        self.take_fields()
        self._ask_file(f"{self.draft.get('name') or 'answers'}.toml")

    def _ask_file(self, name: str, typed: bool = False) -> None:
        form = Form(
            "Write the answers",
            WORDS,
            [(FILE, name, "such as anna.toml")],
            _wrong_file,
            does="Write the file",
            typed=typed,
        )
        self.app.push_screen(form, self._named)

    def _named(self, given: dict[str, str] | None) -> None:
        if given is None:
            return
        path = expanded(given[FILE])
        if can_see(path):
            words = f"{show_path(path)} is there already; it would hold these answers and nothing else."
            question = Confirm("Write over it?", words, "Write over it", "Another name", destroys=True)
            self.app.push_screen(question, lambda yes: self._write(path) if yes else self._ask_file(given[FILE], True))
        else:
            self._write(path)

    def _write(self, path: Path) -> None:
        from loratui.settings.answers import write_answers

        draft = self.draft.with_settings({"train.device": None}) if self._plan and self._plan.slow else self.draft
        try:
            write_answers(path, answers_of(draft))
        except OSError as error:
            self.say(not_written(path, error), "bad")
            return
        self.say(f"Written: {show_path(path)}. Nothing was started.", "good")
        copy(self.app, elsewhere(path, self.draft.folder))


def elsewhere(path: Path, folder: Path) -> str:
    """The commands that take answers and pictures to another machine and run them there."""
    name, pictures = shell_path(path.name), shell_path(folder.name)
    return "\n".join(
        [
            f"# written: {show_path(path)}; to a machine with a GPU and loratui:",
            f"scp -r {shell_path(path)} {shell_path(folder)} USER@MACHINE:",
            "# there:",
            f"loratui plan {name} --set dataset.path={pictures}",
            f"loratui replay {name} --set dataset.path={pictures}",
        ]
    )


def _wrong_file(given: dict[str, str]) -> str:
    path = expanded(given[FILE])
    if not given[FILE].endswith(".toml"):
        return "Type a name that ends with .toml."
    if is_folder(path):
        return f"{show_path(path)} is a folder."
    parent = path.absolute().parent
    return "" if is_folder(parent) else f"There is no folder {show_path(parent)}."
