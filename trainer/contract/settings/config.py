"""The configuration of a run: its tables joined, and the ways to read, write, flatten and hash it."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from trainer.contract.documents.files import read_toml
from trainer.contract.settings.adapter import Adapter
from trainer.contract.settings.captions import Caption
from trainer.contract.settings.concepts import FIRST, Concept, title_of
from trainer.contract.settings.exported_files import Export
from trainer.contract.settings.fields import Section, Setting, declared_settings, setting
from trainer.contract.settings.kinds import DEFAULT, Kind
from trainer.contract.settings.model import SDXL, Model
from trainer.contract.settings.objective import Loss, Mask, Noise, Stop
from trainer.contract.settings.optimizers import AdamW, Lion, Prodigy
from trainer.contract.settings.sections import Dataset, Pivotal, Prior, TextEncoderLora
from trainer.contract.settings.tracking import Sample, Tracker
from trainer.contract.settings.training import CHECKPOINTING_FORMERLY, Train
from trainer.contract.settings.triggers import (
    ENCODERS,
    file_word,
    holds_word,
    named_numbers,
    sharing_file,
    split_triggers,
    starting_words,
)

SDXL_VAE = "madebyollin/sdxl-vae-fp16-fix"
SMALL = "sdxl-small"  # the trained small SDXL that ships with the package

DEVICES = re.compile(r"(?i)con|prn|aux|nul|com\d|lpt\d")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class TrainConfig(Section):
    """Everything that decides a run; the trainer reads nothing else."""

    name: str = setting("lora", "name", "Names the run and its files: letters, digits, - and _.")
    kind: Kind = setting(DEFAULT, "kind", "What is being taught; decides presets and checks.")
    preset: str = setting("object", "preset", "The preset that the values started from.")
    model: Model = Field(default_factory=Model)
    dataset: Dataset = Field(default_factory=Dataset)
    concepts: tuple[Concept, ...] = setting(
        (),
        "further concepts",
        "What else is learned in the same run: [[concepts]], each with a folder of its own; none: what [dataset] names "
        "alone.",
        source="kohya's scripts (several folders); OneTrainer (concepts)",
        max_length=30,
    )
    caption: Caption = Field(default_factory=Caption)
    train: Train = Field(default_factory=Train)
    adapter: Adapter = Field(default_factory=Adapter)
    pivotal: Pivotal = Field(default_factory=Pivotal)
    text_encoder_lora: TextEncoderLora = Field(default_factory=TextEncoderLora)
    prodigy: Prodigy = Field(default_factory=Prodigy)
    adamw: AdamW = Field(default_factory=AdamW)
    lion: Lion = Field(default_factory=Lion)
    loss: Loss = Field(default_factory=Loss)
    mask: Mask = Field(default_factory=Mask)
    noise: Noise = Field(default_factory=Noise)
    prior: Prior = Field(default_factory=Prior)
    stop: Stop = Field(default_factory=Stop)
    sample: Sample = Field(default_factory=Sample)
    tracker: Tracker = Field(default_factory=Tracker)
    export: Export = Field(default_factory=Export)

    @property
    def triggers(self) -> tuple[str, ...]:
        """The triggers of all concepts, each once."""
        each = (self.dataset.trigger, *(one.trigger for one in self.concepts))
        return tuple(dict.fromkeys(word for one in each for word in split_triggers(one)))

    @property
    def every_trigger(self) -> str:
        """The same as a setting writes them: "TOK,TOK2"."""
        return ",".join(self.triggers)

    @property
    def token_counts(self) -> dict[str, int]:
        """How many new tokens stand for each trigger; nothing without pivotal tuning."""
        if not self.pivotal.enabled:
            return {}
        own = named_numbers(self.pivotal.tokens_each, self.triggers)
        return {word: int(own.get(word, self.pivotal.tokens)) for word in self.triggers}

    @field_validator("name")
    @classmethod
    def _a_file_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("only letters, digits, '-' and '_' (at most 64): it becomes a file name and a prompt word")
        if DEVICES.fullmatch(value):
            raise ValueError(f"Windows has a device of this name, and no file can have that name; write '{value}-1'")
        return value

    @model_validator(mode="after")
    def _one_way_for_the_words(self) -> TrainConfig:
        if self.pivotal.enabled and self.text_encoder_lora.enabled:
            raise ValueError(
                "text_encoder_lora.enabled: it stands in place of pivotal tuning; set pivotal.enabled to false as well"
            )
        return self

    @model_validator(mode="after")
    def _a_file_for_each_trigger(self) -> TrainConfig:
        if self.pivotal.enabled and (same := sharing_file(self.triggers)):
            one, other = same
            raise ValueError(
                f"dataset.trigger: '{one}' and '{other}' differ only in punctuation or case, and would share one file "
                f"of embeddings ({self.name}_{file_word(one)}_emb); choose words that differ in a letter or a digit"
            )
        return self

    @model_validator(mode="after")
    def _starting_words_of_triggers(self) -> TrainConfig:
        if self.pivotal.enabled:
            try:
                starting_words(self.pivotal.init_words, self.triggers)
            except ValueError as error:
                raise ValueError(f"pivotal.init_words: {error}") from None
        return self

    @model_validator(mode="after")
    def _numbers_of_each(self) -> TrainConfig:
        pivotal, words, most = self.pivotal, self.triggers, self.pivotal.fraction
        if not pivotal.enabled:
            return self
        parts = (*words, *ENCODERS)
        for key, names, said, fits in (
            ("tokens_each", words, "a whole number from 1 to 32", lambda one: one in range(1, 33)),
            ("fraction_each", parts, f"above 0 to the pivot, {most:g}", lambda one: 0 < one <= most),
            ("weight_decay_each", parts, "0 to 1", lambda one: one <= 1),
        ):
            try:
                found = named_numbers(getattr(pivotal, key), names)
            except ValueError as error:
                raise ValueError(f"pivotal.{key}: {error}") from None
            for name, number in found.items():
                if not fits(number):
                    raise ValueError(f"pivotal.{key}: {name} = {number:g}: {said}")
        return self

    @model_validator(mode="after")
    def _trigger_in_prompt(self) -> TrainConfig:
        words = split_triggers(self.dataset.trigger)
        if not any(holds_word(self.dataset.instance_prompt, word) for word in words):
            raise ValueError(
                f"dataset.instance_prompt: '{self.dataset.instance_prompt}' does not hold the trigger "
                f"'{self.dataset.trigger}' as a word of its own"
            )
        return self

    @model_validator(mode="after")
    def _concepts_apart(self) -> TrainConfig:
        places = {self.dataset.path: "[dataset]"} if self.dataset.path else {}
        for number, one in enumerate(self.concepts, FIRST):
            title, words = title_of(number), split_triggers(one.trigger or self.dataset.trigger)
            if one.instance_prompt and not any(holds_word(one.instance_prompt, word) for word in words):
                raise ValueError(
                    f"concepts: {title}: instance_prompt '{one.instance_prompt}' does not hold the trigger "
                    f"'{','.join(words)}' as a word of its own"
                )
            if one.path in places:
                raise ValueError(f"concepts: {title}: its folder is that of {places[one.path]} already: {one.path}")
            places[one.path] = title
        return self


SETTINGS: tuple[Setting, ...] = declared_settings(TrainConfig)
BY_KEY: dict[str, Setting] = {one.key: one for one in SETTINGS}
# values that a setting had under another name, or of another type
FORMER_VALUES: dict[str, dict[Any, Any]] = {"train.gradient_checkpointing": CHECKPOINTING_FORMERLY}
SECTION_TITLES: dict[str, str] = {  # of each table, in the order of declaration
    name: info.annotation.TITLE or name
    for name, info in TrainConfig.model_fields.items()
    if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
}


def most_tokens(values: Mapping[str, Any]) -> int:
    """The largest number of new tokens that a trigger has, by values that may not be valid yet."""
    each = re.findall(r"=\s*(\d{1,2})\s*(?:;|$)", str(values.get("pivotal.tokens_each", "")))
    return max([int(values["pivotal.tokens"]), *map(int, each)])


def vae_source(model: Model) -> str:
    """The VAE that `model` means: a hub id or folder, or "" for the base model's own."""
    if model.vae != "auto":
        return model.vae
    return SDXL_VAE if model.base == SDXL else ""


def stale_pins(old: Mapping[str, Any], new: Mapping[str, Any], given: Collection[str]) -> dict[str, str]:
    """Revisions that `new` took over from `old` (both by dotted keys) and that are another model's: to be emptied.

    `given`: the keys that a person named with the new values; a revision among them is meant.
    """

    def models(values: Mapping[str, Any]) -> dict[str, str]:
        base, vae = (str(values.get(key) or BY_KEY[key].default) for key in ("model.base", "model.vae"))
        return {"model.revision": base, "model.vae_revision": vae_source(Model.model_construct(base=base, vae=vae))}

    before, after = models(old), models(new)
    return {key: "" for key, one in after.items() if one != before[key] and new.get(key) and key not in given}


def flat(config: TrainConfig) -> dict[str, Any]:
    """All values under their dotted keys, in the order of declaration."""
    values: dict[str, Any] = {}
    for one in SETTINGS:
        section, _, name = one.key.rpartition(".")
        value = getattr(getattr(config, section) if section else config, name)
        values[one.key] = tuple(map(table_of, value)) if one.kind == "tables" else value
    return values


def table_of(concept: Concept) -> dict[str, Any]:
    """A concept as an answer file holds it: what differs from what is declared."""
    return concept.model_dump(exclude_defaults=True)


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys as tables: {"train.rank": 8} gives {"train": {"rank": 8}}."""
    tables: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        (tables.setdefault(section, {}) if section else tables)[name] = value
    return tables


def dump_config(config: TrainConfig) -> str:
    """`config` as the TOML text of a run's config.toml."""
    import tomlkit

    tables = config.model_dump(mode="python", exclude=None if config.concepts else {"concepts"})
    if config.concepts:
        tables["concepts"] = [table_of(one) for one in config.concepts]
    for table in tables.values():
        if isinstance(table, dict):
            table.update({key: list(value) for key, value in table.items() if isinstance(value, tuple)})
    return tomlkit.dumps(tables)


# what was done in place of a default of today before there was such a setting
FORMERLY: dict[str, Any] = {"gradient_checkpointing": "blocks", "ema": 0.0, "timesteps": "independent"}


def load_config(path: Path) -> TrainConfig:
    """Read a run's config.toml. Raises FileNotFoundError, or ValueError (pydantic.ValidationError is one)."""
    found = read_toml(path, root=path.parent)
    if found.absent:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if found.value is None:
        raise ValueError(found.reason)
    tables = found.value
    if isinstance(train := tables.get("train"), dict):
        tables["train"] = as_begun(train)
    return TrainConfig.model_validate(tables)


def value_of_now(key: str, value: Any) -> Any:
    """A value of the setting `key` as it is written today, whatever it was formerly called."""
    if key not in FORMER_VALUES or not isinstance(value, bool | str):
        return value
    return FORMER_VALUES[key].get(value.lower() if isinstance(value, str) else value, value)


def as_begun(train: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings that a run or a checkpoint was begun with, before a setting of today was one whose default does else.

    Their values are as they are written today. `prefix` stands before the names ("train." where the keys are dotted).
    """
    before = FORMERLY | ({"dora_axis": "output"} if train.get(f"{prefix}dora") else {})
    told = {key: value_of_now(key if prefix else f"train.{key}", value) for key, value in train.items()}
    return {f"{prefix}{name}": value for name, value in before.items()} | told


def config_sha(config: TrainConfig) -> str:
    """A hash of every value: two runs with the same one are the same run on the same pictures."""
    return hashlib.sha256(repr(sorted(flat(config).items())).encode()).hexdigest()[:16]
