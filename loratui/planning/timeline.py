"""The run drawn as one line before it begins: where pivot, checkpoints and samples fall, in steps."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from dataclasses import dataclass

from loratui.terminal.glyphs import MARKS
from loratui.terminal.text import plural
from trainer.contract.settings.arithmetic import Schedule
from trainer.contract.settings.config import TrainConfig

NARROWEST = 24  # cells: below that there is nothing to see
TRACK = "─"


@dataclass(frozen=True)
class _Drawn:
    """What stands at which cell of the track."""

    cells: int
    kinds: dict[int, list[str]]  # by cell, the rarest first
    crowd: dict[str, int]  # by kind, the most marks that share a cell


def arithmetic_line(config: TrainConfig, times: Schedule) -> str:
    """From pictures to views per image, in one line of arithmetic."""
    train, repeats = config.train, config.dataset.repeats
    batch = f" / batch {train.batch}" + (f" x {train.accumulation}" if train.accumulation > 1 else "")
    batch = "" if train.batch * train.accumulation == 1 else batch
    pictures = f"{plural(times.images, 'picture')} x {plural(repeats, 'repeat')}"
    if config.concepts:
        views = round(times.steps_per_epoch * train.batch * train.accumulation)
        pictures = f"{plural(1 + len(config.concepts), 'concept')}, {plural(views, 'view')} an epoch"
    return (
        f"{pictures}{batch} = "
        f"{plural(plain(times.steps_per_epoch), 'step')} per epoch -> "
        f"{plural(times.steps, 'step')} = {plural(plain(times.epochs), 'epoch')}, "
        f"{plural(plain(times.views_per_image), 'view')} per image"
    )


def run_line(times: Schedule, width: int) -> list[str]:
    """The track with its marks, the step numbers under it, and what the marks mean; no line is wider than `width`.

    A mark stands in the cell of its step. Where several kinds share a cell they stand below each other, the rarest
    on the track; where several of one kind do, the words say how many.
    """
    width = max(NARROWEST, width)
    end = f" {times.steps:,}"
    cells = width - len(end) - 2
    drawn = _place(times, cells)
    deepest = max(map(len, drawn.kinds.values()))
    rows = []
    for depth in range(deepest):
        blank = TRACK if depth == 0 else " "
        row = "".join(_glyph(drawn.kinds.get(cell, []), depth, blank) for cell in range(cells))
        rows.append(f"0 {row}{end}" if depth == 0 else f"  {row}".rstrip())
    return [*rows, *_numbers(times, cells), *_legend(times, drawn, width)]


def cell_of(step: int, steps: int, cells: int) -> int:
    """Where a step stands on a track of `cells` cells from 0 to the last step."""
    return round(step / steps * (cells - 1))


def plain(value: float) -> str:
    """A number of steps or views without more digits than say something: "1.25", "0.714", "1,000"."""
    return f"{value:,.0f}" if value >= 1000 or value == round(value) else f"{value:.3g}"


def _marks(times: Schedule) -> dict[str, tuple[int, ...]]:
    pivot = () if times.pivot_within is None else (times.pivot_within,)
    return {"pivot": pivot, "checkpoint": times.checkpoints, "sample": times.samples}


def _place(times: Schedule, cells: int) -> _Drawn:
    kinds: dict[int, list[str]] = defaultdict(list)
    crowd: dict[str, int] = {}
    for kind, steps in _marks(times).items():
        counts = Counter(cell_of(step, times.steps, cells) for step in steps)
        crowd[kind] = max(counts.values(), default=0)
        for cell in counts:
            kinds[cell].append(kind)
    return _Drawn(cells, kinds, crowd)


def _glyph(kinds: list[str], depth: int, blank: str) -> str:
    return MARKS[kinds[depth]] if depth < len(kinds) else blank


def _numbers(times: Schedule, cells: int) -> list[str]:
    """The steps of pivot, checkpoints and samples under their cells, as many as stand apart from each other."""
    row = [" "] * (cells + 2)
    wanted = [step for steps in _marks(times).values() for step in steps if 0 < step < times.steps]
    for step in dict.fromkeys(wanted):
        text = f"{step:,}"
        at = min(max(0, 2 + cell_of(step, times.steps, cells) - (len(text) - 1) // 2), len(row) - len(text))
        if not "".join(row[max(0, at - 1) : at + len(text) + 1]).strip():
            row[at : at + len(text)] = text
    text = "".join(row).rstrip()
    return [text] if text else []


def _legend(times: Schedule, drawn: _Drawn, width: int) -> list[str]:
    """What each glyph means, how many there are and where."""
    parts = []
    for kind, steps in _marks(times).items():
        if not steps:
            continue
        words = f"pivot after step {steps[0]:,}" if kind == "pivot" else plural(len(steps), kind)
        if drawn.crowd[kind] > 1:
            words += f" (up to {drawn.crowd[kind]:,} to a mark)"
        parts.append(f"{MARKS[kind]} {words}".replace(" ", "\0"))
    nothing = {"no pivot": times.pivot_within is None, "no samples": not times.samples}
    parts += [words.replace(" ", "\0") for words, so in nothing.items() if so]
    lines = textwrap.wrap("   ".join(parts), width, drop_whitespace=True, break_long_words=False)
    return [line.replace("\0", " ").rstrip() for line in lines]
