"""The second way to start a run: after what trains or waits already; asked only where there is such a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

from textual.content import Content
from textual.screen import Screen

from loratui.runs.find import RUNS
from loratui.runs.queue import put_in, take_up, trains_here
from loratui.screens.shared.dialogs import Chooser
from loratui.terminal.text import plural, safe_text
from trainer.contract.paths import expanded
from trainer.contract.run.devices import visible_gpus
from trainer.contract.run.queue import goes_on_words, waiting
from trainer.contract.run.rundir import RunDir

When = Literal["now", "queue"]


def ask_when(screen: Screen[Any], out: str, then: Callable[[When], None]) -> None:
    """Ask whether a run in the folder `out` (empty: in ./runs) starts now or waits; "now" if nothing is before it.

    Escape leaves everything as it was: `then` is not called.
    """
    root = expanded(out).parent if out else RUNS
    trains, waits = trains_here(root), waiting(root)
    if not trains and not waits:
        then("now")
        return
    what = "the GPU's memory and time" if visible_gpus() else "the processor and the memory"
    beside = f"; it shares {what}" if trains else ", before what waits"
    lines = [
        ("queue", _line("Queue it", f"It starts after {_before(len(trains), len(waits))}.")),
        ("now", _line("Start now", f"At once{beside}.")),
    ]
    first = trains[0].run if trains else waits[0].run
    title = f"{safe_text(first.path.name, 40)} {'trains here' if trains else 'waits here'}"
    screen.app.push_screen(Chooser(title, lines, "queue"), lambda when: then(cast(When, when)) if when else None)


def begin(run: RunDir, when: When, gpus: int = 0) -> None:
    """Start `run`, or put it into its folder's queue; on as many GPUs as before where 0. Raises Refusal."""
    from loratui.planning.shared import gpus_again
    from loratui.runs.launch import start

    gpus = gpus or gpus_again(run)[0]
    if when == "now":
        start(run, gpus)
    else:
        put_in(run, gpus)
        take_up(run.path.parent, settle=False)  # what was before it may have ended meanwhile


def stop_note(run: RunDir) -> str:
    """What a question before a stop says of the queue: nothing, where nothing waits."""
    words = goes_on_words(run).removeprefix("; then the queue ")
    return f"\n\nThe queue {safe_text(words)}." if words else ""


def _before(trains: int, waits: int) -> str:
    words = [f"{plural(trains, 'run')} in training"] if trains else []
    words += [f"{waits if trains else plural(waits, 'run')} waiting"] if waits else []
    return " and ".join(words)


def _line(does: str, words: str) -> Content:
    return Content.assemble((f"{does:<11}", "bold"), (words, "$muted"))
