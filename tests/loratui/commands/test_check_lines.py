"""The lines of `loratui check`: none is cut, each command can be pasted, what is not checked is a line a group."""

from __future__ import annotations

import io
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from loratui.cli import app
from loratui.commands.findings import print_report
from loratui.commands.replay import overrides_of
from loratui.curation.checks.best_pictures import good_ones
from loratui.curation.codes import CODES
from loratui.curation.groups import accept_keys, unknown_codes
from loratui.curation.lines import BELOW, not_checked_lines, report_lines, run_outcome
from loratui.curation.not_checked import NEVER, NEVER_OF_PEOPLE
from loratui.curation.report import Finding, PictureReport, Report
from loratui.curation.scan import ScanSettings, scan
from loratui.curation.solutions import SOLUTIONS, solutions_of
from loratui.settings.presets import preset_for
from tests.loratui.conftest import LoraTUI

CHOSEN = {"PX": "768", "N": "12", "OLD=NEW": "sks=TOK", "NAME": "text"}  # what a person puts in
COMMANDS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
ALL_UNSEEN = tuple(one.words for one in (*NEVER_OF_PEOPLE, *NEVER))


def found(code: str, count: int, limit: float | None = None) -> list[Finding]:
    severity = CODES[code].severity
    return [Finding(code, severity, f"{n}.jpg", n, f"{n} is wrong", "skip it", limit=limit) for n in range(count)]


def report_of(folder: Path, findings: list[Finding], kind: str = "object", pictures: int = 9) -> Report:
    named = tuple(PictureReport(f"{n}.jpg", folder / f"{n}.jpg", True, 10, 10, "a", "", "") for n in range(pictures))
    return Report(
        folder, kind, named, tuple(findings), ALL_UNSEEN, ("faces: pip install 'a'", "framing: pip install 'a'")
    )


def commands(report: Report) -> list[str]:
    return [line.strip() for line in report_lines(report, 80, True) if line.strip().startswith("loratui ")]


def parsed(line: str) -> tuple[str, dict[str, Any]]:
    """The command and its parameters as typer reads them. Raises UsageError."""
    words = shlex.split(line)
    return words[1], COMMANDS[words[1]].make_context(words[1], words[2:], resilient_parsing=False).params


@pytest.mark.parametrize("kind", ["object", "face"])
@pytest.mark.parametrize("code", CODES)
def test_every_command_is_whole_and_runs_once_a_person_has_chosen(tmp_path: Path, code: str, kind: str) -> None:
    folder = tmp_path / "my photos"
    folder.mkdir()
    report = report_of(folder, found(code, 2, 640), kind)
    lines, text = commands(report), "\n".join(report_lines(report, 80, True))
    acceptable = bool(accept_keys(report.findings))
    assert len(lines) == sum(way.name != "accept" or acceptable for way in solutions_of(code, bool(good_ones(report))))
    for line in lines:
        for place, value in CHOSEN.items():
            if re.search(rf"\b{place}\b", line):
                assert f"({place}: " in text  # what to put there is said
                line = re.sub(rf"\b{place}\b", value, line)
        assert not re.search(r"\b(CODE|FILE|FOLDER|ANSWERS)\b|[{}]", line)
        name, given = parsed(line)
        assert Path(given["dataset"]).expanduser() == folder and given["kind"] == (None if kind == "object" else kind)
        overrides_of(given.get("set_") or [])
        assert not unknown_codes(given.get("leave_out") or [])
        if name == "fix":
            assert given["into"] is not None and given["into"] != folder and not given["into"].exists()
            assert given["resolution"] == (640 if code == "low-resolution" else None)


def test_a_solution_that_does_not_hold_is_no_command(tmp_path: Path) -> None:
    some, every = (commands(report_of(tmp_path, found("blurred", count))) for count in (2, 9))
    assert any("--leave-out" in line for line in some) and not any("--leave-out" in line for line in every)
    assert not any("dataset.accept" in line for line in commands(report_of(tmp_path, found("no-caption", 2))))


def test_the_placeholders_are_those_that_are_explained() -> None:
    for one in SOLUTIONS.values():
        for place in CHOSEN:
            assert bool(re.search(rf"\b{place}\b", one.command)) is one.choose.startswith(f"{place}:")


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("names", [False, True])
def test_no_row_is_cut_and_what_goes_on_stands_below_its_words(tmp_path: Path, names: bool, width: int) -> None:
    long = "a sentence that is far too long for one row of any terminal, and none of its words may be lost to nobody"
    findings = [replace(one, message=long, remedy=long) for code in CODES for one in found(code, 1)]
    lines = report_lines(report_of(tmp_path, findings), width, names)
    lines = [line for line in lines if str(tmp_path) not in line]
    assert [line for line in lines if len(line) > width or line.endswith("…")] == []
    for code in CODES:
        first = next(n for n, line in enumerate(lines) if line[2:].startswith(f"{code} "))
        below = (line.startswith(" " * 19) for line in lines[first + 1 :])
        row = lines[first : first + 1 + list(below).index(False)]
        assert long in " ".join(line.strip() for line in row)


@pytest.mark.parametrize("kind", ["object", "face"])
def test_what_is_not_checked_is_a_line_a_group_and_with_all_each_with_its_reason(tmp_path: Path, kind: str) -> None:
    unseen = NEVER if kind == "object" else (*NEVER_OF_PEOPLE, *NEVER)
    report = replace(report_of(tmp_path, [], kind), not_checked=("faces", "blurry", *(one.words for one in unseen)))
    short = not_checked_lines(report)
    heads = [line.split()[0] for line in short[1:] if line.startswith("  ") and not line.startswith("   ")]
    assert short[0] == "Not checked:" and heads == list(dict.fromkeys(["here", *(one.group for one in unseen)]))
    assert len(short) <= 2 * len(heads) + 2
    said = " ".join(" ".join(short).split())
    assert all(one.name in said for one in unseen) and "blur" in said and "blurry" not in said
    assert short[-1] == "To check faces, framing: pip install 'a'"
    every = " ".join(" ".join(not_checked_lines(report, every=True)).split())
    assert all(one.words in every for one in unseen)
    assert not_checked_lines(replace(report, not_checked=(), how_to_check=())) == []


@pytest.mark.parametrize(("faces", "guessed"), [(1, "face"), (0, "")])
def test_the_kind_that_was_judged_by_is_said_and_how_to_ask_for_another(
    tmp_path: Path, faces: int, guessed: str
) -> None:
    report = report_of(tmp_path, [])
    report = replace(report, pictures=tuple(replace(one, faces=faces) for one in report.pictures))
    out = io.StringIO()
    print_report(report, out, 80, ask_kind=True)
    head = out.getvalue().splitlines()[1:4]
    assert head[0].endswith("9 pictures, checked as object")
    if guessed:
        assert "9 of 9 pictures show one face" in head[1] + head[2]
        asked = next(line.strip() for line in out.getvalue().splitlines() if "--kind" in line)
        assert parsed(asked)[1]["kind"] == guessed and preset_for(guessed)
    else:
        assert head[1].startswith("No kind was given; for another: --kind face|")
    out = io.StringIO()
    print_report(report, out, 80)  # somebody said it
    assert "another" not in out.getvalue().casefold()


def test_the_verdict_counts_the_rows_that_it_shows(
    tmp_path: Path, pictures: Path, draw_picture: Callable[..., Path]
) -> None:
    own = pictures / "some photos"
    own.mkdir()
    draw_picture(own / "a.png", 9)
    for folder in (pictures, tmp_path / "alone"):  # some pictures below, and all
        if not folder.exists():
            shutil.copytree(own, folder / own.name)
        report = scan(folder, ScanSettings(resolution=512, trigger="TOK", subfolders=True))
        lines = report_lines(report)
        said = lines[0] + lines[1]
        own_rows = lines[: lines.index(BELOW)]
        for mark, words in (("✗", "in the way"), ("!", "to decide"), ("·", "hint")):
            rows = [line for line in own_rows[2:] if line.startswith(f"{mark} ")]
            counted = re.search(rf"(\d+) (finding|warning)?s? ?{words}", said)
            assert len(rows) == (int(counted[1]) if counted else 0), (mark, lines)
        assert run_outcome(report).ready is not any(line[:1] in "✗!" for line in own_rows[2:] if line)
        assert {one.code for one in report.all_findings} <= {
            line[2:].split()[0] for line in lines[2:] if line[1:2] == " "
        }


def test_a_folder_is_checked_by_the_trigger_that_its_name_says_as_init_takes_it(
    loratui: LoraTUI, pictures: Path
) -> None:
    named = pictures.rename(pictures.with_name("10_ohwx woman"))
    for one in named.glob("*.png"):
        one.with_suffix(".txt").write_text("a woman on a horse")
    assert "trigger-missing" in loratui("check", named, "--resolution", 64).stdout
    assert "trigger-missing" not in loratui("check", named, "--resolution", 64, "--trigger", "horse").stdout


def test_the_trigger_that_the_captions_begin_with_is_named_and_no_other_is_put_into_them(
    loratui: LoraTUI, pictures: Path
) -> None:
    for number, one in enumerate(sorted(pictures.glob("*.png"))):
        one.with_suffix(".txt").write_text(f"ohwx woman number {number}")
    checked = loratui("check", pictures, "--resolution", 64, "--all").stdout
    words = " ".join(checked.split())
    assert "the captions begin with 'ohwx': it seems to be the trigger. To have it judged so:" in words
    named = [line.strip() for line in checked.splitlines() if line.strip().startswith("loratui ") and "ohwx" in line]
    assert named and {line.partition("--trigger ")[2] for line in named} == {"ohwx"}
    assert "other-trigger" in checked and "trigger-missing" in checked and "--trigger TOK" not in checked
    for line in named:
        judged = loratui(*shlex.split(line)[1:], "--resolution", 64).stdout
        assert not {"other-trigger", "trigger-missing"} & set(judged.split()) and "trigger?" not in judged
    told = loratui("check", pictures, "--resolution", 64, "--trigger", "TOK").stdout
    assert "other-trigger" in told and "it seems to be the trigger" not in told
