"""The checkpoints of a run as a table, and what its losses were measured on."""

from __future__ import annotations

from collections.abc import Mapping

from loratui.results.best_checkpoint import MeasuredStep
from loratui.terminal.text import plural


def table_lines(
    found: tuple[MeasuredStep, ...], best: int | None, faces: Mapping[int, float] | None = None
) -> list[str]:
    """Step, loss at fixed noise, norm of the change, views per image, and what there is of it; a head first.

    `faces`: how alike the face in the samples of a step is to the training pictures, where that was asked.
    """
    lines = ["    step      loss      norm    views  " + ("  face  " if faces else "")]
    for one in found:
        loss = "-" if one.loss is None else f"{one.loss:.4f}"
        norm = "-" if one.norm is None else f"{one.norm:.3g}"
        views = "-" if one.views is None else f"{one.views:.1f}"
        face = "" if not faces else f"{faces[one.step]:>6.2f}  " if one.step in faces else f"{'-':>6}  "
        word = "base model" if one.step == 0 else "" if one.kept else "not kept"
        mark, word = ("*", "the hint") if one.step == best else (" ", word)
        lines.append(f"{mark} {one.step:>6}  {loss:>8}  {norm:>8}  {views:>7}  {face}{word}".rstrip())
    return lines


def on_what(found: tuple[MeasuredStep, ...]) -> str:
    """What the losses of the table were measured on, in a line."""
    measured = [one for one in found if one.losses]
    if not measured:
        return "no loss was measured at fixed noise"
    where = "held-out" if all(one.held_out for one in measured) else "training"
    return f"loss at fixed noise: {where} pictures, {plural(len(measured[0].losses), 'draw')}"
