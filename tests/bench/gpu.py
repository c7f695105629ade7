"""Steps of the full-size SDXL with random weights, beside another trainer's: `python -m tests.bench.gpu --adv SCRIPT`.

One command of under nine minutes: layer by layer, one node a block, CUDA graphs, what the backward pass makes again,
the base in NF4 and int8, batches of 1, 4 and 8, each before and after the pivot. A block is a whole run of one case;
what there is no time for says so. The losses of the first steps stand before the times: those of a way that computes
something else would mean nothing. Rounds are taken A B B A; medians are of all steps but the first of each half, peaks
of the steps alone, as the allocator counts them. It prints a table for README.md, and writes the same as JSON.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from tests.bench.adv.stopped import adv_arguments
from tests.gpu.driving import FULL_BED, REDUCED_BED, Bed, Course, Seen, bed_config, draw_pictures, drive
from trainer.contract.settings.config import TrainConfig
from trainer.ground.machine import versions
from trainer.model.full_size import save_folder
from trainer.model.parts import free

WARM = 3  # steps at the head of each half that do not count: kernels are chosen, and memory is laid out
GIB = 1 << 30
ROOT = Path(__file__).parents[2]
HEAD = (
    "| way | batch | losses off by | s/step before the pivot | after | pictures/s after | peak GiB before | after "
    "| ADV divided by it, after |\n|---|---|---|---|---|---|---|---|---|"
)
# how far the first losses may be from those of the plain way: kernels add up in another order, and a step apart the
# trained numbers are others too
WITHIN = {"bf16": 2**-6, "fp16": 2**-8, "fp32": 2**-10}
QUANTIZED = 0.1  # another base
LOOKED_AT = 4  # losses
UNKNOWN = "-"  # in the place of a figure that cannot be had


@dataclass(frozen=True)
class Case:
    """What is varied: settings by dotted keys with __ for the dots, and whether blocks are computed as one node."""

    way: str
    batch: int = 1
    own: tuple[tuple[str, Any], ...] = ()
    nodes: bool = True

    def within(self, precision: str) -> float:
        """How far its first losses may be from those of the plain way."""
        return WITHIN[precision] if dict(self.own)["model__quantize"] == "off" else QUANTIZED


def case(
    way: str, batch: int = 1, nodes: bool = True, graphs: str = "auto", again: str = "off", base: str = "off"
) -> Case:
    own = {"train__graphs": graphs, "train__gradient_checkpointing": again, "model__quantize": base}
    return Case(way, batch, tuple(own.items()), nodes)


PLAIN = case("layer by layer", nodes=False, graphs="off")
CASES = (  # what says most comes first
    PLAIN,
    case("a node a block", graphs="off"),
    case("and graphs"),
    case("graphs, norms made again", again="norms"),
    case("graphs, norms made again", batch=4, again="norms"),
    case("graphs, feed-forward made again", again="feed-forward"),
    case("blocks made again", again="blocks"),
    case("NF4, blocks made again", again="blocks", base="nf4"),
    case("NF4, norms made again", again="norms", base="nf4"),
    case("int8, norms made again", again="norms", base="int8"),
    case("graphs, norms made again", batch=8, again="norms"),
)
ADV_CASES = (PLAIN, case("layer by layer", batch=4, nodes=False, graphs="off"))


@dataclass(frozen=True)
class Figures:
    """Medians of one trainer in one half of its runs: seconds a step, and the peak of memory in bytes."""

    seconds: float
    peak: int


class Failed(Exception):
    """A block came to no end; the sentence goes into the table."""


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
        return bed_config(self.bed, self.pictures, **dict(case.own), train__batch=case.batch)

    def ours(self, case: Case) -> Course:
        """A block of ours. Raises Failed."""
        layers = nullcontext() if case.nodes else patch("trainer.model.fused.unet._fusible", lambda *_: ())
        with tempfile.TemporaryDirectory(dir=self.folder) as run:
            try:
                with layers:
                    return drive(self.bed, Path(run), self.config(case))
            except torch.OutOfMemoryError:
                why = "out of memory"  # its trace holds the whole model, which must be gone before anything else begins
            except Exception as error:  # a way that fails says so in its row, and the others are measured
                why = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:60]}"
        free()
        raise Failed(why.replace("|", "/"))

    def theirs(self, case: Case) -> Course:
        """A block of the other script, in a process of its own. Raises Failed with its last words."""
        assert self.script is not None
        with tempfile.TemporaryDirectory(dir=self.folder) as work:
            answer, steps = Path(work) / "answer.json", self.bed.steps
            head = [sys.executable, "-m", "tests.bench.adv.stopped", str(self.script), str(answer), str(steps)]
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
            seen = [Seen(math.nan, *one) for one in json.loads(answer.read_text())]
        return Course(seen, pivoted=steps // 2)


def last_words(stderr: str) -> str:
    """The sentence that a failed process ended with; all of its trace goes to our own stderr."""
    print(stderr[-4000:], file=sys.stderr)
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return "out of memory" if "OutOfMemoryError" in stderr else "".join(lines[-1:])[:90].replace("|", "/")


@dataclass
class Measured:
    """What came of the blocks of one trainer and case."""

    case: Case
    halves: tuple[list[Seen], list[Seen]]
    losses: list[float]  # none of the other trainer's: it draws other noise, so they cannot be ours
    words: str = ""  # a failure, or what the run said of itself

    def figures(self) -> tuple[Figures, Figures] | None:
        """Before and after the pivot; None without a block."""
        if not self.halves[0]:
            return None
        before, after = (
            Figures(statistics.median(one.seconds for one in half), max(one.peak for one in half))
            for half in self.halves
        )
        return before, after

    def off(self, plain: Measured) -> float | None:
        """The largest relative distance of its first losses from those of the plain way, which is of batch 1.

        None where there is nothing to compare; infinite where one of them is no number.
        """
        pairs = list(zip(self.losses, plain.losses, strict=False))[:LOOKED_AT]
        far = [abs(one - other) / abs(other) for one, other in pairs]
        if not far or self.case.batch != 1:
            return None
        return max(far) if all(map(math.isfinite, far)) else math.inf


Table = dict[tuple[str, Case], Measured]


def blocks(cases: list[tuple[str, Case]], rounds: int) -> Iterator[tuple[str, Case]]:
    """Every trainer with every case, in one order and then in the other."""
    for turn in range(rounds):
        yield from cases if turn % 2 == 0 else reversed(cases)


def measure(
    bench: Bench, cases: list[tuple[str, Case]], rounds: int, seconds: float
) -> dict[tuple[str, Case], Measured]:
    """Take the blocks for which there is time, the longest one so far being what the next may take."""
    found = {key: Measured(key[1], ([], []), []) for key in cases}
    began, longest = time.monotonic(), 0.0
    for trainer, one in blocks(cases, rounds):
        own, at = found[trainer, one], time.monotonic()
        if at - began + longest > seconds:
            own.words = own.words or ("" if own.halves[0] else "no time was left")
            continue
        if own.words and not own.halves[0]:
            continue  # it failed
        print(f"{at - began:4.0f} s: {trainer}, {one.way}, batch {one.batch}", file=sys.stderr, flush=True)
        try:
            course = getattr(bench, trainer)(one)
        except Failed as error:
            own.words = str(error)
        else:
            own.losses = own.losses or (course.losses if trainer == "ours" else [])
            own.words = "; ".join(course.told)
            for half, steps in zip(own.halves, course.phases, strict=True):
                half += steps[WARM:]
        longest = max(longest, time.monotonic() - at)
    return found


def row(own: Measured, plain: Measured, adv: Measured | None) -> str:
    """A line of the table."""
    cells, found = [own.case.way, str(own.case.batch)], own.figures()
    off = own.off(plain)
    cells.append(UNKNOWN if off is None else f"{off:.1e}")
    if found is None:
        return "| " + " | ".join([*cells[:2], own.words, *[""] * 6]) + " |"
    before, after = found
    cells += [f"{before.seconds:.3f}", f"{after.seconds:.3f}", f"{own.case.batch / after.seconds:.2f}"]
    cells += [f"{before.peak / GIB:.2f}", f"{after.peak / GIB:.2f}"]
    other = None if adv is None else adv.figures()
    cells.append("" if other is None else f"{other[1].seconds / after.seconds:.1f}")
    return "| " + " | ".join(cells) + " |" + (f" {own.words}" if own.words else "")


def as_json(found: Table, head: str) -> str:
    """All of it, for whoever wants to compare two cards or two checkouts; what is no number is null."""
    rows, plain = [], found["ours", PLAIN]
    for (trainer, one), own in found.items():
        halves = own.figures()
        figures = None if halves is None else dict(zip(("before", "after"), map(asdict, halves), strict=True))
        row = {"trainer": trainer, "way": one.way, "batch": one.batch, "settings": dict(one.own), "nodes": one.nodes}
        losses = [known(one) for one in own.losses[:LOOKED_AT]] or None
        row |= {"losses": losses, "losses_off_by": known(own.off(plain)), "figures": figures, "words": own.words}
        rows.append(row)
    return json.dumps({"of": head, "rows": rows}, indent=1, allow_nan=False)


def known(value: float | None) -> float | None:
    """`value` as JSON has numbers: those alone that are finite."""
    return value if value is not None and math.isfinite(value) else None


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
    parser.add_argument("--minutes", type=float, default=8.5, help="after which no block is begun")
    parser.add_argument("--json", type=Path, help="where to write the figures as JSON")
    parser.add_argument("--most", type=int, default=8, help="the largest batch")
    parser.add_argument("--steps", type=int, default=20, help="of each run; the pivot is halfway")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each case and trainer")
    parser.add_argument("--adv", type=Path, help="diffusers' train_dreambooth_lora_sdxl_advanced.py")
    given = parser.parse_args()
    if given.steps % 2 or given.steps <= 2 * WARM:
        parser.error(f"--steps must be even, and more than {2 * WARM}: {WARM} steps of each half do not count")
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no CUDA device; to try the script on the CPU: --device cpu --reduced")
    bed = replace(REDUCED_BED if given.reduced else FULL_BED, device=given.device, steps=given.steps)
    bed = replace(bed, resolution=given.resolution or bed.resolution)
    script = given.adv and given.adv.resolve()
    cases = [("ours", one) for one in CASES if one.batch <= given.most]
    adv = [("theirs", one) for one in ADV_CASES if script and one.batch <= given.most]
    cases[2:2] = adv[:1]  # beside what it is compared with, and while there is time
    cases += adv[1:]
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        run(Bench(bed, Path(folder), script), cases, given.rounds, 60 * given.minutes, given.json)


def run(bench: Bench, cases: list[tuple[str, Case]], rounds: int, seconds: float, out: Path | None) -> None:
    """Set up, measure, print."""
    began = time.monotonic()
    os.environ["XDG_CACHE_HOME"] = str(bench.folder / "cache")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    draw_pictures(bench.pictures, bench.bed.resolution)
    if bench.script is not None:
        save_folder(bench.bed.parts(torch.device(bench.bed.device)), bench.base)
        free()
    found = measure(bench, cases, rounds, seconds - (time.monotonic() - began))
    head = heading(bench.bed, rounds)
    print(head, HEAD, sep="\n\n")
    plain, adv = found["ours", PLAIN], {one.batch: own for (trainer, one), own in found.items() if trainer == "theirs"}
    for (trainer, one), own in found.items():
        if trainer == "ours":
            print(row(own, plain, adv.get(one.batch)))
    for own in adv.values():
        print(row(replace(own, case=replace(own.case, way="ADV")), plain, None))
    far = [
        own.case.way
        for (trainer, _), own in found.items()
        if trainer == "ours" and (own.off(plain) or 0.0) > own.case.within(bench.bed.precision)
    ]
    if far:
        print(f"\nThe first losses of these are not those of the plain way, so their times mean nothing: {far}")
    if out is not None:
        out.write_text(as_json(found, head))


if __name__ == "__main__":
    main()
