"""What two LoRAs are before they become one: their layers, embeddings and prompts, and what keeps them apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from trainer.contract.basemodel.headers import BadHeader, read_header
from trainer.contract.basemodel.inspect import NotSDXL, base_of
from trainer.contract.documents.json_lines import parse_line
from trainer.contract.documents.tensor_header import read_tensor_header
from trainer.contract.loras.lora_file import FileRows, LoraFile
from trainer.contract.loras.start import NoStart, every_rows, find_start, other_sizes
from trainer.contract.paths import expanded, is_file
from trainer.contract.run.exports import base_name, embedding_names
from trainer.contract.run.folder import refuse_links
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, load_config
from trainer.contract.settings.model import Model
from trainer.contract.settings.prompts import sample_prompts
from trainer.contract.settings.taught import taught
from trainer.contract.settings.triggers import file_word, holds_word, split_triggers, word_pattern
from trainer.contract.units import plural
from trainer.ground.tensor_files import load_tensors
from trainer.model.parts import Parts, fix_pooling
from trainer.model.tokens import Vocabulary, add_to_tokenizers, insert_rows

MOST_PROMPTS = 8  # of each LoRA


class NotMerged(ValueError):
    """Two LoRAs that cannot become one; `str()` says why, and what to do."""


@dataclass(frozen=True)
class Source:
    """One of the LoRAs. `words` are what its prompts call its concept; those with `rows` are new tokens."""

    title: str
    lora: LoraFile
    rows: Mapping[str, FileRows]
    words: tuple[str, ...]
    prompts: tuple[str, ...]
    config: TrainConfig | None  # of a run

    @property
    def plain(self) -> tuple[str, ...]:
        """Words that no embedding stands behind."""
        return tuple(one for one in self.words if one not in self.rows)

    def renamed(self, new: Mapping[str, str]) -> Source:
        """The same with other words for its concepts, in its prompts too."""
        rows = {new.get(word, word): one for word, one in self.rows.items()}
        words = tuple(new.get(word, word) for word in self.words)
        return replace(self, rows=rows, words=words, prompts=tuple(_renamed(one, new) for one in self.prompts))


def run_config(place: str) -> TrainConfig | None:
    """The settings of the run whose folder `place` is; None for what is no run. Raises ValueError, OSError."""
    run = RunDir(expanded(place))
    if not is_file(run.config):
        return None
    refuse_links(run)
    return load_config(run.config)


def model_of(
    configs: tuple[TrainConfig | None, ...], titles: tuple[str, ...], base: str = "", option: str = "--base"
) -> Model:
    """The base model that all belong to: `base` where it is named (by `option`), else the runs'. Raises NotMerged."""
    if base:
        return Model(base=base)
    known = [(title, one) for title, one in zip(titles, configs, strict=True) if one is not None]
    if not known:
        raise NotMerged(
            f"{' and '.join(titles)}: no run is among them, and a file does not say on which base model it was "
            f"trained: name it with {option}"
        )
    if len(known) > 1:
        (first, one), (second, other) = known
        names = [base_name(config) for config in (one, other)]
        if names[0] != names[1]:
            raise NotMerged(
                f"{first} was trained on {names[0]} and {second} on {names[1]}: name the one to be used with "
                f"{option}; away from its own base model a LoRA shows less of what it learned"
            )
    return known[0][1].model.model_copy(update={"quantize": "off"})


def without_run(model: Model, name: str = "lora") -> TrainConfig:
    """The settings where none of the LoRAs is a run: pictures of the size that the base model was made for."""
    config = TrainConfig(name=name, model=model)
    train = config.train.model_copy(update={"resolution": base_of(model).native})
    return config.model_copy(update={"train": train})


def read_source(place: str, model: Model, config: TrainConfig | None, prompts: str = "") -> Source:
    """The LoRA at `place`, a run's folder, a file or a folder with one. Raises NotMerged.

    `prompts`: what is written in place of what its metadata say.
    """
    pivotal = config is not None and config.pivotal.enabled
    trigger = config.every_trigger if config is not None else ""
    try:
        start = find_start(place, model, trigger if pivotal else "")
    except (NoStart, NotSDXL) as error:
        raise NotMerged(f"{place}: {error}") from None
    title = config.name if config is not None else start.lora.path.stem
    if start.axis:
        raise NotMerged(
            f"{title} is a DoRA: the lengths that it gives to whole columns cannot be added to another's; train it "
            "again as a LoRA ('loratui replay' with --set train.dora=false)"
        )
    if wrong := other_sizes(start.lora, model):
        raise NotMerged(f"{title}: {wrong[0]}; name its base model with --base")
    rows = dict(start.rows) if config is not None else every_rows(start.lora)
    words = split_triggers(trigger) if config is not None else (*rows,) or _phrase(start.lora.path)
    own = (prompts,) if prompts else _prompts(start.lora.path, config, words)
    return Source(title, start.lora, rows, words, own, config)


def told_apart(first: Source, second: Source) -> tuple[Source, Source, list[str]]:
    """Both, with a new word where the embeddings of one would have the other's; and what was renamed, in sentences.

    A word without embeddings is in the LoRA itself and keeps its name.
    """
    taken = {_key(word) for one in (first, second) for word in one.plain}
    shared = {_key(word) for word in first.plain} & {_key(word) for word in second.plain}
    said = [
        f"both answer to the plain word '{word}', which will show both" for word in first.plain if _key(word) in shared
    ]
    found = []
    for one in (first, second):
        new: dict[str, str] = {}
        for word in one.rows:
            free = word
            number = 2
            while _key(free) in taken:
                free, number = f"{word}{number}", number + 1
            taken.add(_key(free))
            if free != word:
                new[word] = free
                said.append(f"'{word}' of {one.title} is called '{free}' here: the other has that word already")
        found.append(one.renamed(new))
    return found[0], found[1], said


def vocabulary_of(sources: tuple[Source, ...]) -> Vocabulary:
    """The new tokens of all, numbered through."""
    return Vocabulary.counted({word: rows.count for one in sources for word, rows in one.rows.items()})


def rows_of_all(sources: tuple[Source, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of both encoders, in the order of the new tokens; fp32. Raises OSError, SafetensorError."""
    found: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    for rows in (one for source in sources for one in source.rows.values()):
        tensors = load_tensors(rows.path)
        for which, name in enumerate(rows.names):
            found[which].append(tensors[name].float())
    return torch.cat(found[0]), torch.cat(found[1])


def insert_words(parts: Parts, sources: tuple[Source, ...]) -> Vocabulary:
    """Teach the encoders, which pool as they were trained, the new tokens of all."""
    assert parts.text_encoders is not None
    fix_pooling(parts.text_encoders, parts.tokenizers)
    vocabulary = vocabulary_of(sources)
    if vocabulary.tokens:
        add_to_tokenizers(parts.tokenizers, vocabulary)
        insert_rows(parts.text_encoders, rows_of_all(sources))
    return vocabulary


def left_out(source: Source) -> list[str]:
    """What of a file no merge takes over, as sentences."""
    passed = source.lora.passed
    if not passed:
        return []
    count = plural(len(passed), "layer")
    return [f"{source.title} has {count} that are not Linears of a transformer, such as {passed[0]}: left out"]


def _key(word: str) -> str:
    """What may not be shared: two such words would have one file of embeddings."""
    return file_word(word).casefold()


def _renamed(text: str, new: Mapping[str, str]) -> str:
    if not new:
        return text
    pattern = "|".join(word_pattern(one) for one in sorted(new, key=len, reverse=True))
    return re.sub(pattern, lambda found: new[found.group()], text)


def _prompts(path: Path, config: TrainConfig | None, words: tuple[str, ...]) -> tuple[str, ...]:
    """What shows the concept: the captions that a run's file tells of, its instance prompt, those of its pictures."""
    if config is None:
        return tuple(f"a picture of {one}" for one in words)
    drawn = [one.words for one in sample_prompts(config)]
    every = [*_captions(path, config), *(one.prompt for one in taught(config)), *drawn]
    own = [one for one in every if any(holds_word(one, word) for word in words)]
    return tuple(dict.fromkeys(own))[:MOST_PROMPTS]


def _captions(path: Path, config: TrainConfig) -> list[str]:
    """Those in the header of a run's file, with the triggers in place of the embeddings' names."""
    try:
        found = read_tensor_header(path).value
    except OSError:
        return []
    told = found.told.get("ss_tag_frequency", "") if found is not None else ""
    folders = (parse_line(told.encode()) or {}) if isinstance(told, str) else {}
    counts = folders.get(config.name)
    triggers = {name: word for word, name in embedding_names(config).items()}
    return [_renamed(one, triggers) for one in counts] if isinstance(counts, dict) else []


def _phrase(path: Path) -> tuple[str, ...]:
    """The trigger as the header of a file has it; empty where it says none."""
    try:
        told = read_header(path).words.get("modelspec.trigger_phrase", "")
    except BadHeader:
        return ()
    return split_triggers(told) if isinstance(told, str) else ()
