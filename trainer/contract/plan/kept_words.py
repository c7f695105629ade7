"""Whether what the frozen keys and values make of captions that are constants is kept, and what it takes of memory."""

from __future__ import annotations

from dataclasses import replace

from trainer.contract.plan.estimate import Estimate
from trainer.contract.plan.levels import fits_plainly
from trainer.contract.plan.memory import MemoryPart
from trainer.contract.settings.config import TrainConfig

PART = "captions"  # the name of its part of the memory


def captions_at_most(config: TrainConfig, images: int) -> int:
    """How many captions a run reads: one a picture, that of class pictures, and none at all where some are dropped."""
    classes = 1 + len(config.concepts) if config.prior.enabled else 0
    return images + classes + (config.dataset.caption_dropout > 0)


def kept_words(need: Estimate, captions: int, available: int) -> int:
    """Bytes that are kept of so many captions; 0 where they would not fit into what is `available`.

    After the pivot there is the room that the text encoders had; what goes beyond has to leave some to spare.
    """
    size = captions * need.caption_bytes
    total = with_words(need, size).memory_total
    return size if total == need.memory_total or fits_plainly(total, available) else 0


def kept_in(need: Estimate, config: TrainConfig, images: int, available: int) -> Estimate:
    """The need of a run on so many pictures, with what it will keep of their captions."""
    return with_words(need, kept_words(need, captions_at_most(config, images), available))


def with_words(need: Estimate, size: int) -> Estimate:
    """The need with `size` bytes of that from when the captions are constants: after the pivot, or from the start."""
    after = need.memory_after + size
    more = max(0, after - need.memory_total)
    parts = need.memory
    if more:
        parts += (MemoryPart(PART, more, "what the frozen keys and values make of them, made once"),)
    return replace(need, memory=parts, memory_after=after, words_kept=size)
