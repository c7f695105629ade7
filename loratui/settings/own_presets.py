"""Presets of one's own: files in $XDG_CONFIG_HOME/loratui/presets, in the form of those that ship with loratui."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from loratui.errors import Refusal
from loratui.settings.problems import AnswersError, unknown_setting, validated, wrong_value
from loratui.settings.shipped_presets import Preset, PresetValue, Variant, load_presets, read_preset
from loratui.terminal.text import os_words, safe_text, show_path
from trainer.contract.documents.parsers import parse_toml
from trainer.contract.documents.regular import read_bytes
from trainer.contract.entries import sweep
from trainer.contract.paths import is_file
from trainer.contract.run.rundir import home_folder
from trainer.contract.settings.config import BY_KEY

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
MAX_BYTES = 1 << 18
ENDING = ".toml"
# what belongs to one set of pictures: a preset is for others too. The trigger in a preset's texts is always TOK.
NEVER = frozenset(
    {"name", "preset", "kind", "prior.path", "pivotal.init_words", "train.start_from"}
    | {f"dataset.{one}" for one in ("path", "subset", "split", "trigger", "class_word", "caption_column")}
    | {"dataset.skip", "dataset.accept", "concepts"}
)


class PresetError(Refusal):
    """A preset of one's own cannot be saved, read or deleted."""


@dataclass(frozen=True)
class OwnPresets:
    """What lies in the folder: the presets that can be used, and for each other file a sentence."""

    presets: tuple[Preset, ...] = ()
    troubles: Mapping[str, str] = field(default_factory=dict)  # by the file's stem


def preset_folder() -> Path:
    """$XDG_CONFIG_HOME/loratui/presets, or ~/.config/loratui/presets."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else home_folder() / ".config") / "loratui" / "presets"


def found_presets() -> OwnPresets:
    """Everything in the folder, by name. A damaged file stands in no one's way: it is named and left out.

    What killed processes left there half-written is removed.
    """
    sweep(preset_folder())
    try:
        files = sorted(one for one in preset_folder().iterdir() if one.suffix == ENDING)
    except OSError:
        return OwnPresets()
    presets: list[Preset] = []
    troubles: dict[str, str] = {}
    for path in files:
        found = read_own(path)
        if isinstance(found, Preset):
            presets.append(found)
        else:
            troubles[path.stem] = f"{safe_text(path.name, 60)} is left out: {found}"
    return OwnPresets(tuple(presets), troubles)


def unknown_preset(name: str, own: OwnPresets, near: str) -> str:
    """The sentence for a preset that cannot be used: damaged, or not on this machine."""
    where = show_path(preset_folder())
    if name in own.troubles:
        return f"{own.troubles[name]}; mend {where}/{name}{ENDING}, or 'loratui preset delete {name}'"
    shown = safe_text(name, 60)
    return f"there is no preset '{shown}'{near}; your own are in {where}: copy {shown}{ENDING} there if it is one"


def read_own(path: Path) -> Preset | str:
    """The preset in the file, or a sentence on what is wrong with it."""
    try:
        info = path.stat()
    except OSError as error:
        return f"it cannot be read ({os_words(error)})"
    return _parsed(path, info.st_mtime_ns, info.st_size)


@lru_cache(maxsize=128)
def _parsed(path: Path, _changed: int, _size: int) -> Preset | str:
    """Read again only when the file was changed: every key in a form asks for its preset."""
    raw = read_bytes(path, MAX_BYTES)
    if raw.value is None:
        return raw.reason
    try:
        return checked_preset(path.stem, raw.value)
    except PresetError as error:
        return safe_text(error, 300)


def checked_preset(name: str, text: str | bytes) -> Preset:
    """The preset in `text`. Raises PresetError with the first thing that is wrong with it."""
    if (problem := name_problem(name)) != "":
        raise PresetError(problem)
    raw = parse_toml(text)
    if raw.value is None:
        said = f": {raw.said[:1].lower()}{raw.said[1:]}" if raw.said else ""
        raise PresetError(raw.reason + said)
    try:
        form = {"data": "", "summary": "", "title": name, "values": {}}
        found = _safe(read_preset(name, {**form, **raw.value, "common": False}))
        for one in _all_values(found):
            _check_value(one)
        _check_steps([found.steps_per_image, *(one.steps_per_image for one in found.variants)])
        for variant in ((), *(one.values for one in found.variants)):
            _check_together(found, variant)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, PresetError):
            raise
        raise PresetError(f"not in the form of a preset: {type(error).__name__}: {error}") from None
    return found


def name_problem(name: str) -> str:
    """Why `name` cannot name a preset of one's own; empty if it can."""
    if not NAME.fullmatch(name):
        return f"'{safe_text(name, 60)}' cannot name a preset: letters, digits, '-' and '_', at most 40"
    shipped = next((one.name for one in load_presets() if one.name == name.lower()), "")
    return f"'{shipped}' is a preset that ships with loratui; choose another name" if shipped else ""


def shipped_names() -> frozenset[str]:
    """The presets that every loratui has, with their variants as "name/variant"."""
    variants = {f"{one.name}/{variant.name}" for one in load_presets() for variant in one.variants}
    return frozenset({one.name for one in load_presets()} | variants)


def delete_preset(name: str) -> Path:
    """Delete the file of a preset of one's own, also of a damaged one. Raises PresetError."""
    path = preset_folder() / f"{name}{ENDING}"
    if any(one.name == name for one in load_presets()):
        raise PresetError(f"'{name}' ships with loratui; only presets of your own can be deleted")
    if "/" in name or not is_file(path):
        known = ", ".join(sorted(one.name for one in found_presets().presets)) or "none"
        raise PresetError(f"there is no preset '{safe_text(name, 60)}' of your own; there are: {known}")
    try:
        path.unlink()
    except OSError as error:
        raise PresetError(f"{show_path(path)} cannot be deleted: {os_words(error)}") from None
    return path


def _safe(one: Preset) -> Preset:
    """Its words harmless on a terminal, wherever they are shown: the file may come from someone else."""
    return replace(
        one,
        title=safe_text(one.title, 80),
        summary=safe_text(one.summary, 300),
        data=safe_text(one.data, 300),
        values=tuple(_safe_value(value) for value in one.values),
        variants=tuple(_safe_variant(variant) for variant in one.variants),
        steps_source=safe_text(one.steps_source, 300),
        own=True,
    )


def _safe_variant(one: Variant) -> Variant:
    if not NAME.fullmatch(one.name):
        raise PresetError(f"'{safe_text(one.name, 60)}' cannot name a variant")
    values = tuple(_safe_value(value) for value in one.values)
    return replace(one, summary=safe_text(one.summary, 300), values=values)


def _safe_value(one: PresetValue) -> PresetValue:
    value = tuple(one.value) if isinstance(one.value, list) else one.value
    return replace(one, value=value, source=safe_text(one.source, 300))


def _all_values(one: Preset) -> Iterator[PresetValue]:
    yield from one.values
    for variant in one.variants:
        yield from variant.values


def _check_value(one: PresetValue) -> None:
    key = safe_text(one.key, 80)
    if one.key not in BY_KEY:
        raise PresetError(f"{key}: {unknown_setting(one.key, full=True)}")
    if one.key in NEVER:
        raise PresetError(f"{key}: it belongs to one set of pictures and not into a preset")
    if problem := wrong_value(BY_KEY[one.key], one.value):
        raise PresetError(f"{key}: {problem}")


def _check_steps(found: list[Any]) -> None:
    for one in found:
        if one is not None and (not isinstance(one, int) or isinstance(one, bool) or not 1 <= one <= 100_000):
            raise PresetError(f"steps_per_image: {safe_text(one, 40)} is not a whole number from 1 to 100000")


def _check_together(one: Preset, variant: tuple[PresetValue, ...]) -> None:
    """The rules over several settings, and the kind."""
    values = {value.key: value.value for value in (*one.values, *variant)}
    try:
        validated({**values, "kind": one.kind}, lambda key: key)
    except AnswersError as error:
        raise PresetError(error.messages[0]) from None
    if one.based_on and one.based_on not in shipped_names():
        raise PresetError(f"based_on: no preset '{safe_text(one.based_on, 60)}' ships with loratui")
