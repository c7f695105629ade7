"""The plan as styled text: what stands in the way, what to know, the sections in aligned columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from loratui.curation.groups import GLYPHS, FindingGroup, grouped
from loratui.terminal.text import plural, safe_text
from loratui.terminal.units import in_bytes

if TYPE_CHECKING:
    from loratui.curation.report import Finding, Outcome
    from loratui.planning.fitting import Proposal
    from loratui.planning.plan import Plan
    from loratui.planning.sections import PlanRow, PlanSection

LABEL, VALUE = 19, 20


def trouble_words(reason: str, plan: Plan | None, outcome: Outcome | None) -> Content | None:
    """What stops the start, each with how to solve it; None if nothing does."""
    lines = [_line("✗ ", "$text-error", safe_text(reason))] if reason else []
    lines += [_line("✗ ", "$text-error", safe_text(one)) for one in (plan.errors if plan else ())]
    if plan is not None and plan.base:
        lines.append(Content.styled("  → F8 lists base models, and which are on this disk", "$muted"))
    stopping = grouped(one for one in (outcome.blocking if outcome else ()) if not one.acceptable)
    lines += _findings("$text-error", stopping)
    return Content("\n").join([*lines, Content("")]) if lines else None


def first_words(plan: Plan | None) -> Content | None:
    """Why the run is not ready though nothing stops it, with the keys that lead out; None if it is."""
    if plan is None or not plan.slow:
        return None
    said = f"{plan.slow} F5 takes the small SDXL, F7 writes the answers for a machine with a GPU."
    return Content("\n").join([_line("! ", "$text-warning", safe_text(said)), Content("")])


def warning_words(plan: Plan | None, outcome: Outcome | None, steps: int = 0, why: str = "") -> Content | None:
    """What to know before the start; `steps`: how many would suit the pictures, and `why`."""
    lines = [_line("! ", "$text-warning", safe_text(one)) for one in (plan.warnings if plan else ())]
    if steps:
        lines.append(Content.styled(f"  → F3 takes {plural(steps, 'step')} ({safe_text(why)})", "$muted"))
    lines += _findings("$text-warning", grouped(to_accept(outcome)))
    return Content("\n").join([*lines, Content("")]) if lines else None


def to_accept(outcome: Outcome | None) -> list[Finding]:
    """What stops a run only until the person says that it shall not, the gravest first."""
    if outcome is None:
        return []
    return [one for one in outcome.to_decide if one.acceptable]


def plan_words(plan: Plan, width: int) -> Content:
    """The sections; notes stand beside their value where there is room, else below it."""
    lines: list[Content] = []
    for section in plan.sections:
        lines.append(Content.styled(section.title, "bold $accent"))
        lines += _drawn(section, width)
        lines += [line for row in section.rows for line in _row(row, width)]
        lines.append(Content(""))
    lines.append(Content.styled("the same from a shell", "bold $accent"))
    lines.append(Content(f"  {safe_text(plan.command)}"))
    return Content("\n").join(lines)


def fitting_words(proposal: Proposal, width: int) -> Content:
    """What would make it fit, in `width` cells: each change with what it saves, what it costs and who says so."""
    from loratui.planning.fitting import WITH_BITS

    undo = "The Settings step marks what is changed with •; r there takes it back."
    lines = [
        *_needed(proposal, width),
        Content(""),
        *_changes(proposal, width),
        Content(""),
        *(Content.styled(line, "$muted") for line in _wrapped(undo, width)),
    ]
    if (other := proposal.with_bits) is not None:
        lines += [Content(""), *map(Content, _wrapped(WITH_BITS, width)), *_changes(other, width)]
        lines += _needed(other, width)
    return Content("\n").join(lines)


def _needed(proposal: Proposal, width: int) -> list[Content]:
    enough = f"it then {proposal.words}." if proposal.fits else "not enough: more memory is needed."
    return [Content(line) for line in _wrapped(f"About {in_bytes(proposal.total)} would be needed: {enough}", width)]


def _changes(proposal: Proposal, width: int) -> list[Content]:
    lines: list[Content] = []
    for one in proposal.changes:
        lines.append(Content.assemble((safe_text(one.words), "bold"), f"  {one.gain}"))
        why = _wrapped(f"{one.cost} ({safe_text(one.source)})", max(10, width - 2))
        lines += [Content.styled(f"  {line}", "$muted") for line in why]
    return lines


def _drawn(section: PlanSection, width: int) -> list[Content]:
    """The lines above the rows: arithmetic and bars, indented, too long ones wrapped."""
    if section.draw is None:
        return []
    room = max(10, width - 2)
    lines = [part for line in section.draw(room) for part in (_wrapped(line, room) if len(line) > room else [line])]
    return [*(Content(f"  {safe_text(line)}") for line in lines), Content("")]


def _row(row: PlanRow, width: int) -> list[Content]:
    label, value, note = safe_text(row.label), safe_text(row.value), safe_text(row.note)
    first = Content.assemble((f"  {label:<{LABEL}} ", "$muted"), (f"{value:<{VALUE}} ", ""))
    if first.cell_length > width:
        first = Content("\n").join(
            [
                Content.styled(f"  {label}", "$muted"),
                *(Content(f"    {line}") for line in _wrapped(value, max(10, width - 4))),
            ]
        )
    if not note:
        return [first.rstrip()]
    if first.cell_length + len(note) <= width:
        return [Content.assemble(first, (note, "$muted"))]
    room = max(10, width - LABEL - 5)
    return [first.rstrip(), *(Content.styled(f"{'':<{LABEL + 5}}{line}", "$muted") for line in _wrapped(note, room))]


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width) or [""]


def _findings(style: str, found: Sequence[FindingGroup]) -> list[Content]:
    """Each with what helps, and the key that leads to where it is done."""
    lines = [line for one in found for line in _finding(style, one)]
    return [*lines, Content.styled("  → s leads to the pictures, where a key solves it", "$muted")] if lines else []


def _finding(style: str, one: FindingGroup) -> list[Content]:
    said = _line(f"{GLYPHS[one.severity]} ", style, one.words)
    return [said, *(Content.styled(f"  → {line}", "$muted") for line in one.remedies[:1])]


def _line(glyph: str, style: str, text: str) -> Content:
    return Content.assemble((glyph, style), text)
