"""The same photograph is found whatever was done to it, different ones are not, and the set is judged in words."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from loratui.curation.checks.colours import look_groups
from loratui.curation.checks.same_shot import features
from loratui.curation.likeness import groups
from loratui.curation.report import outcome
from tests.loratui.curation.conftest import PHOTOS, codes, look, needs_photos, of_set, picture, scene

CHANGES = {
    "coded.jpg": lambda one: one,
    "half.png": lambda one: one.resize((one.width // 2, one.height // 2)),
    "grey.png": lambda one: one.convert("L"),
    "bright.png": lambda one: ImageEnhance.Brightness(one).enhance(1.3),
    "mirror.png": ImageOps.mirror,
    "crop.png": lambda one: one.crop((90, 40, 560, 420)),
    "crop of the mirror image.jpg": lambda one: ImageEnhance.Brightness(
        ImageOps.mirror(one.crop((60, 30, 580, 440)))
    ).enhance(1.3),
    "letterbox.png": lambda one: ImageOps.pad(one, (960, 480)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_same_photograph_is_found(folder: Path, name: str) -> None:
    scene(1).save(folder / "a.png")
    CHANGES[name](scene(1)).save(folder / name, quality=50)
    scene(2).save(folder / "other.png")
    report = look(folder)
    assert picture(report, "a.png").duplicates == (name,) and picture(report, name).duplicates == ("a.png",)
    assert picture(report, "other.png").duplicates == ()


def test_the_warning_stands_with_the_worse_one_until_the_better_is_left_out(folder: Path) -> None:
    scene(1).resize((320, 240)).save(folder / "a_small.png")
    scene(1).save(folder / "b_large.png")
    report = look(folder, resolution=128)
    (finding,) = outcome(report).unaccepted
    assert (finding.code, finding.file, finding.value) == ("near-duplicate", "a_small.png", "b_large.png")
    assert outcome(report, ["b_large.png"]).ready and outcome(report, ["a_small.png"]).ready


def test_three_of_a_kind_need_two_decisions(folder: Path) -> None:
    scene(1).save(folder / "a.png")
    for name in ("b.png", "c.png"):
        shutil.copy(folder / "a.png", folder / name)
    report = look(folder)
    assert len(outcome(report).unaccepted) == 2
    assert [one.file for one in outcome(report, ["a.png"]).unaccepted] == ["c.png"]


@pytest.mark.slow
def test_different_scenes_have_nothing_in_common(folder: Path) -> None:
    for number in range(8):
        scene(number).save(folder / f"{number}.png")
    report = look(folder)
    assert all(not one.duplicates and one.look is None for one in report.pictures)
    assert any("Variety: varied; 8 looks among 8 pictures." in line for line in report.summary)


def test_two_crops_of_one_photograph_belong_together(folder: Path) -> None:
    scene(1).save(folder / "a.png")
    scene(1).crop((0, 0, 330, 480)).save(folder / "left.png")
    scene(1).crop((310, 0, 640, 480)).save(folder / "right.png")
    assert set(picture(look(folder), "left.png").duplicates) == {"a.png", "right.png"}


def shuffled(number: int) -> Image.Image:
    """The colours of one scene, in another order: as a backdrop and clothes come again in another pose."""
    pixels = np.asarray(scene(7)).reshape(6, 80, 8, 80, 3).swapaxes(1, 2).reshape(48, 80, 80, 3)
    mixed = pixels[np.random.default_rng(number).permutation(48)]
    return Image.fromarray(mixed.reshape(6, 8, 80, 80, 3).swapaxes(1, 2).reshape(480, 640, 3))


@pytest.mark.slow
def test_one_shooting_is_told(folder: Path) -> None:
    for number in range(5):
        shuffled(number).save(folder / f"{number}.png")
    report = look(folder)
    (group,) = {one.look for one in report.pictures}
    assert group is not None and of_set(report)["one-shooting"].severity == "hint"
    assert not any(one.duplicates for one in report.pictures)
    assert any("little varied" in line for line in report.summary)


def test_a_chain_of_small_steps_is_not_one_look() -> None:
    """Each is like the next, the first is nothing like the last: so 32 pictures of 14 subjects became one group."""
    turns = np.linspace(0, np.pi / 2, 24)
    rows = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
    assert all(1 - one @ two < 0.01 for one, two in itertools.pairwise(rows)) and rows[0] @ rows[-1] < 0.01
    for order in (np.arange(24), np.random.default_rng(1).permutation(24)):
        found = groups(rows[order], 0.11)
        assert sorted(one for each in found for one in each) == list(range(24)) and len(found) > 1
        for each in found:
            within = rows[order][each]
            assert (1 - within @ within.T).mean() < 0.11


@needs_photos
@pytest.mark.slow
def test_of_photographs_none_of_another_subject_shares_the_colours(folder: Path) -> None:
    for each in ("backpack", "cat", "clock", "dog6", "vase"):
        for file in sorted((PHOTOS / f"dreambooth_{each}").iterdir()):
            shutil.copy(file, folder / f"{each}-{file.name}")
    together: dict[int, set[str]] = {}
    for one in look(folder, kind="object").pictures:
        if one.look is not None:
            together.setdefault(one.look, set()).add(one.name.partition("-")[0])
    assert len(together) >= 5 and all(len(subjects) == 1 for subjects in together.values())


def test_pictures_without_a_look_are_in_no_group() -> None:
    assert look_groups([b"", b""]) == [None, None] and look_groups([]) == []


@pytest.mark.parametrize("size", [(20, 20), (31, 500), (1, 1)])
def test_orb_is_never_asked_about_tiny_pictures(size: tuple[int, int]) -> None:
    assert features(np.zeros(size, np.uint8)) is None


def test_a_folder_of_very_small_and_single_pictures_goes_through(folder: Path) -> None:
    Image.new("RGB", (1, 1)).save(folder / "a.png")
    Image.new("RGB", (4000, 140)).save(folder / "wide.png")
    report = look(folder)
    assert "thin" in codes(report, "wide.png") and len(report.pictures) == 2
