"""`loratui check`: a table that cuts nothing, JSON alone on stdout, a contact sheet; no name or caption is obeyed."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from loratui.commands.table import figure, print_report
from loratui.curation.contact_sheet import draw_contact_sheet, refuse_place, write_contact_sheet
from loratui.curation.report import Finding, PictureReport, Report
from loratui.curation.scan import ScanSettings, scan
from loratui.errors import Refusal
from tests.loratui.conftest import LoraTUI

Draw = Callable[..., Path]
HOSTILE = "a\x1b]52;c;aGk=\x07[b]x[/] :smile: y.png"


def table(report: Report, width: int = 80) -> str:
    out = io.StringIO()
    print_report(report, out, width)
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
def test_the_table_fits_and_loses_no_letter(tmp_path: Path, width: int) -> None:
    text = table(report_of(tmp_path, LONG), width)
    assert max(map(len, text.splitlines()[1:])) <= width  # the first line holds a path, in one piece
    lines = text.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("file "))
    column = lines[head].index("finding")
    assert squeezed(LONG.file) in squeezed("".join(line[:column] for line in lines[head + 1 : -3]))
    words = set(text.split())
    for sentence in (LONG.code, LONG.message, LONG.remedy):
        assert set(sentence.split()) <= words
    assert "767" in words


def test_severities_stand_in_order_and_equal_words_once(tmp_path: Path) -> None:
    hints = [Finding("no-caption", "hint", f"{n}.jpg", None, "no caption", "write one") for n in range(3)]
    block = Finding("empty-file", "block", "x.jpg", 0, "the file is empty", "skip it")
    of_set = Finding("few-pictures", "warn", "", 2, "only 2 pictures", "take more")
    text = table(report_of(tmp_path, *hints, block, of_set))
    places = [text.index(word) for word in ("x BLOCK", "x.jpg", "! WARN", "(set)", "- HINT", "0.jpg", "2.jpg")]
    assert places == sorted(places) and text.count("write one") == 1
    assert "1 problem that stops a run, 1 warning, 3 hints." in text and "Not checked: faces." in text


def test_figures_are_short() -> None:
    given = [767, 0.61234, "b.jpg", None, True, ("a", "b"), {"close-up": 3}]
    assert [figure(one) for one in given] == ["767", "0.612", "b.jpg", "", "yes", "2", "close-up 3"]


def test_no_name_or_word_is_obeyed(tmp_path: Path) -> None:
    bad = Finding("x", "warn", HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    text = table(report_of(tmp_path, bad), 140)
    assert not set(text) & {"\x1b", "\x07"}
    assert squeezed(text).count("[b]x[/]") == 3 and text.count(":smile:") == 4  # the figure's column is folded


def test_json_stands_alone_on_stdout(loratui: LoraTUI, pictures: Path) -> None:
    done = loratui("check", pictures, "--json", "--resolution", 64)
    words = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(words)[:4] == ["version", "dir", "kind", "pictures"] and set(words["pictures"]) >= {"0.png", "3.png"}


def test_exit_3_where_something_stops_a_run(loratui: LoraTUI, pictures: Path) -> None:
    (pictures / "empty.jpg").write_bytes(b"")
    done = loratui("check", pictures, "--resolution", 64)
    assert done.returncode == 3 and "x BLOCK" in done.stdout and "empty-file" in done.stdout
    assert max(map(len, done.stdout.splitlines()[2:])) <= 80


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
    with pytest.raises(Refusal, match="no contact sheet"):
        refuse_place(mine, pictures)
    with pytest.raises(Refusal, match="one of the pictures"):
        refuse_place(pictures / "sheet.png", pictures)
    write_contact_sheet(report, tmp_path / "sheet.png")
    refuse_place(tmp_path / "sheet.png", pictures)


def test_a_sheet_of_many_or_no_pictures_is_drawn(tmp_path: Path) -> None:
    many = report_of(tmp_path, *(Finding("c", "hint", f"{n}.jpg", None, "m", "r") for n in range(30)))
    assert draw_contact_sheet(many).width < 2000
    assert draw_contact_sheet(Report(tmp_path, "face", ())).height > 0
