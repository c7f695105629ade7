"""The RAM that a run takes beside a GPU, against what is free: one judgement for doctor, plan and wizard."""

from __future__ import annotations

from loratui.terminal.units import in_bytes

REMEDY = "close what else runs here, or take a smaller rank or adamw: a checkpoint is then smaller"


def ram_trouble(need: int, free: int) -> str:
    """What `need` bytes of RAM (`Estimate.ram`) are short of; empty where they are free, or nobody knows (`free` 0).

    A system without RAM ends the run, or moves so much to disk that it stands still: while the base model is loaded,
    or at its first checkpoint.
    """
    if not need or not free or need <= free:
        return ""
    return f"beside the GPU the run takes about {in_bytes(need)} of RAM, {in_bytes(free)} are free: {REMEDY}"
