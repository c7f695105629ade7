"""What the list of runs does with the run under its cursor: all that the run's own result does, from there."""

from __future__ import annotations

from textual import on

from loratui.results.best_checkpoint import checkpoints_of
from loratui.results.facts import read_facts, read_history
from loratui.results.run_hint import run_hint
from loratui.runs.find import link_trouble, saved_steps
from loratui.runs.past_run import PastRun
from loratui.screens.monitor.trouble import open_trouble
from loratui.screens.results.generating import ask_generate
from loratui.screens.results.longer import ask_longer
from loratui.screens.results.result_jobs import ResultJobs
from loratui.screens.shared.going_on import WentOn, ask_go_on
from loratui.screens.shared.step import Watch
from loratui.terminal.text import safe_text
from trainer.contract.run.rundir import RunDir

RunsAnswer = Watch | PastRun | None  # None: back


class RunDeeds(ResultJobs[RunsAnswer]):
    """Adds them to a list whose `kept_run` is the run under the cursor; what starts a trainer leads to its monitor."""

    def open_run(self) -> RunDir | None:
        """The run under the cursor, if it can be worked in; else why not is said."""
        run = self.kept_run
        if run is not None and (trouble := link_trouble(run)):
            self.refuse(trouble)
            return None
        return run

    def action_go_on(self) -> None:
        """The steps that are left; then it is watched."""
        if self.kept_run is not None:
            ask_go_on(self, self.kept_run)

    def action_begin(self) -> None:
        """A run that was never started."""
        self.action_go_on()

    def action_longer(self) -> None:
        """More steps; then it is watched."""
        if (run := self.open_run()) is not None:
            ask_longer(self, run)

    def action_fix(self) -> None:
        """What made it fail, and what to change to go on; then it is watched."""
        if (run := self.open_run()) is not None:
            open_trouble(self, run, read_history(run), lambda begun, _: self._watch(begun))

    def action_generate(self) -> None:
        """Pictures with what it trained."""
        if (run := self.open_run()) is not None:
            ask_generate(self, run, self.tell)

    def action_export(self) -> None:
        """The files of another step."""
        if self._look_into():
            self.ask_export(None)

    def action_push(self) -> None:
        """To the hub."""
        if self._look_into():
            self.ask_push()

    def _look_into(self) -> bool:
        """What the jobs are asked with, of the run under the cursor."""
        if (run := self.open_run()) is None:
            return False
        self.run_dir, self.facts = run, read_facts(run)
        history = read_history(run)
        self.found = checkpoints_of(history, saved_steps(run))
        self.hinted = run_hint(self.found, history, self.facts)
        return True

    def _watch(self, run: RunDir) -> None:
        self.dismiss(Watch(run))

    @on(WentOn)
    def _went_on(self, event: WentOn) -> None:
        if event.reason:
            self.refuse(safe_text(event.reason, 200))
        else:
            self._watch(event.run)
