"""What cannot be trained is known before torch is loaded: names of layers, buckets, missing parts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.contract.plan.test_estimate import config
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.basemodel.layers import lora_paths
from trainer.contract.basemodel.text_layers import clip_skip_refusals, text_layers
from trainer.contract.basemodel.unet_names import SDXL_UNET, unknown_blocks
from trainer.contract.plan.advice import refusals
from trainer.contract.plan.class_folder import class_refusals
from trainer.contract.settings.buckets import bucket_of, bucket_sizes
from trainer.contract.settings.config import BY_KEY, SMALL, TrainConfig
from trainer.contract.settings.optimizers import OPTIMIZERS
from trainer.contract.settings.prompts import class_prompt


@pytest.mark.parametrize("source", [SDXL_UNET, small_model() / "unet" / "config.json"])
@pytest.mark.parametrize("targets", ["attention", "all-linear"])
def test_names_from_the_configuration_are_those_of_the_module(source: Path, targets: str) -> None:
    import torch
    from diffusers import UNet2DConditionModel

    from trainer.model.adapters import target_paths

    words = json.loads(source.read_text())
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(words)
    assert sorted(lora_paths(words, targets)) == sorted(target_paths(unet, targets))


def test_sdxl_has_560_and_722_layers() -> None:
    words = json.loads(SDXL_UNET.read_text())
    assert [len(lora_paths(words, one)) for one in ("attention", "all-linear")] == [560, 722]


def test_a_block_is_matched_by_whole_names() -> None:
    paths = lora_paths(json.loads(SDXL_UNET.read_text()), "attention")
    assert unknown_blocks(["up_blocks.0.attentions.1", "up_blocks.0", "mid_block"], paths) == []
    (said,) = unknown_blocks(["0.attentions.0"], paths)
    assert "'0.attentions.0'" in said
    (said,) = unknown_blocks(["up_blocks.0.attention.1"], paths)
    assert "did you mean 'up_blocks.0.attentions.1'?" in said


def test_everything_that_forbids_a_run_is_said_at_once() -> None:
    own = config(
        model__base=SMALL,
        train__blocks=("up_blocks.9", "nowhere"),
        prior__enabled=True,
        prior__path="/nowhere",
    )
    found = refusals(own)
    assert [next(word for word in ("up_blocks.9", "nowhere'", "prior.enabled: ") if word in one) for one in found]
    assert len(found) == 4
    (base,) = refusals(config(model__base="/no/model"))
    assert base.startswith("model.base: there is no base model '/no/model'")


@pytest.mark.parametrize("kind", ["face", "object", "character-style", "style", "one-picture"])
def test_class_pictures_of_nothing_in_particular_are_refused(kind: str, tmp_path: Path) -> None:
    """ "a photo of a face", or of a character-style, is no class that a model knows members of."""
    own = {"model__base": SMALL, "kind": kind, "prior__enabled": True}
    Image.new("RGB", (64, 64)).save(tmp_path / "member.png")
    for more in ({}, {"prior__path": str(tmp_path)}, {"prior__prompt": " ", "dataset__class_word": " "}):
        (said,) = refusals(config(**own, **more))
        assert said.startswith("prior.enabled: nothing says what the class pictures show; set dataset.class_word")
        assert class_prompt(config(**own, **more)) == ""
    for given in ({"dataset__class_word": "dog"}, {"prior__prompt": "portraits"}):
        assert refusals(config(**own, **given)) == []
    assert class_prompt(config(**own, dataset__class_word="dog")) == "a photo of a dog"
    assert refusals(config(**own | {"prior__enabled": False})) == []


@pytest.mark.slow
def test_eight_bits_without_bitsandbytes_are_refused_with_the_remedy() -> None:
    code = (
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "class WithoutIt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        return None if name == 'bitsandbytes' else PathFinder.find_spec(name, path, target)\n"
        "sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutIt()\n"
        "from tests.contract.plan.test_estimate import config\n"
        "from trainer.contract.plan.advice import refusals\n"
        "for own in ({'train__optimizer': 'adamw-8bit'}, {'model__quantize': 'nf4'}):\n"
        "    print(refusals(config(model__base='sdxl-small', **own)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("pip install 'loratui[8bit]'") == 2


def test_sdxl_itself_has_layers_for_every_clip_skip_and_a_model_that_is_not_here_is_not_judged() -> None:
    most = int(BY_KEY["model.clip_skip"].high or 0)
    for base in (BY_KEY["model.base"].default, "owner/another-sdxl"):
        assert clip_skip_refusals(config(model__base=base, model__clip_skip=most).model) == []
    assert text_layers(config(model__base=SMALL).model) == (2, 3)


def test_a_dora_over_a_quantized_base_is_refused() -> None:
    (said,) = refusals(config(model__base=SMALL, model__quantize="nf4", train__dora=True))
    assert "model.quantize" in said and "train.dora" in said
    assert refusals(config(model__base=SMALL, model__quantize="nf4")) == []


def test_buckets_at_1024_are_the_papers() -> None:
    sizes = bucket_sizes(1024)
    assert len(sizes) == 41
    assert {(1024, 1024), (832, 1216), (1216, 832), (512, 2048), (1344, 768)} <= set(sizes)
    assert all(side % 64 == 0 for size in sizes for side in size)
    assert all(0.9 * 1024**2 <= height * width <= 1.04 * 1024**2 for height, width in sizes)
    assert {side % 64 for size in bucket_sizes(768) for side in size} == {0}
    assert bucket_sizes(64) == ((64, 64), (64, 128), (128, 64))


def test_a_picture_goes_to_the_bucket_of_its_shape() -> None:
    assert bucket_of(3000, 3000, 1024) == (1024, 1024)
    assert bucket_of(1920, 1080, 1024) == (768, 1344)
    assert bucket_of(1080, 1920, 1024) == (1344, 768)
    assert bucket_of(9000, 1000, 1024) == (512, 2048)
    assert Counter(bucket_of(*one, 1024) for one in ((10, 10), (30, 30), (16, 9))) == {(1024, 1024): 2, (768, 1344): 1}


def test_a_class_picture_that_cannot_be_read_is_said_as_the_trainer_says_it(tmp_path: Path) -> None:
    from trainer.data.dataset import DataError
    from trainer.samples.class_pictures import real_class_pictures

    (tmp_path / "layers.png").write_bytes(b"8BPS\0\1" + bytes(64))
    own = config(model__base=SMALL, prior__enabled=True, prior__path=str(tmp_path), dataset__class_word="dog")
    (said,) = refusals(own)
    with pytest.raises(DataError) as caught:
        real_class_pictures(own)
    (told,) = caught.value.problems
    reason = said.removeprefix("class pictures: layers.png: ").partition(";")[0]
    assert reason and reason in told


def test_a_class_picture_that_is_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "private.png")
    (tmp_path / "class" / "a.png").symlink_to("../private.png")
    (said,) = class_refusals(config(prior__enabled=True, prior__path=str(tmp_path / "class")))
    assert said.startswith("class pictures: a.png: a link that leads out of the folder: it is not read")


def test_pictures_of_the_class_are_judged_by_header_and_end_and_the_rest_where_they_are_read(tmp_path: Path) -> None:
    from trainer.samples.class_pictures import real_class_pictures

    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    for name in ("a.png", "a.jpg", "a.webp", "a.bmp"):
        noise.save(tmp_path / name)
    own = config(model__base=SMALL, prior__enabled=True, prior__path=str(tmp_path), dataset__class_word="dog")
    assert refusals(own) == []
    raw = (tmp_path / "a.png").read_bytes()
    (tmp_path / "middle.png").write_bytes(raw[:200] + bytes(900) + raw[1100:])  # who decodes it stops there
    assert refusals(own) == []
    for name in ("a.png", "a.jpg", "a.webp", "a.bmp"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / f"half{Path(name).suffix}").write_bytes(whole[: len(whole) // 2])
    assert [one.split(":")[1].strip() for one in refusals(own)] == ["half.bmp", "half.jpg", "half.png", "half.webp"]
    with pytest.raises(ValueError, match=r"middle\.png") as caught:
        real_class_pictures(own)
    assert "repair it, or take it away" in str(caught.value) and "skip" not in str(caught.value)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (
            {"growth_rate": 1.02},
            "prodigy.growth_rate is 1.02, which prodigy-plus-schedule-free does not have: set it to inf",
        ),
        ({"slice_p": 11}, "prodigy.slice_p is 11, which prodigy-plus-schedule-free does not have: set it to 1"),
        (
            {"bias_correction": False},
            "prodigy.bias_correction is false, which prodigy-plus-schedule-free does not have: set it to true",
        ),
        (
            {"decouple": False},
            "prodigy.decouple is false, which prodigy-plus-schedule-free does not have: set it to true",
        ),
    ],
)
def test_what_prodigy_plus_does_not_have_is_refused(own: dict[str, object], words: str) -> None:
    pytest.importorskip("prodigyplus", reason="needs the extra 'optimizers'")
    tables = {"model": {"base": SMALL}, "train": {"optimizer": "prodigy-plus-schedule-free"}, "prodigy": own}
    found = refusals(TrainConfig.model_validate(tables))
    assert found == [f"{words}, or train.optimizer to prodigy"]
    assert refusals(TrainConfig.model_validate({**tables, "train": {"optimizer": "prodigy"}})) == []
    assert refusals(TrainConfig.model_validate({**tables, "prodigy": {}})) == []


@pytest.mark.parametrize("optimizer", [name for name, one in OPTIMIZERS.items() if one.averages])
def test_what_an_optimizer_divides_by_is_not_zero(optimizer: str) -> None:
    table = OPTIMIZERS[optimizer].table
    own = {"model__base": SMALL, "train__optimizer": optimizer, "train__schedule": "constant"}
    assert not [one for one in refusals(config(**own)) if "beta1" in one]
    (said,) = [one for one in refusals(config(**own, **{f"{table}__beta1": 0.0})) if "beta1" in one]
    assert said.startswith(f"{table}.beta1 is 0, by which {optimizer} divides")


def test_the_smallest_epsilon_keeps_a_division_from_zero_in_fp32() -> None:
    low = BY_KEY["adamw.epsilon"].low
    assert low is not None and np.float32(0) / (np.float32(0) + np.float32(low)) == 0
