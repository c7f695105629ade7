"""The words of the pictures' list: a sentence is read down one column, whole or to the end of a part of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loratui.curation.codes import CODES
from loratui.curation.groups import MANY, grouped
from loratui.curation.report import Finding, PictureReport, Report
from loratui.screens.shared.undoing import taken_back
from loratui.screens.wizard.picture_list import MOST, cells, columns, filters, findings
from loratui.settings.draft import Draft
from loratui.settings.undo import Decision

SAID = "if the person looks like somebody famous, a caption may say so: 'TOK, looking like NAME'"
MANY_WORDS = "40 pictures: fewer and better ones teach more; the best 24 would be " + ", ".join(
    ["a_long_name.jpg"] * 24
)
SHARED = "12 pictures share their colours, likely one backdrop or one set of clothes: a.jpg, b.jpg, c.jpg, d.jpg"

INSIDE = f"2 pictures carry a description inside ('{'A president is photographed ' * 6}'), not read; no other caption"
PEOPLE = (
    "21 people by their faces: A in 8 (a.jpg, b.jpg, c.jpg ...), B in 3 (d.jpg; e.jpg, f.jpg ...), the others in one"
)


@pytest.mark.parametrize("width", [76, 100, 116, 196])
@pytest.mark.parametrize("said", [SAID, f"{SAID} {SAID} {SAID}", MANY_WORDS, SHARED, PEOPLE, INSIDE])
def test_a_sentence_is_read_down_one_column(width: int, said: str) -> None:
    report = Report(Path("photos"), "face", (), (Finding("lookalike", "hint", "", None, said, ""),))
    row = cells(report, grouped(report.all_findings)[0], Draft(), width)
    titles = [title for title, _ in columns(width)]
    assert row[1].cell_length <= columns(width)[1][1]
    assert len(row) == len(titles)
    lines = row[3].plain.splitlines()
    assert len(lines) <= MOST and all(len(line) <= columns(width)[3][1] for line in lines)
    read = " ".join(lines)
    assert said == read or said.startswith((f"{read}:", f"{read};", f"{read} ("))  # the end of a part of it
    assert all(one.plain == "" for one in row[4:])  # nothing of it stands under "caption"


def test_the_whole_set_is_worded_as_it_is_after_the_decisions() -> None:
    def small(name: str) -> PictureReport:
        said = Finding("low-resolution", "warn", name, 384, "smaller than 1024 px (384)", "accept it")
        return PictureReport(name, Path(name), True, 384, 384, None, "none", "", findings=(said,))

    pictures = tuple(map(small, ("a.jpg", "b.jpg", "c.jpg")))
    report = Report(Path(), "object", pictures, summary=("3 pictures: found so.",))

    def said(**decisions: tuple[str, ...]) -> str:
        values = {f"dataset.{name}": value for name, value in decisions.items()}
        return findings(report, None, Draft(values=values)).plain

    assert "3 pictures: found so." in said()
    assert "2 pictures: each needs a decision." in said(skip=("a.jpg",))
    assert "2 pictures: 1 needs a decision." in said(skip=("a.jpg",), accept=("low-resolution:b.jpg",))
    assert "3 pictures: nothing to decide." in said(accept=("low-resolution",))


@pytest.mark.parametrize("width", [76, 116, 196])
@pytest.mark.parametrize("code", MANY)
def test_the_row_of_a_picture_says_in_words_what_was_found(code: str, width: int) -> None:
    """Not by the code; of what has no room it says how many there are."""
    others = [one for one in ("no-face", "blurred", "caption-bom", "too-dark") if one != code]
    found = tuple(Finding(one, "warn", "a.jpg", 384, "", "", limit=1024) for one in (code, *others))
    for edited in ({}, {"a.jpg": "a dog"}):
        for these in (found[:1], found):
            picture = PictureReport("a.jpg", Path("a.jpg"), True, 384, 384, None, "none", "", findings=these)
            row = cells(Report(Path(), "face", (picture,)), picture, Draft(captions=edited), width)
            said = row[3].plain
            assert said.strip("* ") and "…" not in said and not any(one in said for one in CODES if "-" in one)
            assert all(len(line) <= columns(width)[3][1] for line in said.splitlines())
            more = re.search(r"(\d+) more$", " ".join(said.split()))
            assert said.count(",") + (int(more[1]) if more else 1) == len(these)


def test_what_was_taken_back_stands_in_quotes() -> None:
    """It is true no more: "Taken back: the copies are trained" would say the opposite."""
    words = "The copies are trained, not the originals."
    assert taken_back(Decision(words, {}, None)) == f'Taken back: "{words}" U does it again.'


def test_groups_of_pictures_are_counted_in_the_room_of_their_column() -> None:
    found = tuple(Finding("same-look", "hint", "", ["a.jpg"], "2 share their colours", "") for _ in range(12))
    report = Report(Path("photos"), "face", (), found)
    assert cells(report, grouped(report.all_findings)[0], Draft(), 76)[1].plain == "12 groups"


@pytest.mark.parametrize("code", CODES)
def test_a_filter_says_in_short_words_what_it_shows(code: str) -> None:
    found = Finding(code, "warn", "a.jpg" if code in MANY else "", 384, "12 pictures: more of it", "", limit=1024)
    picture = PictureReport("a.jpg", Path("a.jpg"), True, 384, 384, None, "none", "", findings=(found,))
    report = Report(Path(), "face", (picture,)) if code in MANY else Report(Path(), "face", (), (found,))
    (words,) = [shown.plain for key, shown in filters(report, Draft()) if key == code]
    assert words.startswith("! ") and not ("-" in code and code in words) and "12 pictures" not in words
