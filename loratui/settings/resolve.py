"""Joins default, preset, answers and --set to the one configuration of a run, and remembers who said what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from loratui.settings.answers import Answers, counted_images, preset_values
from loratui.settings.presets import preset
from loratui.settings.problems import AnswersError, validated
from loratui.terminal.text import plural
from trainer.contract.loras.start import KEY as START
from trainer.contract.loras.start import decided_by_start
from trainer.contract.paths import can_see, expanded
from trainer.contract.pictures.sources import origin_of
from trainer.contract.settings.concepts import KEY as CONCEPTS
from trainer.contract.settings.concepts import PLACES
from trainer.contract.settings.config import BY_KEY, SMALL, TrainConfig, stale_pins

Layer = Literal["default", "preset", "start", "answers", "--set"]
MODELS = ("model.base", "model.vae")  # a folder, or a hub id, or a word
DATA = ("dataset.path", "prior.path")  # a folder of this disk, or a hub id
FOLDERS = (*DATA, START)


@dataclass(frozen=True)
class ValueSource:
    """Where a value came from."""

    layer: Layer
    source: str  # the sentence that backs a preset's value, or the file and line
    inferred: bool = False


@dataclass(frozen=True)
class Resolved:
    """The configuration of a run, and for each dotted key where its value came from."""

    config: TrainConfig
    origins: Mapping[str, ValueSource]


def resolve(answers: Answers, overrides: Mapping[str, Any] | None = None, images: int = 0) -> Resolved:
    """default < preset < answers < --set; never the environment. `images`: how many pictures will be used.

    The same arguments give the same configuration. Raises AnswersError with every problem at once.
    """
    overrides = overrides or {}
    name = str(overrides.get("preset", answers.preset))
    chosen = {**answers.values, **overrides}
    try:
        values, origins = preset_layer(name, chosen, images)
    except AnswersError as error:
        at = "--set" if "preset" in overrides else answers.place("")
        if at != "--set" and "preset" in answers.lines:
            at = f"{answers.source}:{answers.lines['preset']}"
        raise AnswersError([f"{at}: {message}" for message in error.messages]) from None
    for key, value in answers.values.items():
        line = answers.lines.get(key)
        values[key] = value
        origins[key] = ValueSource("answers", f"{answers.source}:{line}" if line else answers.source)
    before = dict(values)
    for key, value in overrides.items():
        values[key] = value
        origins[key] = ValueSource("--set", "command line")
    values |= stale_pins(before, values, overrides)
    values["preset"] = name
    if "preset" not in overrides:
        line = answers.lines.get("preset")
        origins["preset"] = ValueSource("answers", f"{answers.source}:{line}" if line else answers.source)

    def place(key: str) -> str:
        if key in overrides:
            return f"--set {key}"
        return answers.place(key)

    config = validated({key: _absolute(key, value) for key, value in values.items()}, place)
    return Resolved(config, {key: origins.get(key, _default(key)) for key in BY_KEY})


def preset_layer(name: str, chosen: Mapping[str, Any], images: int) -> tuple[dict[str, Any], dict[str, ValueSource]]:
    """What preset `name` gives beside `chosen` for so many pictures, and who says so. Raises AnswersError."""
    base = preset(name)
    values = preset_values(name, chosen)
    origins = {one.key: ValueSource("preset", one.source, one.inferred) for one in base.values if one.key in values}
    started = Path(str(chosen.get(START, ""))).name
    origins |= {
        key: ValueSource("start", f"the LoRA that it begins from, {started}") for key in decided_by_start(chosen)
    }
    values["kind"] = base.kind
    origins["kind"] = ValueSource("preset", f"what '{name}' is for")
    images = counted_images(images, {**values, **chosen})
    if base.steps_per_image and images:
        values["train.steps"] = base.steps_per_image * images
        said = f"{base.steps_per_image} x {plural(images, 'picture')}; {base.steps_source}"
        origins["train.steps"] = ValueSource("preset", said, base.steps_inferred)
    return values, origins


def _default(key: str) -> ValueSource:
    return ValueSource("default", BY_KEY[key].source)


def absolute_places(concepts: Any) -> Any:
    """The tables of concepts, their folders absolute and with ~ resolved; what is no such table stays."""
    if not isinstance(concepts, list | tuple):
        return concepts
    return tuple(
        {name: _place(value) if name in PLACES else value for name, value in one.items()}
        if isinstance(one, Mapping)
        else one
        for one in concepts
    )


def _place(value: Any) -> Any:
    if not isinstance(value, str) or not value or origin_of(value) == "hub":
        return value
    return str(expanded(value).absolute())


def names_hub(key: str, value: Any) -> bool:
    """Whether the value is a data set of the hub, and so no path."""
    return key in DATA and origin_of(str(value)) == "hub"


def _absolute(key: str, value: Any) -> Any:
    """Paths as the trainer needs them, wherever it is started; other values as they are."""
    if key == CONCEPTS:
        return absolute_places(value)
    if not isinstance(value, str) or not value:
        return value
    if key in FOLDERS and not names_hub(key, value):
        return str(expanded(value).absolute())
    if key in MODELS and value not in (SMALL, "auto"):
        folder = expanded(value)
        if value.startswith(("~", ".", "/")) or can_see(folder):
            return str(folder.absolute())
    return value
