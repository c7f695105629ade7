"""The processes of one run: one, or several under `accelerate launch` that share every step between them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import distributed

PATIENCE = datetime.timedelta(hours=2)  # others wait while rank 0 makes pictures or class pictures


class Uneven(ValueError):
    """The step cannot be shared evenly between the processes."""


@dataclass(frozen=True)
class World:
    """This process among `size`. Rank 0 alone writes events, checkpoints, pictures and files."""

    rank: int = 0
    size: int = 1

    @property
    def main(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def add_up(self, tensor: torch.Tensor) -> None:
        """Replace `tensor` by the sum over all processes."""
        if self.size > 1:
            distributed.all_reduce(tensor)

    def told(self, number: int, device: torch.device) -> int:
        """The number that rank 0 has; everybody waits for it."""
        if self.size == 1:
            return number
        shared = torch.tensor([number], device=device)
        distributed.broadcast(shared, src=0)
        return int(shared.item())

    def share(self, batch: int, accumulation: int) -> list[tuple[int, slice]]:
        """This process's part of a step: which micro-batches, and which of their samples.

        The step stays what the settings say: whole micro-batches are dealt out if they can be, else the samples of
        each one. Raises Uneven if neither divides.
        """
        if accumulation % self.size == 0:
            return [(micro, slice(0, batch)) for micro in range(self.rank, accumulation, self.size)]
        if batch % self.size == 0:
            part = batch // self.size
            return [(micro, slice(self.rank * part, (self.rank + 1) * part)) for micro in range(accumulation)]
        raise Uneven(
            f"{self.size} processes cannot share a step of batch {batch} x accumulation {accumulation}: "
            f"make train.batch or train.accumulation a multiple of {self.size}"
        )


def agree(tensors: Iterable[torch.Tensor]) -> None:
    """Replace each by rank 0's, where there are several processes: two GPUs may compute another sign."""
    if distributed.is_initialized():
        for one in tensors:
            distributed.broadcast(one, src=0)


def join_world(gpu: bool) -> World:
    """Join the processes that the launcher started, told by RANK and WORLD_SIZE; alone without them."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    if gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if gpu else "gloo", timeout=PATIENCE)
    return World(distributed.get_rank(), size)
