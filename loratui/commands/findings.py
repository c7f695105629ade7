"""The report of `loratui check` on a terminal: the marks in colour, no text from outside obeyed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.text import Text

from loratui.curation.groups import GLYPHS, grouped
from loratui.curation.lines import report_lines
from loratui.terminal.text import shell_path

if TYPE_CHECKING:
    from loratui.curation.report import Report

NARROWEST, WIDEST = 60, 140  # columns; on wider terminals a line would be hard to follow
STYLES = {GLYPHS["block"]: "bold red", GLYPHS["warn"]: "yellow", GLYPHS["hint"]: "cyan", "✓": "green"}


def print_report(
    report: Report,
    out: TextIO,
    width: int | None = None,
    names: bool = False,
    ask_kind: bool = False,
    ask_trigger: bool = False,
) -> None:
    """Write the report to `out`, `width` columns wide (left out: as the terminal is, 80 where there is none).

    `ask_kind`, `ask_trigger`: nobody said it.
    """
    console = Console(file=out, markup=False, highlight=False, emoji=False, width=width)
    wide = max(NARROWEST, min(WIDEST, console.width))
    lines = report_lines(report, wide, names, ask_kind, ask_trigger)
    if not names and grouped(report.all_findings):
        kind = "" if ask_kind else f" --kind {report.kind}"
        lines += ["Each picture's name, and what to do:", f"  loratui check {shell_path(report.folder)}{kind} --all"]
    for line in lines:
        style = STYLES.get(line[:1], "")
        console.print(Text.assemble((line[:1], style), line[1:]) if style else Text(line), soft_wrap=True)
