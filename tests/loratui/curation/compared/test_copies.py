"""Of two copies the one that was made larger, sharper, flatter or written on is the one to skip, whatever its size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from loratui.curation.compared.detail import Detail, detail_of, reworked
from loratui.curation.compared.levels import Levels, ends_of, hues_of, overdone
from loratui.curation.compared.overlaid import framed_alike, overlaid, thumb_of
from loratui.curation.overlays.repeats import repeat_of
from tests.loratui.curation.conftest import PHOTOS, codes, look, needs_photos, picture, scene
from tests.loratui.curation.test_damage import encoded, portrait
from tests.loratui.curation.test_overlays import beside, levels, photo

pytestmark = pytest.mark.usefixtures("one_measure")
Change = Callable[[Image.Image], Image.Image]


def bordered(one: Image.Image, part: float = 0.1) -> Image.Image:
    wide = int(part * one.width)
    return Image.fromarray(np.pad(np.asarray(one), ((wide, wide), (wide, wide), (0, 0)), "symmetric"))


def sepia(one: Image.Image) -> Image.Image:
    return ImageOps.colorize(one.convert("L"), "#201004", "#fff0d8")


def resized(one: Image.Image, across: float, down: float) -> Image.Image:
    return one.resize((round(across * one.width), round(down * one.height)), Image.Resampling.BICUBIC)


def barred(one: Image.Image) -> Image.Image:
    made = one.copy()
    ImageDraw.Draw(made).rectangle((one.width // 4, one.height // 3, one.width * 3 // 4, one.height * 2 // 5), fill=0)
    return made


def over(one: Image.Image) -> Image.Image:
    turned = one.transpose(Image.Transpose.ROTATE_90)
    return beside(turned, ImageOps.mirror(turned)).transpose(Image.Transpose.ROTATE_270)


def beside_half(one: Image.Image) -> Image.Image:
    return beside(one, ImageOps.mirror(one).crop((0, 0, one.width // 2, one.height)))


LARGER: dict[str, Change] = {
    "beside its mirror image": lambda one: beside(one, ImageOps.mirror(one)),
    "over its mirror image": over,
    "with a mirrored border": bordered,
    "twice": lambda one: beside(one, one),
    "beside half of its mirror image": beside_half,
}
CHANGED: dict[str, Change] = {
    **LARGER,
    "enlarged": lambda one: resized(one, 1.4, 1.4),
    "enlarged and sharpened": lambda one: resized(one, 1.5, 1.5).filter(ImageFilter.UnsharpMask(2, 150, 0)),
    "wider": lambda one: resized(one, 1.3, 1),
    "higher": lambda one: resized(one, 1, 1.3),
    "cropped and enlarged": lambda one: one.crop(
        (one.width // 10, one.height // 10, one.width * 9 // 10, one.height * 9 // 10)
    ).resize(one.size, Image.Resampling.BICUBIC),
    "sharpened": lambda one: one.filter(ImageFilter.UnsharpMask(2, 200, 0)),
    "slightly blurred": lambda one: one.filter(ImageFilter.GaussianBlur(1)),
    "cropped": lambda one: one.crop((one.width // 5, one.height // 10, one.width * 4 // 5, one.height * 7 // 10)),
    "sepia": sepia,
    "cut off in its lights": lambda one: ImageEnhance.Contrast(one).enhance(2.2),
    "noise of 10": lambda one: Image.fromarray(
        (np.asarray(one) + np.random.default_rng(0).normal(0, 10, (*one.size[::-1], 3))).clip(0, 255).astype(np.uint8)
    ),
}


@pytest.mark.parametrize("change", LARGER)
def test_what_was_made_larger_out_of_itself_is_pasted_together(folder: Path, change: str) -> None:
    one = photo(3, (400, 400))
    (folder / "a.jpg").write_bytes(encoded(LARGER[change](one), 95))
    (folder / "b.jpg").write_bytes(encoded(one, 85))
    report = look(folder, kind="object")
    assert "collage" in codes(report, "a.jpg") and "collage" not in codes(report, "b.jpg")
    assert picture(report, "b.jpg").better == ()


def test_how_much_stands_in_a_picture_twice() -> None:
    one = photo(3, (400, 300))
    assert repeat_of(levels(one)) == 0 and repeat_of(np.full((20, 20), 9, np.uint8)) == 0
    assert repeat_of(np.full((300, 300), 9, np.uint8)) == 0  # a plain wall is like any other
    assert repeat_of(levels(beside(one, ImageOps.mirror(one)))) == pytest.approx(0.5, abs=0.02)
    assert repeat_of(levels(beside(one, one))) == pytest.approx(0.5, abs=0.02)
    assert repeat_of(levels(bordered(one, 0.15))) == pytest.approx(0.12, abs=0.05)


@needs_photos
@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGED)
def test_of_photographs_no_changed_copy_wins(folder: Path, change: str) -> None:
    """Photographs that no threshold was chosen on; each copy comes first by its name and is saved more finely."""
    names = ("hagrid/hg_1f5fb137.jpg", "whitehouse/biden2.jpg", "dreambooth_dog6/01.jpg", "dreambooth_backpack/03.jpg")
    for number, name in enumerate(names):
        one = portrait(name)
        one.thumbnail((800, 800), Image.Resampling.LANCZOS)
        (folder / f"{number}z.jpg").write_bytes(encoded(one, 88))
        (folder / f"{number}a.jpg").write_bytes(encoded(CHANGED[change](one), 95))
    report = look(folder, kind="object")
    assert [one.name for one in report.pictures if one.name.replace("z", "a") in one.better] == []


def test_of_the_finest_detail() -> None:
    assert detail_of(np.zeros((100, 300), np.uint8)) == ()
    plain = Detail((-9.5, -9.5), (-8.0, -8.0), 0.5, 600, 400)
    for worse in (
        replace(plain, finest=(-12.0, -12.0), width=780, height=520),  # enlarged
        replace(plain, finest=(-12.0, -8.0), width=780),  # stretched
        replace(plain, middle=(-7.0, -7.0), finest=(-6.5, -6.5)),  # sharpened
        replace(plain, middle=(-14.0, -14.0), finest=(-11.0, -11.0)),  # blurred
    ):
        assert reworked(worse, plain) == 1 and reworked(plain, worse) == -1
    for other in (
        replace(plain, finest=(-4.0, -4.0), noise=3.0),  # grain is no detail
        replace(plain, finest=(-4.0, -4.0), width=300, height=200),  # what was made smaller is sharper
        replace(plain, finest=(-10.0, -10.0)),
    ):
        assert reworked(plain, other) == 0 and reworked(other, plain) == 0


def test_of_light_and_colours() -> None:
    plain = Levels(0.2, 0.0, 20.0, 7.0, ends=0.01, hues=4.0, face=(15.0, 18.0))
    for worse in (
        replace(plain, ends=0.08),
        replace(plain, hues=0.9, chroma=15.0),
        replace(plain, face=(12.0, -9.0)),
    ):
        assert overdone(worse, plain) == 1 and overdone(plain, worse) == -1
    assert overdone(replace(plain, hues=3.0), plain) == 0
    assert overdone(replace(plain, ends=0.08), replace(plain, noise=2.0)) == 0  # noise spreads what stood at one level
    one = scene(2, (400, 300))
    assert ends_of(levels(ImageEnhance.Contrast(one).enhance(3))) > 0.04 > ends_of(levels(one))
    assert hues_of(np.asarray(sepia(one))) < 1.5 < hues_of(np.asarray(one))


def test_a_bar_that_hides_something_is_laid_over(tmp_path: Path) -> None:
    def packed(one: Image.Image) -> bytes:
        one.convert("L").save(tmp_path / "a.png")
        return (tmp_path / "a.png").read_bytes()

    one = scene(2, (400, 300))
    whole, hidden = packed(one), packed(barred(one))
    assert overlaid(hidden, whole) == 1 and overlaid(whole, hidden) == -1
    thumbs = [thumb_of(each) for each in (whole, packed(ImageOps.mirror(one)), packed(scene(3, (400, 300))))]
    assert framed_alike(thumbs[0], thumbs[1]) and not framed_alike(thumbs[0], thumbs[2])
    assert thumb_of(b"") is None and not framed_alike(None, thumbs[0])


@needs_photos
def test_of_sound_photographs_nothing_stands_twice() -> None:
    for folder in ("dreambooth_vase", "dreambooth_clock"):  # as even as anything at hand
        for file in sorted((PHOTOS / folder).iterdir()):
            with Image.open(file) as one:
                assert repeat_of(levels(one)) == 0, file
