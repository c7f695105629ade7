"""The words and cells of the list of pictures: status, size, caption, findings with their remedies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from loratui.draft import Draft
from loratui.text import plural, safe_text

if TYPE_CHECKING:
    from loratui.curation import Finding, Outcome, PictureReport, Report

FILTERS = ("all", "with findings", "left out")
STATUS = {  # glyph and word, style
    "good": ("✓ good", "$text-success"),
    "look": ("! look", "$text-warning"),
    "cannot": ("✗ cannot", "$text-error"),
    "accepted": ("✓ accepted", "$muted"),
    "out": ("– left out", "$faint"),
    "hint": ("· hint", "$muted"),
}
GLYPHS = {"block": ("✗ ", "$text-error"), "warn": ("! ", "$text-warning"), "hint": ("· ", "$muted")}


def status(picture: PictureReport, draft: Draft) -> str:
    """A key of STATUS."""
    if picture.name in draft.skipped:
        return "out"
    accepted = set(draft.accepted)
    open_findings = [one for one in picture.findings if not (one.acceptable and one.accept_key in accepted)]
    if any(one.severity == "block" and not one.acceptable for one in open_findings):
        return "cannot"
    if any(one.severity != "hint" for one in open_findings):
        return "look"
    if len(open_findings) < len(picture.findings):
        return "accepted"
    return "hint" if open_findings else "good"


def chosen(report: Report, draft: Draft, filter: int) -> list[PictureReport]:
    """The pictures that the filter lets through."""
    match FILTERS[filter]:
        case "with findings":
            return [one for one in report.pictures if status(one, draft) in ("look", "cannot")]
        case "left out":
            return [one for one in report.pictures if one.name in draft.skipped]
    return list(report.pictures)


def counts(report: Report, result: Outcome, draft: Draft, filter: int) -> Content:
    """How many pictures, how many to train on, how many to look at."""
    states = [status(one, draft) for one in report.pictures]
    parts: list[str | tuple[str, str]] = [
        (plural(len(states), "picture"), "bold"),
        f" · {len(result.images) - states.count('cannot')} to train on",
    ]
    for key, words in (("cannot", "cannot be used"), ("look", "to look at"), ("out", "left out")):
        if count := states.count(key):
            parts.append((f" · {STATUS[key][0][0]} {count} {words}", STATUS[key][1]))
    if filter:
        parts.append((f" · showing {FILTERS[filter]}", "$accent"))
    return Content.assemble(*parts)


def columns(width: int) -> list[tuple[str, int]]:
    """Titles and widths that fill a table of `width` cells; the caption takes what is left."""
    name = 20 if width < 100 else 28
    rest = max(8, width - (10 + name + 9) - 4 * 2 - 2)
    return [("status", 10), ("picture", name), ("size", 9), ("caption", rest)]


def cells(picture: PictureReport, draft: Draft, width: int) -> list[Content]:
    """One row of the table."""
    widths = [one for _, one in columns(width)]
    word, style = STATUS[status(picture, draft)]
    size = f"{picture.width}x{picture.height}" if picture.width else "-"
    edited = draft.captions.get(picture.name)
    caption = edited if edited is not None else picture.caption
    text = ("* " if edited is not None else "") + safe_text(caption or "", widths[3])
    none = "(none)" if picture.caption_source == "none" or not caption else ""
    faint = "$faint" if picture.name in draft.skipped else ""
    return [
        Content.styled(word, style),
        Content.styled(safe_text(picture.name, widths[1]), faint or "$foreground"),
        Content.styled(size, faint or "$muted"),
        Content.styled(text or none, faint or ("$foreground" if text else "$faint")),
    ]


def findings(report: Report, picture: PictureReport | None, draft: Draft) -> Content:
    """What was found about a picture and about the whole set, each with its remedy."""
    lines: list[Content] = []
    if picture is not None:
        lines.append(Content.styled(safe_text(picture.name), "bold"))
        lines += [line for one in picture.findings for line in _finding(one, draft)]
        if not picture.findings:
            lines.append(Content.styled("✓ nothing to say against it", "$text-success"))
        if picture.caption:
            lines.append(Content.styled(f"caption: {safe_text(picture.caption)}", "$muted"))
    if report.findings:
        lines.append(Content.styled("the whole set", "bold"))
        lines += [line for one in report.findings for line in _finding(one, draft)]
    return Content("\n").join(lines)


def _finding(one: Finding, draft: Draft) -> list[Content]:
    # what may be accepted stops nothing here: settings chosen later may even solve it
    glyph, style = GLYPHS["warn" if one.severity == "block" and one.acceptable else one.severity]
    taken = " (accepted)" if one.accept_key in draft.accepted else ""
    said = Content.assemble((glyph, style), safe_text(one.message), (taken, "$muted"))
    return [said, Content.styled(f"  → {safe_text(one.remedy)}", "$muted")] if one.remedy else [said]
