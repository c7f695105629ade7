"""Run directories as the trainer writes them, with a speed and a peak of one's own choice."""

from __future__ import annotations

import json
import os
from pathlib import Path

from loratui.planning.past_runs import WARM_UP
from trainer.contract.plan.estimate import estimate
from trainer.contract.run.events import EventLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, config_sha, dump_config, nested

GPU, MEMORY = "NVIDIA GeForce RTX 4090", 25_757_220_864
PLAIN = {"train.batch": 1, "train.steps": 200, "train.gradient_checkpointing": "blocks"}


def config(own: dict[str, object] | None = None) -> TrainConfig:
    return TrainConfig.model_validate(nested({**PLAIN, **(own or {})}))


def counted(one: TrainConfig) -> tuple[int, int]:
    """What of the estimate is counted and what is rough, as torch's allocator sees it."""
    need = estimate(one, 1)
    context = next(part.bytes for part in need.memory if part.name == "torch itself")
    return need.memory_total - need.memory_rough - context, need.memory_rough


def write_run(
    folder: Path,
    own: dict[str, object] | None = None,
    *,
    t: float = 1000.0,
    seconds: float = 0.5,
    factor: float = 1.0,
    steps: int = 100,
    end: bool = True,
    gpu: str | None = GPU,
    host: str = "box",
    world: int = 1,
    peak: int = 0,
) -> RunDir:
    """The directory of a run as the trainer writes it, whose rough parts took `factor` times what was estimated.

    `peak`: what it held instead, in bytes.
    """
    run, one = RunDir(folder), config(own)
    folder.mkdir(parents=True)
    run.config.write_text(dump_config(one))
    certain, rough = counted(one)
    peak = peak or round(certain + factor * rough)
    log = EventLog(run.events)
    start = {"gpu": gpu, "vram_total": MEMORY if gpu else None, "world": world, "config_sha": config_sha(one)}
    log.emit("run", v=1, pid=os.getpid(), host=host, name="one", steps=200, resumed_from=None, **start)
    for step in range(1, steps + 1):
        # the first steps of a process are slow, and one now and then
        s = 9.0 if step <= WARM_UP or step % 40 == 0 else seconds
        now = min(peak, peak // 2 + peak * step // 80)
        peaks = {"vram": now - 5, "vram_peak": now} if gpu else {"vram": None, "rss": now // 2, "rss_peak": now}
        log.emit("step", step=step, loss=0.1, s=s, **peaks)
    if end:
        log.emit("end", status="completed", step=steps, seconds=1.0, files=[])
    log.close()
    text = run.events.read_text().split("\n", 1)
    run.events.write_text("\n".join([json.dumps({**json.loads(text[0]), "t": t}), text[1]]))
    return run
