"""The presets that ship with loratui: each value with the sentence that backs it, read from `presets/*.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from trainer.contract.settings.config import value_of_now

FOLDER = Path(__file__).with_name("presets")
COMMON = "_common"  # what all presets for the real SDXL share


@dataclass(frozen=True)
class PresetValue:
    """One value of a preset, and who says so."""

    key: str
    value: Any
    source: str
    inferred: bool = False  # the sources do not say it; it was concluded from them


@dataclass(frozen=True)
class Variant:
    """A tried deviation from a preset; chosen as "preset/variant"."""

    name: str
    summary: str
    values: tuple[PresetValue, ...]
    steps_per_image: int | None


@dataclass(frozen=True)
class Preset:
    """A tried set of values for one kind of data."""

    name: str
    title: str
    summary: str
    kind: str
    data: str  # what pictures it is for
    values: tuple[PresetValue, ...]
    steps_per_image: int | None  # train.steps = this x pictures, unless set
    variants: tuple[Variant, ...]
    steps_source: str = ""
    steps_inferred: bool = False
    own: bool = False  # saved by this person, on this machine; loratui.settings.own_presets reads them
    based_on: str = ""  # the shipped preset that one's own came from


@cache
def load_presets() -> tuple[Preset, ...]:
    """The presets that ship with loratui, in the order in which they are offered."""
    common = _values(_toml(COMMON)["values"])
    found = [
        (raw["order"], read_preset(path.stem, raw, common))
        for path in sorted(FOLDER.glob("*.toml"))
        if path.stem != COMMON
        for raw in [_toml(path.stem)]
    ]
    return tuple(one for _, one in sorted(found, key=lambda pair: pair[0]))


def with_variant(base: Preset, variant: Variant) -> Preset:
    """The preset "base/variant"."""
    own = {one.key for one in variant.values}
    values = tuple(one for one in base.values if one.key not in own) + variant.values
    steps = variant.steps_per_image
    changed = replace(base, name=f"{base.name}/{variant.name}", values=values, variants=())
    return replace(changed, steps_per_image=steps, steps_source=variant.summary) if steps else changed


def read_preset(name: str, raw: dict[str, Any], common: tuple[PresetValue, ...] = ()) -> Preset:
    """A preset from the tables of its file. Raises KeyError, TypeError or AttributeError for what is none."""
    own = _values(raw["values"])
    keys = {one.key for one in own}
    shared = tuple(one for one in common if one.key not in keys) if raw.get("common", True) else ()
    per_image = raw.get("steps_per_image", {})
    return Preset(
        name=name,
        title=raw["title"],
        summary=raw["summary"],
        kind=raw["kind"],
        data=raw["data"],
        values=own + shared,
        steps_per_image=per_image.get("value"),
        variants=tuple(_variant(key, one) for key, one in raw.get("variants", {}).items()),
        steps_source=per_image.get("source", ""),
        steps_inferred=per_image.get("inferred", False),
        based_on=raw.get("based_on", ""),
    )


def _variant(name: str, raw: dict[str, Any]) -> Variant:
    return Variant(name, raw["summary"], _values(raw.get("values", {})), raw.get("steps_per_image"))


def _values(table: dict[str, Any]) -> tuple[PresetValue, ...]:
    return tuple(
        PresetValue(key, value_of_now(key, one["value"]), one["source"], one.get("inferred", False))
        for key, one in table.items()
    )


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
