"""Trains the same concepts, seed by seed, with some settings and with others, and tells the held-out losses apart."""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import math
import os
import shutil
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tests.bench.reference import STEPS, WAYS, Way, measure, our_config, write_data
from tests.bench.reference_eval import Exam, held_out_shots, make_exam, training_shots
from trainer.__main__ import _prepare_torch
from trainer.checkpoints.snapshot import newest_checkpoint
from trainer.contract.run.events import SilentLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config, flat, nested
from trainer.demo.concepts import CONCEPTS
from trainer.loop import Run

BARE = ("mascot",)  # trained and read under one prompt, the others with a caption for each picture
# the 97.5 % points of Student's t at 1 .. 19 degrees of freedom
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
STUDENT += (2.120, 2.110, 2.101, 2.093)
LENGTH = "train.steps"
Record = dict[str, Any]
Settings = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """The losses of the same seeds under two sets of settings, the second less the first."""

    before: float
    difference: float
    half_width: float  # of the 95 % interval of the difference
    p: float  # two-sided, from turning every sign round in all ways
    seeds: int

    @classmethod
    def of(cls, first: list[float], second: list[float]) -> Comparison:
        """From pairs in the same order, at least two of them."""
        apart = [b - a for a, b in zip(first, second, strict=True)]
        mean, spread = statistics.mean(apart), statistics.stdev(apart)
        signs = itertools.product((1, -1), repeat=len(apart))
        turned = [abs(sum(s * one for s, one in zip(each, apart, strict=True))) for each in signs]
        extreme = sum(one >= abs(sum(apart)) * (1 - 1e-12) for one in turned)
        half = STUDENT[len(apart) - 2] * spread / math.sqrt(len(apart))
        return cls(statistics.mean(first), mean, half, extreme / len(turned), len(apart))


def read_settings(words: list[str]) -> Settings:
    """`train.ema=0.1` as a key and a value; what is no JSON is text."""
    found: Settings = {}
    for word in words:
        key, _, value = word.partition("=")
        try:
            found[key] = json.loads(value)
        except json.JSONDecodeError:
            found[key] = value
    return found


def config_of(concept: str, seed: int, data: Path, own: Settings) -> TrainConfig:
    """The settings of reference.md's pivotal tuning with Prodigy, and `own`."""
    config = our_config(_way(concept), seed, data)
    return TrainConfig.model_validate(nested(flat(config) | own))


def _way(concept: str) -> Way:
    return WAYS["pivotal-prodigy" if concept in BARE else "captions"]


def _exams(concept: str) -> dict[str, Exam]:
    shots = {"held-out": held_out_shots(concept), "trained-on": training_shots(concept)}
    return {name: make_exam(own, concept not in BARE) for name, own in shots.items()}


def train_once(config: TrainConfig, folder: Path) -> float:
    """Train in this process, into `folder`; returns the processor seconds it took."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(dump_config(config))
    began, run = time.process_time(), RunDir(folder)
    Run(config, run, SilentLog(), None, _prepare_torch(config), newest_checkpoint(run)).train()
    gc.collect()
    return time.process_time() - began


def compare(out: Path, concepts: list[str], seeds: range, sets: list[Settings]) -> list[Record]:
    """Everything that is not in out/paired.json yet, added to it run by run, seed by seed; returns all of it."""
    out.mkdir(parents=True, exist_ok=True)
    place, os.environ["XDG_CACHE_HOME"] = out / "paired.json", str(out / "cache")
    results: list[Record] = json.loads(place.read_text()) if place.exists() else []
    exams = {name: _exams(name) for name in concepts}
    for seed, concept, own in itertools.product(seeds, concepts, sets):
        if any((one["seed"], one["concept"], one["set"]) == (seed, concept, own) for one in results):
            continue
        captions, folder = concept not in BARE, out / "run"
        data = write_data(out / concept, concept)[captions]
        seconds = train_once(config_of(concept, seed, data, own), folder)
        record: Record = {"seed": seed, "concept": concept, "set": own, "seconds": round(seconds, 1)}
        results.append(record | measure("ours", replace(_way(concept), readings=("ui",)), folder, exams[concept]))
        place.write_text(json.dumps(results, indent=1))
        print(json.dumps(results[-1]), flush=True)
    return results


def table(results: list[Record], concepts: list[str], sets: list[Settings]) -> str:
    """Each of the later sets against the first, in Markdown; of the seeds that both have."""
    lines = [
        "| concept | settings | held-out loss before | difference, 95 % | p | seeds |",
        "|---|---|---|---|---|---|",
    ]
    for concept, own in itertools.product(concepts, sets[1:]):
        losses = [
            {one["seed"]: one["ui"] for one in results if (one["concept"], one["set"]) == (concept, each)}
            for each in (sets[0], own)
        ]
        both = sorted(losses[0].keys() & losses[1].keys())
        if len(both) < 2:
            continue
        found = Comparison.of(*([each[seed] for seed in both] for each in losses))
        words = ", ".join(f"`{key}={value}`" for key, value in own.items() if key != LENGTH) or "as they are"
        lines.append(
            f"| {concept} | {words} | {found.before:.4f} | {found.difference:+.4f} ± {found.half_width:.4f} "
            f"({found.difference / found.before:+.1%}) | {found.p:.3f} | {found.seeds} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Train, measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.paired", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a folder; what is in its paired.json is kept")
    parser.add_argument("--against", nargs="*", default=[], metavar="KEY=VALUE", help="the settings compared with")
    parser.add_argument("--set", nargs="*", action="append", metavar="KEY=VALUE", help="others; may be given again")
    parser.add_argument("--concepts", nargs="+", choices=list(CONCEPTS), default=list(CONCEPTS))
    parser.add_argument("--seeds", type=int, default=10, help="at most 20")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    length = {LENGTH: asked.steps}
    sets = [length | read_settings(one) for one in (asked.against, *(asked.set or []))]
    seeds = range(asked.first_seed, asked.first_seed + asked.seeds)
    print(table(compare(asked.out.resolve(), asked.concepts, seeds, sets), asked.concepts, sets))


if __name__ == "__main__":
    main()
