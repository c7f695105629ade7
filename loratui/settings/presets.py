"""Finds a preset by its name, shipped or one's own."""

from __future__ import annotations

from loratui.settings.own_presets import found_presets, unknown_preset
from loratui.settings.problems import AnswersError, meant
from loratui.settings.shipped_presets import Preset, load_presets, with_variant


def suits(one: Preset, kind: str) -> bool:
    """Whether a preset is offered for `kind`: those of the demo and of other trainers are for who asks for them."""
    return one.kind == kind and one.name not in ("demo", "cog")


def preset_for(kind: str) -> Preset:
    """The shipped preset that is offered first for `kind`."""
    return next(one for one in load_presets() if suits(one, kind))


def preset(name: str) -> Preset:
    """The preset called `name`, or "name/variant", shipped or one's own.

    Raises AnswersError with what was probably meant, or why one's own cannot be used.
    """
    title, _, variant = name.partition("/")
    known = {one.name: one for one in load_presets()}
    if title not in known:
        own = found_presets()
        known |= {one.name: one for one in own.presets}
        if title not in known:
            near = meant(title, tuple(known)) or f"; there are {', '.join(known)}"
            raise AnswersError([f"preset: {unknown_preset(title, own, near)}"])
    chosen = known[title]
    if not variant:
        return chosen
    for one in chosen.variants:
        if one.name == variant:
            return with_variant(chosen, one)
    names = ", ".join(f"{title}/{one.name}" for one in chosen.variants) or "none"
    raise AnswersError([f"preset: '{title}' has no variant '{variant}'; there are {names}"])
