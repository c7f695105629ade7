"""Masks are found where programs put them, cut as their pictures are, and refused where they do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainer.conftest import make_config
from trainer.contract.pictures.companions import MASKS, WORDS, companions, find_masks
from trainer.contract.plan.advice import advice, refusals
from trainer.contract.plan.masks import MaskFile, masks_of
from trainer.contract.settings.config import SMALL, TrainConfig
from trainer.data.dataset import identity, read_dataset
from trainer.data.images import fit
from trainer.data.masks import Masks, mask_latents

SIZE = (96, 64)


def picture(path: Path, size: tuple[int, int] = SIZE, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(len(path.name)).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(values).convert(mode).save(path)
    return path


def half(path: Path, size: tuple[int, int] = SIZE) -> Path:
    """White on the left third."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((size[1], size[0]), dtype=np.uint8)
    values[:, : size[0] // 3] = 255
    Image.fromarray(values).save(path)
    return path


def config(folder: Path, **own: object) -> TrainConfig:
    return make_config(folder, model__base=SMALL, mask__enabled=True, **own)


MASK_PLACES = (
    "a-masklabel.png", "a_masklabel.png", "a_mask.png", "a-mask.webp", "a.jpg_mask.png", "a matte.png", "A_Matte.png",
    "a-alpha.png", "mask/a.png", "masks/a.jpg.png",
)  # fmt: skip


@pytest.mark.parametrize("place", MASK_PLACES)
def test_a_mask_is_found_where_programs_put_it(place: str, tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "b.jpg")
    half(tmp_path / place)
    assert find_masks(tmp_path, ["a.jpg", "b.jpg"]) == {"a.jpg": tmp_path / place}
    items = read_dataset(config(tmp_path))
    assert [(one.name, one.mask is not None) for one in items] == [("a.jpg", True), ("b.jpg", False)]
    assert refusals(config(tmp_path)) == []
    assert any("no mask for 1 of 2 pictures, such as b.jpg" in one for one in advice(config(tmp_path)))


@pytest.mark.parametrize("word", [*WORDS, "Mask"])
@pytest.mark.parametrize("sign", "-_. ")
def test_what_is_left_out_for_a_word_of_masks_is_a_mask_and_the_rest_is_none(
    word: str, sign: str, tmp_path: Path
) -> None:
    picture(tmp_path / "a.jpg")
    half(tmp_path / f"a{sign}{word}.png")
    left = companions(tmp_path, ["a.jpg", f"a{sign}{word}.png"])
    assert left == {f"a{sign}{word}.png"}
    assert list(find_masks(tmp_path, ["a.jpg"])) == (["a.jpg"] if word.casefold() in MASKS else [])


def test_a_picture_with_a_caption_of_its_own_is_no_mask(tmp_path: Path) -> None:
    for name in ("a.jpg", "a_alpha.jpg"):
        picture(tmp_path / name)
    (tmp_path / "a_alpha.txt").write_text("a TOK alpha")
    assert companions(tmp_path, ["a.jpg", "a_alpha.jpg"]) == frozenset() and find_masks(tmp_path, ["a.jpg"]) == {}


def test_transparency_is_a_mask_and_a_file_comes_before_it(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        made = Image.open(picture(tmp_path / name)).convert("RGBA")
        made.putalpha(Image.open(half(tmp_path / "alpha.tif")))
        made.save(tmp_path / name)
    (tmp_path / "alpha.tif").unlink()
    picture(tmp_path / "c.png", mode="RGBA")  # nothing of it lets the ground through
    half(tmp_path / "mask" / "b.png")
    found = masks_of(tmp_path, sorted(tmp_path.glob("*.png")))
    assert found == {
        "a.png": MaskFile(tmp_path / "a.png", own=True),
        "b.png": MaskFile(tmp_path / "mask" / "b.png", own=False),
    }
    weights = mask_latents(found["a.png"], fit(*SIZE, (64, 96)), (8, 12))
    assert torch.equal(weights[0, 0], torch.tensor([1.0] * 4 + [0.0] * 8))


def test_it_is_cut_and_turned_round_as_its_picture_is(tmp_path: Path) -> None:
    """Beside the cut of a picture that looks like the mask, averaged over each latent's 8 x 8 px."""
    from trainer.data.images import open_rgb, pixels

    path = half(tmp_path / "a.png", (480, 320))
    for flip in (False, True):
        for where in ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)):
            geometry = fit(480, 320, (64, 64), where, flip)
            found = mask_latents(MaskFile(path, own=False), geometry, (8, 8))
            seen = pixels(open_rgb(path), geometry)[0] / 2 + 0.5
            expected = seen.reshape(8, 8, 8, 8).mean(dim=(1, 3))
            torch.testing.assert_close(found[0], expected, atol=0.08, rtol=0)  # the picture is resized by Lanczos


def test_weights_go_from_outside_to_one(tmp_path: Path) -> None:
    mask = MaskFile(half(tmp_path / "a.png"), own=False)
    geometry = fit(*SIZE, (64, 96))
    found = Masks(0.25).weights(mask, geometry, (8, 12))
    assert found.shape == (1, 8, 12) and set(found.flatten().tolist()) == {1.0, 0.25}
    assert torch.equal(Masks(0.25).weights(None, geometry, (8, 12)), torch.ones(1, 8, 12))


def test_what_does_not_fit_is_refused_in_the_plan_s_words(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    assert any("no picture has a mask" in one for one in refusals(config(tmp_path)))
    half(tmp_path / "a-masklabel.png", (64, 64))
    (said,) = refusals(config(tmp_path))
    assert said.startswith("a-masklabel.png: the mask has 64 x 64 px, and its picture 96 x 64")
    (tmp_path / "a-masklabel.png").write_text("none")
    (said,) = refusals(config(tmp_path))
    assert said.startswith("a-masklabel.png: ")
    (tmp_path / "a-masklabel.png").unlink()
    whole = picture(tmp_path / "a_mask.jpg").read_bytes()
    (tmp_path / "a_mask.jpg").write_bytes(whole[: len(whole) // 2])  # its header says nothing of that
    (said,) = refusals(config(tmp_path))
    assert said.startswith("a_mask.jpg: cannot be read: image file is truncated")
    (tmp_path / "a_mask.jpg").unlink()
    assert refusals(make_config(tmp_path, model__base=SMALL)) == []


def test_a_mask_that_does_not_fit_is_named_with_its_concept_and_apart_from_its_picture(tmp_path: Path) -> None:
    for name in ("one", "two"):
        picture(tmp_path / name / "a.png")
        half(tmp_path / name / "mask" / "a.png")
    half(tmp_path / "two" / "mask" / "a.png", (64, 64))
    own = config(tmp_path / "one", concepts=[{"path": str(tmp_path / "two"), "trigger": "REX"}])
    (said,) = refusals(own)
    assert said.startswith("concept-2/mask/a.png: the mask has 64 x 64 px")


def test_another_mask_is_another_run(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    half(tmp_path / "a-masklabel.png")
    before = identity(read_dataset(config(tmp_path)))
    plain = identity(read_dataset(make_config(tmp_path, model__base=SMALL)))
    Image.new("L", SIZE, 255).save(tmp_path / "a-masklabel.png")
    after = identity(read_dataset(config(tmp_path)))
    assert len({one["a.jpg"] for one in (before, plain, after)}) == 3
