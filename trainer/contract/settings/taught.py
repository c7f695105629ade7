"""The concepts that a run teaches, settled: that of `[dataset]`, alone or with those beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.contract.settings.concepts import FIRST, Concept, number_of, prefix_of, title_of
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.triggers import suggested_prompt, with_article


@dataclass(frozen=True)
class ClassSet:
    """Pictures of a class: photographs of `path`, where there is one, and what is drawn to `prompt`.

    `number` is that of the first concept whose class it is. Without a prompt nothing says what they show.
    """

    number: int
    path: str
    prompt: str


@dataclass(frozen=True)
class Taught:
    """One concept, with what it takes over from `[dataset]`; `number` counts from 1, which is that of `[dataset]`."""

    number: int
    path: str
    trigger: str
    class_word: str
    prompt: str  # the caption of pictures that have none
    caption_column: str
    repeats: int
    loss_weight: float
    skip: tuple[str, ...]  # by their names in the folder
    accept: tuple[str, ...]
    subset: str  # of a data set
    split: str
    classes: ClassSet | None  # None where it has no class pictures

    @property
    def title(self) -> str:
        """What a sentence calls it: "concept 2"; nothing for that of [dataset]."""
        return title_of(self.number)

    @property
    def prefix(self) -> str:
        """What stands before its pictures' names in everything that is said of a run: "concept-2/", or nothing."""
        return prefix_of(self.number)

    def said(self, sentence: str) -> str:
        """A sentence about this concept."""
        return f"{self.title}: {sentence}" if self.title else sentence


def taught(config: TrainConfig) -> tuple[Taught, ...]:
    """Every concept of a run, that of `[dataset]` first."""
    data, prior = config.dataset, config.prior
    own = _class_set(1, prior.path, prior.prompt, data.class_word) if prior.enabled else None
    first = Taught(
        1,
        data.path,
        data.trigger,
        data.class_word,
        data.instance_prompt,
        data.caption_column,
        data.repeats,
        data.loss_weight,
        _own(data.skip, 1),
        _own_accepted(data.accept, 1),
        data.subset,
        data.split,
        own,
    )
    return (first, *(_beside(config, number, one) for number, one in enumerate(config.concepts, FIRST)))


def _beside(config: TrainConfig, number: int, own: Concept) -> Taught:
    data = config.dataset
    trigger = own.trigger or data.trigger
    suggested = suggested_prompt(config.kind, trigger, own.class_word)
    plain = suggested if own.trigger or own.class_word else data.instance_prompt
    drawn = config.prior.enabled and own.prior
    return Taught(
        number,
        own.path,
        trigger,
        own.class_word,
        own.instance_prompt or plain,
        own.caption_column or data.caption_column,
        own.repeats,
        own.loss_weight,
        _own(data.skip, number),
        _own_accepted(data.accept, number),
        own.subset,
        own.split,
        _class_set(number, own.class_path, own.class_prompt, own.class_word) if drawn else None,
    )


def class_sets(config: TrainConfig) -> tuple[ClassSet, ...]:
    """The classes of all concepts; two concepts of one class share its pictures."""
    found: dict[tuple[str, str], ClassSet] = {}
    for one in taught(config):
        if one.classes is not None:
            found.setdefault((one.classes.path, one.classes.prompt), one.classes)
    return tuple(found.values())


def epoch_places(config: TrainConfig, counts: Sequence[int]) -> int:
    """How many views one epoch has, `counts` being the pictures of each concept that are trained on."""
    return sum(count * one.repeats for count, one in zip(counts, taught(config), strict=False))


def weighs(config: TrainConfig) -> bool:
    """Whether errors on some concept count more or less than on others."""
    return any(one.loss_weight != 1 for one in taught(config))


def class_words(prompt: str, class_word: str) -> str:
    """What pictures of a class show: the prompt that was written, or "a photo of a" and the class word; else empty."""
    return prompt if prompt.strip() else f"a photo of {with_article(class_word)}" if class_word.strip() else ""


def _class_set(number: int, path: str, prompt: str, class_word: str) -> ClassSet:
    return ClassSet(number, path, class_words(prompt, class_word))


def _own(names: tuple[str, ...], number: int) -> tuple[str, ...]:
    return tuple(one.removeprefix(prefix_of(number)) for one in names if number_of(one) == number)


def _own_accepted(accepted: tuple[str, ...], number: int) -> tuple[str, ...]:
    """A code alone is accepted everywhere; code:concept-2/file is of the second concept."""
    found = []
    for one in accepted:
        code, colon, name = one.partition(":")
        if not colon or number_of(name) == number:
            found.append(f"{code}{colon}{name.removeprefix(prefix_of(number))}")
    return tuple(found)
