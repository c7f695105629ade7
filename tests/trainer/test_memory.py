"""What a run holds, counted on its own tensors, against the plan; what goes at the pivot; what a checkpoint takes."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.bench.activations import Alive, absent, decoding, learner, unet_step
from tests.trainer.conftest import make_config, make_run
from trainer.checkpoints.snapshot import FoundCheckpoint, Snapshot, load_checkpoint, save_checkpoint
from trainer.contract.plan.estimate import Estimate, estimate
from trainer.contract.plan.memory import ACTIVATIONS
from trainer.contract.plan.vae_memory import SDXL_VAE_SHAPE, TILE
from trainer.contract.run.events import SilentLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig
from trainer.data.dataset import View, geometry, read_dataset
from trainer.data.latents import LatentCache
from trainer.export.trained import open_run
from trainer.ground.world import World
from trainer.loop import Run
from trainer.model.parts import load_parts
from trainer.samples.drawing import decode

KEPT = ("unet", "text encoders", "VAE", "LoRA and new tokens", "gradients", "optimizer", "working copy")


def held(run: Run, nothing: int) -> int:
    """Bytes that stay between two steps; the keys and values of the last words are of the pass."""
    run.trainee.fused._seen = None
    for one in run.trainee.fused.fused.values():
        one.keys = None
    return alive() - nothing


def alive() -> int:
    """Bytes of all tensors that something refers to, each storage once."""
    gc.collect()
    found = (one for one in gc.get_objects() if isinstance(one, torch.Tensor) and one.device.type == "cpu")
    return sum({one.untyped_storage()._cdata: one.untyped_storage().nbytes() for one in found}.values())


def kept(found: Estimate) -> int:
    return sum(one.bytes for one in found.memory if one.name in KEPT)


def begun(config: TrainConfig, folder: Path) -> Run:
    return Run(config, make_run(folder, config), SilentLog(), None, World(), FoundCheckpoint(None))


@pytest.mark.slow
@pytest.mark.parametrize(
    "own",
    [
        {},
        {"train__optimizer": "adamw"},
        {"pivotal__enabled": False, "text_encoder_lora__enabled": True},
        {"pivotal__enabled": False},
    ],
    ids=str,
)
def test_a_run_holds_what_the_plan_says_before_the_pivot_and_after(
    pictures: Path, tmp_path: Path, own: dict[str, Any]
) -> None:
    """In bf16, where the LoRA has its copy; what nobody trains, and what was trained of the words, is gone in the end.

    Not in the plan: latents and captions that are kept, tables of the diffusion, the padding of tokenizers.
    """
    config = make_config(pictures, train__precision="bf16", train__steps=2, sample__steps=1, **own)
    nothing = alive()
    run = begun(config, tmp_path / "run")
    found = estimate(config, 5, "cpu")
    run.stepper.take(1)
    before = held(run, nothing)
    assert before == pytest.approx(kept(found) + run.stepper._captions.bytes, rel=0.03)
    if run.trainee.pivot is None:
        return
    assert run.parts.text_encoders is not None
    weights = [weakref.ref(one) for encoder in run.parts.text_encoders for one in encoder.parameters()]
    weights = [one for one in weights if not one().requires_grad]  # type: ignore[union-attr]
    run._pivot(1)
    after = held(run, nothing)
    passing = sum(one.bytes for one in found.memory) - kept(found)
    assert after == pytest.approx(found.memory_after - passing, rel=0.05)
    assert before > after and not any(one() is not None for one in weights)


@pytest.mark.slow
def test_the_plans_constants_are_those_of_the_full_size_model() -> None:
    """A picture whole and in tiles, and a step at one level, on tensors that are not there; the rest by hand."""
    with absent() as parts:
        whole, tiles = (decoding(parts, 1024, tiles=one) for one in (False, True))
        found = unet_step(learner(parts, batch=1, rank=32, targets="attention", gradient_checkpointing="norms"), 1024)
    assert found == pytest.approx(ACTIVATIONS["norms"], rel=0.01)
    assert whole == pytest.approx(SDXL_VAE_SHAPE.decoding(1024, 2), rel=0.02)
    assert tiles == pytest.approx(SDXL_VAE_SHAPE.decoding(TILE, 2), rel=0.1)


def test_a_checkpoint_is_written_a_file_at_a_time(tmp_path: Path) -> None:
    numbers = 1 << 20
    lora = {"a.down": torch.zeros(numbers)}
    state = {"all": torch.zeros(4 * numbers)}
    snapshot = Snapshot(1, lora, {}, state, {"settings": {}})
    run = RunDir(tmp_path)
    tracemalloc.start()
    folder, size = save_checkpoint(run, snapshot)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == sum(one.stat().st_size for one in folder.iterdir() if one.name != "manifest.json")
    assert size > 5 * 4 * numbers and peak < 1.1 * 4 * 4 * numbers
    before = {one.name: one.stat().st_mtime_ns for one in folder.iterdir()}
    assert save_checkpoint(run, snapshot) == (folder, size)  # it is there: nothing is written
    assert {one.name: one.stat().st_mtime_ns for one in folder.iterdir()} == before
    assert load_checkpoint(folder).step == 1


def test_the_unet_comes_to_the_device_when_all_is_encoded(pictures: Path) -> None:
    parts = load_parts(make_config(pictures), torch.device("meta"))
    assert parts.text_encoders is not None

    def places() -> Iterator[str]:
        for one in (parts.unet, parts.vae, *(parts.text_encoders or ())):
            yield next(one.parameters()).device.type

    assert list(places()) == ["cpu", "meta", "meta", "meta"]
    parts.place_unet()
    assert set(places()) == {"meta"}


def test_the_vae_waits_in_ram_between_two_pictures(pictures: Path, tmp_path: Path) -> None:
    """Beside a GPU alone; it comes back for each picture, and for one whose cached latents went bad."""
    parts, places = load_parts(make_config(pictures), torch.device("cpu")), []

    def moved(where: Any) -> Any:
        places.append(torch.device(where).type)
        return parts.vae

    parts.vae.to = moved
    parts.put_vae_away()
    assert places == []  # on a CPU there is no other place
    parts.device = torch.device("cuda")
    parts.put_vae_away()
    with parts.vae_in_place() as vae:
        assert vae is parts.vae and places == ["cpu", "cuda"]
    assert places == ["cpu", "cuda", "cpu"]
    parts.device, cache = torch.device("cpu"), LatentCache(tmp_path, "#ffffff")
    cache.use(parts.vae, torch.device("cpu"), "digest")
    item = read_dataset(make_config(pictures))[0]
    cache.get(View(item, geometry(item, (64, 64), None, False), 0, 0))
    assert len(places) == 4


def test_a_vae_that_never_decodes_keeps_its_encoder_alone_as_the_plan_counts(pictures: Path, tmp_path: Path) -> None:
    """With it latents whose file went bad are encoded again, to the same bits."""
    config, off = make_config(pictures), make_config(pictures, sample__count=0)
    parts = load_parts(off, torch.device("cpu"))
    item = read_dataset(config)[0]
    view = View(item, geometry(item, (64, 64), None, False), 0, 0)

    def weights() -> int:
        return sum(one.nbytes for one in parts.vae.parameters())

    def counted(one: TrainConfig) -> int:
        return next(part.bytes for part in estimate(one, 5, "cpu").memory if part.name == "VAE")

    def latents() -> LatentCache:
        cache = LatentCache(tmp_path, "#ffffff")
        cache.use(parts.vae, torch.device("cpu"), "digest")
        return cache

    before = latents().get(view)
    assert weights() == counted(config)
    parts.put_vae_away(decodes=False)
    assert weights() == counted(off) < counted(config)
    (kept,) = tmp_path.glob("*.safetensors")
    kept.write_bytes(b"")
    after = latents().get(view)
    assert all(torch.equal(before[name], after[name]) for name in ("mean", "std"))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_what_only_draws_holds_the_numbers_of_the_lora_alone(pictures: Path, tmp_path: Path, precision: str) -> None:
    """As `generate` and the export of a DoRA open a run: no gradient, no state of the optimizer, no average."""
    config = make_config(pictures, train__precision=precision, train__rank=32)
    run, nothing = make_run(tmp_path / "run", config), alive()
    trained = open_run(run)
    found = {one.name: one.bytes for one in estimate(config, 5, "cpu").memory}
    base = sum(found[name] for name in ("unet", "text encoders", "VAE"))
    own = found["LoRA and new tokens"] + found.get("working copy", 0) // 2
    assert found["gradients"] + found["optimizer"] > 0.2 * base  # what would be seen
    assert alive() - nothing == pytest.approx(base + own, rel=0.03)
    assert trained.trainee.optimizer is None and trained.trainee.average is None
    assert all(one.grad is None for one in trained.trainee.lora_tensors().values())


@pytest.mark.slow
def test_a_picture_decoded_in_tiles_is_the_same() -> None:
    own = {"model": {"base": "sdxl-small"}, "train": {"precision": "fp32"}}  # bf16 takes minutes on a processor
    vae = load_parts(TrainConfig.model_validate(own), torch.device("cpu")).vae
    side = 2 * TILE // 2 ** (len(vae.config.block_out_channels) - 1)
    latents = torch.nn.functional.interpolate(torch.randn(1, 4, 8, 8), size=(side // 8, side))
    with torch.no_grad():
        one, other = decode(vae, latents), decode(vae, latents, tiles=True)
    assert one.shape == other.shape and 0 < float((one - other).abs().mean()) < 0.02
    assert not vae.use_tiling


def test_alive_counts_what_is_there() -> None:
    with Alive() as seen:
        one = torch.zeros(1000)
        two = one + 1
        del two
        assert seen.now == 4000 and seen.peak == 8000
    del one
