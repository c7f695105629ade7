"""Blur, enlargement and light: what is wrong is found, what is sharp is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from loratui.curation.checks.blur import blur_effect
from loratui.curation.checks.enlarged import is_enlarged
from loratui.curation.checks.measure import PictureMeasure
from loratui.curation.checks.quality import blurry, quality_findings
from loratui.curation.people.framing import face_findings
from tests.loratui.curation.conftest import codes, look, of_set, picture, scene
from trainer.demo.draw import COLOURS, Ground, Spec, draw, named

Change = Callable[[Image.Image], Image.Image]


@pytest.mark.slow
def test_a_blurred_picture_is_found_and_a_sharp_one_is_not(folder: Path) -> None:
    scene(1).save(folder / "sharp.png")
    scene(1).filter(ImageFilter.GaussianBlur(3)).save(folder / "blurred.png")
    moved = Image.fromarray(
        np.mean([np.roll(np.asarray(scene(2)), shift, 1) for shift in range(15)], 0).astype(np.uint8)
    )
    moved.save(folder / "moved.png")
    report = look(folder)
    assert picture(report, "sharp.png").blurry is False and codes(report, "sharp.png") == []
    assert picture(report, "blurred.png").blurry is True and "blurred" in codes(report, "blurred.png")
    assert picture(report, "moved.png").blurry is True


def test_a_sharp_subject_before_a_soft_background_is_not_called_blurred(folder: Path) -> None:
    sharp, soft = scene(1), scene(1).filter(ImageFilter.GaussianBlur(8))
    mask = Image.new("L", sharp.size)
    ImageDraw.Draw(mask).ellipse((200, 60, 440, 420), fill=255)
    Image.composite(sharp, soft, mask.filter(ImageFilter.GaussianBlur(10))).save(folder / "a.jpg", quality=92)
    assert picture(look(folder), "a.jpg").blurry is False


def test_a_blurred_face_before_a_sharp_wall_is_blurred() -> None:
    one = PictureMeasure(blur=0.3, face_blur=0.7)
    assert blurry(one) and "the face" in quality_findings("a", one, "face")[0].message
    assert blurry(PictureMeasure()) is None


def test_the_measure_is_that_of_scikit_image() -> None:
    measure = pytest.importorskip("skimage.measure")
    for number in range(3):
        grey = np.asarray(scene(number).convert("L"))
        assert blur_effect(grey) == pytest.approx(measure.blur_effect(grey), abs=1e-4)


def _up(factor: float, filter: Image.Resampling) -> Change:
    def change(one: Image.Image) -> Image.Image:
        small = one.resize((int(one.width / factor), int(one.height / factor)), Image.Resampling.LANCZOS)
        return small.resize(one.size, filter)

    return change


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("filter", ["BICUBIC", "LANCZOS", "NEAREST"])
def test_an_enlarged_picture_is_found(folder: Path, factor: float, filter: str) -> None:
    _up(factor, Image.Resampling[filter])(scene(1, (960, 720))).save(folder / "a.jpg", quality=90)
    assert picture(look(folder), "a.jpg").upscaled is True


@pytest.mark.parametrize("quality", [15, 40, 90])
def test_a_strongly_compressed_picture_is_not_called_enlarged(folder: Path, quality: int) -> None:
    scene(1, (960, 720)).save(folder / "a.jpg", quality=quality)
    assert picture(look(folder), "a.jpg").upscaled is False


def test_what_cannot_tell_is_not_judged() -> None:
    assert is_enlarged(np.full((512, 512), 90, np.uint8)) is None
    assert is_enlarged(np.asarray(scene(1, (200, 200)).convert("L"))) is None


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("too-dark", lambda one: ImageEnhance.Brightness(one).enhance(0.08)),
        ("too-bright", lambda one: Image.blend(one, Image.new("RGB", one.size, "white"), 0.95)),
        ("low-contrast", lambda one: Image.blend(one, Image.new("RGB", one.size, (120, 120, 120)), 0.85)),
    ],
)
def test_light_is_judged_and_left_alone_in_a_style(folder: Path, code: str, change: Change) -> None:
    scene(1).save(folder / "good.png")
    change(scene(1)).save(folder / "bad.png")
    for kind, severity in (("object", "warn"), ("style", "hint")):
        report = look(folder, kind=kind)
        assert not {"too-dark", "too-bright", "low-contrast"} & set(codes(report, "good.png"))
        assert [one.severity for one in picture(report, "bad.png").findings if one.code == code] == [severity]


@pytest.mark.slow
@pytest.mark.parametrize("side", [64, 96, 512, 1024])
@pytest.mark.parametrize("kind", ["object", "face", "style"])
def test_drawn_pictures_are_not_asked_what_is_asked_of_photographs(folder: Path, side: int, kind: str) -> None:
    colours = list(COLOURS.values())
    for number, (shape, ground) in enumerate(
        [("star", "plain"), ("heart", "grid"), ("ring", "dotted"), ("cross", "plain")]
    ):
        there = Ground(ground, colours[number], colours[number + 4])
        draw(Spec(named(shape, colours[number + 7]), there, angle=30.0 * number), side).save(folder / f"{number}.png")
    report = look(folder, kind=kind, resolution=64)
    assert not [one for one in report.all_findings if one.severity != "hint"]


def test_small_pictures_are_not_judged_and_that_is_said(folder: Path) -> None:
    scene(1, (120, 120)).save(folder / "a.png")
    report = look(folder)
    assert {"faces", "blurry", "upscaled"} <= set(report.not_checked) and picture(report, "a.png").faces is None
    assert "turned" not in of_set(report) and face_findings("a", (), "object") == ()
