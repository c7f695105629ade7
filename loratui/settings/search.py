"""Finds settings by what a person types: their names, what other trainers call them, their values, their help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from loratui.settings.checks import shown
from loratui.settings.other_trainers.imported import other_names
from trainer.contract.settings.fields import Setting


def found(query: str, settings: Sequence[Setting], values: Mapping[str, Any]) -> list[Setting]:
    """Those of `settings` that `query` finds, the nearest first: whole names, their beginnings, parts, values, help."""
    text = " ".join(query.lower().split())
    ranked = [(place, one) for one in settings if (place := _place(text, one, values)) is not None]
    return [one for _, one in sorted(ranked, key=lambda pair: pair[0])]


def _place(text: str, one: Setting, values: Mapping[str, Any]) -> int | None:
    """How near: 0 is a whole name; None where not every word is there."""
    names, help = _words(one)
    if text in names:
        return 0
    if any(name.startswith(text) for name in names):
        return 1
    if any(text in name for name in names):
        return 2
    value = shown(values.get(one.key, one.default)).lower()
    named = " ".join(names)
    for place, where in ((3, named), (4, f"{named} {value}"), (5, f"{named} {value} {help}")):
        if all(word in where for word in text.split()):
            return place
    return None


@cache
def _words(one: Setting) -> tuple[tuple[str, ...], str]:
    own = (one.title, one.key.rpartition(".")[2], one.key)
    names = tuple(dict.fromkeys(name.lower() for name in (*own, *other_names(one.key))))
    return names, f"{one.help} {one.up} {one.down} {' '.join(one.choices)}".lower()
