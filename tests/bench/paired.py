"""Trains the same concepts, seed by seed, in several ways, the reference among them, and tells what they give apart."""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import torch

from tests.bench.adv.process import reference_starter, train_theirs
from tests.bench.paired_table import Record, Settings, over_all, table
from tests.bench.reference import STEPS, WAYS, Way, open_trained, our_config, write_data
from tests.bench.reference_eval import Exam, held_out_shots, loss_of, make_exam
from tests.bench.reference_pictures import picture_distance
from trainer.__main__ import _prepare_torch
from trainer.checkpoints.snapshot import newest_checkpoint
from trainer.contract.run.events import SilentLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config, flat, nested
from trainer.demo.concepts import CONCEPTS
from trainer.loop import Run

BARE = ("mascot",)  # trained and read under one prompt, the others with a caption for each picture
LENGTH = "train.steps"
THEIRS: Settings = {"trainer": "adv"}  # the reference, in place of settings of ours


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


def exam_of(concept: str, each: int | None = None) -> Exam:
    """What is read of every run; `each`: so many pictures, for a glance in place of an exam."""
    return make_exam(held_out_shots(concept)[:each], concept not in BARE)


def train_once(config: TrainConfig, folder: Path) -> float:
    """Train in this process, into `folder`; returns the processor seconds it took."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(dump_config(config))
    began, run = time.process_time(), RunDir(folder)
    Run(config, run, SilentLog(), None, _prepare_torch(config), newest_checkpoint(run)).train()
    gc.collect()
    return time.process_time() - began


def commit_of_ours() -> str:
    """The commit of this checkout, `+` behind it where the trainer is not as committed; "" where it has none."""
    git = ("git", "-C", str(Path(__file__).parents[2]))
    found = subprocess.run((*git, "rev-parse", "--short", "HEAD"), capture_output=True, text=True, check=False)
    changed = subprocess.run((*git, "diff", "--quiet", "HEAD", "--", "trainer"), capture_output=True, check=False)
    return found.stdout.strip() + "+" * (changed.returncode == 1)


def measure(concept: str, own: Settings, folder: Path, exam: Exam) -> Record:
    """The losses and the distance of pictures; of the reference also as it is trained, where the pooled vector is."""
    trainer, way, found = own.get("trainer", "ours"), _way(concept), {}
    pipe, vocabulary = open_trained(trainer, way, folder)
    for reading in ("ui", "argmax") if trainer == "adv" else ("ui",):
        found[reading] = loss_of(pipe, exam, reading, vocabulary.write)
        found[f"{reading} pictures"] = picture_distance(pipe, concept, exam.prompts, reading, vocabulary.write)
    return found


def compare(
    out: Path, exams: dict[str, Exam], seeds: range, sets: list[Settings], adv: Path | None = None
) -> list[Record]:
    """Everything that is not in out/paired.json yet, added to it run by run, seed by seed; returns all of it.

    `exams`: of each concept; `adv`: the reference's script, wanted where THEIRS is among the sets.
    """
    out.mkdir(parents=True, exist_ok=True)
    place, os.environ["XDG_CACHE_HOME"] = out / "paired.json", str(out / "cache")
    results: list[Record] = json.loads(place.read_text()) if place.exists() else []
    starter = reference_starter(out / "hf")
    for seed, concept, own in itertools.product(seeds, exams, sets):
        if any((one["seed"], one["concept"], one["set"]) == (seed, concept, own) for one in results):
            continue
        folder, data = out / "run", write_data(out / concept, concept)[concept not in BARE]
        if own.keys() >= THEIRS.keys():
            assert adv is not None
            seconds = train_theirs(starter, adv, _way(concept), seed, own[LENGTH], data, folder)
        else:
            seconds = train_once(config_of(concept, seed, data, own), folder)
        record: Record = {"seed": seed, "concept": concept, "set": own, "seconds": round(seconds, 1)}
        record["commit"] = commit_of_ours()
        results.append(record | measure(concept, own, folder, exams[concept]))
        whole = place.with_suffix(".new")
        whole.write_text(json.dumps(results, indent=1))
        whole.replace(place)
        print(json.dumps(results[-1]), flush=True)
    return results


def main() -> None:
    """Train, measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.paired", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a folder; what is in its paired.json is kept")
    parser.add_argument("--against", nargs="*", default=[], metavar="KEY=VALUE", help="the settings compared with")
    parser.add_argument("--set", nargs="*", action="append", metavar="KEY=VALUE", help="others; may be given again")
    parser.add_argument("--adv", type=Path, help="train_dreambooth_lora_sdxl_advanced.py, compared too")
    parser.add_argument("--concepts", nargs="+", choices=list(CONCEPTS), default=list(CONCEPTS))
    parser.add_argument("--seeds", type=int, default=10, help="at most 20")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    length = {LENGTH: asked.steps}
    sets = [length | read_settings(one) for one in (asked.against, *(asked.set or []))]
    sets += [length | THEIRS] if asked.adv else []
    seeds = range(asked.first_seed, asked.first_seed + asked.seeds)
    exams = {name: exam_of(name) for name in asked.concepts}
    results = compare(asked.out.resolve(), exams, seeds, sets, asked.adv and asked.adv.resolve())
    for first in (sets[0], *(sets[-1:] if asked.adv else ())):  # beside the settings given first, and beside ADV
        ordered = [first, *(one for one in sets if one != first)]
        print(
            table(results, asked.concepts, ordered), over_all(results, asked.concepts, ordered), sep="\n\n", end="\n\n"
        )


if __name__ == "__main__":
    main()
