"""Pictures pasted together and words laid over them: told where they are, and not of scenes with edges and signs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from loratui.curation.checks.best_pictures import keep_best
from loratui.curation.overlays.lettering import ENOUGH, letters_of
from loratui.curation.overlays.seams import seam_of
from tests.loratui.curation.conftest import codes, look, needs_photos, picture, scene
from tests.loratui.curation.test_damage import PORTRAITS, encoded, portrait

pytestmark = pytest.mark.usefixtures("one_measure")


def beside(left: Image.Image, right: Image.Image, gap: int = 0) -> Image.Image:
    made = Image.new("RGB", (left.width + gap + right.width, left.height), "white")
    made.paste(left, (0, 0))
    made.paste(ImageOps.fit(right, right.size), (left.width + gap, 0))
    return made


def photo(number: int, size: tuple[int, int]) -> Image.Image:
    """A scene with the softness of a lens."""
    return scene(number, size).filter(ImageFilter.GaussianBlur(1))


def levels(one: Image.Image) -> np.ndarray:
    return np.asarray(one.convert("L"))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("gap", [0, 12])
def test_a_seam_is_where_two_pictures_meet(gap: int, turned: bool) -> None:
    made = beside(photo(3, (640, 480)), photo(8, (500, 480)), gap)
    grey = levels(made)
    found = seam_of(np.ascontiguousarray(grey.T) if turned else grey)
    assert found is not None and abs(found * made.width - 640) <= gap + 3


def test_a_soft_or_leaning_edge_is_none() -> None:
    made = beside(photo(3, (640, 480)), photo(8, (500, 480)))
    assert seam_of(levels(made.filter(ImageFilter.GaussianBlur(2)))) is None
    assert seam_of(levels(made.rotate(1.5, Image.Resampling.BICUBIC).crop((40, 40, 1100, 440)))) is None
    assert seam_of(levels(scene(3, (640, 480)))) is None
    for size in ((128, 128), (128, 4), (9, 9), (1, 1), (3000, 130)):
        assert seam_of(np.full(size, 9, np.uint8)) is None


def written(one: Image.Image, words: str, fill: str = "white", size: int = 40) -> Image.Image:
    made = one.copy()
    ImageDraw.Draw(made).text((40, 40), words, fill=fill, font=ImageFont.load_default(size=size))
    return made


@pytest.mark.parametrize("fill", ["white", "black", "#ffa020"])
def test_letters_in_a_line_are_counted(fill: str) -> None:
    grey = Image.new("RGB", (900, 400), "#808890")
    assert letters_of(np.asarray(written(grey, "SUMMER SALE", fill))) == 10
    assert letters_of(np.asarray(written(grey, "2019 07 21", fill))) == 8
    assert letters_of(np.asarray(written(grey, "SUMMER SALE", fill, 9))) < ENOUGH  # too small to be told from grain
    for size in ((1, 1), (128, 128), (3000, 20)):
        assert letters_of(np.zeros((*size, 3), np.uint8)) == 0


def test_what_is_no_line_has_no_letters() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (500, 500, 3), dtype=np.uint8)
    assert letters_of(noise) < ENOUGH
    spots = Image.new("RGB", (600, 600), "#808080")
    draw = ImageDraw.Draw(spots)
    for place in range(10):  # white, of one size, but falling
        draw.rectangle((40 * place, 40 * place, 40 * place + 18, 40 * place + 25), outline="white", width=4)
    assert letters_of(np.asarray(spots)) < ENOUGH


@needs_photos
@pytest.mark.slow
def test_edges_of_damage_and_of_enlarged_blocks_are_no_seam(tmp_path: Path) -> None:
    one = portrait(PORTRAITS[0])
    one.resize((one.width // 10, one.height // 10)).resize(one.size, Image.Resampling.NEAREST).save(tmp_path / "a.png")
    torn = bytearray(encoded(one))
    torn[len(torn) // 2 : len(torn) // 2 + 2000] = bytes(2000)
    (tmp_path / "b.jpg").write_bytes(bytes(torn))
    report = look(tmp_path, kind="face", resolution=128)
    assert "pixelated" in codes(report, "a.png") and "damaged" in codes(report, "b.jpg")
    assert "collage" not in codes(report, "a.png") + codes(report, "b.jpg")


@needs_photos
@pytest.mark.slow
def test_a_pasted_pair_is_a_collage_and_not_kept_before_a_portrait(tmp_path: Path) -> None:
    one, other = portrait(PORTRAITS[0]), portrait(PORTRAITS[-1])
    (tmp_path / "a.jpg").write_bytes(encoded(beside(one, other.resize((one.width, one.height * 3)).resize(one.size))))
    (tmp_path / "b.jpg").write_bytes(encoded(one))
    (tmp_path / "c.jpg").write_bytes(encoded(written(portrait(PORTRAITS[1]), "SUMMER SALE", size=60)))
    report = look(tmp_path, kind="face", resolution=128)
    assert "collage" in codes(report, "a.jpg") and "lettering" in codes(report, "c.jpg")
    assert not {"collage", "lettering"} & set(codes(report, "b.jpg"))
    assert keep_best(report, 3)[0].name == "b.jpg"
    (seam,) = (each for each in picture(report, "a.jpg").findings if each.code == "collage")
    assert seam.severity == "warn" and "50%" in seam.message
    style = look(tmp_path, kind="style", resolution=128)
    assert {each.severity for each in style.all_findings if each.code == "collage"} == {"hint"}
