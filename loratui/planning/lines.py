"""The plan as lines for a terminal without a screen, its verdict first, and the configuration that it comes to."""

from __future__ import annotations

from collections.abc import Sequence

from loratui.planning.fitting import WITH_BITS, Proposal, nothing_words, set_words
from loratui.planning.plan import Plan
from loratui.planning.shell_command import with_set
from loratui.settings.demo import SMALL_SIZE
from loratui.settings.resolve import Resolved
from loratui.terminal.glyphs import GLYPHS, marked
from loratui.terminal.layout import WIDTH, fitted, wrapped
from loratui.terminal.text import safe_text, safe_toml
from loratui.terminal.units import in_bytes
from trainer.contract.settings.config import BY_KEY, flat
from trainer.contract.settings.fields import post_named

ALL_IS_NOT_ENOUGH = "Not even all of this makes it fit; more memory is needed. It would help by:"


def verdict_lines(plan: Plan, refused: Sequence[str] = (), where: str = "") -> list[str]:
    """Whether a run would start and what to do, before all else.

    `refused`: what of the pictures is in the way, and how to solve it. `where`: what it is planned for, if not this
    machine.
    """
    of_base = [one for one in plan.errors if plan.base and one.endswith(plan.base)]  # with the place of the setting
    reasons = [one for one in (*(of_base or [plan.base]), *(one for one in plan.errors if one not in of_base)) if one]
    said = [f"{GLYPHS['bad']} Not ready: {one}" for one in reasons]
    said += [f"{GLYPHS['warn']} Not ready: {plan.slow}"] if plan.slow else []
    said += [f"  {one}" for one in instead(plan)]
    if refused:
        gravest = "bad" if any(one.startswith(GLYPHS["bad"]) for one in refused) else "warn"
        said += [f"{GLYPHS[gravest]} Not ready, because of the pictures:", *(f"  {one}" for one in refused)]
    if said:
        return said
    if plan.verdict is not None and not plan.verdict.fits:
        return [f"{GLYPHS['warn']} It would start, but: {plan.verdict.words}. What helps stands below."]
    return [f"{GLYPHS['good']} Ready{f' for {where}' if where else ''}; {start_line(plan, (), where)}"]


def instead(plan: Plan) -> list[str]:
    """What can be started where this cannot, or would take days: each with its command."""
    said = []
    if plan.first:
        said.append(f"The small SDXL does it here in minutes: {with_set(plan.command, SMALL_SIZE)}")
    if plan.slow:
        said.append(f"On a machine with a GPU, with loratui and the pictures there: {plan.command}")
    return said


def start_line(plan: Plan, refused: Sequence[str] = (), where: str = "") -> str:
    """How it is started, behind a plan; or, where it would not, that its first lines say why."""
    if plan.first or plan.errors or refused:
        return "This is not ready: the first lines say why, and what to do."
    return f"start it{' there' if where else ''}: {plan.command}"


def plan_lines(plan: Plan, width: int = WIDTH) -> list[str]:
    """The plan as lines of at most `width` cells, the columns aligned; notes go on below where they begin."""
    lines: list[str] = []
    for section in plan.sections:
        lines += ["", section.title]
        if section.draw is not None:
            lines += [*fitted((f"  {line}" for line in section.draw(width - 2)), width), ""]
        left = max(len(row.label) for row in section.rows)
        middle = min(28, max(12, width // 2 - left - 6), max(len(row.value) for row in section.rows))
        for row in section.rows:
            line = f"  {row.label:<{left}}  {row.value:<{middle}}  {row.note}".rstrip()
            lines += wrapped(line.strip(), width, "  ", left + middle + 4, whole=True)
    lines += ["", *fitted((marked("warn", one) for one in plan.warnings), width)] if plan.warnings else []
    return [*lines, "", *fitted(fitting_lines(plan.proposal), width)] if plan.proposal is not None else lines


def fitting_lines(proposal: Proposal) -> list[str]:
    """What would make it fit, each change with its cost and its source, and all of it as options to paste."""
    said = "To make it fit, the cheapest in result first:" if proposal.fits else ALL_IS_NOT_ENOUGH
    if not proposal.changes:
        return [nothing_words(proposal)]
    found = _changes(proposal, said)
    return found if proposal.with_bits is None else [*found, "", *_changes(proposal.with_bits, WITH_BITS)]


def _changes(proposal: Proposal, said: str) -> list[str]:
    lines = [said]
    for one in proposal.changes:
        lines += [f"  {one.words}  {one.gain}", f"      {one.cost} ({one.source})"]
    how = f", which {proposal.words}" if proposal.fits else ""
    return [*lines, f"  about {in_bytes(proposal.total)} are then needed{how}:", f"  {set_words(proposal.settings)}"]


def resolved_lines(resolved: Resolved) -> list[str]:
    """The resolved configuration as TOML, each value with who says so as a comment."""
    import tomlkit

    lines: list[str] = []
    last = ""
    for key, value in flat(resolved.config).items():
        origin = resolved.origins[key]
        named = origin.layer != "default" and origin.source
        said = f"{origin.layer}: {safe_text(origin.source)}" if named else origin.layer
        if BY_KEY[key].kind == "tables":
            for one in value:
                lines += ["", f"[[{key}]]  # {said}"]
                lines += [f"{name} = {safe_toml(tomlkit.item(own).as_string())}" for name, own in one.items()]
            continue
        section, _, name = key.rpartition(".")
        if section != last:
            lines += ["", f"[{section}]"]
            last = section
        written = tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string()
        lines.append(f"{name} = {safe_toml(written)}  # {said}{' (inferred)' if origin.inferred else ''}")
    post = post_named(one.source for one in resolved.origins.values() if one.layer != "default")
    return [*lines, "", f"# {post}"] if post else lines
