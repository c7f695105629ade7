"""The way to a cluster from a screen: whether there is one, and with which options of sbatch something goes there."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from textual.screen import Screen

from loratui.errors import Refusal
from loratui.runs.engines import Slurm
from loratui.screens.shared.editors import Form

OPTIONS = "options"
WORDS = """One job of the cluster for each run. Its monitor says what it waits for; it may be left, and
the job goes on. Options of sbatch, with spaces between: partition=gpu time=4:00:00 gres=gpu:1"""


def has_slurm() -> bool:
    """Whether a run can be handed in from here: Slurm and submitit are there."""
    from loratui.runs.slurm_submit import refuse_without_slurm

    try:
        refuse_without_slurm()
    except Refusal:
        return False
    return True


def ask_options(screen: Screen[Any], does: str, then: Callable[[Slurm], None]) -> None:
    """Ask with which options of sbatch, those of the last time before; `does`: what the answer leads to, for a button.

    Escape leaves everything as it was: `then` is not called.
    """
    from loratui.runs.slurm_submit import last_options, read_options

    def take(given: dict[str, str] | None) -> None:
        if given is not None:
            then(Slurm(read_options(shlex.split(given[OPTIONS]))))

    fields = [(OPTIONS, last_options(), "the cluster's own")]
    screen.app.push_screen(Form("Hand it to Slurm", WORDS, fields, wrong_options, does=does, whole=True), take)


def wrong_options(given: dict[str, str]) -> str:
    """What is wrong with options as they are typed; empty if nothing."""
    from loratui.runs.slurm_submit import read_options

    try:
        read_options(shlex.split(given[OPTIONS]))
    except Refusal as refusal:
        return refusal.messages[0].removeprefix("--slurm-option ")
    except ValueError:
        return "A quotation mark is not closed."
    return ""
