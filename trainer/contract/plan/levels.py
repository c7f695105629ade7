"""Which level of `train.gradient_checkpointing` "auto" comes to: the fastest with which a run fits."""

from __future__ import annotations

from trainer.contract.plan.estimate import corrected, estimate
from trainer.contract.plan.memory import Device
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.training import Checkpointing

NARROW = 0.05  # of the need: less to spare than an estimate is off by
LONGER: dict[Checkpointing, str] = {  # than "off": by PICTURE_FLOP of estimate.py
    "norms": "hardly longer",
    "feed-forward": "about an eighth longer",
    "blocks": "about a third longer",
}
# "norms" takes hardly longer than "off" (210 operations of 4,600, no product), and 1.3 GB less for each picture
FASTEST_FIRST: tuple[Checkpointing, ...] = ("norms", "feed-forward", "blocks")


def chosen_level(
    config: TrainConfig, images: int, available: int, device: Device, factor: float = 1.0
) -> Checkpointing:
    """The level that is trained with in so many bytes, with some to spare; "blocks" where none fits.

    `factor` corrects the rough parts of the estimate. A level that a person chose is that. Raises NotSDXL.
    """
    asked = config.train.gradient_checkpointing
    if asked != "auto":
        return asked
    for level in FASTEST_FIRST:
        need = corrected(estimate(with_level(config, level), images, device), factor).memory_total
        if fits_plainly(need, available):
            return level
    return FASTEST_FIRST[-1]


def fits_plainly(need: int, available: float) -> bool:
    """Whether so many bytes fit with more to spare than an estimate is off by."""
    return need * (1 + NARROW) <= available


def with_level(config: TrainConfig, level: Checkpointing) -> TrainConfig:
    """`config` with a level in place of its own."""
    return config.model_copy(update={"train": config.train.model_copy(update={"gradient_checkpointing": level})})
