"""The words and cells of the list of pictures: status, size, findings with their remedies, caption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from loratui.curation.lines import not_checked_lines
from loratui.settings.answers import counted_images
from loratui.settings.checks import effective
from loratui.settings.draft import Draft
from loratui.terminal.text import plural, safe_text

if TYPE_CHECKING:
    from loratui.curation.report import Finding, Outcome, PictureReport, Report

Row = "PictureReport | None"  # None: what is said of the whole set
ALL, OPEN, OUT = "", "open", "out"  # filters; any other is the code of a finding
WHOLE_SET = "(the whole set)"
WIDE = 100  # cells from which the caption has a column of its own
STATUS = {  # glyph and word, style
    "good": ("✓ good", "$text-success"),
    "look": ("! look", "$text-warning"),
    "cannot": ("✗ cannot", "$text-error"),
    "accepted": ("✓ accepted", "$muted"),
    "out": ("– left out", "$faint"),
    "hint": ("· hint", "$muted"),
}
GLYPHS = {"block": ("✗ ", "$text-error"), "warn": ("! ", "$text-warning"), "hint": ("· ", "$muted")}


def status(report: Report, picture: PictureReport | None, draft: Draft) -> str:
    """A key of STATUS for a picture, or with None for the whole set."""
    if picture is not None and picture.name in draft.skipped:
        return "out"
    found = report.findings if picture is None else picture.findings
    accepted = set(draft.accepted)
    open_findings = [one for one in found if not (one.acceptable and one.accept_key in accepted)]
    if any(one.severity == "block" and not one.acceptable for one in open_findings):
        return "cannot"
    if any(one.severity != "hint" for one in open_findings):
        return "look"
    if len(open_findings) < len(found):
        return "accepted"
    return "hint" if open_findings else "good"


def chosen(report: Report, draft: Draft, filter: str) -> list[PictureReport | None]:
    """The rows that the filter lets through; the whole set first, where something is said of it."""
    whole = bool(report.findings or report.summary)
    rows: list[PictureReport | None] = [*([None] if whole else []), *report.pictures]
    match filter:
        case "":
            return rows
        case "open":
            return [one for one in rows if status(report, one, draft) in ("look", "cannot")]
        case "out":
            return [one for one in report.pictures if one.name in draft.skipped]
    return [one for one in rows if filter in codes(report, one)]


def codes(report: Report, picture: PictureReport | None) -> list[str]:
    """The codes of what was found, the gravest first."""
    order = list(GLYPHS)
    found = sorted(report.findings if picture is None else picture.findings, key=lambda one: order.index(one.severity))
    return list(dict.fromkeys(one.code for one in found))


def filters(report: Report, draft: Draft) -> list[tuple[str, Content]]:
    """What can be shown, each with how many rows it has."""
    general = [(ALL, "all"), (OPEN, "to look at"), (OUT, "left out")]
    lines = [(key, Content.assemble((words, "bold"), _count(report, draft, key))) for key, words in general]
    for code in Counter(one.code for one in report.all_findings):
        severity = next(one.severity for one in report.all_findings if one.code == code)
        lines.append((code, Content.assemble(GLYPHS[severity], safe_text(code), _count(report, draft, code))))
    return lines


def _count(report: Report, draft: Draft, filter: str) -> tuple[str, str]:
    return f"  {len(chosen(report, draft, filter))}", "$muted"


def counts(report: Report, result: Outcome, draft: Draft, filter: str) -> Content:
    """How many pictures, how many to train on, how many to look at."""
    states = [status(report, one, draft) for one in report.pictures]
    usable = len(result.images) - states.count("cannot")
    learned = counted_images(usable, effective(draft))
    parts: list[str | tuple[str, str]] = [
        (plural(len(states), "picture"), "bold"),
        f" · {learned} to train on",
    ]
    if usable > learned:
        parts.append((f" · {usable - learned} held out", "$muted"))
    for key, words in (("cannot", "cannot be used"), ("look", "to look at"), ("out", "left out")):
        if count := states.count(key):
            parts.append((f" · {STATUS[key][0][0]} {count} {words}", STATUS[key][1]))
    if filter:
        words = {OPEN: "to look at", OUT: "left out"}.get(filter, filter)
        parts.append((f" · showing: {safe_text(words)}", "$accent"))
    return Content.assemble(*parts)


def columns(width: int) -> list[tuple[str, int]]:
    """Titles and widths that fill a table of `width` cells."""
    if width < WIDE:
        rest = max(8, width - (10 + 18 + 9) - 4 * 2 - 2)
        return [("status", 10), ("picture", 18), ("size", 9), ("found, or caption", rest)]
    rest = max(8, width - (10 + 26 + 9 + 30) - 5 * 2 - 2)
    return [("status", 10), ("picture", 26), ("size", 9), ("found", 30), ("caption", rest)]


def cells(report: Report, picture: PictureReport | None, draft: Draft, width: int) -> list[Content]:
    """One row of the table."""
    widths = [one for _, one in columns(width)]
    word, style = STATUS[status(report, picture, draft)]
    found = safe_text(", ".join(codes(report, picture)), widths[3])
    if picture is None:
        blank = [Content("")] * (len(widths) - 4)
        name = Content.styled(WHOLE_SET, "$foreground italic")
        return [Content.styled(word, style), name, Content(""), Content.styled(found, style), *blank]
    faint = "$faint" if picture.name in draft.skipped else ""
    text, captioned = _caption(picture, draft, widths[-1])
    caption = Content.styled(text, faint or ("$muted" if captioned else "$faint"))
    edited = picture.name in draft.captions  # where there is no room for the caption, the star still shows
    shown = Content.styled(("* " if edited and len(widths) == 4 else "") + found, faint or style)
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


def findings(report: Report, picture: PictureReport | None, draft: Draft) -> Content:
    """What was found about a picture, or with None about the whole set, each with its remedy."""
    if picture is None:
        head = "the whole set"
        lines = [line for one in report.findings for line in _finding(one, draft)]
        lines += [Content.styled(safe_text(line), "$muted") for line in (*report.summary, *not_checked_lines(report))]
    else:
        head = safe_text(picture.name)
        lines = [line for one in picture.findings for line in _finding(one, draft)]
        if not lines:
            lines.append(Content.styled("✓ nothing to say against it", "$text-success"))
        text, captioned = _caption(picture, draft, 2000)
        if captioned:
            lines.append(Content.styled(f"caption: {text}", "$muted"))
    return Content("\n").join([Content.styled(head, "bold"), *lines])


def _finding(one: Finding, draft: Draft) -> list[Content]:
    # what may be accepted stops nothing here: settings chosen later may even solve it
    glyph, style = GLYPHS["warn" if one.severity == "block" and one.acceptable else one.severity]
    taken = " (accepted)" if one.accept_key in draft.accepted else ""
    said = Content.assemble((glyph, style), safe_text(one.message), (taken, "$muted"))
    return [said, Content.styled(f"  → {safe_text(one.remedy)}", "$muted")] if one.remedy else [said]


def to_accept(report: Report, rows: Iterable[PictureReport | None], filter: str = ALL) -> Sequence[str]:
    """The keys of all that a person could accept in these rows; of one code, where that is what is shown."""
    found = [one for row in rows for one in (report.findings if row is None else row.findings)]
    only = filter if filter not in (ALL, OPEN, OUT) else ""
    fitting = [one for one in found if one.acceptable and one.severity != "hint" and (not only or one.code == only)]
    return list(dict.fromkeys(one.accept_key for one in fitting))
