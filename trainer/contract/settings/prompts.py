"""The prompts that follow from what is taught: what the wizard suggests, a plan shows and the trainer reads."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.sample_prompts import SamplePrompt, read_sample_prompt
from trainer.contract.settings.triggers import split_triggers


@dataclass(frozen=True)
class WantedPicture:
    """One picture of every sample step; `index` names its files (000300-4.png), `seed` is its first noise."""

    index: int
    prompt: SamplePrompt
    seed: int


def with_article(words: str) -> str:
    """`words` with a or an before them, by their first letter: "a dog", "an ohwx woman"."""
    return f"{'an' if words[:1].lower() in tuple('aeiou') else 'a'} {words}"


def suggested_prompt(kind: str, trigger: str, class_word: str) -> str:
    """The instance prompt of a kind, such as "a photo of a TOK dog", until a person writes an own one."""
    word = next(iter(split_triggers(trigger)), "TOK")
    if kind == "style":
        return f"in the style of {word}"
    thing = f"{word} {class_word}".strip()
    return with_article(thing) if kind == "character-style" else f"a photo of {with_article(thing)}"


def class_prompt(config: TrainConfig) -> str:
    """What the class pictures show: prior.prompt, or "a photo of a" and the class word; else empty."""
    own, word = config.prior.prompt, config.dataset.class_word
    return own if own.strip() else f"a photo of {with_article(word)}" if word.strip() else ""


def class_refusal(config: TrainConfig) -> str:
    """Why there can be no class pictures, as a sentence; empty where none are wanted or their prompt is known."""
    if not config.prior.enabled or class_prompt(config):
        return ""
    return (
        "prior.enabled: nothing says what the class pictures show; set dataset.class_word (dog, woman, backpack), or "
        "prior.prompt to a whole sentence, such as 'a photo of a dog'"
    )


def sample_prompts(config: TrainConfig) -> tuple[SamplePrompt, ...]:
    """The prompts of the settings; the instance prompt, as it is, where there are none."""
    own = config.sample.prompts
    plain = config.dataset.instance_prompt
    return tuple(map(read_sample_prompt, own)) if own else (SamplePrompt(plain, plain),)


def sample_pictures(config: TrainConfig) -> tuple[WantedPicture, ...]:
    """Every picture of a sample step: sample.count of each prompt, each with the next seed.

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
