"""`loratui check`: the verdict, a line a finding, JSON alone on stdout, a contact sheet; no name is obeyed."""

from __future__ import annotations

import io
import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from loratui.commands.check import run_check
from loratui.commands.findings import print_report
from loratui.curation.as_json import report_json
from loratui.curation.checks.size import size_findings
from loratui.curation.codes import CODES
from loratui.curation.contact_sheet import draw_contact_sheet, refuse_place, write_contact_sheet
from loratui.curation.groups import MANY, accept_keys, grouped, unknown_codes
from loratui.curation.lines import refusal_lines
from loratui.curation.report import Finding, PictureReport, Report, outcome, spoilt
from loratui.curation.scan import ScanSettings, scan
from loratui.errors import Refusal
from loratui.terminal.text import shell_path
from tests.loratui.conftest import LoraTUI

Draw = Callable[..., Path]
HOSTILE = "a\x1b]52;c;aGk=\x07[b]x[/] :smile: y.png"


def printed(report: Report, width: int = 80, names: bool = False) -> str:
    out = io.StringIO()
    print_report(report, out, width, names)
    return out.getvalue()


def squeezed(text: str) -> str:
    """Without white space: what was wrapped reads as one."""
    return re.sub(r"\s+", "", text)


def report_of(tmp_path: Path, *findings: Finding) -> Report:
    names = dict.fromkeys(one.file for one in findings if one.file)
    pictures = tuple(
        PictureReport(
            name, tmp_path / name, True, 10, 10, None, "none", "", tuple(f for f in findings if f.file == name)
        )
        for name in names
    )
    return Report(tmp_path, "face", pictures, tuple(one for one in findings if not one.file), ("faces",))


LONG = Finding(
    "low-resolution",
    "warn",
    "a_very_long_name_of_a_photograph_from_a_telephone_2026-11-23.jpg",
    767,
    "767 x 767 px is below the training resolution, 1024, and this sentence goes on for quite a while",
    "use a larger original, train at a lower resolution, skip it, or accept it: the remedy is long as well",
)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("names", [False, True])
def test_no_line_is_wider_than_the_terminal_and_all_loses_no_letter(tmp_path: Path, width: int, names: bool) -> None:
    text = printed(report_of(tmp_path, LONG), width, names)
    lines = text.splitlines()
    assert [line for line in lines if len(line) > width and str(tmp_path) not in line] == []
    assert sum(line.startswith("!") for line in lines) == 2  # the verdict, and one row for the finding
    for sentence in (LONG.message, LONG.remedy) if names else (LONG.message,):
        assert set(sentence.split()) <= set(text.split())
    assert squeezed(LONG.file) in squeezed(text)


def small(*sizes: int) -> list[Finding]:
    return [Finding("low-resolution", "warn", f"{px}.jpg", px, f"{px} px", "larger", limit=1024) for px in sizes]


def test_the_verdict_comes_first_and_a_kind_is_one_line(tmp_path: Path) -> None:
    hints = [Finding("no-caption", "hint", f"{n}.jpg", None, "no caption", "write one") for n in range(3)]
    broken = Finding("empty-file", "block", "x.jpg", 0, "the file is empty", "skip it", acceptable=False)
    report = report_of(tmp_path, *hints, *small(240, 500, 687), broken)
    lines = printed(report).splitlines()
    assert lines[0] == "✗ The pictures are not ready: 1 finding in the way, 1 warning to decide; 1 hint."
    assert lines[3:6] == [
        "✗ empty-file       x.jpg: the file is empty",
        "! low-resolution   3 pictures are smaller than 1024 px (240 to 687)",
        "· no-caption       3 pictures have no caption; the instance prompt is used",
    ]
    assert "240.jpg" not in printed(report) and lines[-1].endswith("--all")
    every = printed(report, names=True)
    assert "    240.jpg: 240 px" in every and "    → larger" in every and "--all" not in every


def test_the_verdict_is_of_the_pictures_and_promises_no_run(tmp_path: Path) -> None:
    """Whether a run starts hangs on a base model and a GPU too, at which nobody looked."""
    broken = Finding("empty-file", "block", "x.jpg", 0, "the file is empty", "skip it", acceptable=False)
    hint = Finding("no-caption", "hint", "a.jpg", None, "no caption", "write one")
    for found, begin in (((hint,), "✓ The pictures are ready: "), (small(500), "! The pictures are not ready yet: ")):
        assert printed(report_of(tmp_path, *found)).startswith(begin)
    for one in (hint, *small(500), broken):
        assert "run" not in printed(report_of(tmp_path, one)).splitlines()[0]


def test_a_kind_that_the_pictures_speak_for_is_asked_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "10_ohwx woman"
    folder.mkdir()
    Image.new("RGB", (1100, 1100)).save(folder / "0.png")
    asked = f"To have it judged so: loratui check {shell_path(folder)} --kind face"
    for kind, told in (("object", False), ("object", True), ("face", False)):
        run_check(folder, ScanSettings(kind=kind), False, told=told)
        assert (asked in " ".join(capsys.readouterr().out.split())) is (kind == "object" and not told)


def test_thirty_poor_pictures_are_a_screen_and_no_more(tmp_path: Path) -> None:
    several = [
        Finding(code, "warn", f"{n}.jpg", n, f"{n} is wrong with it", "skip it")
        for n in range(33)
        for code in ("low-resolution", "blurred", "several-faces", "trigger-missing", "noisy", "far-away")
    ]
    assert len(printed(report_of(tmp_path, *several)).splitlines()) < 24


def test_a_remedy_of_several_pictures_speaks_of_several() -> None:
    def said(remedy: str, *names: str, code: str = "low-resolution") -> tuple[str, ...]:
        (group,) = grouped([Finding(code, "warn", name, 1, "small", remedy) for name in names])
        return group.remedies

    assert said("train lower, skip it, or accept it", "a.jpg") == ("train lower, skip it, or accept it",)
    assert said("train lower, skip it, or accept it", "a.jpg", "b.jpg") == ("train lower, skip them, or accept them",)
    assert said("skip one of the two", "a.jpg", "b.jpg", code="near-duplicate") == ("skip one of each two",)
    more = "skip it, unless it shows the person all the same"  # a plural of "shows" is no word for word
    assert said(more, "a.jpg", "b.jpg") == (more,)


def test_what_may_be_accepted_is_a_warning_wherever_it_is_said(tmp_path: Path) -> None:
    (found,) = size_findings("a.jpg", 240, 240, 1024)
    (group,) = grouped([found])
    assert found.severity == group.severity == CODES["low-resolution"].severity == "warn"
    report = report_of(tmp_path, found)
    assert json.loads(report_json(report))["pictures"]["a.jpg"]["findings"][0]["severity"] == "warn"
    assert spoilt(report.pictures[0]) == {"low-resolution"}  # below half of it: never among the best
    assert spoilt(report_of(tmp_path, *size_findings("a.jpg", 600, 600, 1024)).pictures[0]) == frozenset()
    assert printed(report_of(tmp_path, *small(240))).startswith("! The pictures are not ready yet")


def test_all_and_json_name_the_pictures_of_a_finding_about_captions(tmp_path: Path) -> None:
    captions = {f"{n}.png": "sks woman, (sharp:1.2)" if n > 2 else "TOK woman, masterpiece" for n in range(9)}
    for name, words in captions.items():
        Image.new("RGB", (64, 64)).save(tmp_path / name)
        (tmp_path / name).with_suffix(".txt").write_text(words)
    report = scan(tmp_path, ScanSettings(trigger="TOK", class_word="man"))
    found = {one["code"]: one["files"] for one in json.loads(report_json(report))["set"]}
    six, three = [f"{n}.png" for n in range(3, 9)], ["0.png", "1.png", "2.png"]
    assert found["other-trigger"] == found["caption-syntax"] == six and found["caption-filler"] == three
    assert found["class-word-missing"] == [*three, *six]
    every = printed(report, 200, names=True)
    assert every.count("in 3.png, 4.png, 5.png, 6.png, 7.png, 8.png") == 2 and "in 0.png, 1.png, 2.png" in every
    assert [one.files for one in grouped(report.all_findings) if one.code == "other-trigger"] == [tuple(six)]
    left = outcome(report, skip=six, accept=["trigger-missing", "near-duplicate", "duplicate", "low-resolution"])
    assert "other-trigger" not in {one.code for one in left.to_decide}


def test_a_code_accepts_its_kind_and_a_wrong_one_is_answered_with_what_was_meant(tmp_path: Path) -> None:
    report = report_of(tmp_path, *small(240, 687))
    assert accept_keys(report.all_findings) == ("low-resolution",)
    assert accept_keys(report.all_findings[:1]) == ("low-resolution:240.jpg",)
    assert outcome(report, (), ["low-resolution"]).ready
    assert [one.file for one in outcome(report, (), ["low-resolution:240.jpg"]).to_decide] == ["687.jpg"]
    (said,) = unknown_codes(["low-resolution:a.jpg", "low-res", "blurred"])
    assert said == "dataset.accept: 'low-res' is not a finding; did you mean 'low-resolution'?"


def test_a_line_to_copy_holds_right_codes_alone(tmp_path: Path) -> None:
    report = report_of(tmp_path, *small(240, 687))
    wrong = ["low-resolutoin:240.jpg", "blured", "zzzz", "duplicate"]  # two that mean a code, one that means none
    line = refusal_lines(report, outcome(report, (), wrong), (), wrong)[-1].strip()
    accepted = tomllib.loads(line)["accept"]
    assert accepted == ["low-resolution:240.jpg", "blurred", "duplicate", "low-resolution"]
    assert not unknown_codes(accepted) and outcome(report, (), accepted).ready


def test_nothing_found_is_a_verdict_too(tmp_path: Path) -> None:
    text = printed(Report(tmp_path, "face", ()))
    assert "is skipped" not in text and "--all" not in text


def test_every_kind_of_pictures_is_worded_for_several_at_once() -> None:
    for code, one in CODES.items():
        (group,) = grouped([Finding(code, one.severity, f"{n}.jpg", n, f"said {n}", "") for n in range(2)])
        assert group.words and "{" not in group.words and "said" not in group.words
    assert set(MANY) <= set(CODES)


def test_no_name_or_word_is_obeyed(tmp_path: Path) -> None:
    bad = Finding("x", "warn", HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    for several in (False, True):
        text = printed(report_of(tmp_path, bad, *[replace(bad, message="y")] * several), 140, names=True)
        assert not set(text) & {"\x1b", "\x07"}
        assert "[b]x[/]" in squeezed(text) and ":smile:" in text


def test_json_stands_alone_on_stdout(loratui: LoraTUI, pictures: Path) -> None:
    done = loratui("check", pictures, "--json", "--resolution", 64)
    words = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(words)[:4] == ["version", "dir", "kind", "pictures"] and set(words["pictures"]) >= {"0.png", "3.png"}


def test_exit_3_where_something_stops_a_run(loratui: LoraTUI, pictures: Path) -> None:
    (pictures / "empty.jpg").write_bytes(b"")
    done = loratui("check", pictures, "--resolution", 64)
    assert done.returncode == 3 and "✗ empty-file" in done.stdout
    assert done.stdout.startswith("✗ The pictures are not ready: ")
    assert max(map(len, done.stdout.splitlines()[2:-1])) <= 80


def test_sub_folders_are_in_the_json_and_only_there_unless_asked(
    loratui: LoraTUI, pictures: Path, draw_picture: Draw
) -> None:
    (pictures / "sub").mkdir()
    draw_picture(pictures / "sub" / "a.png", 7)
    assert "sub/a.png" in json.loads(loratui("check", pictures, "--json").stdout)["pictures"]
    assert "4 pictures, checked as" in loratui("check", pictures).stdout  # what a run would train on
    assert "5 pictures, checked as" in loratui("check", pictures, "--subfolders").stdout
    for one in pictures.glob("*.png"):
        one.unlink()
    assert "1 picture, checked as" in loratui("check", pictures).stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--kind", "dog"], 2, "--kind: 'dog' is not one of face"),
        (["--trigger", "my dog"], 2, "my_dog"),
        (["--resolution", "1"], 2, "--resolution: 1 is out of bounds"),
        (["--contact-sheet", "sheet.jpg"], 2, "ends in .png"),
    ],
)
def test_wrong_options_are_a_sentence(loratui: LoraTUI, pictures: Path, words: list[str], code: int, said: str) -> None:
    done = loratui("check", pictures, *words)
    assert (done.returncode, done.stdout) == (code, "") and said in done.stderr


def test_the_trigger_that_is_given_is_looked_for(loratui: LoraTUI, pictures: Path) -> None:
    (pictures / "0.txt").write_text("a SKS blob")
    words = json.loads(loratui("check", pictures, "--json", "--resolution", 64, "--trigger", "SKS").stdout)
    missing = {n for n, one in words["pictures"].items() if "trigger-missing" in [f["code"] for f in one["findings"]]}
    assert missing == {"1.png", "2.png", "3.png"}


def test_a_contact_sheet_shows_every_picture(loratui: LoraTUI, pictures: Path, tmp_path: Path) -> None:
    (pictures / "bad\x1b.jpg").write_bytes(b"no picture")
    before = {one: one.read_bytes() for one in pictures.iterdir()}
    done = loratui("check", pictures, "--resolution", 64, "--contact-sheet", tmp_path / "sheets" / "a.png")
    assert done.returncode == 3
    with Image.open(tmp_path / "sheets" / "a.png") as sheet:
        colours = {colour for _, colour in sheet.convert("RGB").getcolors(1 << 24) or []}
        assert (192, 57, 43) in colours  # the frame of what stops a run
        assert sheet.width > 3 * 220
    assert {one: one.read_bytes() for one in pictures.iterdir()} == before


def test_a_sheet_never_replaces_anything_but_a_sheet(pictures: Path, tmp_path: Path) -> None:
    report = scan(pictures, ScanSettings(resolution=64))
    mine = tmp_path / "mine.png"
    Image.new("RGB", (5, 5)).save(mine)
    with pytest.raises(Refusal, match="not a contact sheet"):
        refuse_place(mine, pictures)
    with pytest.raises(Refusal, match="one of the pictures"):
        refuse_place(pictures / "sheet.png", pictures)
    write_contact_sheet(report, tmp_path / "sheet.png")
    refuse_place(tmp_path / "sheet.png", pictures)


def test_a_sheet_of_many_or_no_pictures_is_drawn(tmp_path: Path) -> None:
    many = report_of(tmp_path, *(Finding("c", "hint", f"{n}.jpg", None, "m", "r") for n in range(30)))
    assert draw_contact_sheet(many).width < 2000
    assert draw_contact_sheet(Report(tmp_path, "face", ())).height > 0
