"""The words of the pictures' list: a sentence is read down one column, whole or to the end of a part of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from loratui.curation.codes import CODES
from loratui.curation.groups import MANY, FindingGroup, grouped
from loratui.curation.lines import report_lines, verdict_line
from loratui.curation.report import Finding, PictureReport, Report, Severity, outcome
from loratui.screens.shared.undoing import taken_back
from loratui.screens.wizard.picture_list import MOST, OPEN, cells, chosen, columns, counts, filters, findings, status
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.undo import Decision

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
    row = cells(report, outcome(report), grouped(report.all_findings)[0], Draft(), width)
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
    report = Report(Path(), "object", pictures, summary=("Variety: found so.",))

    def said(**decisions: tuple[str, ...]) -> str:
        values = {f"dataset.{name}": value for name, value in decisions.items()}
        return findings(report, None, Draft(values=values)).plain

    assert "3 pictures: 1 warning to decide.\nVariety: found so." in said()
    assert "2 pictures: 1 warning to decide." in said(skip=("a.jpg",), accept=("low-resolution:b.jpg",))
    both = ("low-resolution:b.jpg", "low-resolution:c.jpg")
    assert "2 pictures: nothing to decide." in said(skip=("a.jpg",), accept=both)
    assert "3 pictures: nothing to decide." in said(accept=("low-resolution",))


def picture(name: str, *found: Finding, **more: Any) -> PictureReport:
    return PictureReport(name, Path(name), True, 1024, 1024, "a dog", "text", "", findings=found, **more)


SMALL = Finding("low-resolution", "warn", "a.jpg", 384, "smaller than 1024 px (384)", "accept it")
BROKEN = Finding("unreadable", "block", "b.jpg", None, "cannot be read", "skip it", acceptable=False)
TWIN = Finding("near-duplicate", "warn", "c.jpg", None, "the same photo as d.jpg", "skip it")
SYNTAX = Finding("caption-syntax", "warn", "", 1, "1 caption with '[bold]'", "fix it", files=("d.jpg",))
HINT = Finding("lookalike", "hint", "", None, SAID, "")
SET = (
    picture("a.jpg", SMALL), picture("b.jpg", BROKEN), picture("c.jpg", TWIN, better=("d.jpg",)),
    picture("d.jpg"), picture("e.jpg"),
)  # fmt: skip
DECISIONS: tuple[dict[str, tuple[str, ...]], ...] = (
    {},
    {"dataset.skip": ("b.jpg",)},
    {"dataset.skip": ("b.jpg", "d.jpg")},
    {"dataset.skip": ("b.jpg",), "dataset.accept": ("low-resolution", "near-duplicate")},
    {"dataset.skip": ("b.jpg",), "dataset.accept": ("low-resolution", "near-duplicate", "caption-syntax:")},
)


@pytest.mark.parametrize("of_set", [(), (SYNTAX,), (SYNTAX, HINT)])
@pytest.mark.parametrize("values", DECISIONS)
def test_what_is_left_to_decide_is_counted_once(
    values: dict[str, tuple[str, ...]], of_set: tuple[Finding, ...]
) -> None:
    """Head, panel, list, filter and `loratui check` say the same, whether it is of pictures or of the set."""
    report, draft = Report(Path(), "object", SET, of_set), Draft(values=values)
    result = outcome(report, draft.skipped, draft.accepted)
    head = counts(report, result, draft, "").plain
    left: dict[Severity, int] = {
        severity: sum(
            isinstance(row, FindingGroup) and status(report, result, row, draft) == severity
            for row in chosen(report, draft, "")
        )
        for severity in ("block", "warn")
    }
    words = [f"{left['block']} finding in the way"] if left["block"] else []
    words += [f"{left['warn']} warning{'s' * (left['warn'] > 1)} to decide"] if left["warn"] else []
    said = ", ".join(words) or "nothing to decide"
    assert all(one in head for one in words) and ("to decide" in head) == bool(left["warn"])
    assert f"pictures: {said}." in findings(report, None, draft).plain
    assert dict(filters(report, draft))[OPEN].plain.endswith(said)
    assert bool(result.to_decide) == bool(words)
    if not values:
        assert said in verdict_line(report) and any(line.endswith(f": {said}.") for line in report_lines(report))


def test_a_picture_that_a_warning_of_the_set_names_is_not_called_good() -> None:
    report, draft = Report(Path(), "object", SET, (SYNTAX, HINT)), Draft()
    one, other = (next(each for each in SET if each.name == name) for name in ("d.jpg", "e.jpg"))
    assert status(report, outcome(report), one, draft) == "warn"
    assert "'[bold]'" in findings(report, one, draft).plain
    assert status(report, outcome(report), other, draft) == "good"
    accepted = Draft(values={"dataset.accept": (SYNTAX.accept_key,)})
    assert status(report, outcome(report, (), accepted.accepted), one, accepted) == "accepted"


@pytest.mark.parametrize("width", [76, 116, 196])
@pytest.mark.parametrize("code", MANY)
def test_the_row_of_a_picture_says_in_words_what_was_found(code: str, width: int) -> None:
    """Not by the code; of what has no room it says how many there are."""
    others = [one for one in ("no-face", "blurred", "caption-bom", "too-dark") if one != code]
    found = tuple(Finding(one, "warn", "a.jpg", 384, "", "", limit=1024) for one in (code, *others))
    for edited in ({}, {"a.jpg": "a dog"}):
        for these in (found[:1], found):
            picture = PictureReport("a.jpg", Path("a.jpg"), True, 384, 384, None, "none", "", findings=these)
            report = Report(Path(), "face", (picture,))
            row = cells(report, outcome(report), picture, Draft(captions=edited), width)
            said = row[3].plain
            assert said.strip("* ") and "…" not in said and not any(one in said for one in CODES if "-" in one)
            assert all(len(line) <= columns(width)[3][1] for line in said.splitlines())
            more = re.search(r"(\d+) more$", " ".join(said.split()))
            assert said.count(",") + (int(more[1]) if more else 1) == len(these)


def test_what_was_taken_back_stands_in_quotes() -> None:
    """It is true no more: "Taken back: the copies are trained" would say the opposite."""
    words = "The copies are trained, not the originals."
    assert taken_back(Decision(words, {}, None, {})) == f'Taken back: "{words}" U does it again.'


def test_groups_of_pictures_are_counted_in_the_room_of_their_column() -> None:
    found = tuple(Finding("same-look", "hint", "", ["a.jpg"], "2 share their colours", "") for _ in range(12))
    report = Report(Path("photos"), "face", (), found)
    assert cells(report, outcome(report), grouped(report.all_findings)[0], Draft(), 76)[1].plain == "12 groups"


@pytest.mark.parametrize("code", CODES)
def test_a_filter_says_in_short_words_what_it_shows(code: str) -> None:
    found = Finding(code, "warn", "a.jpg" if code in MANY else "", 384, "12 pictures: more of it", "", limit=1024)
    picture = PictureReport("a.jpg", Path("a.jpg"), True, 384, 384, None, "none", "", findings=(found,))
    report = Report(Path(), "face", (picture,)) if code in MANY else Report(Path(), "face", (), (found,))
    (words,) = [shown.plain for key, shown in filters(report, Draft()) if key == code]
    assert words.startswith("! ") and not ("-" in code and code in words) and "12 pictures" not in words
