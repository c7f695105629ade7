"""kill -9 at random moments of whole runs, again and again: each run still ends with the bytes of one left alone."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

from tests.faults import forks, runs
from tests.faults.tally import Tally
from trainer.checkpoints.snapshot import newest_checkpoint
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig

PROMISE = "no announced checkpoint is lost, no half file is exported, the end is bit-equal to an undisturbed run"
MOMENTS = (  # half of the kills fall just behind one of these lines, the rest anywhere
    b'"name":"save","done":0',
    b'"type":"checkpoint"',
    b'"name":"export"',
    b'"name":"cache"',
    b'"name":"sample"',
    b'"type":"pivot"',
)
PATIENCE = 120.0  # seconds for a whole run


def campaign(place: Path, config: TrainConfig, rng: random.Random) -> Iterator[Tally]:
    """Kill for ever; yields the tally after each kill and each run that came to its end."""
    tally = Tally("kill -9", PROMISE)
    alone = runs.fresh(place / "alone", config)
    began = time.monotonic()
    code = forks.wait(forks.trainer(alone), PATIENCE)
    assert code == 0, alone.log.read_text()
    whole, wanted = time.monotonic() - began, runs.digests(alone)
    while True:
        run = runs.fresh(place / "killed", config)
        while True:
            pid = forks.trainer(run)
            code = _let_live(pid, run, whole, rng)
            if code is not None:
                tally.add("run to its end", f"exit {code}", _at_the_end(run, code, wanted))
                break
            forks.kill(pid)
            tally.add(f"kill in {_phase(run)}", "killed", _after_a_kill(run))
            yield tally
        yield tally


def _let_live(pid: int, run: RunDir, whole: float, rng: random.Random) -> int | None:
    """Wait for the moment of the kill; the exit code if the run ended before."""
    if rng.random() < 0.5:
        return forks.wait(pid, rng.uniform(0.01, whole * 1.1))
    line, late = rng.choice(MOMENTS), rng.uniform(0.0, 0.04)
    before = run.events.stat().st_size if run.events.exists() else 0
    end = time.monotonic() + whole * 1.3 + 1.0
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if run.events.exists() and line in run.events.read_bytes()[before:]:
            break
        time.sleep(forks.LOOK)
    return forks.wait(pid, late)


def _phase(run: RunDir) -> str:
    told = [one for one in runs.events(run) if one.get("type") in ("phase", "step", "sample", "run", "end")]
    last = told[-1] if told else {"type": "start"}
    return str(last.get("name") or last["type"]) if last["type"] == "phase" else str(last["type"])


def _after_a_kill(run: RunDir) -> list[str]:
    problems = []
    told = [int(one["step"]) for one in runs.events(run) if one.get("type") == "checkpoint"]
    found = newest_checkpoint(run)
    if told and (found.step is None or found.step < max(told)):
        problems.append(f"step {max(told)} was said to be saved, {found.step} is there")
    if any("without the optimizer" not in one for one in found.damaged):
        problems.append(f"damaged: {found.damaged}")
    for path in run.export.rglob("*.safetensors"):
        try:
            with safe_open(path, "pt"):
                pass
        except (SafetensorError, OSError) as error:
            problems.append(f"half a file: {path.name}: {error}")
    return problems


def _at_the_end(run: RunDir, code: int, wanted: dict[str, str]) -> list[str]:
    if code != 0:
        return [f"exit {code}: {run.log.read_text()[-300:]}"]
    got = runs.digests(run)
    other = [name for name in sorted(set(wanted) | set(got)) if wanted.get(name) != got.get(name)]
    left = runs.strays(run.path)
    return [f"differs: {other}"] * bool(other) + [f"left behind: {left}"] * bool(left)
