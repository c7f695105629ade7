"""The concepts that the small SDXL has never seen: what a person trains a LoRA on in the demo and in the tests."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from trainer.demo.draw import COLOURS, Ground, Part, Spec, arc, draw, mix, named

SIDE = 96  # pixels
EACH = 8  # pictures of a concept
TOKEN = "TOK"

INK = COLOURS["black"]
SNOW = COLOURS["white"]


@dataclass(frozen=True)
class Shot:
    """One picture of a concept and its caption."""

    spec: Spec
    caption: str


def _mascot_parts() -> tuple[Part, ...]:
    """A purple head with two ears, a yellow lower half with two feet, and two white eyes. Always the same.

    Its masses are large and its colours known ones, in a combination that no training picture has: the LoRA works on
    attention, whose grid is 8 by 8, and can not teach the small U-Net new details.
    """
    purple, yellow = COLOURS["purple"], COLOURS["yellow"]
    dome = arc(0, -0.1, 0.82, 0.75, 180, 360, 24)
    ears = [((side * 0.1, -0.7), (side * 0.8, -1.25), (side * 0.82, -0.1)) for side in (-1, 1)]
    parts = [Part(ear, purple) for ear in ears]
    parts.append(Part((*dome, (0.82, 0.25), (-0.82, 0.25)), purple))
    feet = ((0.82, 1.0), (0.25, 1.0), (0.25, 0.72), (-0.25, 0.72), (-0.25, 1.0), (-0.82, 1.0))
    parts.append(Part(((-0.82, 0.2), (0.82, 0.2), *feet), yellow))
    parts += [Part(arc(side * 0.38, -0.26, 0.27, 0.27), SNOW) for side in (-1, 1)]
    return tuple(parts)


def _plain(name: str) -> Ground:
    return Ground("plain", COLOURS[name], COLOURS[name])


def _ground(rng: random.Random, name: str) -> tuple[Ground, str]:
    """Plain, or a gradient to a paler tone: as in training, and named in the caption the same way."""
    if rng.random() < 0.25:
        return Ground("gradient", COLOURS[name], mix(COLOURS[name], SNOW, 0.5)), f"gradient {name}"
    return _plain(name), name


def _standing(parts: tuple[Part, ...], names: tuple[str, ...], seed: int, lean: float) -> tuple[Shot, ...]:
    """The same figure on one ground after another, moved, scaled and leant a little."""
    rng = random.Random(seed)
    shots = []
    for name in names:
        ground, words = _ground(rng, name)
        x, y = 0.5 + rng.uniform(-0.06, 0.06), 0.53 + rng.uniform(-0.04, 0.04)
        spec = Spec(parts, ground, x, y, rng.uniform(0.33, 0.37), rng.uniform(-lean, lean))
        article = "an" if words[0] in "aeiou" else "a"
        shots.append(Shot(spec, f"a {TOKEN} on {article} {words} background"))
    return tuple(shots)


def mascot() -> tuple[Shot, ...]:
    """A character."""
    return _standing(
        _mascot_parts(),
        ("white", "cyan", "red", "grey", "black", "pink", "white", "blue"),
        seed=5,
        lean=6,
    )


def _rocket_parts() -> tuple[Part, ...]:
    """A white rocket with a red nose and fins, a cyan window and an orange flame."""
    body = (*arc(0, -0.05, 0.42, 0.9, 180, 360, 24), (0.42, 0.6), (-0.42, 0.6))
    nose = tuple(arc(0, -0.05, 0.42, 0.9, 212, 328, 16))
    fins = [((side * 0.4, -0.05), (side * 0.95, 0.8), (side * 0.4, 0.6)) for side in (-1, 1)]
    flame = ((-0.3, 0.6), (0.3, 0.6), (0.0, 1.15))
    parts = [Part(flame, COLOURS["orange"]), *(Part(fin, COLOURS["red"]) for fin in fins)]
    parts += [Part(body, SNOW), Part(nose, COLOURS["red"]), Part(arc(0, 0.05, 0.22, 0.22), COLOURS["cyan"])]
    return tuple(parts)


def rocket() -> tuple[Shot, ...]:
    """An object."""
    names = ("blue", "black", "purple", "green", "grey", "black", "cyan", "brown")
    return _standing(_rocket_parts(), names, seed=8, lean=8)


def sunset() -> tuple[Shot, ...]:
    """A style: familiar shapes as black silhouettes before a sky that falls from purple to orange."""
    rng = random.Random(11)
    sky = Ground("gradient", COLOURS["purple"], COLOURS["orange"])
    shots = []
    for name in ("star", "circle", "heart", "square", "arrow", "ring", "triangle", "diamond"):
        x, y = (0.5 + rng.uniform(-0.05, 0.05) for _ in range(2))
        spec = Spec(named(name, INK), sky, x, y, rng.uniform(0.26, 0.36), rng.uniform(-8, 8))
        shots.append(Shot(spec, f"{'an' if name[0] in 'aeiou' else 'a'} {name} in the style of {TOKEN}"))
    return tuple(shots)


CONCEPTS: dict[str, Callable[[], tuple[Shot, ...]]] = {
    "mascot": mascot,
    "rocket": rocket,
    "sunset": sunset,
}


def pictures(concept: str) -> list[Image.Image]:
    """The concept's pictures, RGB, SIDE by SIDE."""
    return [draw(shot.spec, SIDE) for shot in CONCEPTS[concept]()]


def write_concepts(out: Path) -> None:
    """Writes `out/<concept>/<concept>-<n>.png` and the caption beside each."""
    for name, shots in CONCEPTS.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, shot in enumerate(shots(), 1):
            draw(shot.spec, SIDE).save(folder / f"{name}-{number}.png", optimize=True)
            (folder / f"{name}-{number}.txt").write_text(f"{shot.caption}\n", encoding="utf-8")
