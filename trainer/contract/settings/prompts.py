"""The prompts that follow from what is taught: what the wizard suggests, a plan shows and the trainer reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from trainer.contract.settings.concepts import title_of
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.sample_prompts import SamplePrompt, read_sample_prompt
from trainer.contract.settings.taught import class_sets, class_words, taught


@dataclass(frozen=True)
class WantedPicture:
    """One picture of every sample step; `index` names its files (000300-4.png), `seed` is its first noise."""

    index: int
    prompt: SamplePrompt
    seed: int


def class_prompt(config: TrainConfig) -> str:
    """What the class pictures show: prior.prompt, or "a photo of a" and the class word; else empty."""
    return class_words(config.prior.prompt, config.dataset.class_word)


def class_refusals_of_prompts(config: TrainConfig) -> list[str]:
    """Why there can be no class pictures, as a sentence each; none where none are wanted or their prompts are known."""
    return [_nameless(one.number) for one in class_sets(config) if not one.prompt]


def _nameless(number: int) -> str:
    if title := title_of(number):
        return (
            f"concepts: {title}: nothing says what its class pictures show; set its class_word (dog, woman, backpack), "
            "or its class_prompt to a whole sentence, or prior to false if it is to have none"
        )
    return (
        "prior.enabled: nothing says what the class pictures show; set dataset.class_word (dog, woman, backpack), or "
        "prior.prompt to a whole sentence, such as 'a photo of a dog'"
    )


def sample_prompts(config: TrainConfig) -> tuple[SamplePrompt, ...]:
    """The prompts of the settings; where there are none the instance prompt of each concept, as it is."""
    if own := config.sample.prompts:
        return tuple(settled(read_sample_prompt(one), config) for one in own)
    plain = dict.fromkeys(one.prompt for one in taught(config))
    return tuple(settled(SamplePrompt(one, one), config) for one in plain)


def settled(prompt: SamplePrompt, config: TrainConfig) -> SamplePrompt:
    """A prompt with what the settings say where it does not: what is not shown, and its size."""
    sample, side = config.sample, config.train.resolution
    return replace(
        prompt,
        negative=prompt.negative or sample.negative,
        width=prompt.width or sample.width or side,
        height=prompt.height or sample.height or side,
    )


def sample_side(config: TrainConfig) -> int:
    """The side, px, of a square with as many pixels as the largest validation picture has."""
    return max(math.isqrt(one.width * one.height) for one in sample_prompts(config))


def sample_pictures(config: TrainConfig) -> tuple[WantedPicture, ...]:
    """Every picture of a sample step: sample.count of each prompt, each with the next seed; none where that is 0.

    The i-th picture of a prompt has its seed (else sample.seed) plus i, also where a prompt is listed twice.
    """
    found: list[WantedPicture] = []
    drawn: dict[tuple[str, str, int], int] = {}
    for prompt in sample_prompts(config):
        first = config.sample.seed if prompt.seed is None else prompt.seed
        same = (prompt.words, prompt.negative, first)
        for _ in range(config.sample.count):
            found.append(WantedPicture(len(found), prompt, first + drawn.get(same, 0)))
            drawn[same] = drawn.get(same, 0) + 1
    return tuple(found)
