"""The report as tables, one a severity: nothing that matters is cut at 80 columns, no text from outside is obeyed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from loratui.curation.lines import count_line, head_line, not_checked_lines
from loratui.curation.report import SEVERITIES
from loratui.terminal.text import plural, safe_text

if TYPE_CHECKING:
    from loratui.curation.report import Finding, Report

NARROWEST, WIDEST = 60, 140  # columns; on wider terminals a line would be hard to follow
HEADS = {
    "block": ("x BLOCK", "stops a run", "bold red"),
    "warn": ("! WARN", "a run asks you to accept it", "yellow"),
    "hint": ("- HINT", "worth knowing", "cyan"),
}


def print_report(report: Report, out: TextIO, width: int | None = None) -> None:
    """Write the report to `out`, `width` columns wide (left out: as the terminal is, 80 where there is none)."""
    console = Console(file=out, markup=False, highlight=False, emoji=False, width=width)
    console = Console(
        file=out,
        markup=False,
        highlight=False,
        emoji=False,
        width=max(NARROWEST, min(WIDEST, console.width)),
        no_color=console.no_color,
    )
    _line(console, head_line(report))
    for severity in SEVERITIES:
        found = [one for one in report.all_findings if one.severity == severity]
        if found:
            mark, meaning, style = HEADS[severity]
            console.print()
            console.print(Text.assemble((mark, style), f"  {meaning}: {plural(len(found), 'finding')}"))
            console.print(_table(found, console.width))
    console.print()
    for line in (*report.summary, *not_checked_lines(report), count_line(report)):
        _line(console, line)


def _line(console: Console, words: str) -> None:
    console.print(Text(words), soft_wrap=True)  # a path stays in one piece


def _table(found: list[Finding], width: int) -> Table:
    """File, finding (its code, then words), figure, remedy: all wrapped, none shortened."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=True, header_style="dim", width=width)
    names = max([6, *(len(safe_text(one.file)) for one in found)])
    table.add_column("file", width=min(names, width // 4), overflow="fold")
    table.add_column("finding", ratio=3, overflow="fold")
    figures = max([6, *(len(figure(one.value)) for one in found)])
    table.add_column("figure", width=min(figures, width // 8), overflow="fold")
    table.add_column("remedy", ratio=2, overflow="fold")
    for same in _alike(found):
        one = same[0]
        files = "\n".join(safe_text(each.file) or "(set)" for each in same)
        words = Text.assemble((safe_text(one.code), "bold"), "\n", safe_text(one.message))
        table.add_row(Text(files), words, Text(figure(one.value)), Text(safe_text(one.remedy)))
    return table


def _alike(found: list[Finding]) -> list[list[Finding]]:
    """What is said of several pictures in the same words stands once, in the order of the first."""
    rows: dict[str, list[Finding]] = {}
    for one in found:
        rows.setdefault(repr((one.code, one.value, one.message, one.remedy)), []).append(one)
    return list(rows.values())


def figure(value: Any) -> str:
    """What was measured, short: 767, 0.62, "b.jpg", how many; empty where there is no figure."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3g}"
        case list() | tuple():  # which ones, the message says
            return str(len(value))
        case dict():
            return ", ".join(f"{safe_text(key)} {figure(one)}" for key, one in value.items())
    return safe_text(value)
