"""The loss at fixed noise over a run: when it is measured, and whether that of held-out pictures still falls."""

from __future__ import annotations

from trainer.checkpoints.snapshot import Damaged, Snapshot, best_of, falls_no_more, load_checkpoint
from trainer.contract.paths import os_words
from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.arithmetic import APART, measured_rounds
from trainer.contract.settings.config import TrainConfig
from trainer.model.prompts import PromptCache
from trainer.step.measure import CheckpointMeasure
from trainer.step.trainee import Trainee

EARLY = 3  # what the first process tells the others where the run ends early


class Early(Exception):
    """The held-out loss was no lower for as many checkpoints as were agreed to: the run ends with the best one."""


class Measurements:
    """Measures at the checkpoints; `held` is what was found with pictures that are never trained on, by step."""

    def __init__(
        self,
        gauge: CheckpointMeasure,
        config: TrainConfig,
        log: EventLog | SilentLog,
        pictures: int,
        are_held: bool,
        begun: Snapshot | None,
    ) -> None:
        """`pictures`: how many are trained on; `begun`: the checkpoint that the run goes on from."""
        self._gauge, self._config, self._log = gauge, config, log
        self._pictures, self._are_held, self._last = pictures, are_held, begun.step if begun else 0
        self.held = dict(begun.held) if begun else {}

    def now(self, step: int) -> None:
        """What tells checkpoints apart: the loss at fixed noise and the size of the change. Never the end of a run."""
        train, self._last = self._config.train, step
        if not train.measure:
            return
        views = step * train.batch * train.accumulation / self._pictures
        loss = self._gauge.tell(self._log, step, round(views, 3), "held-out" if self._are_held else "training")
        if step and self._are_held and loss is not None:  # of the base model there is no checkpoint
            self.held[step] = loss

    def if_due(self, step: int) -> None:
        """At a checkpoint: unless so little was trained since the last time that measuring would slow the run down.

        A run that may end early is measured at each.
        """
        train = self._config.train
        seen = (step - self._last) * train.batch * train.accumulation
        often = self._config.stop.patience and step > self._last
        if often or seen >= APART * measured_rounds(self._config) or step == train.steps:
            self.now(step)

    @property
    def best(self) -> int:
        """The first step of the lowest held-out loss; 0 where none is known."""
        return best_of(self.held)

    @property
    def is_over(self) -> bool:
        """Whether so many checkpoints came after the best one as the settings wait for."""
        return falls_no_more(self.held, self._config.stop.patience)

    def take_best(self, run: RunDir, trainee: Trainee, prompts: PromptCache, done: int) -> int:
        """Put the best checkpoint into `trainee`, to be exported; returns its step, `done` where it cannot be read.

        Where its words are those of before the pivot, `prompts` are encoded anew for its pictures.
        """
        best = self.best
        if best != done:
            try:
                trainee.end_at(load_checkpoint(run.checkpoint(best), optimizer=False))
            except (Damaged, OSError) as error:
                advice = "the last step is exported in its place"
                self._log.emit(
                    "warn", code="early-stop", message=f"the best checkpoint: {os_words(error)}", advice=advice
                )
                return done
            if trainee.pivot is not None and best < trainee.pivot <= done:
                prompts.forget()
        self._log.emit("early", step=done, best=best, loss=self.held[best])
        return best
