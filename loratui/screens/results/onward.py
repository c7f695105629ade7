"""Where one goes on from a result: its trainer again, longer, what made it fail, a new run; or its name and its end."""

from __future__ import annotations

from textual import on

from loratui.events.history import History
from loratui.runs.past_run import PastRun
from loratui.runs.possible import Possible
from loratui.screens.monitor.trouble import Restarted, open_trouble
from loratui.screens.results.keeping import RunKept
from loratui.screens.results.longer import ask_longer
from loratui.screens.results.result_jobs import ResultAnswer, ResultJobs
from loratui.screens.shared.going_on import WentOn, ask_go_on
from loratui.terminal.text import safe_text
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir


class Onward(ResultJobs[ResultAnswer]):
    """Adds the keys to a screen that has `run_dir`, `history` and `_now`."""

    history: History
    _now: Possible | None = None

    def say_note(self) -> None:
        """Show the note on the run."""
        raise NotImplementedError

    def action_fix(self) -> None:
        """What happened, and what to change to go on."""
        open_trouble(self, self.run_dir, self.history, self._again)

    def _again(self, run: RunDir, pid: int) -> None:
        self.dismiss(Restarted(run, pid))

    def action_go_on(self) -> None:
        """The steps that are left of this run."""
        ask_go_on(self, self.run_dir)

    def action_longer(self) -> None:
        """More steps for this run."""
        ask_longer(self, self.run_dir)

    @on(WentOn)
    def _went_on(self, event: WentOn) -> None:
        if event.reason:
            self.tell(safe_text(event.reason, 200), bad=True)
        elif (holder := lock_holder(event.run.lock)) is not None:
            self.dismiss(Restarted(event.run, holder.pid))
        else:
            self.dismiss(False)

    @property
    def kept_run(self) -> RunDir | None:
        """This run."""
        return self.run_dir

    @property
    def possible(self) -> Possible | None:
        """What can be done with it."""
        return self._now

    def begin_from(self, past: PastRun) -> None:
        """To the wizard."""
        self.dismiss(past)

    def refuse(self, words: str) -> None:
        """In the line above the keys."""
        self.tell(words, bad=True)

    @on(RunKept)
    def _kept(self, event: RunKept) -> None:
        if event.reason:
            self.tell(safe_text(event.reason, 200), bad=True)
        elif event.now is None:
            self.dismiss("deleted")
        elif event.now != event.run:
            self.dismiss(event.now)  # shown anew, under its new name
        else:
            self.say_note()
