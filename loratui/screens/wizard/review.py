"""The plan before the run: what will happen, what stands in its way, what it is called; F2 starts it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from loratui.curation.groups import accept_keys, grouped
from loratui.curation.lines import question_lines
from loratui.errors import Refusal
from loratui.runs.find import RUNS
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.scan import ScanFailed, Scanned, ScanningStep, ScanProgressed
from loratui.screens.shared.step import Watch
from loratui.screens.wizard.machine import SLURM_HELP, ClusterStep, MachineSeen
from loratui.screens.wizard.plan_words import first_words, plan_words, to_accept, trouble_words, warning_words
from loratui.screens.wizard.ways_out import WaysOut
from loratui.settings.checks import answers_of, problems
from loratui.settings.names import run_name
from loratui.settings.problems import AnswersError
from loratui.settings.steps import suiting_reason, suiting_steps
from loratui.terminal.text import plural, safe_text
from trainer.contract.paths import expanded

if TYPE_CHECKING:
    from loratui.curation.report import Report
    from loratui.planning.hardware import Machine
    from loratui.planning.plan import Plan
    from loratui.screens.shared.queue_choice import When
    from loratui.settings.answers import Answers
    from loratui.settings.resolve import Resolved
    from trainer.contract.run.rundir import RunDir

WAYS_OUT = " F5 takes the small SDXL, F7 writes the answers for another machine."


class ReviewScreen(WaysOut, ClusterStep, ScanningStep):
    """Name and folder of the run, then the plan; nothing is started while something is wrong."""

    TITLE_OF = "Review"
    PURPOSE = "Is this what you want? F2 starts the training; Escape goes back."
    HELP = f"""
The plan is the same as 'loratui plan' prints: the run as one line, where the
pivot, the checkpoints and the samples fall; memory by part against what is
there, disk, and time as far as past runs here tell. Runs correct it.

  s    solve what was found: at the pictures, each by a key
  f3   fitting steps: the number that suits the pictures
  f4   make it fit: the cheapest changes, where memory is short
  f5   the small SDXL that ships with loratui, and f8 another base
       model: where it would not work here
  f7   write answers, for another machine or another day
  u    undo the last of these; U redo it

✗ stops the start and says how to solve it. ! is a warning: read it; F2 asks
whether you accept what the check of the pictures found.

The name becomes the files' names and the word of the embeddings. Without a
folder the run stands in ./runs under the date and its name. The command at
the end does the same without a screen.
{SLURM_HELP}"""

    def compose_body(self) -> ComposeResult:
        """Two fields, the plan."""
        for field, label, value, hint in (
            ("name", "name", str(self.draft.values.get("name") or self.suggested_name), "letters, digits, - and _"),
            ("out", "folder", self.draft.out, "./runs/DATE-TIME-NAME"),
        ):
            with Horizontal(classes="row"):
                yield Static(label, classes="label", markup=False)
                yield Input(value, placeholder=hint, id=field, compact=True, select_on_focus=False)
        with VerticalScroll(id="plan") as box:
            box.border_title = Content("plan")
            yield Static("", id="trouble-text", markup=False)
            with Vertical(id="plan-text"):
                yield Static("", id="plan-static", markup=False)

    def on_mount(self) -> None:
        """Check the pictures against the final settings, then plan."""
        self._report: Report | None = None
        self._reason = ""
        self._starting = False
        self._seen: MachineSeen | None = None
        if "name" not in self.draft.values:
            self.edit(self.draft.with_settings({"name": self.query_one("#name", Input).value}))
        self.query_one("#plan").focus()
        self.ask_hub()
        self.look_around(self.draft)
        self.check()

    @property
    def suggested_name(self) -> str:
        """A name from the class word or the folder."""
        return run_name(str(self.draft.get("dataset.class_word")), self.draft.folder.name)

    def check(self) -> None:
        """Plan with the last check of the pictures, or check them anew where the settings ask for it."""
        self._report = self.known_report()
        if self._report is None:
            self.say("Checking the pictures against these settings ...")
            self.check_pictures()
        else:
            self.make_plan()

    @on(ScanProgressed)
    def _progressed(self, event: ScanProgressed) -> None:
        self.say(event.words)

    @on(Scanned)
    def _scanned(self, event: Scanned) -> None:
        self.session.scan = event.scan
        self._report = event.scan.report
        self.mark_pictures()
        self.make_plan()

    @on(MachineSeen)
    def _looked(self, event: MachineSeen) -> None:
        self._seen = event
        self.make_plan()

    @on(ScanFailed)
    def _failed(self, event: ScanFailed) -> None:
        self._reason = event.reason
        self._show()

    @on(Input.Changed, "#name")
    @on(Input.Changed, "#out")
    def _typed(self) -> None:
        self.take_fields()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.focus_next()

    def take_fields(self) -> None:
        """Name and folder."""
        name, out = (self.query_one(f"#{field}", Input).value.strip() for field in ("name", "out"))
        before = self.draft
        self.edit(before.with_settings({"name": name}).with_fields(out=out))
        if self.draft != before:
            self.make_plan()

    def make_plan(self) -> None:
        from loratui.curation.report import outcome
        from loratui.settings.resolve import resolve

        if self._report is None or self._starting:  # a thread may tell more while this screen is taken away
            return
        self._outcome = outcome(self._report, self.draft.skipped, self.draft.accepted)
        self.edit(self.draft.with_fields(images=len(self._outcome.images)))
        self._reason, self._plan, self._resolved = "", None, None
        try:
            self._resolved = resolve(answers_of(self.draft), images=len(self._outcome.images))
        except AnswersError:
            self._reason = "; ".join(f"{key}: {words}" for key, words in problems(self.draft).items())
        else:
            self._plan = self._planned(None if self._seen is None else self._seen.machine)
        self._show()

    def _planned(self, machine: Machine | None) -> Plan:
        from loratui.planning.plan import make_plan

        assert self._resolved is not None and self._report is not None and self._outcome is not None
        knowledge = None if self._seen is None else self._seen.knowledge
        runs = expanded(self.draft.out).parent if self.draft.out else RUNS
        found, gpus = (self._resolved, self._report, self._outcome), self.session.gpus
        return make_plan(*found, runs=runs, machine=machine, knowledge=knowledge, gpus=gpus)

    def _show(self) -> None:
        self.refresh_bindings()
        trouble = trouble_words(self._reason, self._plan, self._outcome)
        warned = warning_words(self._plan, self._outcome, suiting_steps(self.draft), suiting_reason(self.draft))
        upper = [part for part in (first_words(self._plan), trouble, warned) if part is not None]
        (words := self.query_one("#trouble-text", Static)).display = bool(upper)
        words.update(Content("\n").join(upper))
        self.resized()
        if trouble is not None:
            where, ways = ("here", WAYS_OUT) if self._plan is not None and self._plan.first else ("yet", "")
            self.tell(f"It cannot start {where}: the lines with ✗ say why.{ways}", "bad")
        elif self.waits_for_hub:
            self.tell("Asking the hub about the base model ...", "")
        elif self._plan is not None and self._plan.slow:
            slurm = "F9 hands it to Slurm, " if self.has_slurm else ""
            self.tell(f"Not ready: no GPU. {slurm}F5 the small SDXL, F7 the answers for another machine.", "warn")
        elif found := grouped(to_accept(self._outcome)):
            them = "it" if len(found) == 1 else "them"
            self.tell(f"F2 starts, after asking about {plural(len(found), 'finding')}; s solves {them}.", "warn")
        elif self._plan is not None and self._plan.verdict is not None and not self._plan.verdict.fits:
            self.tell(f"F2 starts, but: {self._plan.verdict.words}. F4: what helps", "warn")
        elif self._plan is not None:
            fits = self._plan.verdict
            more = f"It {fits.words}." if fits is not None else "" if self._seen else "Looking at the GPU ..."
            self.tell(f"Ready: F2 starts the training. {'' if self._done else more}".rstrip(), "good")

    def resized(self) -> None:
        """Lay the plan out for the room that there is now."""
        words = Content("") if self._plan is None else plan_words(self._plan, self.size.width - 9)
        self.query_one("#plan-static", Static).update(words)

    def action_next(self) -> None:
        """Start, if nothing stands in the way; unaccepted warnings are asked about first."""
        self.take_fields()
        if self._starting or self._outcome is None or self.waits_for_hub:
            return
        if trouble_words(self._reason, self._plan, self._outcome) is not None:
            if self._plan is not None and self._plan.base:
                self.ask_hub(again=True)  # it may be reached by now
            return
        if self._plan is not None and self._plan.slow:
            words = f"{self._plan.slow}\n\nIt can be stopped at any step, and resumed."
            self.app.push_screen(Confirm("Train here all the same?", words, "Train here", "Not here", True), self._here)
            return
        self._ask_and_start(self._start)

    def _here(self, yes: bool | None) -> None:
        if yes:
            self._ask_and_start(self._start)

    def _ask_and_start(self, start: Callable[[], None]) -> None:
        assert self._outcome is not None
        found = to_accept(self._outcome)
        if not found:
            start()
            return
        shown = question_lines(found)
        words = "\n".join(shown) + "\n\nWhat is accepted is noted in the answer file, so that a replay runs as well."
        title = f"Train without solving {plural(len(shown), 'finding')}?"
        careful = bool(self._outcome.blocking)
        question = Confirm(title, words, "Accept and start", "Not yet", careful)
        self.app.push_screen(question, lambda yes: self._accept(yes, start))

    def _accept(self, yes: bool | None, start: Callable[[], None]) -> None:
        if yes and self._outcome is not None:
            keys = accept_keys(to_accept(self._outcome))
            self.edit(self.draft.with_settings({"dataset.accept": tuple(dict.fromkeys((*self.draft.accepted, *keys)))}))
            self.make_plan()
            start()

    def _start(self) -> None:
        from loratui.screens.shared.queue_choice import ask_when

        if self._resolved is not None:
            ask_when(self, self.draft.out, self._begin)

    def _begin(self, when: When) -> None:
        from loratui.screens.shared.queue_choice import begin

        self._starting = True
        try:
            run = self._made_for(self._plan)
            begin(run, when, self.session.gpus)
        except Refusal as error:
            self._starting = False
            self.say(safe_text(error), "bad")
            return
        self.dismiss(Watch(run, started=True))

    def action_slurm(self) -> None:
        """Hand it to the cluster: what this machine has is not held against it."""
        from loratui.planning.hardware import elsewhere

        self.take_fields()
        if self._starting or self._outcome is None or self._resolved is None or self.waits_for_hub:
            return
        plan = self._planned(elsewhere(self._resolved.config.train.device))
        if trouble_words(self._reason, plan, self._outcome) is not None:
            self.say(
                safe_text(plan.errors[0]) if plan.errors else "It cannot start there either: the lines with ✗ say why.",
                "bad",
            )
            return
        self._ask_and_start(lambda: self.ask_slurm(lambda: self._made_for(plan)))

    def _made_for(self, plan: Plan | None) -> RunDir:
        from loratui.runs.launch import create_run

        out = Path(self.draft.out) if self.draft.out else None
        return create_run(*self._on_folder(plan), out, advice="type another folder above the plan")

    def _on_folder(self, plan: Plan | None) -> tuple[Resolved, Answers]:
        from loratui.curation.sources import in_folder
        from loratui.planning.plan import settled

        assert self._resolved is not None and self._report is not None
        return in_folder(
            settled(self._resolved, plan), answers_of(self.draft), self._report.folder, self._report.beside
        )
