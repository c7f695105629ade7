"""A concept beside a distractor, trained with masked loss and without: what is learned of the one and of the other."""

from __future__ import annotations

import argparse
import itertools
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageChops, ImageFilter

from tests.bench.paired import LENGTH, commit_of_ours, config_of, train_once
from tests.bench.paired_table import Comparison, Record, Settings, half_width
from tests.bench.reference import STEPS, WAYS, open_trained
from tests.bench.reference_eval import (
    PROMPT,
    RESOLUTION,
    Exam,
    encode,
    errors_of,
    held_out_shots,
    load_trained,
    training_shots,
)
from trainer.data import images
from trainer.demo.concepts import SIDE, Shot
from trainer.demo.draw import COLOURS, Ground, Spec, draw, named

CONCEPT = "mascot"
NIGHT, DAY = (0, 0, 0), (255, 255, 255)
GREEN = COLOURS["green"]
# always the same thing at the same place, beside the figure: what a run without a mask takes for a part of the concept
BESIDE = Spec(named("star", GREEN), Ground("plain", NIGHT, NIGHT), x=0.86, y=0.16, radius=0.15)
ROOM = 5  # pixels around the figure that count as the figure's
NEAR = 70.0  # RGB distance at which a pixel of a drawn picture has the distractor's colour
# as ours is by default, in the size of reference.md; without a mask first: the others are compared with it
AS_IT_IS: Settings = {"train.targets": "all-linear", "train.rank": 4, "train.timesteps": "stratified", "train.ema": 0.1}
WAYS_OF: dict[str, Settings] = {
    "no mask": {"mask.enabled": False},
    "mask, outside 0.1": {"mask.enabled": True},
    "mask, outside 0": {"mask.enabled": True, "mask.outside": 0.0},
}
FIGURES = {
    "inside": "loss inside",
    "outside": "loss outside",
    "distractor": "loss on the distractor",
    "drawn": "distractor's colour in its corner",
}


def cover(spec: Spec) -> Image.Image:
    """Where the figure of `spec` is, as L: white inside."""
    parts = tuple(replace(one, colour=one.colour and DAY, fill="plain") for one in spec.parts)
    return draw(replace(spec, parts=parts, ground=Ground("plain", NIGHT, NIGHT)), SIDE).convert("L")


def beside(shot: Shot) -> Shot:
    """The figure a little to the left and below, where there is room for the distractor."""
    spec = shot.spec
    return replace(shot, spec=replace(spec, x=spec.x - 0.08, y=spec.y + 0.06, radius=spec.radius * 0.85))


def with_distractor(shot: Shot) -> tuple[Image.Image, Image.Image]:
    """The picture with the star, and the mask of its figure without it."""
    picture, star = draw(shot.spec, SIDE), cover(BESIDE)
    picture.paste(draw(BESIDE, SIDE), mask=star)
    figure = cover(shot.spec).filter(ImageFilter.MaxFilter(2 * ROOM + 1))
    return picture, ImageChops.subtract(figure, star)


def write_pictures(folder: Path) -> Path:
    """The training pictures and their masks, as OneTrainer names them."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, shot in enumerate(training_shots(CONCEPT)):
        picture, mask = with_distractor(beside(shot))
        picture.save(folder / f"{place}.png")
        mask.save(folder / f"{place}-masklabel.png")
    return folder


def small(mask: Image.Image, side: int) -> torch.Tensor:
    """The share of each latent that is inside, (side, side)."""
    return torch.from_numpy(np.asarray(mask.resize((side, side), Image.Resampling.BOX), dtype=np.float32) / 255)


class Exams:
    """Held-out pictures twice: the figure alone, and beside the distractor; with where each of them is."""

    def __init__(self) -> None:
        shots = [beside(one) for one in held_out_shots(CONCEPT)]
        self.alone = _exam([draw(one.spec, SIDE) for one in shots])
        self.both = _exam([with_distractor(one)[0] for one in shots])
        side = self.alone.latents.shape[-1]
        self.figure = torch.stack([small(cover(one.spec), side) for one in shots])
        self.star = small(cover(BESIDE), side).expand_as(self.figure)

    def read(self, pipe: Any, rewrite: Callable[[str], str]) -> Record:
        """Inside and outside of the figure alone; on the star's place where it is; its colour in drawn pictures."""
        alone, both = (errors_of(pipe, one, "ui", rewrite) for one in (self.alone, self.both))
        return {
            "inside": _weighed(alone, self.figure),
            "outside": _weighed(alone, 1 - self.figure),
            "distractor": _weighed(both, self.star),
            "drawn": drawn_share(pipe, rewrite),
        }


def _exam(pictures: list[Image.Image]) -> Exam:
    pipe, geometry = load_trained(None, None), images.fit(SIDE, SIDE, (RESOLUTION, RESOLUTION))
    with torch.no_grad():
        squares = torch.stack([images.pixels(one, geometry) for one in pictures])
        latents = pipe.vae.encode(squares).latent_dist.mean * pipe.vae.config.scaling_factor
    return Exam(latents, (PROMPT,) * len(pictures))


def _weighed(errors: torch.Tensor, weights: torch.Tensor) -> float:
    return float((errors * weights).sum() / weights.sum())


@torch.no_grad()
def drawn_share(pipe: Any, rewrite: Callable[[str], str], count: int = 16) -> float:
    """Of pictures drawn with the trigger, the share of the star's place that has its colour."""
    hidden, pooled = encode(pipe, [rewrite(PROMPT)] * count, "ui")
    made = pipe(
        prompt_embeds=hidden,
        pooled_prompt_embeds=pooled,
        num_inference_steps=20,
        guidance_scale=2.5,
        height=RESOLUTION,
        width=RESOLUTION,
        original_size=(SIDE, SIDE),
        target_size=(RESOLUTION, RESOLUTION),
        generator=[torch.Generator().manual_seed(place) for place in range(count)],
    ).images
    place = np.asarray(cover(BESIDE).resize((RESOLUTION, RESOLUTION), Image.Resampling.BOX)) > 127
    apart = [np.linalg.norm(np.asarray(one, dtype=np.float32)[place] - GREEN, axis=1) for one in made]
    return float(np.mean([(one < NEAR).mean() for one in apart]))


def compare(out: Path, seeds: range, steps: int) -> list[Record]:
    """Everything that is not in out/masked.json yet, added to it run by run; returns all of it."""
    out.mkdir(parents=True, exist_ok=True)
    place, os.environ["XDG_CACHE_HOME"] = out / "masked.json", str(out / "cache")
    results: list[Record] = json.loads(place.read_text()) if place.exists() else []
    exams, data, way = Exams(), write_pictures(out / "pictures"), WAYS["pivotal-prodigy"]
    pipe, vocabulary = open_trained("ours", way, None)
    untrained = ("untrained", exams.read(pipe, vocabulary.write))
    if not results:
        results.append({"way": untrained[0], "seed": 0} | untrained[1])
    for seed, (name, own) in itertools.product(seeds, WAYS_OF.items()):
        if any((one["way"], one["seed"]) == (name, seed) for one in results):
            continue
        train_once(config_of(CONCEPT, seed, data, AS_IT_IS | {LENGTH: steps} | own), out / "run")
        pipe, vocabulary = open_trained("ours", way, out / "run")
        results.append({"way": name, "seed": seed, "commit": commit_of_ours()} | exams.read(pipe, vocabulary.write))
        place.write_text(json.dumps(results, indent=1))
        print(json.dumps(results[-1]), flush=True)
    return results


def table(results: list[Record]) -> str:
    """Means with 95 % intervals, and the differences of the same seeds from the runs without a mask."""
    first = next(iter(WAYS_OF))
    lines = [f"| way | {' | '.join(FIGURES.values())} |", "|---" * (1 + len(FIGURES)) + "|"]
    for name in ("untrained", *WAYS_OF):
        cells = []
        for figure in FIGURES:
            own, other = ({one["seed"]: one[figure] for one in results if one["way"] == way} for way in (name, first))
            cells.append(_cell(own, other if name not in (first, "untrained") else {}))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(own: dict[int, float], other: dict[int, float]) -> str:
    both = sorted(own.keys() & other.keys())
    said = f"{sum(own.values()) / len(own):.4f}" + (f" ± {half_width([*own.values()]):.4f}" if len(own) > 1 else "")
    if len(both) < 2:
        return said
    found = Comparison.of([other[one] for one in both], [own[one] for one in both])
    return f"{said} ({found.difference / found.before:+.1%}, p {found.p:.3f})"


def main() -> None:
    """Train, measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.masked", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a folder; what is in its masked.json is kept")
    parser.add_argument("--seeds", type=int, default=10, help="at most 20")
    parser.add_argument("--steps", type=int, default=STEPS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    print(table(compare(asked.out.resolve(), range(asked.seeds), asked.steps)))


if __name__ == "__main__":
    main()
