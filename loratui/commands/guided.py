"""`loratui` alone, the guided way: without arguments, so nothing that reads them is loaded before its first screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from loratui.errors import Refusal

if TYPE_CHECKING:
    from loratui.runs.past_run import PastRun

IMAGES = "LORATUI_IMAGES"  # what --images is where it is not given
BLOCKS = "blocks"


def has_screen() -> bool:
    """Whether a person sits at a terminal that can be drawn on."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def prepare_pictures(images: str) -> None:
    """Find out how pictures can be drawn, and say in the terminal's own scroll-back where it is not as asked for."""
    from loratui.terminal.images import prepare

    if words := prepare(images).words:
        print(f"--images {images}: {words}", file=sys.stderr)


def guide(images: str, past: Callable[[], PastRun] | None = None) -> int:
    """The guided way, from an old run's answers if they are given, which are read once there is a screen.

    Returns an exit code. Raises Refusal without a screen.
    """
    if not has_screen():
        raise Refusal("the guided way needs a terminal; without one use 'loratui check', 'plan' and 'replay'")
    old = None if past is None else past()
    from loratui.app import run_wizard

    prepare_pictures(images)
    return run_wizard(past=old)


def refusals_told(run: Callable[[], int | None]) -> int | None:
    """`run` to its end: what is refused ends with sentences on stderr and an exit code, never with a traceback."""
    from loratui.children.told import refuse_unknown

    try:
        refuse_unknown()
        return run()
    except Refusal as refusal:
        from loratui.terminal.layout import on_terminal

        print(on_terminal("\n".join(refusal.messages), sys.stderr), file=sys.stderr)
        return refusal.code


def alone() -> int | None:
    """The command `loratui` without a word more."""
    return refusals_told(lambda: guide(os.environ.get(IMAGES, "").strip() or BLOCKS))
