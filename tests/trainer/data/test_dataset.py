"""The pictures: read right, drawn from purely, refused all at once and by name."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from loratui.curation.checks.files import open_picture
from tests.trainer.conftest import draw_dataset, make_config
from trainer.contract.pictures.decoding import BadPicture
from trainer.contract.settings.config import TrainConfig
from trainer.data import images
from trainer.data.dataset import DataError, ViewPlan, read_dataset
from trainer.ground import draws


@pytest.mark.slow
def test_draws_do_not_depend_on_process_or_order() -> None:
    asked = "draws.normal((3,), 5, 'noise', 7, 1).tolist(), draws.uniform(5, 'flip', 1)"
    code = f"from trainer.ground import draws; print({asked})"
    draws.normal((99,), 5, "noise", 1)
    here = f"{draws.normal((3,), 5, 'noise', 7, 1).tolist()} {draws.uniform(5, 'flip', 1)}"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert here == there
    assert not torch.equal(draws.normal((3,), 5, "noise", 7, 1), draws.normal((3,), 5, "posterior", 7, 1))
    assert not torch.equal(draws.normal((3,), 5, "noise", 7, 1), draws.normal((3,), 6, "noise", 7, 1))


def test_every_epoch_sees_every_picture_as_often_as_it_repeats() -> None:
    seen = [draws.item_at(place, draws.Epoch((3,) * 5), seed=0).item for place in range(45)]
    for epoch in range(3):
        assert Counter(seen[epoch * 15 : epoch * 15 + 15]) == Counter({item: 3 for item in range(5)})
    assert seen[:15] != seen[15:30]


def test_four_passes_of_one_see_what_one_pass_of_four_sees(settings: Callable[..., TrainConfig]) -> None:
    options = {"dataset__flip": True, "dataset__crop": "random", "train__timesteps": "stratified"}
    wide = settings(train__batch=4, **options)
    deep = settings(train__batch=1, train__accumulation=4, **options)
    items = read_dataset(wide)
    for step in (1, 2, 7):
        whole = ViewPlan(items, (), wide).micro_batch(step, 0)
        parts = tuple(view for micro in range(4) for view in ViewPlan(items, (), deep).micro_batch(step, micro))
        assert whole == parts


@pytest.mark.parametrize(("steps", "batch"), [(1, 1), (3, 2), (500, 2), (1_000_000, 4)])
def test_what_is_encoded_beforehand_is_all_that_a_run_sees(
    settings: Callable[..., TrainConfig], steps: int, batch: int
) -> None:
    own = settings(dataset__flip=True, dataset__crop="random", train__batch=batch, train__steps=steps)
    plan = ViewPlan(read_dataset(own), (), own)
    encoded = {(view.item.name, view.geometry) for view in plan.distinct_views()}
    looked = [view for step in range(1, min(steps, 300) + 1) for view in plan.micro_batch(step, 0)]
    seen = {(view.item.name, view.geometry) for view in looked}
    assert seen <= encoded
    # four square pictures and their mirrors; the wide one in eight places, each with its mirror
    assert len(encoded) == (len(seen) if steps < 10 else 4 * 2 + 8 * 2)


def test_flips_and_crops_are_drawn_anew_at_every_view(settings: Callable[..., TrainConfig]) -> None:
    own = settings(dataset__flip=True, dataset__crop="random", train__batch=4)
    plan = ViewPlan(read_dataset(own), (), own)
    views = [view for step in range(1, 60) for view in plan.micro_batch(step, 0)]
    assert 0.35 < np.mean([view.geometry.flip for view in views]) < 0.65
    assert len({view.geometry.corner for view in views if view.item.name == "2.png"}) > 3


def test_conditioning_is_height_first_and_follows_the_flip() -> None:
    geometry = images.fit(width=1200, height=800, size=(400, 400), where=(0.5, 0.25))
    assert geometry.resized == (400, 600)
    assert geometry.conditioning == (800, 1200, 0, 50, 400, 400)
    mirrored = images.fit(1200, 800, (400, 400), (0.5, 0.25), flip=True)
    assert mirrored.conditioning == (800, 1200, 0, 150, 400, 400)


def test_a_flip_mirrors_the_crop_that_the_conditioning_names() -> None:
    ramp = Image.fromarray(np.tile(np.arange(0, 200, dtype=np.uint8), (100, 1))).convert("RGB")
    plain = images.pixels(ramp, images.fit(200, 100, (100, 100), (0.5, 0.25)))
    mirrored = images.pixels(ramp, images.fit(200, 100, (100, 100), (0.5, 0.25), flip=True))
    assert torch.equal(plain.flip(-1), mirrored)
    assert float(plain[0, 0, 0]) == pytest.approx(25 / 127.5 - 1)


def test_a_picture_is_turned_upright(tmp_path: Path) -> None:
    lying = Image.fromarray(np.zeros((20, 40, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    lying.save(tmp_path / "a.jpg", exif=exif)
    assert images.open_rgb(tmp_path / "a.jpg").size == (20, 40)


def test_transparency_is_laid_on_the_chosen_colour(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert images.open_rgb(tmp_path / "a.png", "#00ff00").getpixel((0, 0)) == (0, 255, 0)


def test_sixteen_bit_grey_is_not_turned_white(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 20000, np.uint16)).save(tmp_path / "a.png")
    assert images.open_rgb(tmp_path / "a.png").getpixel((0, 0)) == (78, 78, 78)


@pytest.mark.slow
def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "a.png")
    with pytest.raises(BadPicture, match="megapixels"):
        images.open_rgb(tmp_path / "a.png")


@pytest.mark.parametrize("at", range(81, 1984, 97))
def test_whatever_a_decoder_raises_is_a_picture_that_cannot_be_used(at: int, tmp_path: Path) -> None:
    """AVIF's raises RuntimeError for pixels that are damaged, others other kinds; training and check say the same."""
    out = io.BytesIO()
    Image.effect_noise((64, 48), 60).convert("RGB").save(out, "AVIF")
    raw = bytearray(out.getvalue())
    raw[min(at, len(raw) - 1)] ^= 0xFF
    (tmp_path / "a.avif").write_bytes(raw)
    try:
        images.open_rgb(tmp_path / "a.avif")
        trains = True
    except BadPicture as error:
        trains = not str(error)
    assert (open_picture("a.avif", tmp_path / "a.avif").problem is None) == trains


def test_all_bad_files_are_named_at_once(tmp_path: Path) -> None:
    folder = draw_dataset(tmp_path / "pictures")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    whole = (folder / "0.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "1.txt").write_bytes(b"\xff bad")
    with pytest.raises(DataError) as caught:
        read_dataset(make_config(folder))
    assert [name for name in ("broken.jpg", "half.png", "1.png") if name not in str(caught.value)] == []
    left = read_dataset(make_config(folder, dataset__skip=["broken.jpg", "half.png", "1.png"]))
    assert [item.name for item in left] == ["0.png", "2.png", "3.png", "4.png"]


def test_captions_come_from_sidecar_then_metadata_then_the_instance_prompt(tmp_path: Path) -> None:
    folder = draw_dataset(tmp_path / "pictures", captions=False)
    (folder / "0.txt").write_text("a TOK star\n", encoding="utf-8-sig")
    (folder / "metadata.jsonl").write_text(
        '{"file_name": "0.png", "words": "not this"}\n{"file_name": "1.png", "words": "a TOK heart"}\n'
    )
    own = make_config(folder, dataset__caption_column="words")
    assert [item.prompt for item in read_dataset(own)][:3] == ["a TOK star", "a TOK heart", "a photo of a TOK"]


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "sub/../../a.png", "C:\\a.png"])
def test_no_metadata_row_leaves_the_folder(tmp_path: Path, name: str) -> None:
    folder = draw_dataset(tmp_path / "pictures", captions=False)
    (folder / "metadata.csv").write_text(f"file_name,prompt\n{name},a TOK\n")
    with pytest.raises(DataError, match="leads out of the folder"):
        read_dataset(make_config(folder))
