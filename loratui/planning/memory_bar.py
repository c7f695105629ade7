"""The need of a run drawn as one bar against the memory that is there: a letter for each part."""

from __future__ import annotations

import textwrap

from loratui.planning.hardware import Machine
from loratui.terminal.units import in_bytes
from trainer.contract.plan.estimate import Estimate

OTHERS, FREE, OVER = "▒", "·", "×"
LETTERS = {
    "torch itself": "t",
    "unet": "U",
    "text encoders": "E",
    "VAE": "V",
    "LoRA and new tokens": "L",
    "gradients": "G",
    "optimizer": "O",
    "working copy": "w",
    "checkpoint": "c",
    "activations": "A",
    "optimizer's step": "o",
    "encoding": "e",
    "samples": "S",
}
NARROWEST = 24


def memory_bar(need: Estimate, machine: Machine, width: int) -> list[str]:
    """The bar and its legend in lines of at most `width` cells.

    What others hold stands first, what is free last; a cell is about the same number of bytes everywhere, and what
    lies beyond the memory that is there stands as ×, behind its end.
    """
    width = max(NARROWEST, width)
    held = machine.total - machine.free
    pieces = [("others", OTHERS, held)]
    pieces += [(one.name, LETTERS.get(one.name, "?"), one.bytes) for one in need.memory]
    whole = max(machine.total, held + need.memory_total)
    cells = width - 2
    limit = round(machine.total / whole * cells)
    bar = _cells(pieces, whole, cells)
    inside = (bar + FREE * cells)[:limit]
    shown = f"[{inside}]{OVER * max(0, len(bar) - limit)}"
    legend = [f"{glyph} {name} {in_bytes(size)}" for name, glyph, size in pieces if glyph in bar]
    spare = machine.free - need.memory_total
    legend.append(f"{FREE} free {in_bytes(spare)}" if spare >= 0 else f"{OVER} too much {in_bytes(-spare)}")
    joined = "   ".join(one.replace(" ", "\0") for one in legend)
    return [shown, *(line.replace("\0", " ").rstrip() for line in textwrap.wrap(joined, width))]


def _cells(pieces: list[tuple[str, str, int]], whole: int, cells: int) -> str:
    """Each piece up to the cell in which it ends: rounding never adds up."""
    bar, total = "", 0
    for _, glyph, size in pieces:
        total += size
        bar += glyph * (round(total / whole * cells) - len(bar))
    return bar
