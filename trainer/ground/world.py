"""The processes of one run: one, or several under a launcher (torchrun, accelerate) that share every step."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import distributed

from trainer.contract.plan.sharing import share_of, uneven
from trainer.contract.units import plural

JOINING = datetime.timedelta(minutes=30)  # until all are there: one that never comes must not hold the others for days
PATIENCE = datetime.timedelta(days=30)  # the others wait while the run is paused, or rank 0 makes pictures
STOP = 1  # what a process that is told to end says to the others: save first
MOST_SAID = 5  # differences that are named
Given = TypeVar("Given")


class Uneven(ValueError):
    """The step cannot be shared evenly between the processes."""


class PeerGone(RuntimeError):
    """Another process of the run is gone, so that no step can be taken any more."""


class OtherShare(ValueError):
    """Another process of the run has other settings, pictures or another base model than the first one."""


@dataclass(frozen=True)
class World:
    """This process among `size`. Rank 0 alone writes events, checkpoints, pictures and files."""

    rank: int = 0
    size: int = 1
    group: Any = None  # torch's own, None for the usual one
    leaves: Callable[[], bool] = lambda: False  # whether this process, which is not the first, was told to end

    @property
    def main(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def add_up(self, tensor: torch.Tensor) -> None:
        """Replace `tensor` by the sum over all processes. Raises PeerGone, as all below."""
        if self.size > 1:
            with _together(self.size):
                distributed.all_reduce(tensor, group=self.group)

    def told(self, number: int, device: torch.device) -> int:
        """The number that rank 0 has; everybody waits for it."""
        if self.size == 1:
            return number
        with _together(self.size):
            shared = torch.tensor([number], device=device)
            distributed.broadcast(shared, src=0, group=self.group)
            return int(shared.item())

    def highest(self, number: int, device: torch.device) -> int:
        """The highest number that any process has, or STOP from one that leaves; everybody waits for it."""
        if self.size == 1:
            return number
        with _together(self.size):
            shared = torch.tensor([max(number, STOP * self.leaves())], device=device)
            distributed.all_reduce(shared, distributed.ReduceOp.MAX, group=self.group)
            return int(shared.item())

    def given(self, thing: Given) -> Given:
        """What rank 0 has, which need not lie on the disks of the others."""
        if self.size == 1:
            return thing
        with _together(self.size):
            things = [thing]
            distributed.broadcast_object_list(things, src=0, group=self.group)
            return things[0]

    def compare(self, identity: Mapping[str, Mapping[str, Any]], device: torch.device) -> None:
        """Make sure that all train the same run: on machines without a common disk each has its own copies.

        Raises OtherShare in all of them if one differs from the first; that one says in what.
        """
        if self.size == 1:
            return
        first = self.given(identity)
        apart = [line for table in first for line in _differences(table, first[table], identity[table])]
        some = self.highest(2 * bool(apart), device) == 2
        if apart:
            more = [f"and {len(apart) - MOST_SAID} more"] if len(apart) > MOST_SAID else []
            raise OtherShare("\n".join(["not the run of the first process:", *apart[:MOST_SAID], *more]))
        if some:
            raise OtherShare("another process has other settings, pictures or another base model: its log names them")

    def share(self, batch: int, accumulation: int) -> list[tuple[int, slice]]:
        """This process's part of a step, by `share_of`. Raises Uneven."""
        if words := uneven(batch, accumulation, self.size):
            raise Uneven(words)
        return share_of(batch, accumulation, self.rank, self.size)


def agree(tensors: Iterable[torch.Tensor]) -> None:
    """Replace each by rank 0's, where there are several processes: two GPUs may compute another sign."""
    if distributed.is_initialized():
        with _together(distributed.get_world_size()):
            for one in tensors:
                distributed.broadcast(one, src=0)


def join_world(gpu: bool, leaves: Callable[[], bool] = lambda: False) -> World:
    """Join the processes that the launcher started, told by RANK and WORLD_SIZE, if any. Raises PeerGone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    if gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    with _together(size):
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if gpu else "gloo", timeout=JOINING)
        return World(distributed.get_rank(), size, distributed.new_group(timeout=PATIENCE), leaves)


def _differences(table: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    return [
        f"{table}.{name}: {there.get(name, 'nothing')!r} there, {here.get(name, 'nothing')!r} here"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    ]


@contextmanager
def _together(size: int) -> Iterator[None]:
    """What is done by all processes at once: a failure other than of memory is that one of them is gone."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise PeerGone(
            f"another of the {plural(size, 'process', 'processes')} that share this run is gone; its own log says why"
        ) from error
