"""The report as lines of text, and the lines to paste into an answer file."""

from __future__ import annotations

from collections.abc import Iterable

from loratui.curation.report import Finding, Outcome, Report
from loratui.terminal.text import plural, safe_text, show_path

MARKS = {"block": "x BLOCK", "warn": "! warn ", "hint": "- hint "}


def report_lines(report: Report) -> list[str]:
    """Every finding with its remedy, then the count."""
    lines = [head_line(report), *(finding_line(one) for one in report.all_findings)]
    return [*lines, *report.summary, count_line(report), *not_checked_lines(report)]


def head_line(report: Report) -> str:
    """ "~/photos: 12 pictures, checked as face"."""
    return f"{show_path(report.folder)}: {plural(len(report.pictures), 'picture')}, checked as {report.kind}"


def count_line(report: Report) -> str:
    """ "1 problem that stops a run, 2 warnings, 0 hints."."""
    count = {severity: sum(one.severity == severity for one in report.all_findings) for severity in MARKS}
    stopping = plural(count["block"], "problem that stops a run", "problems that stop a run")
    return f"{stopping}, {plural(count['warn'], 'warning')}, {plural(count['hint'], 'hint')}."


def not_checked_lines(report: Report) -> list[str]:
    """What was not looked at as one line, and how to have it; none if all was."""
    said = "Not checked: " + ", ".join(map(safe_text, report.not_checked)) + "."
    return [*([said] if report.not_checked else []), *map(safe_text, report.how_to_check)]


def finding_line(one: Finding) -> str:
    """ "x BLOCK  a.jpg: the file is empty: skip it"."""
    where = f"{safe_text(one.file)}: " if one.file else ""
    return f"{MARKS[one.severity]}  {where}{safe_text(one.message)}; {safe_text(one.remedy)}"


def refusal_lines(result: Outcome, skip: Iterable[str] = (), accept: Iterable[str] = ()) -> list[str]:
    """Why a run does not start, and the lines to paste under [dataset], with what already stands there."""
    lines = [finding_line(one) for one in (*result.blocking, *result.unaccepted)]
    must_skip = [one.file for one in result.blocking if not one.acceptable and one.file]
    may_accept = [one.accept_key for one in (*result.blocking, *result.unaccepted) if one.acceptable]
    if must_skip:
        lines += ["To leave such pictures out, put this line under [dataset]:", "  " + _line("skip", skip, must_skip)]
    if may_accept:
        lines += ["To train all the same, put this line under [dataset]:", "  " + _line("accept", accept, may_accept)]
    return lines


def _line(key: str, there: Iterable[str], more: Iterable[str]) -> str:
    names = list(dict.fromkeys((*there, *more)))
    return f"{key} = [{', '.join(map(_quoted, names))}]"


def _quoted(name: str) -> str:
    """A TOML string that is safe to show: what does not print is escaped."""
    escaped = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(escaped.get(char) or (char if char.isprintable() else _escape(char)) for char in name) + '"'


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
