"""The prompts that follow from what is taught: what the wizard suggests, a plan shows and the trainer reads."""

from __future__ import annotations

from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.triggers import split_triggers


def suggested_prompt(kind: str, trigger: str, class_word: str) -> str:
    """The instance prompt of a kind, such as "a photo of a TOK dog", until a person writes an own one."""
    word = next(iter(split_triggers(trigger)), "TOK")
    if kind == "style":
        return f"in the style of {word}"
    thing = f"{word} {class_word}".strip()
    return f"a {thing}" if kind == "character-style" else f"a photo of a {thing}"


def class_prompt(config: TrainConfig) -> str:
    """What the class pictures show: prior.prompt, or "a photo of a" and the class word; else empty."""
    own, word = config.prior.prompt, config.dataset.class_word
    return own if own.strip() else f"a photo of a {word}" if word.strip() else ""


def class_refusal(config: TrainConfig) -> str:
    """Why there can be no class pictures, as a sentence; empty where none are wanted or their prompt is known."""
    if not config.prior.enabled or class_prompt(config):
        return ""
    return (
        "prior.enabled: nothing says what the class pictures show; set dataset.class_word (dog, woman, backpack), or "
        "prior.prompt to a whole sentence, such as 'a photo of a dog'"
    )
