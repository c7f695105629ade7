"""Draws a picture from a frozen description of it, with Pillow: the same spec always gives the same pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw

RGB = tuple[int, int, int]
Outline = tuple[tuple[float, float], ...]

SUPERSAMPLE = 4  # each side is drawn this many times larger, then averaged down: that is the antialiasing

COLOURS: dict[str, RGB] = {
    "red": (214, 38, 40),
    "orange": (250, 140, 22),
    "yellow": (250, 222, 50),
    "green": (44, 160, 60),
    "cyan": (60, 205, 215),
    "blue": (36, 78, 204),
    "purple": (128, 50, 168),
    "pink": (248, 140, 190),
    "brown": (122, 74, 36),
    "black": (18, 18, 20),
    "grey": (134, 136, 140),
    "white": (246, 246, 246),
}
PATTERNS = ("plain", "striped", "dotted", "checked")
GROUNDS = ("plain", "gradient", "striped", "dotted", "grid")


@dataclass(frozen=True)
class Part:
    """One filled polygon in the figure's own units (the figure's radius is 1, y points down).

    A part without colour cuts a hole into what its figure has drawn so far. `fill` is a pattern of PATTERNS.
    """

    outline: Outline
    colour: RGB | None = None
    fill: str = "plain"
    second: RGB = (255, 255, 255)


@dataclass(frozen=True)
class Ground:
    """What lies behind the figure: a kind of GROUNDS, its colour, and the second colour of a pattern."""

    kind: str
    colour: RGB
    second: RGB


@dataclass(frozen=True)
class Spec:
    """A picture: a figure (its parts, first at the bottom), where it stands, and the ground.

    `x`, `y` and `radius` are fractions of the picture's shorter side, `angle` is in degrees, clockwise.
    `line` (colour, width as a fraction of the shorter side) strokes the outlines instead of filling them.
    """

    parts: tuple[Part, ...]
    ground: Ground
    x: float = 0.5
    y: float = 0.5
    radius: float = 0.3
    angle: float = 0.0
    line: tuple[RGB, float] | None = None


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """Colour `a` with `share` (0 to 1) of `b` in it."""
    return tuple(round(p + (q - p) * share) for p, q in zip(a, b, strict=True))  # type: ignore[return-value]


def tint(colour: RGB) -> RGB:
    """The second colour of a pattern: paler, or darker where the colour is already pale."""
    pale = sum(colour) > 600
    return mix(colour, (0, 0, 0), 0.35) if pale else mix(colour, (255, 255, 255), 0.6)


def arc(cx: float, cy: float, rx: float, ry: float, start: float = 0, stop: float = 360, n: int = 48) -> Outline:
    """Points on an ellipse from `start` to `stop` degrees (clockwise, 0 is to the right)."""
    steps = (math.radians(start + (stop - start) * i / n) for i in range(n + 1))
    return tuple((cx + rx * math.cos(t), cy + ry * math.sin(t)) for t in steps)


def regular(corners: int, inner: float = 1.0, turn: float = -90) -> Outline:
    """A regular polygon; with `inner` below 1 a star whose notches lie at that radius."""
    n = corners * (1 if inner == 1.0 else 2)
    radii = [1.0 if inner == 1.0 or i % 2 == 0 else inner for i in range(n)]
    angles = [math.radians(turn + 360 * i / n) for i in range(n)]
    return tuple((r * math.cos(t), r * math.sin(t)) for r, t in zip(radii, angles, strict=True))


def _heart() -> Outline:
    """The usual parametric heart, scaled to radius 1."""
    points = []
    for i in range(60):
        t = 2 * math.pi * i / 60
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((x / 16, -(y + 2.5) / 15))
    return tuple(points)


def _plus(arm: float) -> Outline:
    """A cross whose arms are `arm` wide on each side of the axis."""
    quarter = [(arm, -1.0), (arm, -arm), (1.0, -arm)]
    points = []
    for _ in range(4):
        points += quarter
        quarter = [(-y, x) for x, y in quarter]
    return tuple(points)


@lru_cache
def shape(name: str) -> tuple[Outline, Outline | None]:
    """A named shape of radius 1: its outline and the outline of its hole, if it has one."""
    circle = arc(0, 0, 1, 1)
    match name:
        case "circle":
            return circle, None
        case "square":
            return ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)), None
        case "triangle":
            return ((0.0, -0.95), (1.0, 0.8), (-1.0, 0.8)), None
        case "star":
            return regular(5, 0.45), None
        case "heart":
            return _heart(), None
        case "ring":
            return circle, arc(0, 0, 0.52, 0.52)
        case "cross":
            return _plus(0.34), None
        case "crescent":
            return circle, arc(0.5, -0.22, 0.8, 0.8)
        case "diamond":
            return ((0.0, -1.05), (0.72, 0.0), (0.0, 1.05), (-0.72, 0.0)), None
        case "arrow":
            return (
                (-1, -0.35),
                (0.1, -0.35),
                (0.1, -0.85),
                (1, 0),
                (0.1, 0.85),
                (0.1, 0.35),
                (-1, 0.35),
            ), None
    raise ValueError(f"unknown shape {name!r}; known are {', '.join(SHAPES)}")


SHAPES = ("circle", "square", "triangle", "star", "heart", "ring", "cross", "crescent", "diamond", "arrow")


def named(shape_name: str, colour: RGB, fill: str = "plain") -> tuple[Part, ...]:
    """The parts of a named shape in one colour and pattern."""
    outline, hole = shape(shape_name)
    body = Part(outline, colour, fill, tint(colour))
    return (body, Part(hole)) if hole else (body,)


def _tile(kind: str, size: tuple[int, int], unit: float, colour: RGB, second: RGB) -> Image.Image:
    """A picture filled with a pattern; `unit` is the shorter side in (supersampled) pixels."""
    layer = Image.new("RGB", size, colour)
    pen = ImageDraw.Draw(layer)
    width, height = size
    match kind:
        case "plain":
            pass
        case "striped":
            period = unit * 0.17
            for i in range(math.ceil((width + height) / period)):
                left = i * period
                edge = [(left, 0), (left + period / 2, 0), (left + period / 2 - height, height)]
                pen.polygon([*edge, (left - height, height)], fill=second)
        case "dotted":
            step, r = unit * 0.15, unit * 0.043
            for i in range(math.ceil(width / step) + 1):
                for j in range(math.ceil(height / step) + 1):
                    x, y = (i + 0.5 * (j % 2)) * step, (j + 0.5) * step
                    pen.ellipse((x - r, y - r, x + r, y + r), fill=second)
        case "checked":
            cell = unit * 0.1
            for i in range(math.ceil(width / cell)):
                for j in range(i % 2, math.ceil(height / cell), 2):
                    pen.rectangle((i * cell, j * cell, (i + 1) * cell - 1, (j + 1) * cell - 1), fill=second)
        case "grid":
            step, half = unit * 0.125, max(1, round(unit * 0.01))
            for i in range(math.ceil(max(width, height) / step) + 1):
                at = (i + 0.5) * step
                pen.rectangle((at - half, 0, at + half, height), fill=second)
                pen.rectangle((0, at - half, width, at + half), fill=second)
        case "gradient":
            ramp = Image.linear_gradient("L").resize(size)
            layer = Image.composite(Image.new("RGB", size, second), layer, ramp)
        case _:
            raise ValueError(f"unknown pattern {kind!r}")
    return layer


def _place(spec: Spec, outline: Outline, unit: float) -> list[tuple[float, float]]:
    """An outline of the figure in (supersampled) pixels."""
    cos, sin = math.cos(math.radians(spec.angle)), math.sin(math.radians(spec.angle))
    r, x0, y0 = spec.radius * unit, spec.x * unit, spec.y * unit
    return [(x0 + r * (x * cos - y * sin), y0 + r * (x * sin + y * cos)) for x, y in outline]


def draw(spec: Spec, width: int = 64, height: int | None = None) -> Image.Image:
    """The picture that `spec` describes, RGB, `width` by `height` pixels (square when height is left out)."""
    size = (width * SUPERSAMPLE, (height or width) * SUPERSAMPLE)
    unit = min(size)
    canvas = _tile(spec.ground.kind, size, unit, spec.ground.colour, spec.ground.second)
    figure, cover = canvas.copy(), Image.new("L", size, 0)
    for part in spec.parts:
        points = _place(spec, part.outline, unit)
        if spec.line:
            colour, thick = spec.line
            pen = ImageDraw.Draw(canvas)
            pen.line([*points, points[0], points[1]], fill=colour, width=round(thick * unit), joint="curve")
        elif part.colour is None:
            ImageDraw.Draw(cover).polygon(points, fill=0)
        else:
            ImageDraw.Draw(cover).polygon(points, fill=255)
            mask = Image.new("L", size, 0)
            ImageDraw.Draw(mask).polygon(points, fill=255)
            figure.paste(_tile(part.fill, size, unit, part.colour, part.second), mask=mask)
    return Image.composite(figure, canvas, cover).reduce(SUPERSAMPLE)
