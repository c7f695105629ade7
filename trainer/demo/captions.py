"""Random pictures in words and as specs: what the small SDXL is taught, and how each picture is captioned."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from PIL import Image

from trainer.demo.draw import COLOURS, RGB, SHAPES, Ground, Part, Spec, arc, draw, mix, named, regular, tint

SIZE = 64  # the side of a training picture, pixels
SIZE_WORDS = {"small": (0.15, 0.2), "": (0.23, 0.32), "large": (0.35, 0.42)}
FRAMES = ("{}", "{}", "a photo of {}", "a picture of {}", "a drawing of {}", "an image of {}")
PLAIN_ENGLISH = (
    "a photo of a person in the style of a painting, with the light of the morning and a little of the night",
    "the quick brown fox jumps over the lazy dog; this is that, and there were two or three of them",
    "a portrait of a woman wearing a hat, a man and a cat in the city, a house by the sea, an icon in 3d",
)


@dataclass(frozen=True)
class Sizes:
    """SDXL's micro-conditioning, (height, width) or (top, left) in pixels."""

    original: tuple[int, int] = (SIZE, SIZE)
    crop: tuple[int, int] = (0, 0)
    target: tuple[int, int] = (SIZE, SIZE)


@dataclass(frozen=True)
class Example:
    """One training picture: how to draw it, its caption, and its micro-conditioning."""

    spec: Spec
    caption: str
    sizes: Sizes


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _jitter(rng: random.Random, colour: RGB, by: int = 10) -> RGB:
    return tuple(min(255, max(0, c + rng.randint(-by, by))) for c in colour)  # type: ignore[return-value]


def apart(a: RGB, b: RGB) -> bool:
    """Whether two colours are far enough from each other to tell a figure from its ground."""
    return sum(abs(p - q) for p, q in zip(a, b, strict=True)) > 110


def _ground(rng: random.Random, against: RGB) -> tuple[Ground, str]:
    """A ground that `against` stands out from, and its words."""
    while True:
        name = rng.choice([*COLOURS, "white", "white", "black"])
        colour = _jitter(rng, COLOURS[name])
        kind = rng.choices(("plain", "gradient", "striped", "dotted"), (66, 14, 12, 8))[0]
        second = tint(colour) if kind != "gradient" else mix(colour, tint(colour), 0.85)
        # A patterned ground has two colours: the figure must differ from both.
        if apart(colour, against) and (kind == "plain" or apart(second, against)):
            return Ground(kind, colour, second), name if kind == "plain" else f"{kind} {name}"


def _words(rng: random.Random, shape: str, colour: str, fill: str, size: str, ground: str) -> str:
    """A caption that leaves out some of what the picture shows, as people do."""
    bare = rng.random()
    told_colour = bare > 0.07
    told_ground = rng.random() > 0.15 and told_colour
    kind = "" if fill == "plain" else fill
    words = " ".join(w for w in (size, colour if told_colour else "", kind, shape) if w)
    subject = _article(words)
    if told_ground and rng.random() < 0.06:
        return f"{words}, {ground} background"
    phrase = rng.choice(FRAMES).format(subject)
    return f"{phrase} on {_article(ground)} background" if told_ground else phrase


def example(seed: int) -> Example:
    """The training example with this number; a pure function of it."""
    rng = random.Random(seed)
    shape, colour_name = rng.choice(SHAPES), rng.choice(list(COLOURS))
    colour = _jitter(rng, COLOURS[colour_name])
    fill = rng.choices(("plain", "striped", "dotted", "checked"), (64, 12, 12, 12))[0]
    size = rng.choices(tuple(SIZE_WORDS), (18, 62, 20))[0]
    ground, ground_words = _ground(rng, colour)
    radius = rng.uniform(*SIZE_WORDS[size])
    room = max(0.0, 0.47 - radius) * 0.6
    x, y = (0.5 + rng.uniform(-room, room) for _ in range(2))
    spec = Spec(named(shape, colour, fill), ground, x, y, radius, rng.uniform(-8, 8))
    return Example(spec, _words(rng, shape, colour_name, fill, size, ground_words), _sizes(rng))


def _sizes(rng: random.Random) -> Sizes:
    """Mostly the plain case; some pictures come from a smaller original or from a crop of a larger one."""
    kind = rng.random()
    if kind < 0.07:
        side = rng.choice((24, 32, 40))
        return Sizes(original=(side, side))
    if kind < 0.17:
        across = rng.random() < 0.5
        offset = rng.randint(4, 28)
        return Sizes((SIZE, 96) if across else (96, SIZE), (0, offset) if across else (offset, 0))
    return Sizes()


def picture(item: Example) -> Image.Image:
    """The example as SDXL's training would see it: drawn at its original size, resized, cropped to 64 by 64."""
    height, width = item.sizes.original
    if min(height, width) < SIZE:
        return draw(item.spec, width, height).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    top, left = item.sizes.crop
    # The figure stands in the middle of the longer side, so that a crop moves it.
    centred = replace(item.spec, x=item.spec.x + (width - SIZE) / 2 / SIZE, y=item.spec.y + (height - SIZE) / 2 / SIZE)
    return draw(centred, width, height).crop((left, top, left + SIZE, top + SIZE))


def scribble(seed: int) -> Image.Image:
    """A picture of nothing in particular, for the VAE alone: it must also decode what no caption names."""
    rng = random.Random(seed)

    def colour() -> RGB:
        return tuple(rng.randint(0, 255) for _ in range(3))  # type: ignore[return-value]

    def blob() -> Part:
        x, y, r = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.15, 0.9)
        base = rng.choice((arc(0, 0, 1, rng.uniform(0.4, 1)), regular(rng.randint(3, 6)), regular(5, 0.5)))
        fill = rng.choices(("plain", "striped", "dotted", "checked"), (76, 8, 8, 8))[0]
        return Part(tuple((x + r * px, y + r * py) for px, py in base), colour(), fill, colour())

    kind = rng.choices(("plain", "gradient", "striped", "dotted", "grid"), (50, 15, 12, 10, 13))[0]
    parts = tuple(blob() for _ in range(rng.randint(1, 6)))
    line = (colour(), rng.uniform(0.02, 0.06)) if rng.random() < 0.15 else None
    spec = Spec(parts, Ground(kind, colour(), colour()), 0.5, 0.5, rng.uniform(0.25, 0.42), rng.uniform(0, 360), line)
    return draw(spec, SIZE)


def corpus() -> list[str]:
    """What the vocabulary is learnt from: captions, and a little plain English so that other words split well."""
    return [example(seed).caption for seed in range(4000)] + [*PLAIN_ENGLISH] * 3
