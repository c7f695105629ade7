"""How several processes share the step of one run: what each of them takes, and whether it comes out even."""

from __future__ import annotations

from trainer.contract.settings.config import TrainConfig
from trainer.contract.units import plural


def uneven(batch: int, accumulation: int, processes: int) -> str:
    """Why `processes` cannot share a step of batch x accumulation evenly, as a sentence; empty where they can."""
    if accumulation % processes == 0 or batch % processes == 0:
        return ""
    return (
        f"{plural(processes, 'process', 'processes')} cannot share a step of batch {batch} x accumulation "
        f"{accumulation}: make train.batch or train.accumulation a multiple of {processes}"
    )


def share_of(batch: int, accumulation: int, rank: int, processes: int) -> list[tuple[int, slice]]:
    """The part of process `rank` in a step that is not uneven: which micro-batches, and which of their samples.

    The step stays what the settings say: whole micro-batches are dealt out if they can be, else the samples of each.
    """
    if accumulation % processes == 0:
        return [(micro, slice(0, batch)) for micro in range(rank, accumulation, processes)]
    part = batch // processes
    return [(micro, slice(rank * part, (rank + 1) * part)) for micro in range(accumulation)]


def as_one_of(config: TrainConfig, processes: int) -> TrainConfig:
    """`config` as each of the processes computes it, for what one card needs and how long a step takes."""
    train = config.train
    if processes == 1 or uneven(train.batch, train.accumulation, processes):
        return config
    parts = {"accumulation": train.accumulation // processes}
    if train.accumulation % processes:
        parts = {"batch": train.batch // processes}
    return config.model_copy(update={"train": train.model_copy(update=parts)})
