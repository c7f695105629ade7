"""The words of the pictures' list: a sentence is read down one column, and one that is cut says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.curation.groups import grouped
from loratui.curation.report import Finding, Report
from loratui.screens.wizard.picture_list import MOST, cells, columns
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
