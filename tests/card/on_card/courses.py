"""Runs of the small SDXL on the card and beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.card.card import Card
from tests.trainer.conftest import make_config
from tests.trainer.trap_parts import begin, logged
from trainer.step.step import Stepper

STEPS = 8
PIVOT = 2


@dataclass(frozen=True)
class Course:
    """A run that is over: the loss of each step, its warnings, what its steps waited for, how many were recorded."""

    losses: list[float]
    told: list[str]
    waits: list[dict[str, int]]
    recorded: int


def course(folder: Path, pictures: Path, device: str, card: Card, **own: Any) -> Course:
    """Train on `device` ("cuda": the card) from the first step to the files."""
    values: dict[str, Any] = {"train__steps": STEPS, "pivotal__fraction": PIVOT / STEPS, "train__checkpoint_every": 4}
    live = begin(folder, make_config(pictures, **values | {"train__device": device} | own))
    card.recordings.clear()
    with counted(card) as waits:
        live.train()
    losses, told = ([one[key] for one in logged(live, kind)] for kind, key in (("step", "loss"), ("warn", "message")))
    return Course(losses, told, waits, len(card.recordings))


@contextmanager
def counted(card: Card) -> Iterator[list[dict[str, int]]]:
    """What each step waits for from when it is taken to when it is given to the device."""
    waits: list[dict[str, int]] = []
    own = Stepper.take

    def take(stepper: Stepper, step: int) -> Any:
        card.waits()
        taken = own(stepper, step)
        waits.append(card.waits())
        return taken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stepper, "take", take)
        yield waits
