"""Few levels, pushed colours, square blocks: told, and never preferred to the picture that they were made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from loratui.curation.checks.damage import NOISY, is_noisy
from loratui.curation.checks.measure import measure
from loratui.curation.checks.overdone import BANDED, bands_of, chroma_of, clipped_of, is_pixelated
from loratui.curation.compared.levels import FLATTER, Levels, coarser, depth_of, overdone
from loratui.curation.report import spoilt
from tests.loratui.curation.conftest import PHOTOS, codes, look, needs_photos, picture, scene
from tests.loratui.curation.test_damage import encoded, mosaic, portrait

pytestmark = pytest.mark.usefixtures("one_measure")
Change = Callable[[Image.Image], Image.Image]
CHANGES: dict[str, Change] = {
    "posterised": lambda one: ImageOps.posterize(one, 3),
    "oversaturated": lambda one: ImageEnhance.Color(one).enhance(5),
    "pixelated": lambda one: mosaic(one, 16),
    "grey": lambda one: ImageOps.grayscale(one).convert("RGB"),
    "darker": lambda one: ImageEnhance.Brightness(one).enhance(0.7),
    "faded": lambda one: Image.blend(one, Image.new("RGB", one.size, "#d0d0d0"), 0.5),
    "framed": lambda one: ImageOps.expand(one, 12, "black"),
}


def calm(number: int) -> Image.Image:
    """A scene with soft grounds, as photographs have."""
    width, height = 640, 480
    across = np.linspace(20, 230, width)[None, :, None] * np.linspace(0.5, 1, height)[:, None, None]
    tint = np.array([1.0, 0.8, 0.6]) if number % 2 else np.array([0.6, 0.8, 1.0])
    soft = Image.fromarray((across * tint).clip(0, 255).astype(np.uint8))
    return Image.blend(soft, scene(number, (width, height)), 0.25)


@pytest.mark.parametrize("change", ["posterised", "pixelated"])
@pytest.mark.parametrize("quality", [75, 95])
def test_what_was_done_to_a_picture_is_told(folder: Path, change: str, quality: int) -> None:
    (folder / "a.jpg").write_bytes(encoded(calm(1), quality))
    (folder / "b.jpg").write_bytes(encoded(CHANGES[change](calm(2)), quality))
    report = look(folder, kind="object")
    assert codes(report, "a.jpg") == [] and change in codes(report, "b.jpg")
    assert change in spoilt(picture(report, "b.jpg"))
    milder = next(one for one in picture(look(folder, kind="style"), "b.jpg").findings if one.code == change)
    assert milder.severity == "hint"


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("names", [("a.jpg", "z.jpg"), ("z.jpg", "a.jpg")])
def test_a_copy_never_wins_over_what_it_was_made_of(folder: Path, change: str, names: tuple[str, str]) -> None:
    original, copy = names
    (folder / original).write_bytes(encoded(calm(3), 80))
    (folder / copy).write_bytes(encoded(CHANGES[change](calm(3)), 95))
    report = look(folder, kind="object")
    assert picture(report, original).better == ()
    assert picture(report, copy).better == (original,)


def test_measures_of_what_was_done() -> None:
    one = np.asarray(calm(1))
    assert bands_of(one) < BANDED < bands_of(np.asarray(ImageOps.posterize(calm(1), 3)))
    assert bands_of(np.zeros((64, 64, 3), np.uint8)) == 0 and not is_pixelated(np.zeros((64, 64), np.uint8))
    assert (
        clipped_of(np.full((8, 8, 3), (255, 0, 0), np.uint8)) == 1
        and clipped_of(np.full((8, 8, 3), 255, np.uint8)) == 0
    )
    assert chroma_of(np.full((8, 8, 3), 90, np.uint8)) < 1 < chroma_of(np.full((8, 8, 3), (200, 90, 60), np.uint8))
    plain = Levels(0.2, 0.01, 20.0, 7.0)
    for worse in (
        replace(plain, clipped=0.5, chroma=60.0),
        replace(plain, chroma=0.5),
        replace(plain, depth=6.0, clipped=0.0),
        replace(plain, chroma=0.5, depth=7.9, clipped=0.0),  # without colours: whatever else it has
    ):
        assert overdone(worse, plain) == 1 and overdone(plain, worse) == -1
    assert overdone(plain, replace(plain, clipped=0.0, chroma=22.0, depth=7.1)) == 0
    assert coarser(replace(plain, bands=0.9), plain) == 1 and coarser(plain, replace(plain, noise=5.0)) == -1
    assert coarser(replace(plain, bands=0.4), replace(plain, bands=0.0, noise=2.2)) == 0  # noise hides steps


@pytest.mark.parametrize("number", range(3))
def test_noise_is_no_light_that_a_copy_kept(number: int) -> None:
    grain = np.random.default_rng(number)
    for grey in (np.asarray(one.convert("L")) for one in (scene(number, (400, 300)), calm(number))):
        for deviation in (15, 25, 40):
            noisy = np.uint8(np.clip(grey + grain.normal(0, deviation, grey.shape), 0, 255))
            assert depth_of(noisy) < depth_of(grey) + FLATTER
        assert depth_of(np.uint8(grey * 0.6)) < depth_of(grey) - FLATTER


def test_the_copy_that_looks_drawn_is_the_worse_one_among_photographs(folder: Path) -> None:
    for number in range(2):
        scene(number, (400, 400)).save(folder / f"other {number}.png")
    mask = Image.new("L", (400, 400))
    ImageDraw.Draw(mask).ellipse((120, 120, 280, 280), fill=255)
    wall = np.random.default_rng(0).normal(0, 1.5, (400, 400, 3)) + np.linspace(190, 225, 400)[:, None, None]
    studio = Image.composite(scene(5, (400, 400)), Image.fromarray(np.uint8(wall)), mask)
    (folder / "studio.jpg").write_bytes(encoded(studio, 92))
    blocks = studio.resize((25, 25), Image.Resampling.BOX).resize(studio.size, Image.Resampling.NEAREST)
    (folder / "copy.jpg").write_bytes(encoded(blocks, 92))
    measured = [measure(name, folder / name, "#ffffff", False) for name in ("studio.jpg", "copy.jpg")]
    assert [one.drawn for one in measured] == [False, True]
    report = look(folder, kind="object")
    assert "copy.jpg" in picture(report, "studio.jpg").duplicates and picture(report, "studio.jpg").better == ()


def test_one_rule_says_what_noise_is(folder: Path) -> None:
    assert is_noisy(NOISY + 0.1, 0.0) and is_noisy(None, 0.5) and not is_noisy(NOISY, 0.0)
    grain = np.random.default_rng(0).normal(0, 30, (480, 640, 3))
    made = Image.fromarray((np.asarray(calm(1)) + grain).clip(0, 255).astype(np.uint8))
    (folder / "a.jpg").write_bytes(encoded(made, 92))
    report = look(folder, kind="object")
    assert codes(report, "a.jpg") == ["noisy"] and spoilt(picture(report, "a.jpg")) == {"noisy"}


@needs_photos
@pytest.mark.slow
@pytest.mark.parametrize("spoil", [*CHANGES, "pushed a little", "noise of 30", "noise saved coarsely"])
def test_of_photographs_no_changed_copy_wins(folder: Path, spoil: str) -> None:
    grain = np.random.default_rng(0)
    more: dict[str, Change] = {
        "pushed a little": lambda one: ImageEnhance.Color(one).enhance(3),
        "noise of 30": lambda one: Image.fromarray(
            (np.asarray(one) + grain.normal(0, 30, (*one.size[::-1], 3))).clip(0, 255).astype(np.uint8)
        ),
    }
    more["noise saved coarsely"] = more["noise of 30"]
    sources = [one for name in ("hagrid", "dreambooth_dog6") for one in sorted((PHOTOS / name).iterdir())[:3]]
    for number, source in enumerate(sources):
        one = portrait(str(source.relative_to(PHOTOS)))
        one.thumbnail((800, 800), Image.Resampling.LANCZOS)
        (folder / f"{number}z.jpg").write_bytes(encoded(one, 88))
        (folder / f"{number}a.jpg").write_bytes(
            encoded((CHANGES | more)[spoil](one), 30 if "coarsely" in spoil else 95)
        )
    report = look(folder, kind="object")
    assert [one.name for one in report.pictures if one.name.replace("z", "a") in one.better] == []
