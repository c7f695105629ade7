"""What can be done with a finished run, from its screen: export another step, generate, push; each a real program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from textual.content import Content
from textual.screen import ScreenResultType

from loratui.errors import Refusal
from loratui.results.best_checkpoint import CheckpointHint, MeasuredStep
from loratui.results.facts import RunFacts
from loratui.results.parcel import REPOSITORY, make_parcel, parcel_lines
from loratui.runs.find import saved_steps
from loratui.runs.past_run import PastRun
from loratui.screens.monitor.trouble import Restarted
from loratui.screens.results.generating import ask_generate
from loratui.screens.results.job import Job, JobResult, JobScreen, folder_words, path_read, upload_read
from loratui.screens.results.keeping import KeepingKeys
from loratui.screens.shared.copy_box import copy
from loratui.screens.shared.dialogs import Chooser, Reader
from loratui.screens.shared.editors import Form
from loratui.screens.shared.questions import Confirm
from loratui.terminal.text import plural, safe_text, show_path
from trainer.contract.paths import can_see, expanded, is_folder
from trainer.contract.run.rundir import RunDir

FOLDER, REPO, WHO, THERE = "folder", "repository", "visibility", "if it is there"
ResultAnswer = bool | Literal["deleted"] | RunDir | Restarted | PastRun
PUSH = (
    "The next screen shows every file before anything is sent. Visibility: private, or public. A repository that is "
    "there already is refused, or (update) files of the same names are replaced in it."
)


class ResultJobs(KeepingKeys[ScreenResultType]):
    """Adds the three to a screen that has `run_dir`, `facts`, `found` and `hinted`."""

    run_dir: RunDir
    facts: RunFacts
    found: tuple[MeasuredStep, ...]
    hinted: CheckpointHint

    def tell(self, words: str, bad: bool = False) -> None:
        """Answer in a line of the screen."""
        raise NotImplementedError

    def files_changed(self) -> None:
        """A job wrote files into the run."""

    # -- export another step --------------------------------------------------------------------------------------

    def ask_export(self, at: int | None) -> None:
        """Choose the checkpoint, starting on `at`."""
        kept = saved_steps(self.run_dir)
        lines = [(str(step), _checkpoint_line(step, self.found, self.hinted.step)) for step in reversed(kept)]
        start = at if at in kept else self.hinted.step
        self.app.push_screen(Chooser("Export which checkpoint?", lines, str(start or kept[-1])), self._ask_folder)

    def _ask_folder(self, step: str | None, typed: str = "") -> None:
        if step is None:
            return
        folder = self.run_dir.path / f"export-step-{int(step):06d}"
        words = f"The files of step {step}, written and proved as at the end of a run. The finished files stay."
        fields = [(FOLDER, typed or show_path(folder), "a folder")]
        form = Form("Export a checkpoint", words, fields, _no_folder, does="Export it", typed=bool(typed))
        self.app.push_screen(form, lambda given: self._check_out(step, given))

    def _check_out(self, step: str, given: dict[str, str] | None) -> None:
        if given is None:
            return
        out = expanded(given[FOLDER]).absolute()
        if is_folder(out) and any(out.iterdir()):
            there = ", ".join(safe_text(one.name) for one in sorted(out.iterdir())[:8])
            words = f"{show_path(out)} holds files: {there}\n\nFiles of the same names are replaced, others stay."
            question = Confirm("Write over them?", words, "Write over", "Another folder", destroys=True)
            self.app.push_screen(
                question, lambda yes: self._export(step, out) if yes else self._ask_folder(step, given[FOLDER])
            )
        else:
            self._export(step, out)

    def _export(self, step: str, out: Path) -> None:
        options = [f"--checkpoint={step}", f"--out={out}"]
        command = [sys.executable, "-m", "trainer.export", *options, "--", str(self.run_dir.path)]
        first = "loading the base model and the checkpoint"
        left = "Files are put in place only when all of them are proved: what was there before stays."
        job = Job(f"Export of step {step}", command, first, path_read("wrote", 0), self.facts.threads, left)
        self.app.push_screen(JobScreen(job), self._exported)

    def _exported(self, result: JobResult | None) -> None:
        if result is not None and result.made:
            where = folder_words(Path(result.made[-1]), self.run_dir.path)
            self.tell(f"{plural(len(result.made), 'file')} exported into {where}.")
            self.files_changed()

    # -- generate -------------------------------------------------------------------------------------------------

    def ask_generate(self, at: int | None) -> None:
        """Ask for prompt, seed, scale, count, checkpoint, and draw."""
        ask_generate(self, self.run_dir, self.tell, at)

    # -- push to the hub ------------------------------------------------------------------------------------------

    def ask_push(self, given: dict[str, str] | None = None, wrong: str = "") -> None:
        """Ask for the repository and who may see it."""
        now = given or self._push_defaults()
        fields = [(REPO, safe_text(now[REPO]), "owner/name, or a name")]
        fields += [(WHO, now[WHO], "private, or public"), (THERE, now[THERE], "refuse, or update")]
        words = f"✗ {wrong}" if wrong else PUSH
        self.app.push_screen(
            Form("Push to the hub", words, fields, does="See what would be sent", typed=given is not None),
            self._preview,
        )

    def _push_defaults(self) -> dict[str, str]:
        return {REPO: self.facts.name, WHO: "private", THERE: "refuse"}

    def _preview(self, given: dict[str, str] | None) -> None:
        if given is None:
            return
        who, there = given[WHO].lower() or "private", given[THERE].lower() or "refuse"
        if not REPOSITORY.fullmatch(given[REPO]):
            self.ask_push(given, "repository: owner/name in letters, digits, '-', '_' and '.'")
            return
        if who not in ("private", "public"):
            self.ask_push(given, "visibility: private or public")
            return
        if there not in ("refuse", "update"):
            self.ask_push(given, "if it is there: refuse or update")
            return
        try:
            parcel = make_parcel(self.run_dir.export, self.facts.name)
        except Refusal as refusal:
            self.tell(refusal.messages[0], bad=True)
            return
        repository, public = given[REPO], who == "public"
        shown = repository if "/" in repository else f"{repository} (of your account)"
        body = Content("\n").join(map(Content, parcel_lines(parcel, shown, public)))
        if parcel.final:
            self.app.push_screen(Reader("Nothing can be sent", body))
            return

        def answer(agreed: bool | None) -> None:
            if agreed:
                self._push(repository, options)
            elif given != self._push_defaults():
                self.ask_push(given)
            else:
                self.tell("Nothing was sent.")

        yes = "Send, for everyone to see" if public else "Send, private"
        title = "Send these files?"
        if parcel.problems:
            title, yes = "This tells others more than the LoRA. Send it?", f"{yes}, with all of that"
        question = Confirm(title, body, yes, "Send nothing", careful=True)
        options = [
            *(f"--accept={key}" for key in parcel.asked),
            f"--repo={repository}",
            *(["--public"] if public else []),
            *(["--update"] if there == "update" else []),
        ]
        self.app.push_screen(question, answer)

    def _push(self, repository: str, options: list[str]) -> None:
        command = [sys.executable, "-m", "loratui", "push", "--yes", "--events", *options, "--", str(self.run_dir.path)]
        left = "Nothing is in the repository until all files are there; it may stay behind, empty."
        job = Job(f"Push to {safe_text(repository)}", command, "asking the hub", upload_read, 1, left)
        self.app.push_screen(JobScreen(job), self._pushed)

    def _pushed(self, result: JobResult | None) -> None:
        if result is not None and result.made:
            self.tell(f"On the hub: {result.made[-1]}")
            copy(self.app, result.made[-1])


def _checkpoint_line(step: int, found: tuple[MeasuredStep, ...], best: int | None) -> Content:
    one = next((one for one in found if one.step == step), MeasuredStep(step))
    facts = [] if one.loss is None else [f"loss {one.loss:.4f}"]
    facts += [] if one.norm is None else [f"norm {one.norm:.3g}"]
    facts += [] if one.views is None else [f"{one.views:.1f} views per image"]
    facts += ["the hint"] if step == best else []
    return Content.assemble((f"step {step}", "bold"), (f"  {' · '.join(facts)}", "$muted"))


def _no_folder(given: dict[str, str]) -> str:
    out = expanded(given[FOLDER]).absolute()
    if not given[FOLDER]:
        return "Name a folder; it need not be there yet."
    return f"{show_path(out)} is a file; name a folder." if can_see(out) and not is_folder(out) else ""
