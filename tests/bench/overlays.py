"""Collages and words laid over pictures: what is found of those made by script, and what is said of sound photographs.

Part of `python -m tests.bench.curation --overlays`.
"""

from __future__ import annotations

import csv
import io
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from loratui.curation.checks.damage import bars_of
from loratui.curation.overlays.lettering import ENOUGH, letters_of
from loratui.curation.overlays.seams import seam_of
from tests.loratui.curation.conftest import PHOTOS

FONTS = sorted(Path("/usr/share/fonts").rglob("*.ttf"))
SEEDS, MADE = (1, 2, 3), 60
SIDES = (400, 512, 700, 1000)
Many = list[Image.Image]


def overlays() -> None:
    """Both checks on the photographs as they are and re-encoded smaller, then on what is made of them."""
    photos = dict(_photographs())
    print(f"== seams and letters on {len(photos)} photographs, and on each at 70 % of its size in JPEG 80")
    seconds: dict[str, float] = {"seams": 0.0, "letters": 0.0}
    for how in ("as it is", "smaller"):
        found = [(name, *_look(one if how == "as it is" else smaller(one), seconds)) for name, one in photos.items()]
        print(f"{how}: seams {[name for name, seam, _ in found if seam]}")
        print(f"{how}: letters {[(name, count) for name, _, count in found if count >= ENOUGH]}")
    for name, spent in seconds.items():
        print(f"{name}: {spent / (2 * len(photos)) * 1000:.0f} ms of processor a picture")
    sound = [one for name, one in photos.items() if not name.startswith(("exif_examples", "archive_pd/noise"))]
    for title, kinds, told in (("collages", COLLAGES, 0), ("words", WORDS, 1)):
        print(f"== {MADE} {title} for each seed of {SEEDS}: found, of")
        total, right = Counter[str](), Counter[str]()
        for seed in SEEDS:
            rng = random.Random(seed)
            for _ in range(MADE):
                kind = rng.choice(list(kinds))
                made = encoded(kinds[kind](rng, rng.sample(sound, 4)), rng.choice((60, 80, 92)))
                answer = _look(made, {"seams": 0.0, "letters": 0.0})
                total[kind] += 1
                right[kind] += bool(answer[0]) if told == 0 else answer[1] >= ENOUGH
        print(", ".join(f"{kind} {right[kind]} of {total[kind]}" for kind in kinds), end="; ")
        print(f"all {sum(right.values())} of {sum(total.values())}")


def _photographs() -> Iterator[tuple[str, Image.Image]]:
    for row in csv.DictReader((PHOTOS / "ground_truth.csv").open(newline="")):
        try:
            with Image.open(PHOTOS / row["file"]) as opened:
                one = ImageOps.exif_transpose(opened).convert("RGB")
        except OSError:
            continue
        if min(one.size) >= 128:
            yield row["file"], one


def _look(one: Image.Image, seconds: dict[str, float]) -> tuple[float | None, int]:
    """The seam, unless there are bars as in a scan, and the letters."""
    rgb, grey = np.asarray(one), np.asarray(one.convert("L"))
    began = time.process_time()
    seam = seam_of(grey)
    between = time.process_time()
    letters = letters_of(rgb)
    seconds["seams"] += between - began
    seconds["letters"] += time.process_time() - between
    return None if bars_of(rgb) else seam, letters


def encoded(one: Image.Image, quality: int) -> Image.Image:
    """Through JPEG and back."""
    raw = io.BytesIO()
    one.save(raw, "JPEG", quality=quality)
    return Image.open(raw).convert("RGB")


def smaller(one: Image.Image) -> Image.Image:
    """At 70 % of its size, through JPEG."""
    size = (max(1, one.width * 7 // 10), max(1, one.height * 7 // 10))
    return encoded(one.resize(size, Image.Resampling.LANCZOS), 80)


def _beside(rng: random.Random, many: Many, gap: int = 0, count: int = 2, down: bool = False) -> Image.Image:
    side = rng.choice(SIDES)
    long = count * side + (count - 1) * gap
    made = Image.new("RGB", (side, long) if down else (long, side), rng.choice(("white", "black")))
    for place, one in enumerate(many[:count]):
        at = place * (side + gap)
        made.paste(ImageOps.fit(one, (side, side)), (0, at) if down else (at, 0))
    return made


def _grid(rng: random.Random, many: Many) -> Image.Image:
    side = rng.choice(SIDES)
    made = Image.new("RGB", (2 * side, 2 * side))
    for place, one in enumerate(many):
        made.paste(ImageOps.fit(one, (side, side)), (place % 2 * side, place // 2 * side))
    return made


def _shrunk(rng: random.Random, many: Many) -> Image.Image:
    made = _beside(rng, many)
    return made.resize((made.width * 77 // 100, made.height * 77 // 100), Image.Resampling.LANCZOS)


COLLAGES: dict[str, Callable[[random.Random, Many], Image.Image]] = {
    "two": _beside,
    "one below the other": lambda rng, many: _beside(rng, many, down=True),
    "three": lambda rng, many: _beside(rng, many, count=3),
    "with a gutter": lambda rng, many: _beside(rng, many, rng.choice((6, 12, 24))),
    "four": _grid,
    "two, made smaller": _shrunk,
}
Colour = tuple[int, ...] | str


def _written(
    rng: random.Random, one: Image.Image, words: str, fill: Colour, where: float, **more: object
) -> Image.Image:
    made = one.copy()
    size = max(14, int(one.height * rng.choice((0.03, 0.05, 0.08))))
    font = ImageFont.truetype(str(rng.choice(FONTS)), size) if FONTS else ImageFont.load_default(size=size)
    stroke = {"stroke_width": max(1, size // 12), "stroke_fill": "black"} if more.get("outlined") else {}
    place = (one.width * (0.98 if more.get("right") else 0.5), one.height * where)
    anchor = "rb" if more.get("right") else "mm"
    ImageDraw.Draw(made, "RGBA").text(place, words, fill=fill, font=font, anchor=anchor, **stroke)
    return made


SAID = ("when it is Monday", "SUMMER SALE 2024", "follow @somebody")
WORDS: dict[str, Callable[[random.Random, Many], Image.Image]] = {
    "a date": lambda rng, many: _written(
        rng, many[0], "2019 07 21", rng.choice(((255, 140, 0), (255, 220, 40))), 0.97, right=True
    ),
    "a line": lambda rng, many: _written(
        rng, many[0], rng.choice(SAID), rng.choice(("white", "yellow", "black")), rng.choice((0.1, 0.9))
    ),
    "an outlined line": lambda rng, many: _written(rng, many[0], "WHEN MONDAY COMES", "white", 0.9, outlined=True),
    "half transparent": lambda rng, many: _written(rng, many[0], "stock preview", (255, 255, 255, 128), 0.5),
}
