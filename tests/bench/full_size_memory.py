"""What a run on a full-size SDXL holds in RAM, by phase, beside the plan: `python -m tests.bench.full_size_memory`.

The model has random weights and lies in a folder, as a downloaded one would; the trainer runs in a process of its own
on the CPU and is looked at from outside, fifty times a second. It wants 12 GB of RAM and 8 GB of disk; an idle core is
done in five minutes.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tests.gpu.driving import draw_pictures
from trainer.contract.plan.estimate import Estimate, estimate
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config, nested
from trainer.model.full_size import FULL, random_parts, save_folder

PAUSE = 0.02  # seconds between two looks
ROOT = Path(__file__).parents[2]
Held = tuple[int, int]  # bytes of the process: all that is resident, and of it what lies in no file


def config(base: Path, pictures: Path, side: int, own: dict[str, Any]) -> TrainConfig:
    """Three steps around the pivot: two before it, one after."""
    values: dict[str, Any] = {
        "name": "memory",
        "model.base": str(base),
        "dataset.path": str(pictures),
        "train.device": "cpu",
        "train.steps": 3,
        "train.batch": 1,
        "train.rank": 32,
        "train.targets": "attention",
        "train.resolution": side,
        "train.precision": "bf16",
        "train.checkpoint_every": 0,
        "train.gradient_checkpointing": "blocks",
        "train.measure": False,
        "sample.at_start": False,
        "train.sample_every": 0,
        "pivotal.fraction": 0.67,
        "sample.steps": 1,
    }
    return TrainConfig.model_validate(nested(values | own))


def made(folder: Path) -> Path:
    """The model in `folder`, drawn where it is not there yet; a process of its own gives all its memory back."""
    if not (folder / "model_index.json").exists():
        code = f"from tests.bench.full_size_memory import write; write({str(folder)!r})"
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    return folder


def write(folder: str) -> None:
    """Draw the model and write it down, in fp16 as the real one lies on the hub."""
    save_folder(random_parts(FULL, "cpu", torch.float16), Path(folder))


def held(process: int) -> Held | None:
    """What a process holds now; None where it is gone."""
    try:
        told = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    found = [re.search(rf"^{name}:\s+(\d+) kB$", told, re.MULTILINE) for name in ("VmRSS", "RssAnon")]
    return (1024 * int(found[0][1]), 1024 * int(found[1][1])) if found[0] and found[1] else None


def phases(run: RunDir) -> Iterator[tuple[str, Held]]:
    """Start the run; each look at it with the phase that it was in."""
    process = subprocess.Popen([sys.executable, "-m", "trainer", str(run.config)], cwd=ROOT, env=os.environ)
    tail, phase = Tail(run.events), "start"
    try:
        while process.poll() is None:
            for event in tail.read():
                phase = named(event, phase)
                print(f"{time.strftime('%H:%M:%S')} {event['type']} {phase}", file=sys.stderr, flush=True)
            if (now := held(process.pid)) is not None:
                yield phase, now
            time.sleep(PAUSE)
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        sys.exit(f"the run failed: {process.returncode}")


def named(event: dict[str, Any], before: str) -> str:
    """The phase that begins with an event: "load 1/3", "cache", "sample 0", "step 1", "after the pivot"."""
    match event:
        case {"type": "phase", "name": "load", "done": done, "total": total}:
            return f"load {done}/{total}" if done < total else "between"
        case {"type": "phase", "name": name, "done": done, "total": total}:
            return name if done < total else "between"
        case {"type": "step", "step": step}:
            return f"step {step + 1}"
        case {"type": "pivot"}:
            return "after the pivot"
        case {"type": "checkpoint"}:
            return "saved"
    return before


def planned(need: Estimate, name: str) -> int | None:
    """What the plan says of a phase; None where nothing: of files that are read the system can have the memory back."""
    parts = {one.name: one.bytes for one in need.memory}
    passing = ("activations", "samples", "checkpoint", "encoding")
    held = sum(size for each, size in parts.items() if each not in passing)
    gone = need.memory_total - need.memory_after  # at the pivot; what of the activations is the words' is little
    work = parts["activations"]
    match name.split():
        case ["load", "2/3"] | ["step", "2" | "3"]:
            return held + work
        case ["after", *_]:
            return held - gone + work
        case ["save"] | ["step", _]:  # the copy for the checkpoint is taken in the last step's phase
            return held - gone + work + parts["checkpoint"]
        case ["sample"]:
            return held - gone + work + parts["samples"]
    return None


def table(seen: dict[str, Held], need: Estimate) -> str:
    """The peaks of every phase in GB beside the plan's, and the plan by part."""
    lines = [
        "| phase | resident | of it in no file | the plan | beside it: resident, in no file |",
        "|---|---|---|---|---|",
    ]
    for name, (whole, anonymous) in seen.items():
        meant = planned(need, name)
        said = f"{meant / 1e9:.2f} | {whole / meant - 1:+.0%}, {anonymous / meant - 1:+.0%}" if meant else " | "
        lines.append(f"| {name} | {whole / 1e9:.2f} | {anonymous / 1e9:.2f} | {said} |")
    lines += ["", "| the plan, by part | GB |", "|---|---|"]
    lines += [f"| {one.name} | {one.bytes / 1e9:.2f} |" for one in need.memory]
    lines.append(f"| at its fullest | {need.memory_total / 1e9:.2f} |")
    lines.append(f"| after the pivot | {need.memory_after / 1e9:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of the random model; made where it is not there")
    parser.add_argument("--resolution", type=int, default=256, help="side of the pictures in px")
    parser.add_argument("--set", nargs="*", default=[], help="settings, as train.rank=8")
    given = parser.parse_args()
    own: dict[str, Any] = dict(one.split("=", 1) for one in given.set)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        base = made((given.model or Path(folder) / "base").absolute())
        pictures = draw_pictures(Path(folder) / "pictures", given.resolution)
        chosen = config(base, pictures, given.resolution, own)
        run = RunDir(Path(folder) / "run")
        run.path.mkdir()
        run.config.write_text(dump_config(chosen))
        seen: dict[str, Held] = defaultdict(lambda: (0, 0))
        try:
            for phase, now in phases(run):
                seen[phase] = (max(seen[phase][0], now[0]), max(seen[phase][1], now[1]))
        finally:  # what was seen is worth having
            print(table(seen, estimate(chosen, 4, "cpu")))


if __name__ == "__main__":
    main()
