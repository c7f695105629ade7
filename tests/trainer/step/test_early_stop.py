"""A run ends early where the held-out loss falls no more: the best checkpoint is exported, also after a resume."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from loratui.events.history import History
from tests.trainer.conftest import make_config, make_run, train
from trainer.checkpoints.snapshot import Snapshot, load_checkpoint
from trainer.contract.plan.advice import refusals
from trainer.contract.run.events import SilentLog
from trainer.contract.run.exports import DIFFUSERS
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import SMALL, TrainConfig
from trainer.export.__main__ import main as export
from trainer.step.early_stop import Measurements

# a rate at which the loss on pictures that are never seen rises soon
OWN: dict[str, Any] = {
    "train__optimizer": "adamw",
    "train__learning_rate": 0.05,
    "train__embedding_learning_rate": 0.05,
}
OWN |= {"dataset__hold_out": 2, "stop__patience": 2, "train__steps": 40, "train__checkpoint_every": 1}
OWN |= {"export__precision": "fp32", "train__ema": 0.3, "train__keep_checkpoints": 1, "train__measure": True}


class Gauge:
    """Gives the losses that it was made with, one after the other."""

    def __init__(self, losses: list[float]) -> None:
        self.left = losses

    def tell(self, *_: object) -> float:
        return self.left.pop(0)


@pytest.mark.parametrize(
    ("losses", "patience", "ends_after", "best"),
    [
        ([9, 5, 4, 6, 4, 7, 8], 2, 4, 2),  # as low as the best is no lower
        ([9, 5, 4, 6, 3, 7, 8], 2, 6, 4),
        ([1, 5, 4, 6, 7], 2, 4, 2),  # the base model has no checkpoint
        ([9, 5, 4, 3, 2], 1, None, 4),
        ([9, 5, 6, 7, 8], 0, None, 0),  # measured as seldom as ever
    ],
)
def test_it_ends_after_so_many_that_are_no_lower(
    settings: Callable[..., TrainConfig], losses: list[float], patience: int, ends_after: int | None, best: int
) -> None:
    """By hand: the first place of which the last `patience` losses are none of them a new lowest."""
    config = settings(stop__patience=patience, dataset__hold_out=1)
    found = Measurements(Gauge([*losses]), config, SilentLog(), 3, True, None)  # type: ignore[arg-type]
    ended = None
    for step in range(len(losses)):
        found.now(step) if not step else found.if_due(step)
        if found.is_over and ended is None:
            ended = step
            again = Measurements(
                Gauge([]),
                config,
                SilentLog(),
                3,
                True,
                Snapshot(step, {}, {}, None, {}, None, tuple(found.held.items())),
            )  # type: ignore[arg-type]
            assert again.is_over and again.best == found.best
            break
    assert (ended, found.best) == (ends_after, best)


@pytest.mark.slow
def test_the_best_checkpoint_is_exported_and_a_resumed_run_ends_alike(pictures: Path, tmp_path: Path) -> None:
    whole = make_run(tmp_path / "whole", make_config(pictures, **OWN))
    events = train(whole)
    (early,) = [event for event in events if event["type"] == "early"]
    measured = {event["step"]: event["loss"] for event in events if event["type"] == "measure" and event["step"]}
    best = min(measured, key=lambda step: measured[step])
    assert early["best"] == best == early["step"] - 2 and early["loss"] == measured[best]
    assert events[-1]["status"] == "completed" and events[-1]["step"] == best and early["step"] < 40
    _is_exported(whole, best)
    history = History()
    history.absorb(events)
    assert history.best == best and any("early stop" in one.text for one in history.messages)

    cut = make_run(tmp_path / "cut", make_config(pictures, **OWN))
    shutil.copytree(whole.checkpoints, cut.checkpoints)
    # it was killed after the last checkpoint: it ends at once
    again = train(cut)
    assert not [event for event in again if event["type"] == "step"]
    for path in whole.export.glob("*.safetensors"):
        assert path.read_bytes() == (cut.export / path.name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "way",
    [
        {"train__optimizer": "adamw-schedule-free", "train__ema": 0.0},  # the optimizer's own average
        {
            "pivotal__fraction_each": "clip_l = 0.05",
            "pivotal__fraction": 0.1,
        },  # words that stopped at steps of their own
        {"pivotal__fraction": 0.05, "train__embedding_learning_rate": 5.0},  # past the pivot, back to before it
    ],
    ids=["schedule-free", "words-stopped", "past-the-pivot"],
)
def test_the_best_checkpoint_is_what_is_exported_whatever_way_it_was_trained(
    pictures: Path, tmp_path: Path, way: dict[str, Any]
) -> None:
    run = make_run(tmp_path, make_config(pictures, **OWN | {"stop__patience": 1} | way))
    events = train(run)
    (early,) = [event for event in events if event["type"] == "early"]
    _is_exported(run, early["best"])
    drawn = [event for event in events[events.index(early) :] if event["type"] == "sample"]
    assert [event["step"] for event in drawn] == [early["best"]] and (run.export / "toy.png").is_file()
    if "train__embedding_learning_rate" in way:
        assert early["best"] < next(event["step"] for event in events if event["type"] == "pivot")
        out = tmp_path / "a.png"
        command = [
            sys.executable,
            "-m",
            "trainer.samples.generate",
            str(run.path),
            drawn[0]["prompt"],
            "--out",
            str(out),
        ]
        subprocess.run([*command, "--seed", str(drawn[0]["seed"])], check=True, capture_output=True)
        assert out.read_bytes() == run.sample(early["best"], 0).read_bytes()
    shutil.rmtree(run.export)
    assert export([str(run.path)]) == 0  # the same again, and not the newest
    _is_exported(run, early["best"])


@pytest.mark.slow
def test_the_last_step_may_be_where_it_ends(pictures: Path, tmp_path: Path) -> None:
    """The same steps in a run that is just so long: what was waited for comes with its last checkpoint."""
    own = OWN | {"stop__patience": 1, "train__ema": 0.0, "pivotal__fraction": 1.0}
    long = make_run(tmp_path / "long", make_config(pictures, **own))
    (early,) = [event for event in train(long) if event["type"] == "early"]
    short = make_run(tmp_path / "short", make_config(pictures, **own | {"train__steps": early["step"]}))
    events = train(short)
    (again,) = [event for event in events if event["type"] == "early"]
    assert (again["step"], again["best"], events[-1]["step"]) == (early["step"], early["best"], early["best"])
    _is_exported(short, early["best"])


def _is_exported(run: RunDir, step: int) -> None:
    saved, exported = load_checkpoint(run.checkpoint(step)), load_file(run.export / DIFFUSERS)
    for name, one in saved.lora.items():
        if name.endswith(".down"):
            assert torch.equal(exported[f"unet.{name.removesuffix('.down')}.lora.down.weight"], one)
    rows = load_file(run.export / "toy_emb.safetensors")
    assert torch.equal(rows["clip_l"], saved.embeddings["clip_l"])


def test_without_held_out_pictures_it_is_refused(settings: Callable[..., TrainConfig]) -> None:
    (said,) = refusals(settings(model__base=SMALL, stop__patience=2))
    assert said.startswith("stop.patience") and "dataset.hold_out" in said
    assert refusals(settings(model__base=SMALL, stop__patience=2, dataset__hold_out=1)) == []
