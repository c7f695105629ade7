"""The words of the pictures' list: a sentence is read down one column, and one that is cut says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.curation.groups import grouped
from loratui.curation.report import Finding, PictureReport, Report
from loratui.screens.wizard.picture_list import MOST, cells, columns, findings
from loratui.settings.draft import Draft

SAID = "if the person looks like somebody famous, a caption may say so: 'TOK, looking like NAME'"


@pytest.mark.parametrize("width", [76, 100, 116, 196])
@pytest.mark.parametrize("said", [SAID, f"{SAID} {SAID} {SAID}"])
def test_a_sentence_is_read_down_one_column(width: int, said: str) -> None:
    report = Report(Path("photos"), "face", (), (Finding("lookalike", "hint", "", None, said, ""),))
    row = cells(report, grouped(report.all_findings)[0], Draft(), width)
    titles = [title for title, _ in columns(width)]
    assert len(row) == len(titles)
    lines = row[3].plain.splitlines()
    assert len(lines) <= MOST and all(len(line) <= columns(width)[3][1] for line in lines)
    read = " ".join(lines)
    assert said == read or (read.endswith(" …") and said.startswith(read.removesuffix(" …")))
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
