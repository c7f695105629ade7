"""Whether a run fits into the memory that is there, and the cheapest changes that make it fit."""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

from loratui.planning.hardware import Machine
from loratui.planning.memory_steps import MEMORY_STEPS, MemoryStep, changed, shared_by
from loratui.planning.smaller import Down, Settings
from loratui.terminal.text import safe_text
from loratui.terminal.units import in_bytes
from trainer.contract.plan.estimate import estimate, estimated
from trainer.contract.plan.levels import NARROW, chosen_level, fits_plainly, with_level
from trainer.contract.plan.memory import Device
from trainer.contract.plan.sharing import as_one_of
from trainer.contract.settings.config import TrainConfig, flat
from trainer.contract.settings.optimizers import BITS, GET_BITS
from trainer.contract.settings.training import Checkpointing

SHOWN = 3  # processes that are named
WITH_BITS = f"With {BITS}, which is not installed here ({GET_BITS}), this is enough:"
NOTHING_HELPS = "No setting would make it fit: a smaller base model, or more memory, is needed."


@dataclass(frozen=True)
class MemoryChange:
    """Settings that need less memory, by dotted key, and what they cost. `saves` is in bytes."""

    settings: Mapping[str, Any]
    words: str  # what is changed, as "batch 4 -> 2, accumulation 1 -> 2"
    saves: int
    cost: str
    source: str

    @property
    def gain(self) -> str:
        """What it saves, in words: what is smaller than something else counts only once that needs less too."""
        return f"saves {in_bytes(self.saves)}" if self.saves else "counts once the rest is changed"


@dataclass(frozen=True)
class Proposal:
    """The cheapest changes found; `total`: the need with them, `available`: what is there, both in bytes.

    `with_bits`: what would be enough beside them with a package that is not installed here.
    """

    changes: tuple[MemoryChange, ...]
    total: int
    available: int
    with_bits: Proposal | None = None

    @property
    def fits(self) -> bool:
        """Whether they are enough."""
        return self.total <= self.available

    @property
    def words(self) -> str:
        """How they fit, where they do."""
        spare = self.available - self.total
        more = "; nothing found leaves more" if is_narrow(spare, self.total) else ""
        return spare_words(spare, self.total) + more if self.fits else ""

    @property
    def settings(self) -> Settings:
        """All changes as one, by dotted key."""
        return {key: value for one in self.changes for key, value in one.settings.items()}


@dataclass(frozen=True)
class Growth:
    """Settings that need more memory than was asked for, and save time. `saved`: the part of a step's arithmetic."""

    settings: Settings
    saved: float
    total: int  # the need with them, in bytes


@dataclass(frozen=True)
class Verdict:
    """Whether it fits, in words. `alone`: only if nothing else held memory."""

    fits: bool
    alone: bool
    words: str


def is_narrow(spare: int, need: int) -> bool:
    """Whether `spare` bytes beside the need are fewer than an estimate is off by."""
    return not fits_plainly(need, need + spare)


def spare_words(spare: int, need: int) -> str:
    """How a need fits, with `spare` bytes beside it: of this machine's verdict, and of a proposal."""
    return f"fits{' narrowly,' if is_narrow(spare, need) else ''} with {in_bytes(spare)} to spare"


def verdict(need: int, machine: Machine, pictures: int = 0) -> Verdict:
    """`need` bytes against the memory that is there; `pictures` of them only while samples are made."""
    spare = machine.free - need
    if spare >= 0:
        return Verdict(True, False, spare_words(spare, need))
    if need <= machine.total:
        held = ", ".join(f"{safe_text(one.name, 24)} holds {in_bytes(one.bytes)}" for one in machine.holders[:SHOWN])
        others = f": {held}" if held else f": others hold {in_bytes(machine.total - machine.free)}"
        where = "on the GPU" if machine.device == "cuda" else "on this machine"
        return Verdict(False, True, f"fits only if nothing else runs {where}{others}")
    if need - pictures <= machine.free:
        return Verdict(False, False, f"the training fits, its samples do not: {in_bytes(-spare)} too much for them")
    return Verdict(False, False, f"does not fit: {in_bytes(-spare)} too much")


def changes(config: TrainConfig, images: int, available: int) -> tuple[MemoryChange, ...]:
    """The cheapest changes that bring the run under `available` bytes; all there are where they are not enough."""
    return propose(config, images, available).changes


def propose(
    config: TrainConfig,
    images: int,
    available: int,
    device: Device = "cuda",
    factor: float = 1.0,
    eight_bit: bool | None = None,
    gpus: int = 1,
) -> Proposal:
    """The cheapest changes with which it fits as plainly as a run that needs none; narrowly where nothing else does.

    `factor` corrects the rough parts of the estimate. `eight_bit`: whether bitsandbytes can be had; looked up if None.
    `gpus` share each step: what is available, and what is then needed, are those of one of them.
    """
    have = importlib.util.find_spec(BITS) is not None if eight_bit is None else eight_bit

    def need(one: TrainConfig) -> int:
        return estimated(as_one_of(one, gpus), images, device, factor).memory_total

    steps = [one for one in MEMORY_STEPS if one.planned and not (one.gpu and device == "cpu")]
    steps = [replace(one, down=partial(_shared, one.down, gpus)) for one in steps]
    found = _cheapest(config, [one for one in steps if have or not one.needs], need, available)
    if have:
        return found
    other = _cheapest(config, steps, need, available)
    return replace(found, with_bits=other) if other.fits and other.settings != found.settings else found


def _shared(down: Down, gpus: int, config: TrainConfig) -> Iterator[Settings]:
    """Of the settings of `down` those with which so many can still share a step."""
    return (one for one in down(config) if shared_by(one, gpus))


def grown(
    config: TrainConfig, images: int, available: int, device: Device = "cuda", factor: float = 1.0
) -> Growth | None:
    """What need not be made again in the memory that is there, with some to spare; None where all of it must.

    The training is the same; only its steps are shorter. `factor` corrects the rough parts of the estimate.
    """
    before = estimate(config, images, device)
    for what in get_args(Checkpointing):
        if config.train.gradient_checkpointing in (what, "auto"):
            return None
        settings = {"train.gradient_checkpointing": what}
        need = estimated(changed(config, settings), images, device, factor)
        saved = 1 - need.step_flop / before.step_flop
        if saved and fits_plainly(need.memory_total, available):
            return Growth(settings, saved, need.memory_total)
    return None


def level_of(config: TrainConfig, images: int, machine: Machine, factor: float = 1.0) -> Checkpointing:
    """What `train.gradient_checkpointing` comes to on `machine`.

    Where even the least does not fit into what is free, it is what comes once others have let go of the rest.
    """
    for available in (machine.free, machine.total):
        level = chosen_level(config, images, available, machine.device, factor)
        if level != "blocks":
            break
        if estimated(with_level(config, level), images, machine.device, factor).memory_total <= available:
            break
    return level


def nothing_words(proposal: Proposal) -> str:
    """What to say of one without a change."""
    other = proposal.with_bits
    return NOTHING_HELPS if other is None else f"{WITH_BITS} {set_words(other.settings)}"


def set_words(settings: Mapping[str, Any]) -> str:
    """The settings as options to paste: "--set train.batch=1 --set train.accumulation=4"."""
    return " ".join(f"--set {shlex.quote(f'{key}={_written(value)}')}" for key, value in settings.items())


def _cheapest(
    config: TrainConfig, steps: Sequence[MemoryStep], need: Callable[[TrainConfig], int], available: int
) -> Proposal:
    """With some to spare, as a level of activations that is chosen; where nothing leaves that, as it fits at all."""
    for room in (int(available / (1 + NARROW)), available):
        found = _told(config, _down_to(config, steps, need, room), need, available)
        if found.total <= room:
            break
    return found


def _down_to(
    config: TrainConfig, steps: Sequence[MemoryStep], need: Callable[[TrainConfig], int], room: int
) -> list[tuple[MemoryStep, Settings]]:
    """Take the steps, the cheapest in result first, until it fits; then leave out what turned out not to matter."""
    taken: list[tuple[MemoryStep, Settings]] = []
    now = config
    for step in steps:
        for settings in step.down(now):
            if need(now) <= room:
                break
            tried = changed(now, settings)
            if need(tried) <= need(now):  # also what saves only once something else needs less
                taken, now = [*taken, (step, settings)], tried
    reached = max(room, need(now))  # where even all is not enough, all that counts
    return _needed(config, taken, lambda one: need(one) <= reached)


def _needed(
    config: TrainConfig, taken: list[tuple[MemoryStep, Settings]], fits: Callable[[TrainConfig], bool]
) -> list[tuple[MemoryStep, Settings]]:
    """Without what is not needed, the costliest in result taken back first."""
    kept = taken
    for one in reversed(taken):
        without = [other for other in kept if other is not one]
        if fits(changed(config, _all(without))):
            kept = without
    return _joined(kept)


def _joined(taken: list[tuple[MemoryStep, Settings]]) -> list[tuple[MemoryStep, Settings]]:
    """Changes of the same settings as one: rank 32 -> 16 -> 8 is rank 32 -> 8, and stands where it ended."""
    found: list[tuple[MemoryStep, Settings]] = []
    for step, settings in taken:
        found = [one for one in found if one[1].keys() != settings.keys()]
        found.append((step, settings))
    return found


def _all(taken: list[tuple[MemoryStep, Settings]]) -> Settings:
    return {key: value for _, settings in taken for key, value in settings.items()}


def _told(
    config: TrainConfig, kept: list[tuple[MemoryStep, Settings]], need: Callable[[TrainConfig], int], available: int
) -> Proposal:
    found, now = [], config
    for step, settings in kept:
        after, before = changed(now, settings), flat(now)
        words = ", ".join(f"{key} {_written(before[key])} -> {_written(value)}" for key, value in settings.items())
        found.append(MemoryChange(settings, words, need(now) - need(after), step.cost, step.source))
        now = after
    total = need(now)
    return Proposal(tuple(found), total, available)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
