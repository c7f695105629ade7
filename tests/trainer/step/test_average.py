"""The average of the weights: what it is, that it is what leaves a run, and that a run goes on from it to the bit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.trainer.conftest import make_config
from tests.trainer.trap_parts import begin, live_rows, logged, same
from trainer.checkpoints.snapshot import load_checkpoint
from trainer.contract.run.exports import DIFFUSERS
from trainer.contract.settings.config import TrainConfig, load_config
from trainer.step.average import PIECE, WeightAverage
from trainer.step.flat_group import FlatGroup

SHARE = 0.3
RUN = {"train__steps": 10, "train__batch": 1, "train__ema": SHARE, "prodigy__d0": 1e-3, "pivotal__fraction": 0.4}
RUN |= {"train__measure": True}


def group(size: int, name: str = "unet") -> FlatGroup:
    return FlatGroup.of(name, {"one": nn.Parameter(torch.zeros(size)), "two": nn.Parameter(torch.ones(3))}, 1.0, 0.0)


def oracle(seen: list[torch.Tensor], window: float) -> torch.Tensor:
    """Every number weighed by b to the power of its age, as the docstring has it."""
    weights = [(1 - 1 / window) ** (len(seen) - 1 - age) for age in range(len(seen))]
    return sum((w * one.double() for w, one in zip(weights, seen, strict=True)), torch.zeros(())) / sum(weights)


@pytest.mark.parametrize(("share", "window"), [(SHARE, 30.0), (0.1, 10.0), (1.0, 100.0), (0.001, 1.0)])
def test_it_is_the_bias_corrected_average_of_all_steps(share: float, window: float) -> None:
    own = group(5)
    average = WeightAverage([own], TrainConfig.model_validate({"train": {"steps": 100, "ema": share}}))
    draw, yes, seen = torch.Generator().manual_seed(0), torch.tensor(True), []
    for step in range(1, 41):
        own.data.add_(torch.randn(8, generator=draw))
        average.update(step, yes)
        seen.append(own.data.clone())
        found = torch.cat([one.reshape(-1) for one in average.tensors().values()])
        assert torch.allclose(found.double(), oracle(seen, window), rtol=1e-5, atol=1e-5)
    average.update(41, ~yes)
    assert torch.equal(torch.cat([one.reshape(-1) for one in average.tensors().values()]), found)


def test_it_takes_the_place_of_what_is_trained_and_gives_it_back() -> None:
    own = group(PIECE + 5)
    average = WeightAverage([own], TrainConfig())
    start, live = own.data.clone(), own.data.add_(1.0).clone()
    with pytest.raises(KeyError), average.in_place():
        assert torch.equal(own.data, start) and torch.equal(own.parameters[0], start[: PIECE + 5])
        raise KeyError
    assert torch.equal(own.data, live)
    average.freeze("unet")
    assert torch.equal(own.data, start) and average.tensors() == {}


@pytest.mark.slow
def test_what_leaves_a_run_is_the_average_and_the_rows_freeze_at_theirs(pictures: Path, tmp_path: Path) -> None:
    live = begin(tmp_path, make_config(pictures, **RUN, export__precision="fp32"))
    seen: list[dict[str, torch.Tensor]] = []
    for step in range(1, 5):
        before = live_rows(live)
        live._one_step(step)
        lora = {name: one.detach().clone() for name, one in live.trainee.lora_tensors().items()}
        seen.append(lora | (live_rows(live) if step < 4 else before))
    assert live.trainee.pivoted
    for name, rows in live_rows(live).items():
        earlier = [one[name] for one in seen[:3]]
        # of the fourth only the average is left: its part in it is what the oracle of the first three leaves over
        weights = [(2 / 3) ** age for age in (3, 2, 1, 0)]
        last = (rows * sum(weights) - sum(w * one for w, one in zip(weights, earlier, strict=False))) / weights[-1]
        assert 0 < (last - earlier[-1]).norm() < 3 * (earlier[-1] - earlier[0]).norm()
    expected = {name: oracle([one[name] for one in seen], 3.0) for name in live.trainee.lora_tensors()}
    saved = live.trainee.snapshot(4, {})
    assert all(torch.allclose(saved.lora[name].double(), one, atol=1e-7) for name, one in expected.items())
    assert any(not torch.allclose(seen[-1][name].double(), one, atol=1e-6) for name, one in expected.items())
    live.losses.now(live.done)
    norms = [event["norm"] for event in logged(live, "measure")]
    with live.trainee.averaged():
        assert all(torch.equal(one, saved.lora[name]) for name, one in live.trainee.lora_tensors().items())
    live._exported(patient=False)
    exported = load_file(live.run.export / DIFFUSERS)
    name = next(iter(expected))
    assert torch.equal(exported[f"unet.{name.removesuffix('.down')}.lora.down.weight"], saved.lora[name])
    assert "(EMA)" in (live.run.export / "README.md").read_text()
    assert len(norms) == 1 and all(torch.equal(one, seen[-1][key]) for key, one in live.trainee.lora_tensors().items())


@pytest.mark.slow
@pytest.mark.parametrize("first", [0.0, 0.5])
def test_it_can_be_switched_on_and_off_between_two_starts(pictures: Path, tmp_path: Path, first: float) -> None:
    """Off: what was trained is gone on with, not its average. On: the average begins at the checkpoint."""
    own: dict[str, Any] = RUN | {"train__ema": first}
    live = begin(tmp_path / "run", make_config(pictures, **own))
    for step in (1, 2):
        live._one_step(step)
    raw = {name: one.detach().clone() for name, one in live.trainee.lora_tensors().items()}
    assert live._save().wait()
    saved = load_checkpoint(live.run.checkpoint(2))
    assert same(saved.lora, raw) is not bool(first)
    other = begin(tmp_path / "other", make_config(pictures, **own | {"train__ema": 0.5 - first}))
    other.trainee.restore(saved)
    assert all(torch.equal(one, raw[name]) for name, one in other.trainee.lora_tensors().items())
    other._one_step(3)
    now = other.trainee.snapshot(3, {}).lora
    assert same(now, {name: one.detach() for name, one in other.trainee.lora_tensors().items()})


@pytest.mark.slow
def test_a_run_of_before_goes_on_without_an_average(pictures: Path, tmp_path: Path) -> None:
    live = begin(tmp_path, make_config(pictures, **RUN | {"train__ema": 0.0}))
    live._one_step(1)
    assert live._save().wait()
    state, manifest = (live.run.checkpoint(1) / name for name in ("state.json", "manifest.json"))
    for path in (live.run.config, state):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if "ema" not in line.replace("schema", "")))
        assert len(path.read_text().splitlines()) == len(lines) - 1
    hashes = json.loads(manifest.read_text()) | {"state.json": hashlib.sha256(state.read_bytes()).hexdigest()}
    manifest.write_text(json.dumps(hashes))
    again = begin(tmp_path, load_config(live.run.config))
    assert again.done == 1 and again.trainee.average is None
