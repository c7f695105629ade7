"""The steps of a run and what is told of them: each in its turn, once its numbers have come off the device."""

from __future__ import annotations

import time
from collections import deque

import torch

from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.settings.config import TrainConfig
from trainer.data.dataset import ViewPlan
from trainer.ground.machine import RamPeak, memory_now
from trainer.step.step import StepOutcome, Stepper, TakenStep


class StepLog:
    """Takes steps and writes an event for each; on a GPU some steps later, so that it never waits for the host.

    `known` is the last step that was told. Whoever reads the trained numbers asks for all to be told before.
    """

    def __init__(
        self, stepper: Stepper, log: EventLog | SilentLog, config: TrainConfig, plan: ViewPlan, known: int
    ) -> None:
        self.known = known
        self._stepper, self._log, self._config = stepper, log, config
        self._pictures, self._places = len(plan.items), plan.places
        self._open: deque[TakenStep] = deque()
        self._told_at = 0.0
        self._peak = RamPeak.begin()  # all is loaded: what comes now is what the plan is about

    def take(self, step: int) -> None:
        """Take a step, and tell those whose numbers are due. Raises NotFinite, as `tell_all`."""
        try:
            self._open.append(self._stepper.take(step))
        except torch.OutOfMemoryError:  # the steps before it went well
            self.tell_all()
            raise
        self._tell(self._stepper.lag)

    def tell_all(self) -> None:
        """Wait for every step that was taken. Raises NotFinite for the first that failed: none after it was applied."""
        self._tell(0)

    def _tell(self, left: int) -> None:
        while len(self._open) > left:
            self._tell_one(self._open.popleft())

    def _tell_one(self, taken: TakenStep) -> None:
        try:
            outcome = self._stepper.outcome(taken)
        except ArithmeticError:
            self._open.clear()
            raise
        train, now = self._config.train, time.monotonic()
        views = taken.step * train.batch * train.accumulation
        self._log.emit(
            "step",
            step=taken.step,
            loss=outcome.loss,
            **_parts(outcome),
            grad_norm=outcome.grad_norm,
            rates=outcome.rates,
            s=round(now - max(taken.began, self._told_at), 5),
            data=round(taken.waited, 6),
            epoch=round(views / self._places, 3),
            views=round(views / self._pictures, 3),
            applied=outcome.applied,
            **memory_now(self._stepper.device, self._peak),
        )
        self.known, self._told_at = taken.step, now


def _parts(outcome: StepOutcome) -> dict[str, float]:
    """The loss of your pictures and that of the class pictures, where there are any."""
    if outcome.instance is None or outcome.classes is None:
        return {}
    return {"loss_instance": outcome.instance, "loss_class": outcome.classes}
