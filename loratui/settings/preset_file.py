"""Writes a preset of one's own: what differs from the defaults, each value with who says so."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui.settings.answers import Answers, preset_values, retriggered
from loratui.settings.own_presets import (
    ENDING,
    NEVER,
    PresetError,
    checked_preset,
    name_problem,
    preset_folder,
    shipped_names,
)
from loratui.settings.presets import preset
from loratui.settings.shipped_presets import Preset, PresetValue
from loratui.terminal.text import not_written, plural, safe_text, show_path
from loratui.version import version
from trainer.contract.entries import make_private, write_atomic
from trainer.contract.paths import can_see
from trainer.contract.settings.config import BY_KEY
from trainer.contract.settings.triggers import split_triggers

TRIGGER = str(BY_KEY["dataset.trigger"].default)
# these name the subject too: only a preset's own words are taken over, never those written for one set of pictures
OF_THE_SUBJECT = ("dataset.instance_prompt", "prior.prompt")


@dataclass(frozen=True)
class SavedPreset:
    """A preset that was written."""

    preset: Preset
    path: Path

    @property
    def words(self) -> str:
        """What happened, in one line."""
        return f"preset '{self.preset.name}' saved: {plural(len(self.preset.values), 'value')}, {show_path(self.path)}"


def save_preset(
    name: str, answers: Answers, origin: str, title: str = "", summary: str = "", replace: bool = False
) -> SavedPreset:
    """Keep what `answers` come to as the preset `name`. `origin` says whose they are, such as "run 2026-11-23-anna".

    Raises PresetError with a sentence, AnswersError if the answers' own preset cannot be used.
    """
    if problem := name_problem(name):
        raise PresetError(problem)
    path = preset_folder() / f"{name}{ENDING}"
    if can_see(path) and not replace:
        raise PresetError(f"there is a preset '{name}' already; choose another name, or add --replace")
    base = preset(answers.preset)
    by = f"yours, saved {time.strftime('%Y-%m-%d')} from {safe_text(origin, 80)}"
    text = _text(name, base, answers, _kept(base, answers, by), by, title, summary)
    found = checked_preset(name, text)
    try:
        make_private(path.parent)
        write_atomic(path, text, 0o600)
    except OSError as error:
        raise PresetError(f"the preset {not_written(path, error, 'free that name')}") from None
    return SavedPreset(found, path)


def _kept(base: Preset, answers: Answers, by: str) -> list[PresetValue]:
    """Each value that differs from its default and belongs to no one set of pictures, in the order of declaration."""
    layer = {**preset_values(base.name, answers.values), **answers.values}
    of_base = {one.key: one for one in base.values}
    trigger = (split_triggers(str(layer.get("dataset.trigger", TRIGGER))) or (TRIGGER,))[0]
    written = str(of_base["dataset.trigger"].value) if "dataset.trigger" in of_base else TRIGGER
    kept = []
    for key in BY_KEY:
        said, given = of_base.get(key), trigger
        if key in NEVER or key not in layer:
            continue
        if key in OF_THE_SUBJECT:
            if said is None:
                continue
            value, given = said.value, written
        else:
            value = layer[key]
        if key in (*OF_THE_SUBJECT, "sample.prompts"):
            value = retriggered(value, given, TRIGGER)
        if _same(value, BY_KEY[key].default):
            continue
        mine = key in answers.values and key not in OF_THE_SUBJECT
        kept.append(PresetValue(key, value, by if mine or said is None else said.source, not mine and _inferred(said)))
    return kept


def _text(
    name: str, base: Preset, answers: Answers, values: list[PresetValue], by: str, title: str, summary: str
) -> str:
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment(f"A preset of your own, written by loratui {version()}. Edit freely."))
    document.add(tomlkit.comment("Copy it into the same folder of another machine to use it there."))
    root = base.name if base.name in shipped_names() else base.based_on
    words: Mapping[str, Any] = {
        "title": safe_text(title, 80) or name,
        "summary": safe_text(summary, 300) or f"{by[0].upper()}{by[1:]}." + (f" Began as '{root}'." if root else ""),
        "kind": str(answers.values.get("kind", base.kind)),
        "data": base.data,
        "based_on": root,
    }
    for key, value in words.items():
        document.add(key, tomlkit.item(value))
    if base.steps_per_image and "train.steps" not in answers.values:
        steps = tomlkit.table()
        steps.update({"value": base.steps_per_image, "source": base.steps_source})
        if base.steps_inferred:
            steps.add("inferred", True)
        document.add("steps_per_image", steps)
    table = tomlkit.table()
    for one in values:
        entry = tomlkit.inline_table()
        entry.update({"value": _toml(one.value), "source": one.source})
        if one.inferred:
            entry.update({"inferred": True})
        table.add(one.key, entry)
    document.add("values", table)
    return tomlkit.dumps(document)


def _toml(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _inferred(said: PresetValue | None) -> bool:
    return said is not None and said.inferred


def _same(one: Any, other: Any) -> bool:
    return bool(_toml(one) == _toml(other))
