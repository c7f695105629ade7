"""Where runs go that are not trained in front of somebody: the queue of this machine, or a Slurm cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loratui.errors import Refusal
from loratui.runs import queue
from loratui.runs.find import run_info
from loratui.runs.launch import leave_slurm
from loratui.runs.queue import Say
from loratui.runs.slurm import entry_of
from loratui.runs.states import run_word
from loratui.terminal.text import safe_text, show_path
from trainer.contract.paths import can_see
from trainer.contract.run import exits
from trainer.contract.run.rundir import RunDir


@dataclass(frozen=True)
class LocalQueue:
    """The queue of the folder of the runs: one after the other on this machine, or one on each GPU."""

    is_local = True

    def words(self, runs: Path) -> str:
        """What is said of it."""
        return f"in the queue of {show_path(runs)}"

    def put_in(self, run: RunDir, gpus: int = 1) -> None:
        """Let `run` wait there; it leaves a cluster where it was before. Raises Refusal."""
        leave_slurm(run)
        queue.put_in(run, gpus)

    def add(self, run: RunDir, gpus: int = 1, say: Say = print) -> int:
        """The same, said; returns the exit code. Raises Refusal."""
        leave_slurm(run)
        return queue.add(run, gpus, say)


@dataclass(frozen=True)
class Slurm:
    """A cluster: each run is a job of its own."""

    options: tuple[tuple[str, str], ...] = ()  # of sbatch
    is_local = False

    def words(self, runs: Path) -> str:
        """What is said of it."""
        told = " ".join(f"{key}={value}" if value else key for key, value in self.options)
        return f"handed to Slurm{f' ({safe_text(told, 100)})' if told else ''}"

    def put_in(self, run: RunDir, gpus: int = 1) -> None:
        """Submit `run`; one that waits in this machine's queue leaves it. Raises Refusal."""
        from loratui.runs.slurm_submit import submit

        info = run_info(run)
        queue.refuse_over(info)
        if info.alive:
            raise Refusal(f"{show_path(run.path)} is {info.state}", exits.RUNNING)
        submit(run, self.options, gpus)
        if can_see(run.queued):
            with suppress(Refusal):  # it has just left it
                queue.cancel(run)

    def add(self, run: RunDir, gpus: int = 1, say: Say = print) -> int:
        """The same, said; returns the exit code. Raises Refusal."""
        try:
            self.put_in(run, gpus)
        except Refusal as refusal:
            again = f"the run is made; hand it in with: loratui queue add {run_word(run)} --slurm"
            raise Refusal([*refusal.messages, again], refusal.code) from None
        entry = entry_of(run)
        say(f"{self.words(run.path.parent)}: job {entry.job if entry else '?'}")
        say(f"Watch it: loratui attach {run_word(run)}    Stop it: loratui stop {run_word(run)}")
        return exits.DONE


Engine = LocalQueue | Slurm
LOCAL = LocalQueue()


def chosen(slurm: bool | None, options: Sequence[str], before: Iterable[RunDir] = ()) -> Engine | None:
    """What the options say: None where nothing was said. Raises Refusal where Slurm was asked for and is not there.

    `before`: runs that go on; what was in Slurm goes there again unless told otherwise, with the options it had.
    """
    from loratui.runs.slurm_submit import read_options, refuse_without_slurm

    had = None if slurm is False else next((one for run in before if (one := entry_of(run)) is not None), None)
    if options and slurm is False:
        raise Refusal("--slurm-option is for --slurm")
    if not slurm and not options and had is None:
        return LOCAL if slurm is False else None
    refuse_without_slurm()
    before_them = [f"{key}={value}" for key, value in had.options] if had else []
    return Slurm(read_options([*before_them, *options]))  # what lies in a folder is judged as what is typed
