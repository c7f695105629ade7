"""Trains one new concept with ours and with diffusers' script and compares the files: see reference.md."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tests.bench.reference_eval import (
    CONCEPT,
    LORA,
    NEW_TOKENS,
    PROMPT,
    RESOLUTION,
    Reading,
    held_out_shots,
    load_trained,
    loss_of,
    make_exam,
    training_shots,
    write_pictures,
)
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run.exports import DIFFUSERS
from trainer.contract.settings.config import TrainConfig, dump_config, nested
from trainer.demo.concepts import TOKEN
from trainer.model.tokens import Vocabulary

STEPS, BATCH, RANK, GAMMA, DECAY, WORDS_DECAY = 120, 4, 8, 5.0, 0.01, 0.001
D0 = 1e-4  # Prodigy's default, 1e-6, spends a quarter of so short a run on growing
UNET_RATE, ROWS_RATE, TEXT_RATE = 1e-3, 3e-3, 5e-4  # AdamW's
TRAINERS = ("ours", "adv")
Record = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """One way to train: the optimizer, what becomes of the words, and whether each picture has its caption."""

    optimizer: str
    pivotal: bool = True
    captions: bool = False
    repeats: int = 1
    readings: tuple[Reading, ...] = field(default=("ui", "argmax"))

    @property
    def words_rate(self) -> float:
        """Of the new rows, or of the text encoders' LoRA."""
        if self.optimizer == "prodigy":
            return 1.0
        return ROWS_RATE if self.pivotal else TEXT_RATE

    @property
    def unet_rate(self) -> float:
        """Of the unet's LoRA."""
        return 1.0 if self.optimizer == "prodigy" else UNET_RATE


WAYS = {
    "pivotal-prodigy": Way("prodigy"),
    "pivotal-adamw": Way("adamw"),
    "text-encoder-lora": Way("adamw", pivotal=False, readings=("ui", "argmax", "bare")),
    "captions": Way("prodigy", captions=True),
    # the whole run is one epoch: the same views of the same pictures, and the reference counts the pivot in epochs
    "one-epoch": Way("adamw", repeats=60),
}


def our_config(way: Way, seed: int, data: Path) -> TrainConfig:
    """The settings of ours: the reference's, not what is ours by default."""
    values = {
        "name": "ours",
        "model.base": str(small_model()),
        "dataset.path": str(data),
        "dataset.instance_prompt": PROMPT,
        "dataset.repeats": way.repeats,
        "pivotal.enabled": way.pivotal,
        "text_encoder_lora.enabled": not way.pivotal,
        "prodigy.d0": D0,
        "train.steps": STEPS,
        "train.batch": BATCH,
        "train.rank": RANK,
        "train.targets": "attention",
        "train.timesteps": "independent",
        "train.ema": 0.0,
        "train.seed": seed,
        "train.resolution": RESOLUTION,
        "train.precision": "fp32",
        "train.gradient_checkpointing": False,
        "train.optimizer": way.optimizer,
        "train.learning_rate": way.unet_rate,
        "train.embedding_learning_rate": way.words_rate,
        "train.text_encoder_learning_rate": way.words_rate,
        "train.weight_decay": DECAY,
        "train.embedding_weight_decay": WORDS_DECAY if way.pivotal else DECAY,  # the reference is given none of its own
        "train.min_snr_gamma": GAMMA,
        "train.checkpoint_every": 0,
        "train.sample_every": 0,
        "train.device": "cpu",
        "sample.steps": 1,
        "export.precision": "fp32",
    }
    return TrainConfig.model_validate(nested(values))


def adv_arguments(way: Way, seed: int, data: Path, name: str, steps: int = STEPS) -> list[str]:
    """The same settings for the reference. `name` has no slash: with one it loses the embeddings."""
    values: dict[str, Any] = {
        "pretrained_model_name_or_path": small_model(),
        "instance_prompt": PROMPT,
        "output_dir": name,
        "resolution": RESOLUTION,
        "train_batch_size": BATCH,
        "max_train_steps": steps,
        "repeats": way.repeats,
        "checkpointing_steps": 10 * steps,
        "optimizer": way.optimizer,
        "learning_rate": way.unet_rate,
        "text_encoder_lr": way.words_rate,
        "adam_beta2": 0.99 if way.optimizer == "prodigy" else 0.999,
        "adam_weight_decay": DECAY,
        "rank": RANK,
        "snr_gamma": GAMMA,
        "lr_scheduler": "constant",
        "lr_warmup_steps": 0,
        "seed": seed,
    }
    if way.pivotal:
        values["adam_weight_decay_text_encoder"] = WORDS_DECAY
    values |= {"dataset_name": data, "caption_column": "prompt"} if way.captions else {"instance_data_dir": data}
    flags = ["--center_crop", "--train_text_encoder_ti" if way.pivotal else "--train_text_encoder"]
    return [word for key, value in values.items() for word in (f"--{key}", str(value))] + flags


def write_data(out: Path, concept: str = CONCEPT) -> dict[bool, Path]:
    """The training pictures without and with captions, in folders that both trainers can read."""
    places = {False: out / "pictures", True: out / "captioned"}
    write_pictures(places[False], concept)
    lines = [json.dumps({"file_name": name, "prompt": words}) for name, words in write_pictures(places[True], concept)]
    (places[True] / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return places


def run_trainer(trainer: str, way: Way, seed: int, data: Path, folder: Path, adv: Path) -> tuple[int, float]:
    """Train in a process of its own; returns its exit code and the seconds it took, start included."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    out = folder.parents[1]
    own = {"XDG_CACHE_HOME": out / "cache", "HF_HOME": out / "hf", "HF_HUB_OFFLINE": 1, "OMP_NUM_THREADS": 1}
    own["PYTHONPATH"] = Path(__file__).parents[2]
    if trainer == "ours":
        (folder / "config.toml").write_text(dump_config(our_config(way, seed, data)))
        command = ["-m", "trainer", str(folder / "config.toml")]
    else:
        command = ["-m", "tests.bench.adv.shim", str(D0), str(adv)]
        command += adv_arguments(way, seed, data, "adv")
    began = time.monotonic()
    with (folder / "output.log").open("w") as log:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env=os.environ | {key: str(value) for key, value in own.items()},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return done.returncode, time.monotonic() - began


def open_trained(trainer: str, way: Way, folder: Path | None) -> tuple[Any, Vocabulary]:
    """The base pipeline with what lies in `folder` (None: as it is), and how its prompts are written."""
    lora = embeddings = None
    if folder is not None:
        files = folder / ("export" if trainer == "ours" else "adv")
        lora = files / (DIFFUSERS if trainer == "ours" else LORA)
        embeddings = files / f"{trainer}_emb.safetensors" if way.pivotal else None
    vocabulary = Vocabulary({TOKEN: NEW_TOKENS} if embeddings is not None else {})
    return load_trained(lora, embeddings), vocabulary


def measure(trainer: str, way: Way, folder: Path | None, exams: dict[str, Any]) -> Record:
    """The losses of what lies in `folder` (None: of the base model) under every reading."""
    pipe, vocabulary = open_trained(trainer, way, folder)
    found = {reading: loss_of(pipe, exams["held-out"], reading, vocabulary.write) for reading in way.readings}
    return found | {"trained-on": loss_of(pipe, exams["trained-on"], "ui", vocabulary.write)}


def compare(adv: Path, out: Path, ways: list[str], seeds: int) -> list[Record]:
    """Everything that is not in out/results.json yet, added to it run by run; returns all of it."""
    out.mkdir(parents=True, exist_ok=True)
    place, data = out / "results.json", write_data(out)
    results: list[Record] = json.loads(place.read_text()) if place.exists() else []
    shots = {"held-out": held_out_shots(), "trained-on": training_shots()}
    exams = {captions: {name: make_exam(own, captions) for name, own in shots.items()} for captions in (False, True)}
    plan = [("base", name, 0) for name in ways]
    plan += [(trainer, name, seed) for seed in range(seeds) for name in ways for trainer in TRAINERS]
    done = {(one["trainer"], one["way"], one["seed"]) for one in results}
    for trainer, name, seed in plan:
        if (trainer, name, seed) in done:
            continue
        way, folder = WAYS[name], out / "runs" / f"{name}-{seed}-{trainer}"
        record: Record = {"trainer": trainer, "way": name, "seed": seed}
        if trainer != "base":
            code, seconds = run_trainer(trainer, way, seed, data[way.captions], folder, adv)
            record |= {"code": code, "seconds": round(seconds, 1)}
        try:
            record |= measure(trainer, way, None if trainer == "base" else folder, exams[way.captions])
        except (OSError, ValueError) as error:
            record["failed"] = str(error)
        results.append(record)
        place.write_text(json.dumps(results, indent=1))
        print(json.dumps(record), flush=True)
    return results


def table(results: list[Record], ways: list[str]) -> str:
    """Mean and sample standard deviation of each way and trainer, as a table in Markdown."""
    lines = ["| way | reading | base | ADV | ours |", "|---|---|---|---|---|"]
    for name in ways:
        for reading in (*WAYS[name].readings, "trained-on"):
            cells = []
            for trainer in ("base", "adv", "ours"):
                own = [one for one in results if (one["trainer"], one["way"]) == (trainer, name)]
                cells.append(_cell([one[reading] for one in own if reading in one]))
            lines.append(f"| {name} | {reading} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{statistics.mean(values):.4f}" + (f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else "")


def main() -> None:
    """Train, measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reference", description=__doc__)
    parser.add_argument("--adv", type=Path, required=True, help="train_dreambooth_lora_sdxl_advanced.py")
    parser.add_argument("--out", type=Path, required=True, help="a folder; what is in its results.json is kept")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    results = compare(asked.adv.resolve(), asked.out.resolve(), asked.ways, asked.seeds)
    print(table(results, asked.ways))


if __name__ == "__main__":
    main()
