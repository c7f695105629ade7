"""What a merge keeps of two concepts: the held-out loss of each under ZipLoRA, beside each LoRA alone and sums."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
from pathlib import Path

import torch

from tests.bench.paired import config_of, exam_of, train_once
from tests.bench.reference import write_data
from tests.bench.reference_eval import NEW_TOKENS, Exam, load_trained, loss_of
from trainer.contract.run.exports import DIFFUSERS
from trainer.demo.concepts import TOKEN
from trainer.merging.__main__ import main as merge

PAIR = ("mascot", "sunset")  # a subject and a style
UNSEEN = {"train.measure": False, "sample.at_start": False}  # not one bit of what is trained is another
WAYS: dict[str, list[str]] = {
    "sum": ["--weights", "1", "1"],
    "half of each": ["--weights", "0.5", "0.5"],
    "sum, cut to the rank of one": ["--rank", "8"],
    "ZipLoRA": ["--learned"],
}


def loss_under(exam: Exam, folder: Path, embeddings: str) -> float:
    """The held-out loss of an exam with the LoRA and one file of embeddings of `folder`."""
    pipe = load_trained(folder / DIFFUSERS, folder / embeddings)
    return loss_of(pipe, exam, "ui", lambda text: text.replace(TOKEN, "".join(NEW_TOKENS)))


def trained(out: Path, concept: str, seed: int, steps: int) -> Path:
    """The run of a concept, trained where it is not there yet."""
    folder = out / f"{concept}-{seed}"
    if not (folder / "export").is_dir():
        data = write_data(out / "data" / concept, concept)[concept not in ("mascot",)]
        config = config_of(concept, seed, data, {"train.steps": steps} | UNSEEN)
        train_once(config.model_copy(update={"name": concept}), folder)
    return folder


def figures(
    out: Path, seed: int, steps: int, ways: dict[str, list[str]], each: int | None = None
) -> dict[str, dict[str, float]]:
    """The loss of both concepts without a LoRA, under each alone, and under each way to merge.

    `each`: on so many pictures, for a glance in place of an exam.
    """
    runs = [trained(out, one, seed, steps) for one in PAIR]
    exams = {one: exam_of(one, each) for one in PAIR}
    words = (f"{TOKEN}_", f"{TOKEN}2_")
    found: dict[str, dict[str, float]] = {}
    for way, options in ways.items():
        folder = out / "merge"
        shutil.rmtree(folder, ignore_errors=True)
        assert merge([*map(str, runs), "--out", str(folder), "--seed", str(seed), *options]) == 0
        found[way] = {
            one: loss_under(exams[one], folder, f"merge_{word}emb.safetensors")
            for one, word in zip(PAIR, words, strict=True)
        }
    alone = {
        one: loss_under(exams[one], run / "export", f"{one}_emb.safetensors")
        for one, run in zip(PAIR, runs, strict=True)
    }
    base = {one: loss_of(load_trained(None, None), exams[one], "ui") for one in PAIR}
    return {"base model": base, "alone": alone, **found}


def main() -> None:
    """Train, merge, measure, print a table of means with each seed's own."""
    parser = argparse.ArgumentParser(prog="python -m tests.trainer.merging.measure", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=120)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    out = asked.out.resolve()
    os.environ["XDG_CACHE_HOME"] = str(out / "cache")
    every = []
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        every.append(figures(out, seed, asked.steps, WAYS))
        print(json.dumps({"seed": seed, **every[-1]}), flush=True)
    for way in every[0]:
        cells = []
        for one in PAIR:
            seeds = [found[way][one] for found in every]
            cells.append(f"{statistics.mean(seeds):.4f} ({', '.join(f'{loss:.4f}' for loss in seeds)})")
        print(f"| {way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
