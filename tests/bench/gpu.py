"""Steps of the full-size SDXL with random weights, beside another trainer's: `python -m tests.bench.gpu --adv SCRIPT`.

Cases are with and without gradient checkpointing, at several batch sizes, each before and after the pivot. A block is
a whole run of one case; blocks are interleaved A B B A between cases and trainers, and medians are of all steps but
the first of each half. Peaks are of the steps alone, as the allocator counts them. It prints a table for README.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tests.gpu.driving import FULL_BED, REDUCED_BED, Bed, Seen, bed_config, draw_pictures, drive
from trainer.contract.settings.config import TrainConfig
from trainer.ground.machine import versions
from trainer.model.full_size import save_folder
from trainer.model.parts import free

WARM = 3  # steps at the head of each half that do not count: kernels are chosen, and memory is laid out
GIB = 1 << 30
ROOT = Path(__file__).parents[2]
HEAD = (
    "| checkpointing | batch | pivot | s/step | pictures/s | peak GiB | ADV s/step | ADV pictures/s | ADV peak GiB "
    "| times faster |\n|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Case:
    """What is varied."""

    checkpointing: bool
    batch: int


@dataclass(frozen=True)
class Figures:
    """Medians of one trainer in one half of its runs: seconds a step, and the peak of memory in bytes."""

    seconds: float
    peak: int


class Failed(Exception):
    """A block came to no end; the sentence goes into the table."""


Halves = tuple[list[Seen], list[Seen]]


@dataclass(frozen=True)
class Bench:
    """Everything that the blocks share: where they are made, on which pictures, and the other trainer's script."""

    bed: Bed
    folder: Path
    script: Path | None

    @property
    def pictures(self) -> Path:
        """The folder of pictures, without captions: the other script would open those as pictures."""
        return self.folder / "pictures"

    @property
    def base(self) -> Path:
        """The same random model in diffusers' layout, for the other script."""
        return self.folder / "base"

    def config(self, case: Case) -> TrainConfig:
        """The settings of a case; both trainers are given these."""
        own = {"train__batch": case.batch, "train__gradient_checkpointing": case.checkpointing}
        return bed_config(self.bed, self.pictures, **own)

    def ours(self, case: Case) -> Halves:
        """A block of ours. Raises Failed."""
        with tempfile.TemporaryDirectory(dir=self.folder) as run:
            try:
                return drive(self.bed, Path(run), self.config(case)).phases
            except torch.OutOfMemoryError:
                pass  # its trace holds the whole model, which must be gone before anything else begins
        free()
        raise Failed("out of memory")

    def theirs(self, case: Case) -> Halves:
        """A block of the other script, in a process of its own. Raises Failed with its last words."""
        assert self.script is not None
        with tempfile.TemporaryDirectory(dir=self.folder) as work:
            answer, steps = Path(work) / "answer.json", self.bed.steps
            head = [sys.executable, "-m", "tests.bench.gpu_adv", str(self.script), str(answer), str(steps)]
            done = subprocess.run(
                [*head, *adv_arguments(self.config(case), self.base, self.pictures)],
                cwd=work,
                env=os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            if not answer.exists():
                raise Failed(last_words(done.stderr) or f"exit {done.returncode}")
            seen = [Seen(float("nan"), *one) for one in json.loads(answer.read_text())]
        return seen[: steps // 2], seen[steps // 2 :]


def last_words(stderr: str) -> str:
    """The sentence that a failed process ended with; all of its trace goes to our own stderr."""
    print(stderr[-4000:], file=sys.stderr)
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return "out of memory" if "OutOfMemoryError" in stderr else "".join(lines[-1:])[:90].replace("|", "/")


def adv_arguments(config: TrainConfig, base: Path, pictures: Path) -> list[str]:
    """The same settings in the words of the other script."""
    train, prodigy = config.train, config.prodigy
    options = {
        "pretrained_model_name_or_path": base,
        "instance_data_dir": pictures,
        "instance_prompt": config.dataset.instance_prompt,
        "token_abstraction": config.dataset.trigger,
        "num_new_tokens_per_abstraction": config.pivotal.tokens,
        "train_text_encoder_ti_frac": config.pivotal.fraction,
        "output_dir": "out",  # a name with a slash is more than it bears
        "resolution": train.resolution,
        "train_batch_size": train.batch,
        "max_train_steps": train.steps,
        "rank": train.rank,
        "seed": train.seed,
        "mixed_precision": {"bf16": "bf16", "fp16": "fp16", "fp32": "no"}[train.precision],
        "optimizer": "prodigy",
        "learning_rate": 1.0,
        "text_encoder_lr": 1.0,
        "adam_beta1": prodigy.beta1,
        "adam_beta2": prodigy.beta2,
        "adam_weight_decay": train.weight_decay,
        "adam_weight_decay_text_encoder": train.embedding_weight_decay,
        "prodigy_use_bias_correction": True,
        "prodigy_safeguard_warmup": True,
        "snr_gamma": train.min_snr_gamma,
        "lr_scheduler": "constant",
        "lr_warmup_steps": 0,
        "checkpointing_steps": 10 * train.steps,
    }
    flags = ["--train_text_encoder_ti", "--cache_latents", "--center_crop"]
    flags += ["--gradient_checkpointing"] if train.gradient_checkpointing != "off" else []
    return [f"--{name}={value}" for name, value in options.items()] + flags


def blocks(cases: list[Case], trainers: list[str], rounds: int) -> Iterator[tuple[str, Case]]:
    """Every trainer with every case, in one order and then in the other."""
    order = [(trainer, case) for case in cases for trainer in trainers]
    for turn in range(rounds):
        yield from order if turn % 2 == 0 else reversed(order)


def measure(bench: Bench, cases: list[Case], rounds: int) -> dict[tuple[str, Case, int], Figures | str]:
    """The figures of (trainer, case, half), or the sentence of its failure."""
    trainers = ["ours"] if bench.script is None else ["ours", "theirs"]
    seen: dict[tuple[str, Case, int], list[Seen]] = defaultdict(list)
    failed: dict[tuple[str, Case, int], str] = {}
    for trainer, case in blocks(cases, trainers, rounds):
        if (trainer, case, 0) in failed:
            continue
        print(f"{trainer}: {case}", file=sys.stderr, flush=True)
        try:
            halves = getattr(bench, trainer)(case)
        except Failed as error:
            failed |= {(trainer, case, half): str(error) for half in (0, 1)}
            continue
        for half, steps in enumerate(halves):
            seen[trainer, case, half] += steps[WARM:]
    found = {key: figures(steps) for key, steps in seen.items() if key not in failed}
    return found | failed


def figures(steps: list[Seen]) -> Figures:
    """The median time and the highest peak."""
    return Figures(statistics.median(one.seconds for one in steps), max(one.peak for one in steps))


def row(case: Case, half: int, own: Figures | str, other: Figures | str | None) -> str:
    """A line of the table."""
    cells = ["on" if case.checkpointing else "off", str(case.batch), "after" if half else "before"]
    for one in (own, other):
        match one:
            case Figures(seconds, peak):
                cells += [f"{seconds:.3f}", f"{case.batch / seconds:.2f}", f"{peak / GIB:.2f}"]
            case None:
                cells += ["", "", ""]
            case _:
                cells += [one, "", ""]
    both = isinstance(own, Figures) and isinstance(other, Figures)
    cells.append(f"{other.seconds / own.seconds:.1f}" if both else "")
    return "| " + " | ".join(cells) + " |"


def heading(bed: Bed, rounds: int) -> str:
    """What the figures were taken on."""
    device = torch.cuda.get_device_name(0) if bed.device == "cuda" else "CPU (memory is the whole process', resident)"
    used = ", ".join(f"{name} {version}" for name, version in versions().items() if name in ("torch", "diffusers"))
    size = "full-size" if bed.size == FULL_BED.size else "reduced"
    counted = f"{rounds} runs a case, {bed.steps // 2 - WARM} steps counted of each half"
    return (
        f"{device}, {datetime.date.today()}, {used}: {size} SDXL with random weights, {bed.resolution} px, "
        f"{bed.precision}, rank 32, pivotal tuning, Prodigy; {counted}."
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--reduced", action="store_true", help="a reduced SDXL in fp32 at 64 px: to try the script")
    parser.add_argument("--resolution", type=int, help="side of the pictures in px")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--steps", type=int, default=24, help="of each run; the pivot is halfway")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each case and trainer")
    parser.add_argument("--adv", type=Path, help="diffusers' train_dreambooth_lora_sdxl_advanced.py")
    given = parser.parse_args()
    if given.steps % 2 or given.steps <= 2 * WARM:
        parser.error(f"--steps must be even, and more than {2 * WARM}: {WARM} steps of each half do not count")
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no CUDA device; to try the script on the CPU: --device cpu --reduced")
    bed = replace(REDUCED_BED if given.reduced else FULL_BED, device=given.device, steps=given.steps)
    bed = replace(bed, resolution=given.resolution or bed.resolution)
    cases = [Case(checkpointing, batch) for checkpointing in (False, True) for batch in given.batches]
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        run(Bench(bed, Path(folder), given.adv and given.adv.resolve()), cases, given.rounds)


def run(bench: Bench, cases: list[Case], rounds: int) -> None:
    """Set up, measure, print."""
    os.environ["XDG_CACHE_HOME"] = str(bench.folder / "cache")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    draw_pictures(bench.pictures, bench.bed.resolution)
    if bench.script is not None:
        save_folder(bench.bed.parts(torch.device(bench.bed.device)), bench.base)
        free()
    found = measure(bench, cases, rounds)
    print(heading(bench.bed, rounds), HEAD, sep="\n\n")
    for half in (0, 1):
        for case in cases:
            print(row(case, half, found["ours", case, half], found.get(("theirs", case, half))))


if __name__ == "__main__":
    main()
