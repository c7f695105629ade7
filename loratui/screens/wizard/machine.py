"""A step that needs to know the machine: its GPUs and past runs are looked at in a thread, the answer is a message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from textual import work
from textual.app import SystemCommand
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.worker import get_current_worker

from loratui.screens.shared.dialogs import Chooser
from loratui.screens.shared.step import Step
from loratui.settings.draft import Draft
from loratui.terminal.text import plural
from trainer.contract.run.devices import visible_gpus

if TYPE_CHECKING:
    from loratui.planning.hardware import Machine
    from loratui.planning.past_runs import PastRuns


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


def gpu_commands(screen: Screen[Any]) -> Iterator[SystemCommand]:
    """What Ctrl+P lists where a run is planned on a machine with several GPUs."""
    if isinstance(screen, MachineStep) and len(visible_gpus()) > 1:
        words = "Each step is shared; the plan then tells memory and time of one of them."
        yield SystemCommand("Share it between GPUs", words, screen.ask_gpus)
