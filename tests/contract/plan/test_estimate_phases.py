"""The estimate by phases: what each knob does, that the parts are the whole, and counts against real tensors."""

from __future__ import annotations

import itertools
import json

import pytest

from trainer.contract.basemodel.inspect import inspect_base, small_model
from trainer.contract.plan.estimate import Estimate, corrected, estimate
from trainer.contract.plan.memory import TORCH
from trainer.contract.plan.model_shape import model_shape
from trainer.contract.settings.config import SDXL, SMALL, TrainConfig, nested

LADDERS: dict[str, list[object]] = {
    "train.batch": [1, 2, 4, 8],
    "train.resolution": [512, 768, 1024, 1536],
    "train.rank": [4, 8, 32, 128],
    "train.gradient_checkpointing": ["blocks", "feed-forward", "norms", "off"],
    "train.precision": ["bf16", "fp32"],
    "prior.enabled": [False, True],
    "train.targets": ["attention", "all-linear"],
    "train.dora": [False, True],
    "model.vae_precision": ["training", "auto", "fp32"],
    "pivotal.enabled": [False, True],
    "model.quantize": ["nf4", "int8", "off"],
}
STARTS = [
    {},
    {"train.gradient_checkpointing": False},
    {"train.optimizer": "adamw", "train.batch": 1},
    {"prodigy.slice_p": 11, "train.rank": 128},
    {"model.base": SMALL, "train.resolution": 64},
]


def config(own: dict[str, object]) -> TrainConfig:
    return TrainConfig.model_validate(nested(dict(own)))


def part(found: Estimate, name: str) -> int:
    return next((one.bytes for one in found.memory if one.name == name), 0)


@pytest.mark.parametrize("start", STARTS, ids=str)
@pytest.mark.parametrize("key", LADDERS)
def test_more_never_needs_less(key: str, start: dict[str, object]) -> None:
    needs = [estimate(config({**start, key: value}), 5).memory_total for value in LADDERS[key]]
    assert all(one <= other for one, other in itertools.pairwise(needs)), needs
    if start == {} and key in ("train.batch", "train.rank", "train.precision"):
        assert needs[0] < needs[-1]


@pytest.mark.parametrize("start", STARTS, ids=str)
def test_the_parts_are_the_whole_and_none_is_negative(start: dict[str, object]) -> None:
    for device in ("cuda", "cpu"):
        found = estimate(config(start), 5, device)
        assert sum(one.bytes for one in found.memory) == found.memory_total
        assert all(one.bytes >= 0 for one in (*found.memory, *found.disk))
        gone = found.memory_total - found.memory_after
        assert 0 <= gone - part(found, "text encoders") < 0.4e9  # what was trained of the words, and their activations
        assert 0 < found.memory_rough < found.memory_total


def test_captions_that_vary_keep_the_text_encoders_to_the_end() -> None:
    def encoders(own: dict[str, object]) -> int:
        return next(one.bytes for one in estimate(config(own), 5).memory if one.name == "text encoders")

    plain, varies = estimate(config({}), 5), estimate(config({"caption.shuffle": True}), 5)
    assert varies.memory_total == plain.memory_total
    assert varies.memory_after - plain.memory_after == encoders({}) > 0
    alone: dict[str, object] = {"pivotal.enabled": False}
    assert encoders(alone) == 0
    assert encoders(alone | {"caption.tag_dropout": 0.1}) == encoders({})
    assert estimate(config({"caption.max_tokens": 225}), 5).memory_total > plain.memory_total


def test_only_one_of_the_passing_needs_is_there_at_a_time() -> None:
    """At batch 1 with checkpointing a sample (1.61 GB, and the VAE itself) needs more than a step; without, less."""
    encoder, decoder = 34_163_664, 49_490_199
    own = {"train.batch": 1, "train.targets": "attention"}
    small = estimate(config(own), 5)
    passing = ("activations", "optimizer's step", "encoding", "samples")
    half = 3 * 256 * 1024**2 * 2 + 2 * decoder
    assert sum(part(small, name) for name in passing) == pytest.approx(half + 4 * encoder, abs=2)
    fp32 = estimate(config(own | {"model.vae_precision": "fp32"}), 5)
    assert sum(part(fp32, name) for name in passing) == pytest.approx(2 * half + 4 * encoder, abs=2)
    rough = estimate(config(own | {"model.vae_precision": "training"}), 5)
    assert sum(part(rough, name) for name in passing) == pytest.approx(half + 2 * encoder, abs=2)
    large = estimate(config(own | {"train.gradient_checkpointing": False}), 5)
    assert part(large, "samples") == part(large, "encoding") == 0
    assert part(large, "activations") == pytest.approx(5.69e9 + 0.083e9, rel=0.001)


def test_class_pictures_double_what_a_step_sees() -> None:
    own = {"train.gradient_checkpointing": False}
    once, twice = estimate(config(own), 5), estimate(config(own | {"prior.enabled": True}), 5)
    assert part(twice, "activations") == pytest.approx(2 * part(once, "activations"), rel=1e-6)
    assert twice.step_flop == 2 * once.step_flop


def test_a_step_takes_the_published_arithmetic() -> None:
    """performance.md: 14.31 TFLOP a picture of 1024 px, 19.50 with checkpointing."""
    own = {"train.batch": 2, "train.accumulation": 3, "train.gradient_checkpointing": False}
    assert estimate(config(own), 5).step_flop == pytest.approx(6 * 14.31e12)
    assert estimate(config({"train.batch": 1}), 5).step_flop == pytest.approx(19.50e12)


def test_sdxls_own_vae_counts_in_fp32_and_the_one_that_replaces_it_does_not() -> None:
    replaced = estimate(config({"model.base": SDXL}), 5, "cpu")
    own = estimate(config({"model.base": "owner/another-sdxl"}), 5, "cpu")
    assert part(own, "VAE") == 4 * 83_653_863
    assert part(replaced, "VAE") == 4 * 34_163_664 + 2 * 49_490_199  # its encoder is in fp32 all the same
    rough = estimate(config({"model.base": SDXL, "model.vae_precision": "training"}), 5, "cpu")
    assert part(rough, "VAE") == 2 * 83_653_863


def test_beside_a_gpu_the_vae_counts_while_a_picture_is_made_and_else_in_ram() -> None:
    own = {"model.base": SDXL, "train.batch": 1, "train.targets": "attention", "train.rank": 4}
    found = estimate(config(own | {"sample.tiles": False}), 5)
    assert part(found, "VAE") == 0
    in_its_place = max(part(found, "activations"), part(found, "activations") + part(found, "optimizer's step"))
    vae = 4 * 34_163_664 + 2 * 49_490_199
    assert part(found, "samples") == pytest.approx(3 * 256 * 1024**2 * 2 + vae - in_its_place, abs=2)


def test_pictures_are_encoded_while_the_unet_is_elsewhere() -> None:
    """On a GPU the 1.61 GB of that are there before the unet is; not in RAM, where the unet lies too."""
    own = {"train.batch": 1, "train.rank": 4, "train.targets": "attention", "sample.tiles": True}
    assert part(estimate(config(own), 5), "encoding") == 0
    assert part(estimate(config(own), 5, "cpu"), "encoding") > 0.5e9
    huge = estimate(config(own | {"train.resolution": 4096}), 5)
    there = sum(part(huge, name) for name in ("torch itself", "text encoders")) + 4 * 34_163_664 + 2 * 49_490_199
    assert huge.memory_total == pytest.approx(there + 3 * 128 * 4096**2 * 4, abs=2)


def test_after_the_pivot_all_that_only_the_words_need_is_gone() -> None:
    found = estimate(config({"pivotal.enabled": False, "text_encoder_lora.enabled": True, "train.batch": 1}), 5)
    words = part(found, "LoRA and new tokens") // 4 - found.lora_parameters
    gone = found.memory_total - found.memory_after - part(found, "text encoders")
    assert gone == pytest.approx(words * (4 + 17 + 4), rel=0.01)  # the numbers themselves stay


def test_ram_beside_a_gpu_is_a_checkpoint_or_the_largest_part_on_its_way() -> None:
    assert estimate(config({}), 5).ram == 2 * 2_567_463_684 + TORCH["cpu"]
    large, vae = estimate(config({"train.rank": 256}), 5), 4 * 34_163_664 + 2 * 49_490_199
    numbers = part(large, "LoRA and new tokens") / 4
    assert large.ram == pytest.approx(21 * numbers + vae + TORCH["cpu"])  # bytes a number of what is written
    assert estimate(config({}), 5, "cpu").ram == 0


def test_encoders_that_nothing_trains_are_gone_before_the_first_step() -> None:
    found = estimate(config({"pivotal.enabled": False}), 5)
    assert part(found, "text encoders") == 0
    assert found.memory_after <= found.memory_total
    lora = estimate(config({"pivotal.enabled": False, "text_encoder_lora.enabled": True}), 5)
    assert part(lora, "text encoders") > 1.6e9
    assert part(lora, "LoRA and new tokens") / 4 - lora.lora_parameters == pytest.approx(12.9e6 / 2, rel=0.01)


def test_a_correction_moves_the_rough_parts_alone() -> None:
    before = estimate(config({}), 5)
    after = corrected(before, 1.5)
    for one, other in zip(before.memory, after.memory, strict=True):
        assert other.bytes == (round(one.bytes * 1.5) if one.rough else one.bytes)
    assert after.memory_total - before.memory_total == pytest.approx(before.memory_rough / 2, abs=4)
    assert before.memory_total - before.memory_after == after.memory_total - after.memory_after


def test_the_small_models_decoder_is_read_from_its_files() -> None:
    channels = json.loads((small_model() / "vae" / "config.json").read_text())["block_out_channels"]
    shape = model_shape(config({"model.base": SMALL}), inspect_base(SMALL)).vae
    assert (shape.encoded, shape.decoded) == (channels[0], channels[1])


@pytest.mark.slow
def test_exact_parts_are_those_of_the_loaded_model() -> None:
    import torch

    from trainer.model.parts import load_parts
    from trainer.step.trainee import make_trainee

    ways = ({}, {"train.targets": "all-linear"}, {"pivotal.enabled": False, "text_encoder_lora.enabled": True})
    for own in (*ways, {"train.precision": "bf16"}, {"train.precision": "bf16", "model.vae_precision": "training"}):
        one = config({"model.base": SMALL, "train.rank": 4, "train.precision": "fp32", **own})
        found, parts = estimate(one, 5, "cpu"), load_parts(one, torch.device("cpu"))
        assert parts.text_encoders is not None

        def held(*modules: torch.nn.Module) -> int:
            return sum(weight.numel() * weight.element_size() for each in modules for weight in each.parameters())

        assert part(found, "unet") == held(parts.unet)
        assert part(found, "text encoders") == held(*parts.text_encoders)
        assert part(found, "VAE") == held(parts.vae)
        trainee = make_trainee(parts, one)
        trained = sum(group.data.numel() for group in trainee.groups)
        assert part(found, "LoRA and new tokens") == 4 * trained == part(found, "gradients")
        assert trainee.average is not None
        state = [*trainee.optimizer.state_tensors().values(), *trainee.average.tensors().values()]
        held_by = [one.numel() * one.element_size() for one in state if one.numel() > 1]
        # of what began as zero Prodigy keeps no beginning; the plan takes it for half of the numbers
        starts = [one for name, one in trainee.optimizer.state_tensors().items() if name.endswith(".p0")]
        begun = sum(one.numel() for one in starts)
        assert part(found, "optimizer") == sum(held_by) + trained - sum(
            one.numel() * one.element_size() for one in starts
        )
        assert part(found, "optimizer") == pytest.approx(sum(held_by), rel=0.03)
        assert sum(layer.up.numel() for layer in trainee.layers.values()) == trained - begun
        cast = [one for copy in trainee.copies.values() for one in (copy.data, copy.grad) if one.dtype != torch.float32]
        assert part(found, "working copy") == sum(one.numel() * one.element_size() for one in cast)


def test_the_constants_are_those_that_the_bench_counts() -> None:
    """The optimizer's moment, counted on real tensors: 20 bytes a number of Prodigy, 8 sliced, none of AdamW."""
    from tests.bench.activations import optimizer_step
    from trainer.contract.plan.memory import SCRATCH_SLICED
    from trainer.contract.settings.optimizers import OPTIMIZERS

    assert optimizer_step({"train.optimizer": "prodigy"}, 50_000) == pytest.approx(
        OPTIMIZERS["prodigy"].scratch, rel=0.01
    )
    assert optimizer_step({"prodigy.slice_p": 11}, 50_000) == pytest.approx(SCRATCH_SLICED, rel=0.01)
    assert optimizer_step({"train.optimizer": "adamw"}, 50_000) == pytest.approx(OPTIMIZERS["adamw"].scratch, rel=0.01)


def test_class_pictures_are_drawn_before_there_is_anything_that_trains() -> None:
    """By the base model alone: without sample pictures nothing is drawn from the first step on."""
    own = {"sample.count": 0, "train.batch": 1}
    prior = {"prior.enabled": True, "prior.prompt": "a dog"}
    there, drawn = estimate(config(own | prior | {"prior.path": "/class"}), 5), estimate(config(own | prior), 5)
    assert drawn.memory_after == there.memory_after and part(drawn, "samples") == part(there, "samples") == 0
    many = estimate(config(own | prior | {"prior.batch": 64}), 5)
    assert part(many, "encoding") > part(drawn, "encoding") == 0  # so many at once that it is the fullest moment
    assert "class pictures are drawn" in next(one.note for one in many.memory if one.name == "encoding")
