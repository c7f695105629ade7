"""Recorded passes and batches that are made ahead change no bit; what cannot be recorded, or is not the same, is left.

No GPU is here: what stands in for torch's graph is the work itself, done again on the same buffers.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.conftest import make_config
from tests.trainer.step.test_no_wait import went
from tests.trainer.trap_parts import begin, logged, same
from trainer.contract.run.events import EventLog, Tail
from trainer.contract.settings.config import TrainConfig
from trainer.model.prompts import Encoded
from trainer.step.batch import Ahead, DeviceBatch, HostBatch
from trainer.step.graphs import Dropped, GraphedPasses, Work, why_not
from trainer.step.step import Stepper

pytestmark = pytest.mark.slow  # each more than a second of the small SDXL
STEPS = 5


@dataclass
class Again:
    """Replays by doing the work again; `spoil` is done to the gradients after each.

    `error` is raised in place of a recording, or by the replay after `good` ones, with half of its gradients written.
    """

    live: list[Stepper] = field(default_factory=list)
    spoil: float = 0.0
    error: BaseException | None = None
    good: int | None = None
    replays: int = 0
    released: int = 0
    graphs: list[weakref.ref[Any]] = field(default_factory=list)

    def record(self, work: Work) -> Work:
        work()  # as a warm-up does: it leaves gradients behind
        if self.error is not None and self.good is None:
            raise fresh(self.error)

        def replay() -> None:
            work()
            self.replays += 1
            self.live[0]._trainee.groups[0].grad.mul_(1 + self.spoil)
            if self.good is not None and self.replays > self.good:
                assert self.error is not None
                self.live[0]._trainee.groups[0].grad.fill_(float("nan"))
                for copy in self.live[0]._trainee.copies.values():
                    copy.grad.fill_(float("nan"))
                raise fresh(self.error)

        self.graphs.append(weakref.ref(replay))
        return replay

    def release(self) -> None:
        self.released += 1
        assert not any(one() for one in self.graphs)  # or their memory would be held still


def fresh(error: BaseException) -> BaseException:
    """One that nobody keeps, for it keeps what it was raised in."""
    return type(error)(*error.args)


def settings_for(pictures: Path, **own: Any) -> TrainConfig:
    defaults: dict[str, Any] = {"pivotal__enabled": False, "train__steps": STEPS, "prodigy__d0": 1e-3}
    return make_config(pictures, **(defaults | own))


def trained(
    folder: Path, own: TrainConfig, monkeypatch: pytest.MonkeyPatch, recorder: Again | None = None, ahead: bool = False
) -> tuple[list[dict[str, Any]], Any, list[dict[str, Any]]]:
    """The steps as the log tells them, what was trained, and the warnings."""
    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "_recorder", lambda _: recorder)
        patch.setattr(Stepper, "prepares", ahead)
        live = begin(folder, own)
        if recorder is not None:
            recorder.live.append(live.stepper)
        told = went(live, STEPS)
    return told, live.trainee.snapshot(STEPS, {}), logged(live, "warn")


def equal(one: Any, other: Any) -> bool:
    return all(same(getattr(one, kind), getattr(other, kind)) for kind in ("lora", "embeddings", "optimizer"))


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"train__precision": "bf16", "train__batch": 1, "dataset__caption_dropout": 0.5},
        {"train__accumulation": 2, "train__batch": 1},
    ],
    ids=["plain", "bf16", "accumulation"],
)
def test_replays_give_the_same_bits(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: dict[str, Any]
) -> None:
    config, recorder = settings_for(pictures, **own), Again()
    expected, meant, _ = trained(tmp_path / "eager", config, monkeypatch)
    told, found, warned = trained(tmp_path / "recorded", config, monkeypatch, recorder)
    assert told == expected and equal(found, meant) and not warned
    # the first pass of a shape is not recorded, the second is and is looked at, all later ones are replays
    assert recorder.replays >= STEPS - 1


@pytest.mark.parametrize(
    ("recorder", "why"),
    [
        (Again(spoil=1e-3), "its replay gives other gradients"),
        (Again(error=RuntimeError("operation not permitted when stream is capturing\nmore")), "not permitted"),
        (Again(error=torch.OutOfMemoryError("CUDA out of memory")), "out of memory"),
        (Again(error=MemoryError()), "MemoryError"),
        (Again(error=AssertionError("a pool of another graph")), "a pool of another graph"),
        (Again(error=NotImplementedError("no such driver")), "no such driver"),
        (Again(error=RuntimeError("the first replay failed"), good=0), "the first replay failed"),
        (Again(error=RuntimeError("an illegal instruction"), good=1), "an illegal instruction"),
        (Again(error=ValueError("no such stream"), good=2), "no such stream"),
    ],
    ids=["wrong", "refused", "no memory", "no RAM", "assertion", "driver", "first replay", "second", "third"],
)
def test_what_cannot_be_recorded_or_replayed_is_computed_as_ever(
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recorder: Again,
    why: str,
) -> None:
    # in bf16 a pass that ends in the middle leaves gradients in the working copy too
    config = settings_for(pictures, train__precision="bf16" if recorder.good else "fp32")
    expected, meant, _ = trained(tmp_path / "eager", config, monkeypatch)
    told, found, warned = trained(tmp_path / "recorded", config, monkeypatch, recorder)
    assert told == expected and equal(found, meant)
    assert [one["code"] for one in warned] == ["no-graph"] and why in warned[0]["message"]
    assert "\n" not in warned[0]["message"] and recorder.released == 1
    assert recorder.replays <= 1 + (recorder.good or 0)


def test_a_replay_that_fails_among_several_passes_has_the_whole_step_computed_anew(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings_for(pictures, train__accumulation=3, train__batch=1, train__steps=STEPS)
    recorder = Again(error=RuntimeError("gone"), good=4)
    expected, meant, _ = trained(tmp_path / "eager", config, monkeypatch)
    told, found, warned = trained(tmp_path / "recorded", config, monkeypatch, recorder)
    assert told == expected and equal(found, meant) and len(warned) == 1
    assert recorder.replays == 5


class Full:
    """Records nothing but that it holds memory; the pass itself is what is replayed."""

    holds = False

    def record(self, work: Work) -> Work:
        self.holds = True
        return work

    def release(self) -> None:
        self.holds = False


def test_memory_that_another_pass_lacks_is_given_back_by_the_recordings(tmp_path: Path) -> None:
    """A wider batch comes, for which there is no room beside them; without any nothing could be given back."""
    grad, recorder, log = torch.zeros(3), Full(), EventLog(tmp_path / "events.jsonl")

    def run(batch: DeviceBatch, _: int) -> torch.Tensor:
        if (recorder.holds and batch.latents.shape[-1] > 4) or batch.latents.shape[-1] > 8:
            raise torch.OutOfMemoryError("CUDA out of memory\nand more")
        grad.add_(batch.latents.sum())
        return batch.latents.mean()

    passes = GraphedPasses(run, lambda: [grad], recorder, log, torch.float32)

    def take(side: int) -> torch.Tensor:
        grad.zero_()
        latents, one = torch.ones(1, 4, side, side), torch.ones(1)
        host = HostBatch((), latents, latents, one, one, (), (), ())
        return passes.take(host, Encoded(one, one), torch.device("cpu"), first=True)

    assert [float(take(4)) for _ in range(3)] == [1.0] * 3 and recorder.holds
    with pytest.raises(Dropped, match=r"^CUDA out of memory$"):
        take(8)
    assert not recorder.holds and float(take(8)) == 1.0 and float(grad[0]) == 4 * 8 * 8
    assert [float(take(4)) for _ in range(3)] == [1.0] * 3 and not recorder.holds  # for good
    with pytest.raises(torch.OutOfMemoryError):
        take(16)
    assert [one["code"] for one in Tail(tmp_path / "events.jsonl").read()] == ["no-graph"]


def test_before_the_pivot_nothing_is_recorded(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings_for(pictures, pivotal__enabled=True, pivotal__fraction=0.4)
    recorder = Again()
    expected, meant, _ = trained(tmp_path / "eager", config, monkeypatch)
    told, found, _ = trained(tmp_path / "recorded", config, monkeypatch, recorder, ahead=True)
    assert told == expected and equal(found, meant)
    assert recorder.replays == 2  # of five steps two are before the pivot, and one is the first of its kind


def test_batches_of_a_thread_are_those_of_the_loop(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings_for(pictures, train__noise_offset=0.05, dataset__caption_dropout=0.3)
    expected, meant, _ = trained(tmp_path / "late", config, monkeypatch)
    locked: list[tuple[str, int]] = []

    def lock(_: Stepper, one: torch.Tensor) -> torch.Tensor:
        locked.append((threading.current_thread().name.partition("_")[0], one.dim()))
        return one

    monkeypatch.setattr(Stepper, "_lock", lock)
    told, found, _ = trained(tmp_path / "early", config, monkeypatch, ahead=True)
    assert told == expected and equal(found, meant)
    # latents, noise, noise levels and geometries of each step, of all but the first in the thread
    assert len(locked) == 4 * STEPS and [name for name, _ in locked].count("batches") == 4 * (STEPS - 1)
    assert [dims for _, dims in locked[:4]] == [4, 4, 1, 2]


def test_a_thread_makes_the_next_step_and_none_beyond_the_last() -> None:
    made: list[int] = []

    def make(step: int) -> list[HostBatch]:
        made.append(step)
        if step == 4:
            raise OSError("a picture is gone")
        return []

    ahead = Ahead(make, 4, thread=True)
    ahead.of(1)
    ahead.of(2)
    assert ahead.of(2)[0] == [] and made.count(2) == 2  # a step that is taken again is made again
    ahead.of(3)
    with pytest.raises(OSError, match="gone"):  # of the step that it belongs to
        ahead.of(4)
    assert max(made) == 4 and not Ahead(make, 4, thread=False).of(1)[0]


@pytest.mark.parametrize(
    ("own", "nodes", "again", "processes", "words"),
    [
        ({}, 70, False, 1, ""),
        ({"train__graphs": "off"}, 70, False, 1, "train.graphs"),
        ({"train__dropout": 0.1}, 0, False, 1, "dropout"),
        ({"train__dora": True}, 0, False, 1, "DoRA"),
        ({}, 70, True, 1, "gradient_checkpointing"),
        ({}, 70, False, 2, "several processes"),
    ],
)
def test_why_a_run_is_not_recorded(
    settings: Callable[..., TrainConfig], own: dict[str, Any], nodes: int, again: bool, processes: int, words: str
) -> None:
    found = why_not(settings(**own), torch.device("cuda"), nodes, again, processes)
    assert words in found and bool(found) == bool(words)
    assert "CUDA" in why_not(settings(), torch.device("cpu"), 70, False, 1)
