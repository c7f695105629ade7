"""Every random draw as a pure function of (seed, stream, key): nothing to save, any step can be replayed."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import torch

Stream = Literal[
    "order", "class-order", "buckets", "crop", "flip", "posterior", "noise", "offset", "timestep", "caption", "dropout",
    "rows", "lora", "sample", "hold-out", "measure", "levels", "coarse", "perturbation",
    "tag", "tag-order", "start",
]  # fmt: skip


GOLDEN = (5**0.5 - 1) / 2


def _digest(seed: int, stream: Stream, key: tuple[int, ...]) -> int:
    words = "/".join([str(seed), stream, *map(str, key)])
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big")


def generator(seed: int, stream: Stream, *key: int) -> torch.Generator:
    """A CPU generator that depends on nothing but its arguments."""
    return torch.Generator().manual_seed(_digest(seed, stream, key) >> 1)


def uniform(seed: int, stream: Stream, *key: int) -> float:
    """A number in [0, 1), without a generator: 53 bits of the digest."""
    return (_digest(seed, stream, key) >> 11) / 2**53


def below(n: int, seed: int, stream: Stream, *key: int) -> int:
    """A whole number in [0, n); the bias of the modulus is below n / 2**64."""
    return _digest(seed, stream, key) % n


def normal(shape: tuple[int, ...], seed: int, stream: Stream, *key: int) -> torch.Tensor:
    """Standard normal numbers of `shape`, fp32 on the CPU: the same on every device."""
    return torch.randn(shape, generator=generator(seed, stream, *key), dtype=torch.float32)


@lru_cache(maxsize=4)
def permutation(n: int, seed: int, stream: Stream, epoch: int) -> tuple[int, ...]:
    """The order of `n` places in one epoch."""
    return tuple(torch.randperm(n, generator=generator(seed, stream, epoch)).tolist())


@dataclass(frozen=True)
class Seen:
    """One of the items at one place of the run; `number` tells its views apart, from 0 without a gap over epochs."""

    item: int
    number: int


@dataclass(frozen=True)
class Epoch:
    """What stands in an epoch: each item as often as its entry of `repeats` says."""

    repeats: tuple[int, ...]

    @cached_property
    def places(self) -> tuple[Seen, ...]:
        """All of it before it is shuffled, in rounds: of each round the items that are repeated so often."""
        rounds = range(max(self.repeats, default=0))
        return tuple(Seen(item, copy) for copy in rounds for item, repeats in enumerate(self.repeats) if copy < repeats)


def item_at(index: int, epoch: Epoch, seed: int, stream: Stream = "order") -> Seen:
    """Which item is seen at place `index` (from 0) of the whole run.

    An epoch is repeated first and shuffled then; epochs follow without a gap, so a batch may span two of them and
    none is ever short.
    """
    places = epoch.places
    number, place = divmod(index, len(places))
    found = places[permutation(len(places), seed, stream, number)[place]]
    return Seen(found.item, number * epoch.repeats[found.item] + found.number)


@lru_cache(maxsize=16)
def levels(step: int, seen: tuple[Seen, ...], items: int, seed: int, stream: Stream = "order") -> tuple[float, ...]:
    """How noisy each of the views of a whole step is, from 0 to below 1: evenly spread, each of them uniform.

    Over its views an item walks by the golden ratio from a place of its own, the items' places being evenly spaced:
    any number of views is spread as evenly as it can be (Kronecker's sequence). Within the step each n-th part of the
    range is then given to one of the n views, in the order of what they walked to, chance deciding where two walked to
    the same part; in it each stays where its walk has it.
    """
    start, ranks = uniform(seed, "levels"), permutation(items, seed, "levels", 0)
    wanted = [((ranks[one.item] + start) / items + one.number * GOLDEN) % 1.0 * len(seen) for one in seen]
    chance = [uniform(seed, "levels", int(stream == "class-order"), step, place) for place in range(len(seen))]
    order = sorted(range(len(seen)), key=lambda place: (int(wanted[place]), chance[place]))
    rank = {place: number for number, place in enumerate(order)}
    return tuple((rank[place] + wanted[place] % 1.0) / len(seen) for place in range(len(seen)))


@dataclass(frozen=True)
class BucketTurn:
    """One step's turn of one bucket: its size, and how many turns that bucket had before."""

    size: tuple[int, int]
    number: int


def turn(place: int, sizes: tuple[tuple[int, int], ...], epoch: Epoch, seed: int) -> BucketTurn:
    """Whose turn it is at step `place` (from 0), `sizes` being those of the pictures.

    Every picture in turn, in the order of a permutation, calls its own bucket, which then gives the whole step from
    an order of its own: a bucket has as many turns as its pictures have places in an epoch, so that all pictures are
    seen as often as they are repeated.
    """
    cycle, at = divmod(place, len(epoch.places))
    own = _turns(sizes, epoch, seed, cycle)[at]
    each = sum(repeats for size, repeats in zip(sizes, epoch.repeats, strict=True) if size == own.size)
    return BucketTurn(own.size, own.number + cycle * each)


@lru_cache(maxsize=4)
def _turns(sizes: tuple[tuple[int, int], ...], epoch: Epoch, seed: int, cycle: int) -> tuple[BucketTurn, ...]:
    had: Counter[tuple[int, int]] = Counter()
    turns = []
    for one in permutation(len(epoch.places), seed, "buckets", cycle):
        size = sizes[epoch.places[one].item]
        turns.append(BucketTurn(size, had[size]))
        had[size] += 1
    return tuple(turns)
