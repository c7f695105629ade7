"""What past runs taught of this machine: seconds a step and peak memory, by GPU and settings, against the estimates."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

from loratui.events.series import robust_mean
from loratui.runs.find import RUNS, ends
from loratui.settings.drafts.store import state_dir
from trainer.contract.documents.files import read_json
from trainer.contract.entries import make_private, open_file, write_swept
from trainer.contract.plan.estimate import REVISION, Estimate, estimate
from trainer.contract.plan.kept_words import with_words
from trainer.contract.run.folder import refuse_links
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, flat, load_config

FILE = "measured.json"
KEPT = 200  # runs that are remembered, the newest
LOOKED_AT = 50  # newest run folders that are looked into at a time
WARM_UP = 3  # first steps that are left out: kernels are chosen, caches fill
FIRST = 64  # steps after them that tell the speed
NEAREST = 5  # runs that a correction is taken from
BOUNDS = (0.2, 5.0)  # a factor beyond them is a fault of the measurement, not of the estimate
# what decides time and memory, beside the GPU and the base model
SETTINGS = (
    "train.resolution",
    "train.batch",
    "train.accumulation",
    "train.precision",
    "train.gradient_checkpointing",
    "train.optimizer",
    "train.rank",
    "train.cpu_threads",
    "prior.enabled",
    "model.quantize",
)


@dataclass(frozen=True)
class MeasuredRun:
    """One run: what was estimated before any correction, and what was measured. Bytes and seconds."""

    id: str  # of the run, a digest
    t: float  # unix seconds of its start
    place: str  # as `place` gives it
    memory: int  # of the GPU; 0 where the log does not tell
    base: int  # parameters of the unet: models of one size take the same
    settings: tuple[Any, ...]  # the values of SETTINGS
    steps: int  # how many were timed
    seconds: float  # a step
    flop: float  # a step
    certain: int  # the part of the estimate that is counted
    rough: int  # the part that is corrected
    peak: int  # measured; 0 where the log does not tell
    over: bool  # whether the run has ended: nothing will change any more
    revision: int = REVISION


@dataclass(frozen=True)
class Correction:
    """What past runs say of a new one; 0 runs: nothing."""

    memory: float = 1.0  # factor on the rough parts
    memory_runs: int = 0
    seconds: float | None = None  # a step
    time_runs: int = 0
    same: bool = False  # whether they had the same settings, as far as time and memory go


@dataclass(frozen=True)
class EstimateErrors:
    """How far estimates were off here, as parts of what was measured (0.1: 10 % too much); in order of the runs."""

    memory: tuple[float, ...] = ()
    time: tuple[float, ...] = ()


NO_CORRECTION, NO_ERRORS = Correction(), EstimateErrors()


@dataclass(frozen=True)
class PastRuns:
    """The runs that were measured, the oldest first."""

    runs: tuple[MeasuredRun, ...] = ()

    def correction(self, config: TrainConfig, need: Estimate, place: str, memory: int = 0) -> Correction:
        """What the nearest runs on this GPU say about `config`."""
        return _correction(self._at(place, memory), need.unet_parameters, _settings(config), need.step_flop)

    def errors(self, place: str, memory: int = 0) -> EstimateErrors:
        """Each past run against what would have been said of it from the runs before it."""
        here, off_memory, off_time = self._at(place, memory), [], []
        for at, one in enumerate(here):
            known = _correction(here[:at], one.base, one.settings, one.flop)
            if one.peak:
                off_memory.append((one.certain + one.rough * known.memory) / one.peak - 1)
            if known.seconds is not None:
                off_time.append(known.seconds / one.seconds - 1)
        return EstimateErrors(tuple(off_memory), tuple(off_time))

    def _at(self, place: str, memory: int) -> list[MeasuredRun]:
        return [one for one in self.runs if one.place == place and (not memory or one.memory in (0, memory))]


def place(gpu: str, host: str | None = None, world: int = 1) -> str:
    """What a run took place on: the name of its GPU and how many there were, or the CPU of a host, this one if None.

    The host's name itself is not kept, only a digest of it.
    """
    if gpu:
        return f"{gpu} x {world}" if world > 1 else gpu
    return "cpu " + _digest(os.uname().nodename if host is None else host)


def gather(root: Path = RUNS, store: Path | None = None) -> PastRuns:
    """Count the runs in `root` that are not counted to their end, and give all that is known.

    The run directories are the truth: a run that nobody watched counts as well. What cannot be read or written is
    passed over: nothing here is needed to train. `store`: the folder of the file, the state directory if None.
    """
    known = {one.id: one for one in _read(store)}
    return _with(known, (RunDir(folder) for folder in _newest(root)), store)


def note(run: RunDir, store: Path | None = None) -> PastRuns:
    """Count one run as far as it has come."""
    return _with({one.id: one for one in _read(store)}, [run], store)


def measure(run: RunDir, counted: Iterable[str] = ()) -> MeasuredRun | None:
    """What the log of a run tells; None without a timed step, or if its id is among `counted`."""
    refuse_links(run, deep=False)
    head, tail = ends(run.events, whole=True)
    start = next((one for one in head if one.get("type") == "run"), None)
    if start is None or (name := _id(start)) in counted:
        return None
    seconds = robust_mean([one["s"] for one in _steps(head) if one["step"] > WARM_UP][:FIRST])
    if seconds is None or not 0 < seconds < math.inf:
        return None
    config = load_config(run.config)
    if config.train.gradient_checkpointing == "auto":  # the trainer's own choice, which no log tells
        return None
    on_gpu = bool(start.get("gpu")) and config.train.device != "cpu"
    kept = max((_whole(one.get("words_kept")) for one in head if one.get("type") == "phase"), default=0)
    need = with_words(estimate(config, 1, "cuda" if on_gpu else "cpu"), kept)
    resident = next((one.bytes for one in need.memory if one.name == "torch itself" and not one.rough), 0)
    return MeasuredRun(
        id=name,
        t=float(start.get("t") or 0),
        place=place(str(start["gpu"]) if on_gpu else "", str(start.get("host")), _whole(start.get("world"))),
        memory=_whole(start.get("vram_total")) if on_gpu else 0,
        base=need.unet_parameters,
        settings=_settings(config),
        steps=sum(one["step"] > WARM_UP for one in _steps(head)),
        seconds=seconds,
        flop=need.step_flop,
        certain=need.memory_total - need.memory_rough - resident,  # torch's own context is not in its count
        rough=need.memory_rough - (0 if on_gpu else sum(one.bytes for one in need.memory if one.name == "encoding")),
        peak=0 if _ran_out(tail) else _peak([*head, *tail], on_gpu),
        over=next((one["type"] for one in reversed(tail) if one.get("type") in ("run", "end")), "") == "end",
    )


def _correction(runs: list[MeasuredRun], base: int, settings: tuple[Any, ...], flop: float) -> Correction:
    def far(one: MeasuredRun) -> int:
        return sum(mine != its for mine, its in zip(settings, one.settings, strict=True))

    # a model of another size tells nothing: what a small one takes is launches, not arithmetic
    alike = [one for one in runs if one.base == base]
    if not alike:
        return NO_CORRECTION
    least = min(map(far, alike))
    near = [one for one in alike if far(one) == least][-NEAREST:]
    factors = [(one.peak - one.certain) / one.rough for one in near if one.peak and one.rough]
    factor = min(max(median(factors), BOUNDS[0]), BOUNDS[1]) if factors else 1.0
    seconds = flop * median(one.seconds / one.flop for one in near)
    return Correction(factor, len(factors), seconds, len(near), least == 0)


def _with(known: dict[str, MeasuredRun], runs: Iterable[RunDir], store: Path | None) -> PastRuns:
    new: dict[str, MeasuredRun] = {}
    final = {name for name, one in known.items() if one.over}
    for run in runs:
        # a run of another version, half written, or of a base model that went away says nothing
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError):
            found = measure(run, final)
            if found is not None and known.get(found.id) != found:
                new[found.id] = found
    if new:
        with suppress(OSError), _alone(store):
            known = {one.id: one for one in _read(store)}  # another program may have counted meanwhile
            kept = sorted((known | new).values(), key=lambda one: one.t)[-KEPT:]
            write_swept(_file(store), json.dumps({"runs": [asdict(one) for one in kept]}))
    return PastRuns(tuple(sorted((known | new).values(), key=lambda one: one.t)))


@contextmanager
def _alone(store: Path | None) -> Iterator[None]:
    """One writer at a time; the lock goes with the process."""
    make_private(_file(store).parent)
    descriptor = open_file(_file(store).with_suffix(".lock"), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(store: Path | None) -> list[MeasuredRun]:
    """What is on disk. A damaged file or line is passed over: the run directories tell it again."""
    rows = (read_json(_file(store), dict, constants=True).value or {}).get("runs")
    found = []
    for row in rows if isinstance(rows, list) else []:
        with suppress(TypeError, ValueError, KeyError, ArithmeticError):
            one = MeasuredRun(**{name.name: row[name.name] for name in fields(MeasuredRun)})
            one = MeasuredRun(**(asdict(one) | {"settings": tuple(one.settings)}))
            numbers = (one.t, one.seconds, one.flop, one.certain, one.rough, one.peak)
            usable = all(map(math.isfinite, numbers)) and one.seconds > 0 and one.flop > 0
            if usable and one.revision == REVISION and len(one.settings) == len(SETTINGS):
                found.append(one)
    return found


def _file(store: Path | None) -> Path:
    return (store or state_dir()) / FILE


def _newest(root: Path) -> list[Path]:
    """The newest run folders; a run's folder has a config.toml and a log."""
    try:
        logs = [(one.stat().st_mtime, one.parent) for one in root.glob("*/events.jsonl")]
    except OSError:
        return []
    return [folder for _, folder in sorted(logs, reverse=True)[:LOOKED_AT]]


def _steps(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The step events that tell a time; one of which nothing was applied is a step all the same."""
    return [
        one
        for one in events
        if one.get("type") == "step" and isinstance(one.get("step"), int) and isinstance(one.get("s"), int | float)
    ]


def _peak(events: list[dict[str, Any]], on_gpu: bool) -> int:
    """The most memory that a run held: of the GPU as torch counts it, else of RAM from the first step on.

    Old logs tell vram alone.
    """
    keys = ("vram_peak", "vram") if on_gpu else ("rss_peak",)
    return max((_whole(one.get(key)) for one in events if one.get("type") == "step" for key in keys), default=0)


def _ran_out(events: list[dict[str, Any]]) -> bool:
    """Whether memory ran out at the end: what it held before that was not all that it needs."""
    last = next((one for one in reversed(events) if one.get("type") in ("run", "error")), None)
    return last is not None and last.get("kind") == "oom"


def _id(start: dict[str, Any]) -> str:
    return _digest(" ".join(str(start.get(key)) for key in ("t", "host", "pid", "config_sha")))


def _settings(config: TrainConfig) -> tuple[Any, ...]:
    values = flat(config)
    return tuple(values[key] for key in SETTINGS)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0
