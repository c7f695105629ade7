"""Forward and backward pass as one recording (a CUDA graph), replayed in place of a thousand launches a step.

Recording itself has not run on a GPU yet: none was at hand. A CUDA device in software (`tests/card`) records operations
and does them again at their addresses; all around it is what the CPU's tests run too.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Protocol

import torch

from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.settings.config import TrainConfig
from trainer.ground.error_line import first_line
from trainer.model.parts import free
from trainer.model.prompts import Encoded
from trainer.step.batch import DeviceBatch, HostBatch

Work = Callable[[], None]
WARM_UPS = 3  # passes before a recording, as torch's note on CUDA graphs asks for
MOST = 12  # recordings of a run: a set of many buckets would hold a GPU full of them
# by which the first replay may differ from the pass it stands for: kernels may add up in no fixed order. Where all of
# them keep it, by nothing
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 1e-2}


class Recorder(Protocol):
    """What can record work on tensors that stay where they are."""

    def record(self, work: Work) -> Work:
        """Work that does the same again; `work` itself is done some times for it. Raises what keeps it from that."""

    def release(self) -> None:
        """Give back the memory that was kept for recordings, of which none is left."""


class Dropped(Exception):
    """Recordings were given up in the midst of a step: its gradients are void, and it is to be computed anew."""


class CudaRecorder:
    """torch's CUDA graphs. All of a run share their memory: they are replayed one after the other.

    `rest` is to return when no other thread of the process asks anything of the GPU: while a recording is made CUDA
    refuses what may wait, in every thread. Pinning memory is such, and it would fail there, not here.
    """

    def __init__(self, device: torch.device, rest: Callable[[], None] = lambda: None) -> None:
        self._device, self._rest, self._pool = device, rest, None

    def record(self, work: Work) -> Work:
        """A graph of `work`. Raises RuntimeError where it cannot be recorded, or would leave too little memory."""
        self._rest()
        free()
        before = torch.cuda.memory_reserved(self._device)
        here, side = torch.cuda.current_stream(self._device), torch.cuda.Stream(self._device)
        side.wait_stream(here)
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                work()
        here.wait_stream(side)
        free()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            work()
        free()
        taken = torch.cuda.memory_reserved(self._device) - before
        # pictures, measurements and other buckets want as much again, beside what the graph keeps
        if torch.cuda.mem_get_info(self._device)[0] < taken:
            del graph
            free()
            raise RuntimeError("its memory would leave too little for the rest")
        self._pool = graph.pool()
        replay: Work = graph.replay
        return replay

    def release(self) -> None:
        """The pool goes with the last graph that is let go of."""
        self._pool = None
        free()


@dataclass
class _Recorded:
    batch: DeviceBatch
    loss: torch.Tensor
    replay: Work | None = None


class GraphedPasses:
    """Takes passes by their recordings: a shape is recorded when it comes the second time, in what stays constant.

    The pass that is recorded is computed as ever as well, and counts. Where the replay does not give the same loss and
    gradients, where nothing can be recorded, where a later replay fails or memory runs out beside the recordings, they
    are let go of, and the run goes on without any and says so once.
    """

    def __init__(
        self,
        run: Callable[[DeviceBatch, int], torch.Tensor],
        grads: Callable[[], Iterable[torch.Tensor]],
        recorder: Recorder,
        log: EventLog | SilentLog,
        dtype: torch.dtype,
    ) -> None:
        """`run`: a pass over a batch, so many of whose views are no class pictures; adds to `grads`, gives the loss."""
        self._run, self._grads, self._recorder, self._log = run, grads, recorder, log
        self._tolerance = TOLERANCE[dtype]
        self._known: dict[Hashable, _Recorded] = {}
        self._refused = False

    def take(self, host: HostBatch, words: Encoded, device: torch.device, first: bool) -> torch.Tensor:
        """The loss of a pass, 0-d or with its parts; `first`: all gradients are zero before it.

        Raises Dropped where the step has to be computed anew, and what an eager pass raises.
        """
        key = (
            tuple(host.latents.shape),
            host.mine,
            tuple(words.hidden.shape),
            words.hidden.requires_grad,
            len(words.known),
        )
        known = self._known.get(key)
        if known is not None and known.replay is not None:
            return self._replayed(known, host, words)
        why = ""
        try:
            return self._computed(key, known, host, words, device, first)
        except (torch.OutOfMemoryError, MemoryError) as error:  # what recordings hold may have been what was missing
            if not any(one.replay is not None for one in self._known.values()):
                raise
            why = first_line(error)
        self._refuse(why)  # here, where the error holds none of their memory any more
        raise Dropped(why)

    def _replayed(self, known: _Recorded, host: HostBatch, words: Encoded) -> torch.Tensor:
        try:
            known.batch.fill(host, words)
            assert known.replay is not None
            known.replay()
            return known.loss.clone()
        except Exception as error:  # nothing is applied before all passes of the step are done
            why = first_line(error)
        self._refuse(why)
        raise Dropped(why)

    def _computed(
        self,
        key: Hashable,
        known: _Recorded | None,
        host: HostBatch,
        words: Encoded,
        device: torch.device,
        first: bool,
    ) -> torch.Tensor:
        """The loss of a pass that is computed as ever, and recorded if it is the second of its kind."""
        if self._refused or words.hidden.requires_grad or (known is None and len(self._known) == MOST):
            return self._run(DeviceBatch.of(host, words, device), host.mine)
        if known is None:
            held = words.copy()
            batch = DeviceBatch.of(host, held, device)
            loss = self._run(batch, host.mine)
            self._known[key] = _Recorded(batch, torch.zeros_like(loss))
            return loss
        why = ""
        try:
            known.batch.fill(host, words)
        except Exception as error:
            why = first_line(error)
        if why:
            self._refuse(why)
            return self._run(DeviceBatch.of(host, words, device), host.mine)
        loss = self._run(known.batch, host.mine)
        return self._recorded(known, host.mine, loss) if first else loss

    @torch.no_grad()
    def _recorded(self, known: _Recorded, mine: int, loss: torch.Tensor) -> torch.Tensor:
        """Record the pass that gave `loss`, and see that its replay gives the same; the gradients stay as they are."""
        if not bool(torch.isfinite(loss).all()):
            return loss

        def work() -> None:
            with torch.enable_grad():
                found = self._run(known.batch, mine)
            known.loss.copy_(found)

        meant: list[torch.Tensor] = []
        replay: Work | None = None
        why = ""
        try:
            loss, kept = loss.clone(), [one.clone() for one in self._grads()]
            meant = kept  # from here on the gradients may be others
            replay = self._recorder.record(work)
            self._put([torch.zeros_like(one) for one in meant])
            replay()
            if self._fits(known.loss, loss) and all(map(self._fits, self._grads(), meant)):
                known.replay = replay
            else:
                why = "its replay gives other gradients"
        except Exception as error:
            why = first_line(error)
        replay = None
        if why:
            self._refuse(why)
        try:
            if meant:
                self._put(meant)
            return loss
        except Exception as error:
            why = first_line(error)
        if not self._refused:
            self._refuse(why)
        raise Dropped(why)

    def _put(self, values: Iterable[torch.Tensor]) -> None:
        for one, value in zip(self._grads(), values, strict=True):
            one.copy_(value)

    def _fits(self, found: torch.Tensor, meant: torch.Tensor) -> bool:
        if torch.are_deterministic_algorithms_enabled():
            return torch.equal(found, meant)
        far = torch.linalg.vector_norm(found.double() - meant.double())
        return bool(far <= self._tolerance * torch.linalg.vector_norm(meant.double()) + 1e-12)

    def drop(self) -> None:
        """Let go of all recordings, and of the memory that they hold."""
        for one in self._known.values():
            one.replay = None  # whoever still holds the record of a pass holds no graph
        self._known.clear()
        self._recorder.release()

    def _refuse(self, why: str) -> None:
        self._refused = True
        self.drop()
        message = f"no CUDA graph of a step could be used ({why}); the run goes on without, a little slower"
        self._log.emit("warn", code="no-graph", message=message, advice="set train.graphs to off to spare the attempt")


def why_not(config: TrainConfig, device: torch.device, nodes: int, again: bool, processes: int) -> str:
    """Why a run is not recorded; empty where it may be.

    `nodes`: blocks of the unet that are computed as one; `again`: whole ones are made again in the backward pass.
    """
    train = config.train
    reasons = {
        "train.graphs is off": train.graphs == "off",
        "there is no CUDA device": device.type != "cuda",
        "dropout is drawn on the host": train.dropout > 0,
        "layers with DoRA, or a part of the blocks, are computed one by one": not nodes,
        "whole blocks are computed again (train.gradient_checkpointing)": again,
        "several processes share a step": processes > 1,
    }
    return next((why for why, holds in reasons.items() if holds), "")
