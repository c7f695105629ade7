"""The estimate against what is known of SDXL and against the small model's own files; the advice one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.contract.basemodel.folder import WEIGHTED
from trainer.contract.basemodel.inspect import NotSDXL, inspect_base, small_model
from trainer.contract.plan.advice import advice
from trainer.contract.plan.estimate import Estimate, estimate
from trainer.contract.plan.model_shape import model_shape
from trainer.contract.run.exports import FILES, lora_sizes, paths_of
from trainer.contract.settings.config import SMALL, TrainConfig, nested


def config(**own: object) -> TrainConfig:
    return TrainConfig.model_validate(nested({key.replace("__", "."): value for key, value in own.items()}))


def part(found: Estimate, name: str) -> int:
    return next(one.bytes for one in (*found.memory, *found.disk) if one.name == name)


@pytest.mark.parametrize(
    ("rank", "millions"),
    [(4, 5.81), (8, 11.6), (16, 23.2), (32, 46.5), (64, 92.9)],
)
def test_a_lora_on_sdxl_has_the_parameters_of_the_table(rank: int, millions: float) -> None:
    found = estimate(config(train__rank=rank, train__targets="attention"), 5)
    assert found.lora_parameters / 1e6 == pytest.approx(millions, rel=0.005)


def test_other_targets_have_the_parameters_of_the_table() -> None:
    every = estimate(config(train__targets="all-linear", train__rank=32), 5)
    assert every.lora_parameters / 1e6 == pytest.approx(85.1, rel=0.005)
    half = estimate(config(), 5)  # by default, half the rank in every Linear: fewer numbers than in the attention alone
    assert half.lora_parameters / 1e6 == pytest.approx(42.6, rel=0.005)
    blocks = ["up_blocks.0.attentions.0", "up_blocks.0.attentions.1"]
    for targets, millions in (("attention", 28.2), ("all-linear", 51.8)):
        found = estimate(config(train__blocks=blocks, train__rank=64, train__targets=targets), 5)
        assert found.lora_parameters / 1e6 == pytest.approx(millions, rel=0.005)


@pytest.mark.parametrize(
    ("own", "loras"),
    [
        ({}, 2),
        ({"export__bundle_embeddings": True}, 3),
        ({"train__blocks": ["up_blocks.0.attentions.0", "up_blocks.0.attentions.1"]}, 3),  # both parts are one more
        ({"train__blocks": ["up_blocks.0.attentions.0"]}, 2),
        ({"train__dora": True}, 1),
        ({"train__dora": True, "train__dora_axis": "output", "export__bundle_embeddings": True}, 1),
    ],
)
def test_the_disk_has_room_for_every_file_with_a_lora(own: dict[str, object], loras: int) -> None:
    made = config(**own)
    found = estimate(made, 5)
    assert part(found, "files to use") == loras * found.lora_parameters * 2
    assert len(lora_sizes(made)) == len([path for one in FILES if one.form for path in paths_of(one, made)])


def test_parts_of_sdxl_weigh_what_the_table_says() -> None:
    found = estimate(config(train__ema=0), 5, "cpu")
    assert part(found, "unet") / 1e9 == pytest.approx(5.14, rel=0.01)
    assert part(found, "text encoders") / 1e9 == pytest.approx(1.64, rel=0.01)
    assert part(found, "VAE") / 1e9 == pytest.approx(0.236, rel=0.01)  # 0.17 in half, but it encodes in fp32
    trained = part(found, "LoRA and new tokens") / 4
    # Prodigy, bytes a number: 24 but for what began as 0, and what bf16 has
    assert (8 * trained + part(found, "optimizer")) / trained == pytest.approx(21)
    dora = estimate(config(train__ema=0, train__dora=True), 5, "cpu")
    numbers = part(dora, "LoRA and new tokens") / 4
    assert (8 * numbers + part(dora, "optimizer")) / numbers == pytest.approx(
        22
    )  # its lengths begin on no such numbers
    going_on = estimate(config(train__ema=0, train__start_from="a.safetensors"), 5, "cpu")
    assert (8 * trained + part(going_on, "optimizer")) / trained == pytest.approx(24)  # from a LoRA nothing is 0
    averaged = estimate(config(), 5, "cpu")
    assert part(averaged, "optimizer") == part(found, "optimizer") + 4 * trained
    adamw = estimate(config(train__ema=0, train__optimizer="adamw"), 5)
    assert (8 * trained + part(adamw, "optimizer")) / trained == pytest.approx(16)
    sliced = estimate(config(train__ema=0, prodigy__slice_p=11), 5)
    places = 8 / 11  # where each number that is looked at lies, which the table leaves out
    assert (8 * trained + part(sliced, "optimizer")) / trained - places == pytest.approx(16.46, rel=0.001)


def test_one_picture_with_checkpointing_needs_what_people_report() -> None:
    """7 to 8 GB with the text encoders gone and no average kept (trainer.md), while no picture is made."""
    found = estimate(config(train__batch=1, train__ema=0), 5)
    gone = sum(part(found, name) for name in ("text encoders", "samples"))
    assert 7e9 < found.memory_total - gone < 8.4e9


def test_each_knob_turns_the_need_in_its_direction() -> None:
    many = {"train__batch": 8}  # below that, with checkpointing, encoding a picture needs more than a step
    base = estimate(config(**many), 5).memory_total
    for smaller in ({"train__batch": 4}, {"train__resolution": 512}, {"train__rank": 8}, {"train__optimizer": "adamw"}):
        assert estimate(config(**{**many, **smaller}), 5).memory_total < base, smaller
    for larger in ({"train__gradient_checkpointing": False}, {"train__precision": "fp32"}):
        assert estimate(config(**{**many, **larger}), 5).memory_total > base, larger
    assert estimate(config(train__keep_checkpoints=1), 5).disk_total < estimate(config(), 5).disk_total


def test_the_small_model_is_counted_from_its_own_files() -> None:
    shape = model_shape(config(model__base=SMALL, train__rank=4), inspect_base(SMALL))
    assert shape.exact
    for name in WEIGHTED:
        sizes = json.loads((small_model() / name / "config.json").read_text())
        (weights,) = (small_model() / name).glob("*.safetensors")
        assert sizes and 0 < shape.parameters[name] * 2 <= weights.stat().st_size * 2
    widths = [
        json.loads((small_model() / one / "config.json").read_text()) for one in ("text_encoder", "text_encoder_2")
    ]
    assert shape.token_width == sum(one["hidden_size"] for one in widths)
    assert shape.lora > 0
    assert model_shape(config(model__base=SMALL, train__rank=8), inspect_base(SMALL)).lora == 2 * shape.lora


@pytest.mark.parametrize("harm", ["length", "cut", "longer"])
def test_damaged_weights_are_named_before_anything_is_loaded(tmp_path: Path, harm: str) -> None:
    import shutil

    copy = tmp_path / "model"
    shutil.copytree(small_model(), copy)
    (weights,) = (copy / "unet").glob("*.safetensors")
    whole = weights.read_bytes()
    harmed = {"length": (1 << 62).to_bytes(8, "little") + b"{}", "cut": whole[:-4], "longer": whole + b"xx"}
    weights.write_bytes(harmed[harm])
    (other,) = (copy / "vae").glob("*.safetensors")
    other.write_bytes(b"")
    with pytest.raises(NotSDXL) as caught:
        inspect_base(str(copy))
    assert f"unet/{weights.name}" in str(caught.value)
    assert f"vae/{other.name}" in str(caught.value)


SILENT = {"model__base": SMALL, "train__resolution": 64}


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"train__learning_rate": 1e-4, "train__embedding_learning_rate": 1e-4}, "wants 1.0"),
        ({"train__learning_rate": 1.0, "train__embedding_learning_rate": 0.5}, "each multiplies by its own rate"),
        ({"train__optimizer": "adamw", "train__learning_rate": 1.0}, "far too high for AdamW"),
        ({"train__optimizer": "adamw", "train__embedding_learning_rate": 1.0}, "far too high for AdamW"),
        ({"train__resolution": 512}, "was made for 64 px"),
        ({"train__rank": 128}, "air-brushed"),
        ({"train__steps": 30}, "hardly enough"),
        ({"train__edm": True}, "min_snr_gamma is not used"),
        (
            {
                "pivotal__enabled": False,
                "text_encoder_lora__enabled": True,
                "train__learning_rate": 1.0,
                "train__text_encoder_learning_rate": 0.5,
            },
            "text_encoder_learning_rate (0.5) differs",
        ),
        (
            {
                "pivotal__enabled": False,
                "text_encoder_lora__enabled": True,
                "train__optimizer": "adamw-8bit",
                "train__text_encoder_learning_rate": 1.0,
            },
            "text_encoder_learning_rate is 1: far too high for AdamW; 5e-05",
        ),
        ({"train__warmup_steps": 9, "prodigy__safeguard_warmup": False}, "without prodigy.safeguard_warmup"),
        ({"pivotal__fraction": 1.0}, "never pivots"),
        ({"prior__enabled": True}, "without prior.path"),
        ({"prior__path": "/x"}, "prior.enabled is false"),
    ],
)
def test_each_risk_is_told_and_only_where_it_is(own: dict[str, object], said: str) -> None:
    quiet = {**SILENT, "train__steps": 100}
    assert not advice(config(**quiet), 8)
    (found,) = advice(config(**{**quiet, **own}), 8)
    assert said in found
