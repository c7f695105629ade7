"""The loss at fixed noise and the size of the change: comparable, cheap, and without a trace in what is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from tests.trainer.conftest import MEASURED, make_config, make_run, train
from tests.trainer.model.test_adapters import small_unet
from trainer.checkpoints.snapshot import FoundCheckpoint, OtherRun, Snapshot, check_identity
from trainer.contract.run import exits
from trainer.contract.run.events import SilentLog, Tail
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.arithmetic import FORWARDS, measured_rounds
from trainer.contract.settings.config import TrainConfig
from trainer.data.dataset import DataError, hold_out, read_dataset
from trainer.ground.world import World
from trainer.loop import Run
from trainer.model.adapters import add_lora
from trainer.step.measure import change_norm, measured_views, noise_level
from trainer.step.trainee import run_identity

# 28 pictures between two checkpoints: enough for both to be measured
FOUR_STEPS: dict[str, Any] = {"train__steps": 4, "train__batch": 14, "prodigy__d0": 1e-3, **MEASURED}


def made(kind: type[Run], folder: Path, config: TrainConfig) -> Run:
    run = make_run(folder, config)
    return kind(config, run, SilentLog(), None, World(), FoundCheckpoint(None))


@pytest.fixture(scope="module")
def measured(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """Four steps on the whole set, measured at 0, 2 and 4, with the pivot after the second."""
    run = make_run(tmp_path_factory.mktemp("run") / "a", make_config(pictures, **FOUR_STEPS))
    train(run)
    return run


def measures(run: RunDir) -> list[dict[str, Any]]:
    return [event for event in Tail(run.events).read() if event["type"] == "measure"]


@pytest.mark.slow
def test_every_checkpoint_and_the_start_are_measured(measured: RunDir) -> None:
    found = measures(measured)
    assert [event["step"] for event in found] == [0, 2, 4]
    assert {event["of"] for event in found} == {"training"}
    assert [event["views"] for event in found] == [0.0, 5.6, 11.2]
    assert found[0]["norm"] == 0.0 < found[1]["norm"] < found[2]["norm"]
    for event in found:
        assert len(event["losses"]) == FORWARDS
        assert event["loss"] == pytest.approx(sum(event["losses"]) / FORWARDS)
    assert found[0]["losses"] != found[2]["losses"]


@pytest.mark.slow
def test_checkpoints_close_together_are_not_all_measured(pictures: Path, tmp_path: Path) -> None:
    """Eight forwards a step would more than double what a run takes."""
    run = make_run(
        tmp_path / "run", make_config(pictures, train__steps=6, train__batch=1, train__checkpoint_every=1, **MEASURED)
    )
    train(run)
    assert [event["step"] for event in measures(run)] == [0, 6]
    assert len([event for event in Tail(run.events).read() if event["type"] == "checkpoint"]) == 6


@pytest.mark.slow
def test_a_run_that_is_measured_ends_with_the_same_bytes(measured: RunDir, pictures: Path, tmp_path: Path) -> None:
    """And so does one that shows the base model first: both can be left out."""
    own = {"train__measure": False, "sample__at_start": False}
    other = make_run(tmp_path / "b", make_config(pictures, **FOUR_STEPS | own))
    train(other)
    assert not measures(other) and measured.sample(0, 0).exists()
    assert not other.sample(0, 0).exists() and other.sample(4, 0).exists()
    for name in ("diffusers/pytorch_lora_weights.safetensors", "toy.safetensors", "toy_emb.safetensors"):
        assert (other.export / name).read_bytes() == (measured.export / name).read_bytes()


@pytest.mark.slow
def test_a_measurement_repeats_itself_costs_eight_forwards_and_touches_nothing(pictures: Path, tmp_path: Path) -> None:
    own = {"train__gradient_checkpointing": True, "train__dropout": 0.5, "dataset__hold_out": 2}
    config = make_config(pictures, **MEASURED | own)
    one = made(Run, tmp_path / "run", config)
    one._one_step(1)
    seen: list[tuple[bool, int]] = []
    hook = one.parts.unet.register_forward_hook(
        lambda _, inputs, answer: seen.append((torch.is_grad_enabled(), len(answer[0])))
    )
    before = {name: tensor.clone() for name, tensor in one.trainee.lora_tensors().items()}
    chance = torch.get_rng_state()
    losses = one.losses._gauge.losses()
    hook.remove()
    assert seen == [(False, 1)] * FORWARDS
    assert one.losses._gauge.losses() == losses
    assert torch.equal(torch.get_rng_state(), chance)
    assert one.parts.unet.training  # gradient checkpointing needs it
    assert all(torch.equal(before[name], tensor) for name, tensor in one.trainee.lora_tensors().items())
    held = {item.name for item in one.held}
    assert len(held) == 2 and {view.item.name for view in one.measured} == held
    seen_in_training = {view.item.name for step in range(1, 7) for view in one.plan.micro_batch(step, 0)}
    assert not seen_in_training & held


@pytest.mark.slow
def test_held_out_pictures_are_measured_past_the_pivot_and_left_out_of_the_files(
    pictures: Path, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", make_config(pictures, train__steps=2, dataset__hold_out=2, **MEASURED))
    train(run)
    assert [(event["step"], event["of"]) for event in measures(run)] == [(0, "held-out"), (2, "held-out")]
    card = (run.export / "README.md").read_text()
    assert "trained with loratui on 3 pictures" in card
    with safe_open(run.export / "toy.safetensors", "pt") as file:
        header = file.metadata()["ss_tag_frequency"]
    config = make_config(pictures, dataset__hold_out=2, **MEASURED)
    kept, held = hold_out(read_dataset(config), config)
    assert all(item.prompt.replace("TOK", "toy_emb") in header for item in kept)
    assert held and not any(item.prompt.replace("TOK", "toy_emb") in header for item in held)


def test_the_whole_set_cannot_be_held_out(settings: Callable[..., TrainConfig]) -> None:
    config = settings(dataset__hold_out=5)
    with pytest.raises(DataError, match="hold_out is 5 of 5 pictures"):
        hold_out(read_dataset(config), config)


def test_a_run_without_a_picture_left_is_refused_before_the_model(pictures: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_config(pictures, dataset__hold_out=9, **MEASURED))
    (error,) = [event for event in train(run, code=exits.DATASET) if event["type"] == "error"]
    assert "dataset.hold_out is 9" in error["message"]


def test_holding_out_changes_the_identity_by_its_pictures_and_nothing_held_leaves_it_alone(
    settings: Callable[..., TrainConfig],
) -> None:
    def identity(count: int) -> dict[str, Any]:
        config = settings(dataset__hold_out=count)
        return run_identity(config, hold_out(read_dataset(config), config)[0], (), {})

    whole, less = identity(0), identity(1)
    assert len(whole["pictures"]) == 5 and len(less["pictures"]) == 4
    assert whole["settings"] == less["settings"]  # a checkpoint from before the setting resumes
    with pytest.raises(OtherRun, match="pictures"):
        check_identity(Snapshot(1, {}, {}, {}, whole), less)


def test_fixed_views_are_the_same_for_the_same_run_and_spread_over_the_pictures(
    settings: Callable[..., TrainConfig],
) -> None:
    config = settings(dataset__flip=True, dataset__crop="random")
    items = read_dataset(config)
    views = measured_views(items, config)
    assert views == measured_views(items, config)
    assert len(views) == FORWARDS and {view.item.name for view in views} == {item.name for item in items}
    assert not any(view.geometry.flip for view in views)


def test_a_longer_run_draws_more_for_the_same_tenth_of_the_time(settings: Callable[..., TrainConfig]) -> None:
    """The oracle counts forward passes: three for each picture that is trained on."""
    for steps, every, batch, expected in ((4, 2, 14, 1), (300, 150, 1, 3), (500, 250, 2, 8), (3000, 250, 1, 8)):
        own = {"train__steps": steps, "train__checkpoint_every": every, "train__batch": batch}
        config = settings(**own)
        assert measured_rounds(config) == expected
        measurements = 1 + -(-steps // every)
        assert measurements * 8 * expected <= 0.1 * 3 * steps * batch or expected == 1


def test_a_measurement_of_fewer_rounds_is_the_beginning_of_one_of_more(settings: Callable[..., TrainConfig]) -> None:
    short, long = (settings(train__steps=n, train__checkpoint_every=150, train__batch=1) for n in (100, 600))
    items = read_dataset(short)
    few, many = measured_views(items, short), measured_views(items, long)
    assert (len(few), len(many)) == (8, 32) and many[:8] == few
    levels = [noise_level(place, 1000) for place in range(32)]
    assert levels[:8] == [62, 187, 312, 437, 562, 687, 812, 937]
    assert len(set(levels)) == 32 and sorted(level // 125 for level in levels) == sorted([*range(8)] * 4)
    met = {(place % 8, view.item.name) for place, view in enumerate(many)}
    assert len(met) == 32  # no level meets a picture twice while there are others


@pytest.mark.parametrize("dora", [False, True])
def test_the_norm_is_that_of_the_whole_change(settings: Callable[..., TrainConfig], dora: bool) -> None:
    config = settings(train__dora=dora, train__alpha=2.0)
    layers = add_lora(small_unet(), config)
    assert change_norm(layers) == pytest.approx(0.0, abs=1e-4)
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in layers.values():
            layer.up.copy_(torch.randn(layer.up.shape, generator=draws))
    dense = torch.cat([layer.change().flatten() for layer in layers.values()])
    assert change_norm(layers) == pytest.approx(float(dense.norm()), rel=1e-4)


@pytest.mark.slow
def test_no_memory_for_the_measurement_ends_nothing(pictures: Path, tmp_path: Path) -> None:
    """A hook that runs out of memory outside of training stands for a GPU that does."""
    run = made(Run, tmp_path / "run", make_config(pictures, train__steps=1, **MEASURED))
    said: list[dict[str, Any]] = []
    run.log = _Kept(said)

    def full(*_: object) -> None:
        if not torch.is_grad_enabled():
            raise torch.OutOfMemoryError("no room")

    hook = run.parts.unet.register_forward_pre_hook(full)
    run.losses._log = run.log
    run.losses.now(run.done)
    hook.remove()
    assert [event["code"] for event in said if event["type"] == "warn"] == ["measure-memory"]
    (event,) = [event for event in said if event["type"] == "measure"]
    assert event["loss"] is None and event["norm"] == 0.0
    assert run.train().status == "completed"


class _Kept(SilentLog):
    """A log that is read in the same process."""

    def __init__(self, said: list[dict[str, Any]]) -> None:
        self._said = said

    def emit(self, type: str, **fields: Any) -> None:
        self._said.append({"type": type, **fields})


def test_a_setting_declared_after_the_checkpoint_counts_as_its_default_there() -> None:
    known = {"settings": {"train.rank": 16, "dataset.skip": []}}
    older = Snapshot(1, {}, {}, {}, {"settings": {"dataset.skip": []}})
    check_identity(older, known)
    with pytest.raises(OtherRun, match=r"train\.rank: was 16, is 8"):
        check_identity(older, {"settings": known["settings"] | {"train.rank": 8}})
    with pytest.raises(OtherRun, match=r"train\.old: was 1, is 'nothing'"):
        check_identity(Snapshot(1, {}, {}, {}, {"settings": {"train.old": 1}}), known)
