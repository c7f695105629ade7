"""Writes out what a preset of one's own stands for, so that a run's files mean the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loratui.settings.answers import DEFAULT_PRESET, Answers, preset_values
from loratui.settings.presets import preset
from loratui.settings.resolve import Resolved
from loratui.settings.shipped_presets import Preset
from trainer.contract.settings.config import BY_KEY


def portable(resolved: Resolved, answers: Answers) -> tuple[Resolved, Answers]:
    """The run with the shipped preset that one's own came from; every value of one's own stands in the answers.

    Why not its name: the file exists on this machine only, can be changed, and can be deleted; a run's answers must
    give the same run next year and elsewhere, and the same hash of its settings. A shipped preset changes nothing.
    """
    own = preset(answers.preset)
    if not own.own:
        return resolved, answers
    base = preset(own.based_on or DEFAULT_PRESET)
    values = _written_out(own, base, answers.values)
    steps = resolved.config.train.steps
    if "train.steps" not in values and own.steps_per_image != base.steps_per_image:
        values["train.steps"] = steps  # counted for these pictures: the number itself
    note = f"The preset was '{own.name}', one of your own: its values are written out here."
    config = resolved.config.model_copy(update={"preset": base.name})
    return replace(resolved, config=config), replace(answers, preset=base.name, values=values, note=note)


def _written_out(own: Preset, base: Preset, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What must be chosen on top of `base` to come to the same as `chosen` on top of `own`."""
    wanted = {**preset_values(own.name, chosen), **chosen}
    wanted.setdefault("kind", own.kind)
    values = dict(chosen)
    counted = own.steps_per_image is not None
    for _ in range(2):  # a second time: another optimizer takes its preset's rates away
        have = {"kind": base.kind, **preset_values(base.name, values), **values}
        for key, one in BY_KEY.items():
            if key == "preset" or (key == "train.steps" and counted and key not in chosen):
                continue
            value = wanted.get(key, one.default)
            if _plain(have.get(key, one.default)) != _plain(value):
                values[key] = value
    return values


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
