"""A step waits for nothing: what it came to is told some steps later, in the same words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.conftest import MEASURED, make_config
from tests.trainer.step.test_counts import stepper
from tests.trainer.step.test_optimizer import CountOps
from tests.trainer.trap_parts import begin, logged, same
from trainer.contract.settings.config import TrainConfig
from trainer.loop import Run
from trainer.step.not_finite.error import NotFinite
from trainer.step.step import Stepper

pytestmark = pytest.mark.slow  # each more than a second of the small SDXL

# whatever hands a number, or a shape that depends on numbers, to the host; the methods take no operation on a CPU
WAITS = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal", "masked_select", "unique", "allclose")
METHODS = ("item", "tolist", "numpy", "__bool__", "__float__", "__int__", "__index__")
CLOCKS = ("t", "s", "data", "rss", "rss_peak", "vram", "vram_peak")
TIMES_OUT = 1e39  # more than a float32 holds


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods through which the host asked a tensor for its numbers."""
    names: list[str] = []

    def counted(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **more: names.append(name) or own(*arguments, **more)

    for name in METHODS:
        monkeypatch.setattr(torch.Tensor, name, counted(name, getattr(torch.Tensor, name)))
    return names


@pytest.mark.parametrize("own", [{}, {"train__optimizer": "adamw"}, {"train__precision": "fp16"}])
def test_a_step_waits_for_nothing(
    settings: Callable[..., TrainConfig], tmp_path: Path, asked: list[str], own: dict[str, Any]
) -> None:
    steps = stepper(settings(train__batch=1, **own), tmp_path)
    steps.take(1)
    asked.clear()
    with CountOps() as seen:
        taken = steps.take(2)
    assert [name for name in seen.names if name.split(".")[1] in WAITS] == []
    assert asked == []
    steps.outcome(taken)
    assert "tolist" in asked  # it does count


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers are read two steps later, as on a GPU."""
    monkeypatch.setattr(Stepper, "lag", 2)


def went(live: Run, last: int) -> list[dict[str, Any]]:
    """Take the steps up to `last`; what the log says of them, less what depends on the clock."""
    for step in range(1, last + 1):
        live._one_step(step, known=step == last)
    found = logged(live, "step")
    return [{name: one for name, one in event.items() if name not in CLOCKS} for event in found]


def test_what_is_told_later_is_the_same(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = make_config(pictures, train__steps=5, train__batch=1, prodigy__d0=1e-3)
    at_once = begin(tmp_path / "at once", own)
    expected = went(at_once, 5)
    monkeypatch.setattr(Stepper, "lag", 2)
    later = begin(tmp_path / "later", own)
    assert went(later, 5) == expected
    states = [one.trainee.snapshot(5, {}).optimizer for one in (later, at_once)]
    assert states[0] is not None and states[1] is not None and same(*states)


@pytest.mark.parametrize("optimizer", ["prodigy", "adamw"])
def test_nothing_is_applied_from_the_step_that_failed_on(
    pictures: Path, tmp_path: Path, behind: None, optimizer: str
) -> None:
    own = make_config(pictures, train__batch=1, train__optimizer=optimizer, pivotal__fraction=1.0)
    live = begin(tmp_path, own)
    live._one_step(1)
    live._one_step(2, known=True)
    good = live.trainee.snapshot(2, {})
    magnify_once(live)
    live._one_step(3)
    live._one_step(4)
    assert [event["step"] for event in logged(live, "step")] == [1, 2]
    with pytest.raises(NotFinite, match=r"step 3 is not finite.*\.png at timestep") as failed:
        live._one_step(5)
    assert failed.value.step == 3 and len(failed.value.pictures) == 1
    assert live.done == 2 and [event["step"] for event in logged(live, "step")] == [1, 2]
    now = live.trainee.snapshot(2, {})
    assert all(same(getattr(now, kind), getattr(good, kind)) for kind in ("lora", "embeddings", "optimizer"))


def magnify_once(live: Run) -> None:
    """Make the next gradient more than a number can hold; later ones would be finite again."""
    seen: list[int] = []
    collect = live.trainee.collect

    def once() -> None:
        collect()
        if not seen:
            live.trainee.groups[0].grad.mul_(TIMES_OUT)
        seen.append(1)

    live.trainee.collect = once  # type: ignore[method-assign]


def test_a_whole_run_does_each_thing_once_and_at_its_step(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows a step is done when that is taken, and not again while the host hears of later ones."""
    own = make_config(pictures, train__steps=9, train__checkpoint_every=4, train__sample_every=3, **MEASURED)
    expected = told(begin(tmp_path / "at once", own))
    monkeypatch.setattr(Stepper, "lag", 2)
    assert told(begin(tmp_path / "later", own)) == expected
    assert expected["checkpoint"] == [4, 8, 9] and expected["sample"] == [0, 3, 6, 9]


def told(live: Run) -> dict[str, list[int]]:
    """Train to the end; the steps that each kind of event speaks of: a thread of its own tells of checkpoints."""
    live.train()
    kinds = ("step", "checkpoint", "sample", "measure", "pivot")
    return {kind: [one["step"] for one in logged(live, kind)] for kind in kinds}
