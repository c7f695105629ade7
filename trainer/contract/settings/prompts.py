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
    """What the class pictures show: prior.prompt, or "a photo of a" and the class word."""
    return config.prior.prompt or f"a photo of a {config.dataset.class_word or config.kind}"
