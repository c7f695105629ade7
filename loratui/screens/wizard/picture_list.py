"""The words and cells of the list: first what was found, a row a kind, then each picture with size and caption."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.content import Content

from loratui.curation.codes import CODES
from loratui.curation.groups import GLYPHS, FindingGroup, grouped, in_short, left_parts, left_words
from loratui.curation.lines import left_line, not_checked_lines
from loratui.curation.measures import MEASURED
from loratui.curation.report import nothing_left, outcome
from loratui.settings.answers import counted_images
from loratui.settings.checks import effective
from loratui.settings.drafts.draft import Draft
from loratui.terminal.glyphs import GLYPHS as MARK
from loratui.terminal.text import plural, safe_text
from trainer.contract.settings.concepts import number_of

if TYPE_CHECKING:
    from loratui.curation.report import Finding, Outcome, PictureReport, Report, Severity

Row = "PictureReport | FindingGroup | None"  # None: the whole set
ALL, OPEN, OUT = "", "open", "out"  # filters; any other is the code of a finding
CONCEPT = "concept "  # or one concept: "concept 2"
WHOLE_SET = "(the whole set)"
MOST = 3  # lines of a row that says what was found; the panel below has all of it
WIDE = 100  # cells from which the caption has a column of its own
STATUS = {  # glyph and word, style
    "good": (f"{MARK['good']} good", "$text-success"),
    "warn": (f"{MARK['warn']} warn", "$text-warning"),
    "block": (f"{MARK['bad']} block", "$text-error"),
    "accepted": (f"{MARK['good']} accepted", "$muted"),
    "out": ("– skipped", "$faint"),
    "hint": ("· hint", "$muted"),
}


def status(report: Report, result: Outcome, row: PictureReport | FindingGroup | None, draft: Draft) -> str:
    """A key of STATUS for a row of the list; `result` is what the decisions of the draft make of the report."""
    if row is not None and (files := _files(row)) and files <= set(draft.skipped):
        return "out"
    found = result.found if row is None else [one for one in about(report, row) if result.holds(one)]
    if left := grouped(one for one in found if result.waits(one)):
        return left[0].severity
    if any(one.is_accepted(draft.accepted) for one in found):
        return "accepted"
    return "hint" if found else "good"


def about(report: Report, row: PictureReport | FindingGroup) -> tuple[Finding, ...]:
    """What a row says: a finding's, or all that is said of the picture."""
    return row.findings if isinstance(row, FindingGroup) else report.about(row)


def key_of(row: PictureReport | FindingGroup) -> tuple[str, str]:
    """What tells a row from the others, also in another view of them."""
    return ("kind", row.code) if isinstance(row, FindingGroup) else ("picture", row.name)


def _files(row: PictureReport | FindingGroup) -> set[str]:
    return set(row.files) if isinstance(row, FindingGroup) else {row.name}


def chosen(report: Report, draft: Draft, filter: str) -> list[PictureReport | FindingGroup | None]:
    """The rows that the filter lets through: the whole set, what was found, the pictures."""
    if filter.startswith(CONCEPT):
        return [one for one in report.pictures if f"{CONCEPT}{number_of(one.name)}" == filter]
    groups = _groups(report, draft)
    match filter:
        case "":
            return [*([None] if report.pictures else []), *groups, *report.pictures]
        case "open":
            rows: list[PictureReport | FindingGroup] = [*groups, *report.pictures]
            result = outcome(report, draft.skipped, draft.accepted)
            return [one for one in rows if status(report, result, one, draft) in ("warn", "block")]
        case "out":
            return [one for one in report.pictures if one.name in draft.skipped]
    names = {name for one in grouped(report.all_findings) if one.code == filter for name in one.files}
    return [
        *(one for one in groups if one.code == filter),
        *(one for one in report.pictures if one.name in names),
    ]


def _groups(report: Report, draft: Draft) -> tuple[FindingGroup, ...]:
    """A row for all that is counted: of the pictures that are left, unless none of those that it is said of is."""
    skipped = nothing_left(report, draft.skipped) if report.pictures else ()
    result = outcome(report, draft.skipped, draft.accepted)
    left = {one.code for one in result.found}
    found = (one for one in report.all_findings if one.code not in left or result.holds(one))
    return grouped((*skipped, *found))


def found_words(found: Sequence[Finding], width: int) -> str:
    """What was found, if it can be in one line, the gravest first; the others counted: "no face, 2 more"."""
    said = [in_short(one) for one in grouped(found)]
    words = ""
    for left in range(len(said)):
        more = [f"{left} more"] if left else []
        words = ", ".join([*said[: len(said) - left], *more])
        if len(words) <= width:
            break
    return "\n".join(textwrap.wrap(words, width))


def filters(report: Report, draft: Draft) -> list[tuple[str, Content]]:
    """What can be shown, each with how many rows it has."""
    general = [(ALL, "all"), (OPEN, "to decide"), (OUT, "skipped")]
    each = sorted({number_of(one.name) for one in report.pictures})
    general += [(f"{CONCEPT}{one}", f"{CONCEPT}{one}") for one in each if len(each) > 1]
    lines = [(key, Content.assemble((words, "bold"), _count(report, draft, key))) for key, words in general]
    for one in grouped(report.all_findings):
        count = (f"  {one.count}", "$muted")
        lines.append((one.code, Content.assemble(_mark(one.severity), in_short(one), count)))
    return lines


def _count(report: Report, draft: Draft, filter: str) -> tuple[str, str]:
    if filter == OPEN:
        return f"  {left_words(outcome(report, draft.skipped, draft.accepted))}", "$muted"
    rows = chosen(report, draft, filter)
    return f"  {sum(row is not None and not isinstance(row, FindingGroup) for row in rows)}", "$muted"


def _mark(severity: Severity) -> tuple[str, str]:
    return f"{GLYPHS[severity]} ", STATUS[severity][1]


def counts(report: Report, result: Outcome, draft: Draft, filter: str) -> Content:
    """How many pictures, how many to train on, how many to look at."""
    states = [status(report, result, one, draft) for one in report.pictures]
    usable = len(result.images) - states.count("block")
    learned = counted_images(usable, effective(draft))
    parts: list[str | tuple[str, str]] = [(plural(len(states), "picture"), "bold")]
    if filter:  # first, so that it is read in a narrow window too
        kinds = {one.code: in_short(one) for one in grouped(report.all_findings)}
        words = {OPEN: "to decide", OUT: "skipped", **kinds}.get(filter, filter)
        parts.append((f" · showing: {safe_text(words)}", "$accent"))
    parts.append(f" · {learned} to train on")
    if usable > learned:
        parts.append((f" · {usable - learned} held out", "$muted"))
    parts += [(f" · {GLYPHS[severity]} {words}", STATUS[severity][1]) for severity, words in left_parts(result)]
    if out := states.count("out"):
        parts.append((f" · {STATUS['out'][0][0]} {out} skipped", STATUS["out"][1]))
    return Content.assemble(*parts)


def columns(width: int) -> list[tuple[str, int]]:
    """Titles and widths that fill a table of `width` cells."""
    if width < WIDE:
        rest = max(8, width - (10 + 18 + 9) - 4 * 2 - 2)
        return [("status", 10), ("picture", 18), ("size", 9), ("found, or caption", rest)]
    rest = max(38, width - (10 + 26 + 9) - 5 * 2 - 2)
    found = max(30, 3 * rest // 5)  # a sentence is read down one column
    return [("status", 10), ("picture", 26), ("size", 9), ("found", found), ("caption", rest - found)]


def cells(
    report: Report, result: Outcome, row: PictureReport | FindingGroup | None, draft: Draft, width: int
) -> list[Content]:
    """One row of the table."""
    widths = [one for _, one in columns(width)]
    word, style = STATUS[status(report, result, row, draft)]
    if row is None or isinstance(row, FindingGroup):
        name = WHOLE_SET if row is None else row.count.removesuffix(" of pictures")  # its column has 18 cells
        words = "" if row is None else safe_text(_said(row))
        said = textwrap.wrap(_whole_clauses(words, widths[3]), widths[3], max_lines=MOST, placeholder=" …")
        last = [Content.styled("\n".join(said), style), Content("")][: len(widths) - 3]
        return [Content.styled(word, style), Content.styled(name, "$foreground italic"), Content(""), *last]
    picture = row
    star = "* " if picture.name in draft.captions and len(widths) == 4 else ""  # where the caption has no room
    found = found_words(report.about(picture), widths[3] - len(star))
    faint = "$faint" if picture.name in draft.skipped else ""
    text, captioned = _caption(picture, draft, widths[-1])
    caption = Content.styled(text, faint or ("$muted" if captioned else "$faint"))
    shown = Content.styled(star + found, faint or style)
    last = [shown if found else caption] if len(widths) == 4 else [shown, caption]
    return [
        Content.styled(word, style),
        Content.styled(safe_text(picture.name, widths[1]), faint or "$foreground"),
        Content.styled(f"{picture.width}x{picture.height}" if picture.width else "-", faint or "$muted"),
        *last,
    ]


def _caption(picture: PictureReport, draft: Draft, width: int) -> tuple[str, bool]:
    """What the picture will be trained with, a star before what is not written yet; whether there is any."""
    edited = draft.captions.get(picture.name)
    text = picture.caption if edited is None else edited
    if not text:
        return "(no caption)", False
    return ("* " if edited is not None else "") + safe_text(text, width - 2), True


def _whole_clauses(words: str, width: int) -> str:
    """As much of a sentence as has room in MOST lines, up to the end of a part of it: the panel has all of it."""
    ends = (len(words), *(found.start() for found in reversed(list(re.finditer("[;:] ", words)))))
    ends = (*ends, *(found.start() for found in reversed(list(re.finditer(r" \(", words)))))
    ends = tuple(one for one in ends if words.count("(", 0, one) == words.count(")", 0, one))
    fitting = (words[:end] for end in ends if len(textwrap.wrap(words[:end], width)) <= MOST)
    return next(fitting, words)


def _said(group: FindingGroup) -> str:
    """What stands beside the count, which it need not repeat."""
    return group.said.removeprefix("are ")


PANEL, READER = 52, 72  # cells of the panel, and of the window that shows all of it, on a terminal of 80


def findings(report: Report, row: PictureReport | FindingGroup | None, draft: Draft) -> Content:
    """What was found about a picture, what is said of a kind with the names, or with None the set in words."""
    if row is None:
        head, lines = "the whole set: Enter shows all of this", [whole_set(report, draft)]
    elif isinstance(row, FindingGroup):
        return _group(row, draft)
    else:
        picture = row
        head = safe_text(picture.name)
        lines = [line for one in report.about(picture) for line in _finding(one, draft)]
        if not lines:
            lines.append(Content.styled("✓ nothing wrong with it", "$text-success"))
        text, captioned = _caption(picture, draft, 2000)
        if captioned:
            lines.append(Content.styled(f"caption: {text}", "$muted"))
    return Content("\n").join([Content.styled(head, "bold"), *lines])


def whole_set(report: Report, draft: Draft, every: bool = False) -> Content:
    """The set in words, and what is not checked of it, with `every` each with its reason."""
    said = (*_summary(report, draft), *not_checked_lines(report, READER if every else PANEL, every))
    return Content.styled("\n".join(map(safe_text, said)), "$muted")


def _summary(report: Report, draft: Draft) -> tuple[str, ...]:
    """What is left to decide, and the set in words without what was left out; of several concepts as it was found."""
    left = tuple(one for one in report.pictures if one.name not in draft.skipped)
    first = left_line(len(left), outcome(report, draft.skipped, draft.accepted))
    if not draft.skipped or any(number_of(one.name) != 1 for one in report.pictures):
        return (first, *report.summary)
    from loratui.curation.checks.whole_set import summary

    return (first, *summary(replace(report, pictures=left)))


def _group(group: FindingGroup, draft: Draft) -> Content:
    """The kind in one sentence, what helps, whom it is about."""
    lines = [Content.assemble(_mark(group.severity), (group.words, "bold"))]
    lines += [Content.styled(f"  → {line}", "$muted") for line in group.remedies[:1]]
    if len(group.findings) > 1 and group.files:
        lines.append(Content.styled(safe_text(", ".join(group.files), 1000), "$muted"))
    if group.code in MEASURED:
        lines.append(Content.assemble((f"{group.code}: ", "$muted bold"), (MEASURED[group.code], "$muted")))
    if group.code in CODES:
        lines.append(Content.styled(f"docs/findings.md has a line on {group.code}.", "$muted"))
    return Content("\n").join(lines)


def _finding(one: Finding, draft: Draft) -> list[Content]:
    taken = " (accepted)" if one.is_accepted(draft.accepted) else ""
    said = Content.assemble(_mark(one.severity), safe_text(one.message), (f"  {safe_text(one.code)}{taken}", "$muted"))
    return [said, Content.styled(f"  → {safe_text(one.remedy)}", "$muted")] if one.remedy else [said]


def to_accept(report: Report, rows: Sequence[PictureReport | FindingGroup | None], filter: str = ALL) -> list[Finding]:
    """All that a person could accept in these rows; of one code, where that is what is shown."""
    only = filter if filter not in (ALL, OPEN, OUT) and not filter.startswith(CONCEPT) else ""
    found = {(one.code, one.file) for row in rows if row is not None for one in about(report, row)}
    fitting = [one for one in report.all_findings if (one.code, one.file) in found and one.acceptable]
    fitting = [one for one in fitting if one.severity == "warn"]
    return [one for one in fitting if not only or one.code == only]


def what_changed(before: Report, now: Report) -> str:
    """Pictures, captions and findings that are new, gone or others; "nothing changed." where none is."""
    old, new = ({one.name: one for one in report.pictures} for report in (before, now))
    both = old.keys() & new.keys()
    others = [name for name in both if old[name].sha256 != new[name].sha256]
    captions = [name for name in both if old[name].caption != new[name].caption]
    was, found = ({(one.code, one.file) for one in report.all_findings} for report in (before, now))
    parts = [
        _part(len(new.keys() - old.keys()), "picture", "new"),
        _part(len(old.keys() - new.keys()), "picture", "gone"),
        _part(len(others), "picture", "changed"),
        _part(len(captions), "caption", "changed"),
        _part(len(was - found), "finding", "gone"),
        _part(len(found - was), "finding", "new"),
    ]
    return f"{', '.join(one for one in parts if one) or 'nothing changed'}."


def _part(count: int, what: str, became: str) -> str:
    return f"{plural(count, what)} {became}" if count else ""
