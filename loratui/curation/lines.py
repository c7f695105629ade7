"""The report as lines of text, the verdict first, and the lines to paste into an answer file."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from loratui.curation.checks.best_pictures import good_ones
from loratui.curation.groups import GLYPHS, FindingGroup, accept_keys, grouped, left_words, right_codes
from loratui.curation.not_checked import grouped_lines, indent_of
from loratui.curation.report import Finding, Outcome, Report, outcome
from loratui.curation.solutions import command_of, holds_for, solutions_of
from loratui.terminal.layout import WIDTH, wrapped
from loratui.terminal.text import plural, safe_text, shell_path, show_path
from trainer.contract.settings.config import BY_KEY
from trainer.contract.settings.kinds import Kind

BELOW = "In the sub-folders, which a run does not search:"
CODE_WIDE = 19  # cells of mark and code, where the words of a finding begin


def report_lines(
    report: Report, width: int = WIDTH, names: bool = False, ask_kind: bool = False, ask_trigger: bool = False
) -> list[str]:
    """Verdict, one row a kind of finding, the set in words; with `names` all that is known of each.

    `ask_kind`, `ask_trigger`: nobody said it, and what the pictures speak for is named.

    Nothing is cut: what is wider than `width` goes on below. A command has a line of its own and is never broken.
    """
    result = run_outcome(report)
    below = [one for one in report.all_findings if not result.holds(one)]
    asked, trigger = asked_lines(report, width, ask_kind, ask_trigger)
    lines = [*wrapped(verdict_line(report), width), head_line(report), *asked, ""]
    for title, found in (("", result.found), (BELOW, below)):  # the rows that are counted, then those that are not
        lines += ["", title] if title and found else []
        for one in grouped(found):
            lines += [*group_lines(one, width, names), *(_solved_lines(one, report, width, trigger) if names else [])]
    told = (left_line(len(report.pictures), result), *report.summary)
    more = [part for line in told for part in wrapped(line, width)]
    return [*lines, *([""] if report.all_findings else []), *more, *not_checked_lines(report, width, names)]


def _solved_lines(one: FindingGroup, report: Report, width: int, trigger: str) -> list[str]:
    """What solves a kind of finding, as the wizard's key and as commands; nothing where nothing does.

    `trigger`: where the captions speak for one, that is proposed and no other put into them.
    """
    if trigger and one.code in ("trigger-missing", "other-trigger"):
        said = f"→ if {_quoted(trigger)} is your trigger, nothing is wrong with them:"
        return [*wrapped(said, width, "    "), f"      {_check_as(report, report.kind, trigger)}"]
    ways = solutions_of(one.code, bool(good_ones(report)))
    solved = [way for way in ways if holds_for(way, one, report)]
    if not solved:
        return []
    lines = wrapped(f"→ key s in the wizard: {'; '.join(way.words for way in solved)}", width, "    ")
    lines.append("    → as a command:")
    for way in solved:
        lines.append(f"      {command_of(way, one, report)}")
        lines += wrapped(f"({way.choose})", width, " " * 8) if way.choose else []
    return lines


def verdict_line(report: Report) -> str:
    """Whether the pictures of the folder stand in a run's way; what else a run needs was not looked at.

    A run does not search sub-folders, whatever was looked at here.
    """
    result = run_outcome(report)
    hints = sum(one.severity == "hint" for one in grouped(result.found))
    rest = f"; {plural(hints, 'hint')}" if hints else ""
    if result.blocking:
        return f"{GLYPHS['block']} The pictures are not ready: {left_words(result)}{rest}."
    if not result.ready:
        return f"{GLYPHS['warn']} The pictures are not ready yet: {left_words(result)}{rest}."
    return f"✓ The pictures are ready: {left_words(result)}{rest}."


def left_line(count: int, result: Outcome) -> str:
    """ "12 pictures: 1 warning to decide." """
    return f"{plural(count, 'picture')}: {left_words(result)}."


def run_outcome(report: Report) -> Outcome:
    """What a run makes of the report: pictures in sub-folders are not its own."""
    names = [*(one.name for one in report.pictures), *(one.file for one in report.findings)]
    return outcome(report, [one for one in names if "/" in one])


def head_line(report: Report) -> str:
    """ "~/photos: 12 pictures, checked as face"."""
    return f"{show_path(report.folder)}: {plural(len(report.pictures), 'picture')}, checked as {report.kind}"


def asked_lines(report: Report, width: int = WIDTH, kind: bool = True, trigger: bool = False) -> tuple[list[str], str]:
    """What the pictures speak for and nobody said, as the wizard asks it, and how to have it judged so.

    `kind`, `trigger`: whether it was left out. Beside the lines: the trigger that they speak for, or nothing.
    """
    if not (kind or trigger):
        return [], ""  # no vocabulary is read for it
    from loratui.curation.guess import guess_subject, named_so

    guess, (named, _) = guess_subject(report, str(BY_KEY["model.base"].default)), named_so(report.folder.name)
    word = str(guess.values.get("dataset.trigger", "")) if trigger and not named else ""
    word = "" if word == BY_KEY["dataset.trigger"].default else word  # a run takes that by itself
    guessed = str(guess.values.get("kind", report.kind)) if kind else report.kind
    why = [*guess.why[:1]] if guessed != report.kind else []
    why += [guess.why[-1]] if word else []
    lines = []
    if why:
        what = " and ".join((["kind"] if guessed != report.kind else []) + (["trigger"] if word else []))
        said = f"Another {what}? {'; '.join(why)}. To have it judged so:"
        lines += [*wrapped(said, width), f"  {_check_as(report, guessed, word)}"]
    if kind and guessed == report.kind:
        first = f"Its name says {guessed}" if named.get("kind") else "No kind was given"
        lines.append(f"{first}; for another: --kind {'|'.join(one for one in get_args(Kind) if one != report.kind)}")
    return lines, word


def _check_as(report: Report, kind: str, trigger: str) -> str:
    """The command that has the folder judged so."""
    given = f" --kind {kind}" if kind != BY_KEY["kind"].default else ""
    given += f" --trigger {shlex.quote(safe_text(trigger))}" if trigger else ""
    return f"loratui check {shell_path(report.folder)}{given}"


def group_lines(one: FindingGroup, width: int = WIDTH, names: bool = False) -> list[str]:
    """The kind in its words, wrapped at `width`; with `names` each file with its figure, and the remedies.

    "! low-resolution     30 pictures are smaller than 1024 px (240 to 687)".
    """
    lines = wrapped(f"{GLYPHS[one.severity]} {safe_text(one.code):<16} {one.words}", width, hang=CODE_WIDE)
    if not names:
        return lines
    if len(one.findings) > 1:
        said = [f"{safe_text(each.file) or 'the set'}: {safe_text(each.message)}" for each in one.findings]
        lines += [part for line in said for part in wrapped(line, width, "    ")]
    for each in one.findings:
        named = ", ".join(safe_text(file) for file in each.files)
        lines += wrapped(f"in {named}", width, "    ") if named else []
    return [*lines, *(part for line in one.remedies for part in wrapped(f"→ {line}", width, "    "))]


def question_lines(findings: Iterable[Finding]) -> list[str]:
    """A line a kind, for a question about them: "! 3 pictures are blurred"."""
    return [f"{GLYPHS[one.severity]} {one.words}" for one in grouped(findings)]


def not_checked_lines(report: Report, width: int = WIDTH, every: bool = False) -> list[str]:
    """What was not looked at, a line a group, with `every` each with its reason; none if all was."""
    lines = grouped_lines(report.not_checked, report.how_to_check, every)
    return [part for line in lines for part in wrapped(line, width, hang=indent_of(line))]


def refusal_lines(report: Report, result: Outcome, skip: Iterable[str] = (), accept: Iterable[str] = ()) -> list[str]:
    """Why a run does not start, by folder, and the lines to paste under [dataset], with what already stands there."""
    lines = [line for number, folder in report.folders.items() for line in _folder_lines(number, folder, result)]
    must_skip = [one.file for one in result.blocking if not one.acceptable and one.file]
    may_accept = accept_keys(result.to_decide)
    if must_skip:
        lines += ["To skip such pictures, put this line under [dataset]:", "  " + _line("skip", skip, must_skip)]
    if may_accept:
        lines += [
            "To train all the same, put this line under [dataset]:",
            "  " + _line("accept", right_codes(accept), may_accept),
        ]
    return lines


def _folder_lines(number: int, folder: Path, result: Outcome) -> list[str]:
    """What is to be decided of one concept, below its folder; nothing where nothing is."""
    groups = grouped(one for one in result.to_decide if one.concept == number)
    head = f"{show_path(folder)}: {plural(len(groups), 'finding')} to decide before training:"
    return [head, *(line for one in groups for line in group_lines(one, WIDTH - 2))] if groups else []


def _line(key: str, there: Iterable[str], more: Iterable[str]) -> str:
    names = list(dict.fromkeys((*there, *more)))
    return f"{key} = [{', '.join(map(_quoted, names))}]"


def _quoted(name: str) -> str:
    """A TOML string that is safe to show: what does not print is escaped."""
    escaped = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(escaped.get(char) or (char if char.isprintable() else _escape(char)) for char in name) + '"'


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
