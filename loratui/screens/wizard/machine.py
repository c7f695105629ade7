"""A step that needs to know where it will train: the machine, looked at in a thread; a cluster, where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.worker import get_current_worker

from loratui.errors import Refusal
from loratui.screens.shared.dialogs import Chooser, Help
from loratui.screens.shared.slurm_choice import ask_options, has_slurm
from loratui.screens.shared.step import Step, Watch
from loratui.settings.drafts.draft import Draft
from loratui.terminal.text import plural, safe_text
from trainer.contract.entries import remove_folder
from trainer.contract.run.devices import visible_gpus
from trainer.contract.run.rundir import RunDir

if TYPE_CHECKING:
    from loratui.planning.hardware import Machine
    from loratui.planning.past_runs import PastRuns
    from loratui.runs.engines import Slurm


SLURM_HELP = """
  f9   hand it to Slurm, as 'loratui replay --slurm' does: one job, which this
       machine only watches; it asks for options of sbatch first
"""


class MachineSeen(Message):
    """What there is to train on, and what past runs taught of it."""

    def __init__(self, machine: Machine, knowledge: PastRuns) -> None:
        super().__init__()
        self.machine, self.knowledge = machine, knowledge


class MachineStep(Step):
    """`look_around` answers with MachineSeen; nvidia-smi may take seconds for it."""

    @work(thread=True, exclusive=True, group="look")
    def look_around(self, draft: Draft) -> None:
        """Look at the machine that `draft` would be trained on, and count the runs that nobody has counted."""
        from loratui.planning.past_runs import gather

        machine, knowledge = self.session.look(draft.get("train.device")), gather()
        if not get_current_worker().is_cancelled:
            self.post_message(MachineSeen(machine, knowledge))

    def make_plan(self) -> None:
        """Work the plan out for what is chosen now."""
        raise NotImplementedError

    def ask_gpus(self) -> None:
        """Between how many of the machine's GPUs each step of the run is shared."""
        counts = range(1, len(visible_gpus()) + 1)
        lines = [(str(one), Content(plural(one, "GPU"))) for one in counts]

        def take(chosen: str | None) -> None:
            if chosen is not None:
                self.session.gpus = int(chosen)
                self.make_plan()

        self.app.push_screen(Chooser("How many GPUs share it?", lines, str(self.session.gpus)), take)


class HandedIn(Message):
    """A cluster has `run`; or `reason` says why it does not, and nothing was left behind."""

    def __init__(self, run: RunDir | None, reason: str = "") -> None:
        super().__init__()
        self.run, self.reason = run, reason


class ClusterStep(MachineStep):
    """Adds the key that hands the run to Slurm, where it and submitit are; elsewhere nothing is seen of it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f9", "slurm", "Slurm")]
    _starting = False

    @cached_property
    def has_slurm(self) -> bool:
        """Whether a run can be handed in from here."""
        return has_slurm()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The key is there where there is a cluster."""
        return self.has_slurm if action == "slurm" else super().check_action(action, parameters)

    def action_help(self) -> None:
        """Say what the keys do and what the step is for."""
        self.app.push_screen(Help(self.TITLE_OF, self.HELP if self.has_slurm else self.HELP.replace(SLURM_HELP, "")))

    def action_slurm(self) -> None:
        """Hand it to the cluster."""
        raise NotImplementedError

    def ask_slurm(self, make: Callable[[], RunDir]) -> None:
        """Ask with which options of sbatch, then `make` the run and hand it in."""

        def take(engine: Slurm) -> None:
            self._starting = self.waits = True
            self.say("Handing it to Slurm ...")
            self._hand_in(make, engine)

        ask_options(self, "Hand it in", take)

    @work(thread=True, exclusive=True, group="slurm")
    def _hand_in(self, make: Callable[[], RunDir], engine: Slurm) -> None:
        """sbatch may take seconds."""
        run: RunDir | None = None
        try:
            run = make()
            engine.put_in(run, self.session.gpus)
        except Refusal as refusal:
            if run is not None:
                remove_folder(run.path, run.path.parent)
            self.post_message(HandedIn(None, " ".join(refusal.messages)))
        else:
            self.post_message(HandedIn(run))

    @on(HandedIn)
    def _handed_in(self, event: HandedIn) -> None:
        self._starting = False
        if event.run is None:
            self.stop_waiting()
            self.say(safe_text(event.reason, 400), "bad")
        else:
            self.dismiss(Watch(event.run, started=True))


def gpu_commands(screen: Screen[Any]) -> Iterator[SystemCommand]:
    """What Ctrl+P lists where a run is planned on a machine with several GPUs."""
    if isinstance(screen, MachineStep) and len(visible_gpus()) > 1:
        words = "Each step is shared; the plan then tells memory and time of one of them."
        yield SystemCommand("Share it between GPUs", words, screen.ask_gpus)
