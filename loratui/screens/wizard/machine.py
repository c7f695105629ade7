"""A step that needs to know the machine: GPU and past runs are looked at in a thread, the answer is a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work
from textual.message import Message
from textual.worker import get_current_worker

from loratui.screens.shared.step import Step
from loratui.settings.draft import Draft

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
