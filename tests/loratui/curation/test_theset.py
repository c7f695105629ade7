"""Number, views, the best n with reasons; every code is in the table; the cache changes nothing but the time."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageFilter

from loratui.curation.cache import cache_folder
from loratui.curation.checks.best_pictures import good_words, keep_best
from loratui.curation.checks.whole_set import set_findings, views_findings, with_views
from loratui.curation.codes import CODES
from loratui.curation.lines import report_lines
from loratui.curation.report import SPOILING, Finding, PictureReport, Report
from tests.loratui.curation.conftest import look, of_set, scene

ROOT = Path(__file__).parents[3]


def one(name: str, *codes: str, **fields: Any) -> PictureReport:
    findings = tuple(Finding(code, CODES[code].severity, name, None, "", "") for code in codes)
    opens = fields.pop("opens", True)
    fields.setdefault("judged", opens)
    return PictureReport(name, Path(name), opens, 9, 9, None, "none", name, findings, **fields)


def names(report: Report, count: int) -> list[str]:
    return [kept.name for kept in keep_best(report, count)]


def test_the_best_are_the_good_ones_and_where_they_end_that_is_said() -> None:
    bad = [one("bad", "truncated", opens=False), one("blurred", "blurred"), one("noisy", "noisy")]
    report = Report(Path(), "object", (*bad, one("good"), one("soft", "soft"), one("copy", better=("good",))))
    assert names(report, 1) == ["good"] and names(report, 99) == ["good", "soft"]
    assert good_words(report) == "2 of 6 are good; 2 are spoiled, 1 is not judged, 1 is there in a better copy"
    assert good_words(report, ["bad", "blurred", "noisy", "copy", "soft"]) == "1 of 1 is good"


def test_the_best_are_not_the_same_thing_twice() -> None:
    pictures = (
        one("a", look=0),
        one("b", look=0),
        one("copy", duplicates=("a",), better=("a",)),
        one("other", "soft"),
    )
    kept = keep_best(Report(Path(), "object", pictures), 3)
    assert [each.name for each in kept] == ["a", "other", "b"]
    assert names(Report(Path(), "object", pictures[2:]), 3) == ["copy", "other"]  # the better one is not there
    assert "the best of its look" in kept[0].reason and "soft" in kept[1].reason


def test_what_is_spoiled_or_was_never_judged_is_not_kept() -> None:
    alike = [one(f"good{n}", look=0, faces=1, framing="close-up") for n in range(4)]  # costs of likeness add up
    spoiled = [one(code, code, faces=1, framing="half", blur=0.0) for code in SPOILING]
    small = Finding("low-resolution", "warn", "small", 400, "", "", limit=1024)
    never = [one("tiny", judged=False), replace(one("small"), findings=(small,))]
    kept = names(Report(Path(), "face", (*never, *spoiled, *alike)), 8)
    assert set(kept) == {f"good{n}" for n in range(4)}


def test_the_best_of_a_face_are_close_ups_and_full_bodies() -> None:
    close = [one(f"close{n}", faces=1, framing="close-up", blurry=False) for n in range(12)]
    rest = [one(f"half{n}", "face-cut", framing="half") for n in range(3)]
    full = [one(f"full{n}", "soft", framing="full") for n in range(2)]
    kept = names(Report(Path(), "face", (*close, *rest, *full)), 8)
    assert sum(name.startswith("close") for name in kept) <= 5 and "full0" in kept
    reason = keep_best(Report(Path(), "face", (*close, *full)), 1)[0].reason
    assert "the first close-up" in reason and "sharp" in reason


def test_views_are_told_at_the_planned_steps() -> None:
    assert [f.code for f in views_findings(5, 2000, 1)] == ["many-views"]
    assert [f.code for f in views_findings(100, 500, 1)] == ["few-views"]
    assert views_findings(10, 1200, 1) == () and views_findings(10, 0, 1) == ()
    report = with_views(with_views(Report(Path(), "face", ()), 5, 2000, 1), 5, 500, 1)
    assert report.findings == ()


@pytest.mark.slow
def test_few_and_many_pictures_are_told_with_the_best(folder: Path) -> None:
    for number in range(3):
        scene(number, (150, 150)).save(folder / f"{number}.png")
    assert of_set(look(folder, kind="object"))["few-pictures"].value == 3
    for number in range(3, 12):
        scene(number, (150, 150)).save(folder / f"{number}.png")
    found = of_set(look(folder, kind="object"))["many-pictures"]
    assert found.severity == "hint" and 5 <= len(found.value) <= 10 and all(found.value.values())
    assert len(found.value) == 10 or f"({len(found.value)} of 12 are good; " in found.message


def test_where_none_of_many_is_good_that_is_said_plainly() -> None:
    blurred = Report(Path(), "object", tuple(one(f"{number}.png", "blurred") for number in range(12)))
    (said,) = [found.message for found in set_findings(blurred) if found.code == "many-pictures"]
    assert said.endswith("; none of these would be kept (0 of 12 are good; 12 are spoiled)")


@pytest.mark.parametrize(("spoiled", "proposed"), [(("blurred",), False), ((), True)])
def test_to_keep_the_best_is_proposed_only_where_it_keeps_some(spoiled: tuple[str, ...], proposed: bool) -> None:
    """In no finding's remedy, and by no key or command of the long report."""
    pictures = tuple(one(f"{number}.png", *spoiled, look=0 if number < 4 else None) for number in range(12))
    report = Report(Path(), "object", pictures)
    assert bool(keep_best(report, 1)) is proposed
    report = replace(report, findings=set_findings(report))
    assert {"many-pictures", "same-look"} <= {each.code for each in report.findings}
    assert any("keep the best" in each.remedy for each in report.findings) is proposed
    assert ("keep the best" in " ".join(" ".join(report_lines(report, names=True)).split())) is proposed
    assert "add better ones" in " ".join(each.remedy for each in report.findings) or proposed


def _codes_in(path: Path) -> set[str]:
    """The first constant of each call that makes a finding, or the second of one that makes a problem.

    The constant may have a name in the module.
    """
    found = set()
    tree = ast.parse(path.read_text())
    names = {
        name.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for name in node.targets
        if isinstance(name, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            place = {"Finding": 0, "CaptionFault": 0, "_block": 0, "Unreadable": 0, "Problem": 1}.get(node.func.id, 99)
            given = [names.get(arg.id) if isinstance(arg, ast.Name) else arg for arg in node.args[place : place + 1]]
            words = [arg.value for arg in given if isinstance(arg, ast.Constant)]
            found |= set(words)
    return found


def test_every_code_stands_in_the_table_and_every_row_is_used() -> None:
    rooms = ("loratui/curation", "trainer/contract/pictures")
    files = [file for room in rooms for file in (ROOT / room).rglob("*.py")]
    assert set().union(*map(_codes_in, files)) == set(CODES)


@pytest.mark.slow
def test_a_second_scan_measures_nothing_and_says_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene(1).save(folder / "a.png")
    scene(1).crop((90, 40, 560, 420)).save(folder / "crop.png")
    scene(2).filter(ImageFilter.GaussianBlur(3)).save(folder / "b.jpg")
    (folder / "empty.jpg").write_bytes(b"")
    first = look(folder, kind="face")
    monkeypatch.setattr(sys.modules["loratui.curation.scan"], "measure", None)
    monkeypatch.setattr("loratui.curation.checks.same_shot.compare", None)
    assert look(folder, kind="face") == first
    assert replace(look(folder, kind="object"), kind="face") != first, "settings are judged anew"


@pytest.mark.slow
def test_what_changed_is_measured_again(folder: Path) -> None:
    scene(1).save(folder / "a.png")
    assert look(folder).pictures[0].blurry is False
    scene(1).filter(ImageFilter.GaussianBlur(3)).save(folder / "a.png")
    assert look(folder).pictures[0].blurry is True


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"key": 1}', b'{"pictures": {"a.png": 3}}'])
def test_a_damaged_cache_is_not_there(folder: Path, damage: bytes) -> None:
    scene(1).save(folder / "a.png")
    first = look(folder)
    (kept,) = cache_folder().glob("*.json")
    words = json.loads(kept.read_bytes())
    assert oct(kept.stat().st_mode & 0o777) == "0o600" and oct(kept.parent.stat().st_mode & 0o777) == "0o700"
    kept.write_bytes(damage)
    assert look(folder) == first
    words["pictures"]["a.png"]["measured"].pop("faces")
    kept.write_text(json.dumps(words))
    assert look(folder) == first


@pytest.mark.slow
def test_what_an_older_loratui_did_not_measure_is_measured(folder: Path) -> None:
    scene(1).filter(ImageFilter.GaussianBlur(3)).save(folder / "a.png")
    first = look(folder)
    assert first.pictures[0].blurry
    (kept,) = cache_folder().glob("*.json")
    words = json.loads(kept.read_bytes())
    for name in ("blur", "light", "look"):  # each has a default, and would be taken for what cannot be measured
        words["pictures"]["a.png"]["measured"].pop(name)
    kept.write_text(json.dumps(words))
    assert look(folder) == first


def test_a_home_that_cannot_be_written_stops_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene(1, (150, 150)).save(folder / "a.png")
    (folder.parent / "file").write_text("x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "file"))
    assert look(folder).pictures[0].opens


def test_importing_the_doctor_loads_none_of_what_looks_at_pixels() -> None:
    code = "import sys, loratui.curation, loratui.curation.checks.best_pictures; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"cv2", "numpy", "PIL", "skimage", "scipy", "imagehash", "tokenizers"} & set(done.stdout.split())


def test_a_scan_prints_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scene(1).save(folder / "a.png")
    os.truncate(folder / "a.png", (folder / "a.png").stat().st_size // 2)
    scene(1).save(folder / "b.jpg")
    look(folder, kind="face")
    assert capfd.readouterr() == ("", "")
