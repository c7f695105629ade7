"""New rows that are not trained as the others are: those of a trigger in one encoder, as groups of their own."""

from __future__ import annotations

from trainer.contract.settings.arithmetic import decay_of, fraction_of, pivot_step
from trainer.contract.settings.config import TrainConfig
from trainer.model.tokens import Vocabulary
from trainer.step.flat_group import FlatGroup

PART = "embeddings "  # before a trigger and an encoder, in the name of such a group


def word_parts(whole: FlatGroup, vocabulary: Vocabulary, config: TrainConfig) -> list[FlatGroup]:
    """The rows of each trigger in each encoder, which lie side by side, as groups of their own."""
    found = []
    for encoder, place, parameter in zip(whole.names, whole.places(), whole.parameters, strict=True):
        width = parameter.shape[1]
        for word in vocabulary.words:
            rows = rows_of(vocabulary, word)
            own = slice(place.start + rows.start * width, place.start + rows.stop * width)
            found.append(whole.part(f"{PART}{word} {encoder}", own, width, decay_of(config, word, encoder)))
    return found


def of_part(name: str) -> tuple[str, str]:
    """Trigger and encoder of a group of rows by its name."""
    word, _, encoder = name.removeprefix(PART).rpartition(" ")
    return word, encoder


def rows_of(vocabulary: Vocabulary, word: str) -> slice:
    """Where the rows of a trigger lie in a table."""
    first = vocabulary.tokens.index(vocabulary.words[word][0])
    return slice(first, first + len(vocabulary.words[word]))


def early_stops(groups: list[FlatGroup], config: TrainConfig, pivot: int | None) -> dict[int, tuple[str, ...]]:
    """The groups of rows that are frozen before the pivot, by the step after which they are."""
    found: dict[int, tuple[str, ...]] = {}
    for name in (group.name for group in groups if group.name.startswith(PART)):
        step = pivot_step(config.train.steps, fraction_of(config, *of_part(name)))
        if pivot is None or step < pivot:
            found[step] = (*found.get(step, ()), name)
    return dict(sorted(found.items()))
