"""Whole runs of the trainer on random weights, on any device: what tests/gpu checks and tests/bench/gpu.py times."""

from __future__ import annotations

import gc
import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from tests.trainer.conftest import FIGURES, make_config, make_run
from trainer.checkpoints.snapshot import newest_checkpoint
from trainer.contract.settings.arithmetic import text_frozen_after
from trainer.contract.settings.config import TrainConfig
from trainer.demo.draw import COLOURS, Ground, Spec, draw, named
from trainer.ground.determinism import deterministic
from trainer.ground.machine import resident
from trainer.ground.world import World
from trainer.loop import Run
from trainer.model.full_size import FULL, REDUCED, SdxlSize, moved, random_parts
from trainer.model.parts import DTYPES, Parts, free

PICTURES = 4  # the largest batch: with it, too, another trainer's epochs halve the run where ours pivots


@dataclass(frozen=True)
class Bed:
    """What a run is made on: "cuda" or "cpu", how much of SDXL, the precision, the pictures' side in px, the steps.

    `drawn` says on which device and in which precision the weights are drawn; without it, where they are used. Two
    beds that are to be compared draw alike.
    """

    device: str = "cuda"
    size: SdxlSize = FULL
    precision: str = "bf16"
    resolution: int = 1024
    steps: int = 20
    drawn: tuple[str, str] | None = None

    def parts(self, device: torch.device) -> Parts:
        """Fresh random parts on `device`."""
        if self.drawn is None:
            return random_parts(self.size, device, DTYPES[self.precision])
        where, precision = self.drawn
        return moved(random_parts(self.size, where, DTYPES[precision]), device, DTYPES[self.precision])


FULL_BED = Bed()
REDUCED_BED = Bed("cpu", REDUCED, "fp32", resolution=64, steps=4)


@dataclass(frozen=True)
class Seen:
    """One step: its loss, its seconds, its peak of memory in bytes (on the CPU: what the process holds after it)."""

    loss: float
    seconds: float
    peak: int


@dataclass
class Course:
    """What was seen of one start of a run. `held` is bytes of live tensors before and after the pivot, if weighed."""

    steps: list[Seen] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    pivoted: int = 0  # steps that were seen before the pivot
    told: list[str] = field(default_factory=list)  # the warnings

    @property
    def losses(self) -> list[float]:
        """The loss of every step that was taken."""
        return [one.loss for one in self.steps]

    @property
    def phases(self) -> tuple[list[Seen], list[Seen]]:
        """The steps before and after the pivot."""
        return self.steps[: self.pivoted], self.steps[self.pivoted :]


class Watch:
    """The log of a run that looks at clock and memory when a step ends, without making the host wait for the device."""

    def __init__(self, device: str, pivot: int | None, weigh: bool) -> None:
        self.course = Course()
        self._gpu, self._pivot, self._weigh = device == "cuda", pivot, weigh
        self._spans: list[tuple[Any, Any]] = []
        if self._gpu:
            torch.cuda.init()  # the counters are not there before
        self._begin()

    def emit(self, type: str, **fields: Any) -> None:
        """Note an event of the run. Time and memory of what lies between two steps belong to neither."""
        match type:
            case "step":
                self._spans.append((self._began, self._mark()))
                self.course.steps.append(Seen(fields["loss"], 0.0, self._peak()))
                if fields["step"] == self._pivot:
                    self.course.pivoted = len(self.course.steps)
                    self._hold()
                self._begin()
            case "warn":
                self.course.told.append(fields["message"])
            case "pivot":
                self._hold()
                self._begin()
            case "phase" if fields["name"] != "save":  # that one comes from the thread that writes
                self._begin()

    def finish(self) -> Course:
        """All that was seen; here the host waits for the device."""
        if self._gpu:
            torch.cuda.synchronize()
        timed = zip(self.course.steps, self._spans, strict=True)
        return replace(self.course, steps=[replace(one, seconds=self._seconds(*span)) for one, span in timed])

    def _hold(self) -> None:
        if self._weigh:
            self.course.held.append(held_bytes(self._gpu))

    def _begin(self) -> None:
        self._began = self._mark()
        if self._gpu:
            torch.cuda.reset_peak_memory_stats()

    def _mark(self) -> Any:
        if not self._gpu:
            return time.perf_counter()
        mark = torch.cuda.Event(enable_timing=True)
        mark.record()
        return mark

    def _seconds(self, begin: Any, end: Any) -> float:
        return begin.elapsed_time(end) / 1e3 if self._gpu else end - begin

    def _peak(self) -> int:
        return torch.cuda.max_memory_allocated() if self._gpu else resident()


def held_bytes(gpu: bool) -> int:
    """Bytes that live tensors hold: on the GPU as the allocator counts them, on the CPU each storage once."""
    if gpu:
        return torch.cuda.memory_allocated()
    gc.collect()
    tensors = [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)]
    return sum({one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}.values())


def draw_pictures(folder: Path, side: int) -> Path:
    """Square pictures of `side` px, without captions."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, (shape, colour) in enumerate(FIGURES[:PICTURES]):
        spec = Spec(named(shape, COLOURS[colour]), Ground("plain", (250, 250, 250), (0, 0, 0)))
        draw(spec, side).save(folder / f"{place}.png")
    return folder


def bed_config(bed: Bed, pictures: Path, **own: Any) -> TrainConfig:
    """Pivotal tuning, Prodigy, rank 32 on `bed`; names with __ stand for dotted keys."""
    values: dict[str, Any] = {
        "model__base": "random/sdxl",  # in the form of a hub's name, so that no folder is looked into
        "train__device": bed.device,
        "train__precision": bed.precision,
        "train__resolution": bed.resolution,
        "train__steps": bed.steps,
        "train__batch": 1,
        "train__rank": 32,
        "train__checkpoint_every": 0,
        "sample__steps": 1,
    }
    return make_config(pictures, **values | own)


def drive(bed: Bed, folder: Path, config: TrainConfig, exact: bool = False, weigh: bool = False) -> Course:
    """Start a run in `folder`, or resume the one that lies there, to its end.

    `exact`: in deterministic mode. `weigh`: count the tensors around the pivot, which takes a while on the CPU.

    It is the trainer's own run with its caches, checkpoints and files; only where the base model comes from is ours.
    """

    def load(_: TrainConfig, device: torch.device) -> Parts:
        return replace(bed.parts(device), quantize=config.model.quantize)

    run, watch = make_run(folder, config), Watch(bed.device, text_frozen_after(config), weigh)
    with deterministic() if exact else nullcontext():
        found = newest_checkpoint(run)
        Run(config, run, watch, None, World(), found, load=load).train()
    free()
    return watch.finish()
