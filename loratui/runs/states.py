"""The states of a run: one word each, its mark, what it means, what can be done next; used wherever one is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loratui.terminal.text import safe_text, shell_path, show_path
from trainer.contract.paths import can_see
from trainer.contract.run.rundir import RunDir

StateName = Literal[
    "new",
    "queued",
    "starting",
    "training",
    "paused",
    "waiting",
    "completed",
    "stopped",
    "aborted",
    "failed",
    "crashed",
    "refused",
]


@dataclass(frozen=True)
class RunState:
    """What is known of every run in one state."""

    glyph: str
    style: str  # of the theme
    means: str
    next: str  # what can be done, with the run's name as {run}
    alive: bool = False  # a trainer works on it
    goes_on: bool = False  # the key `o` starts its trainer, or lets it go on


RUNS = "runs"  # the folder in which a name alone is looked for
GO_ON = "Resume it: loratui resume {run}"
COME_BACK = "Come back with: loratui attach {run}"
STATES: dict[StateName, RunState] = {
    "new": RunState("○", "$muted", "was never started", "Start it with: loratui resume {run}", goes_on=True),
    "queued": RunState("○", "$muted", "waits for its turn and starts by itself", "Order and cancel: loratui queue"),
    "starting": RunState("◌", "$muted", "has a trainer that has said nothing yet", COME_BACK, alive=True),
    "training": RunState("●", "$text-accent", "is being trained now", f"The training goes on. {COME_BACK}", alive=True),
    "paused": RunState(
        "‖", "$text-warning", "waits between two steps and holds its memory", GO_ON, alive=True, goes_on=True
    ),
    "waiting": RunState(
        "‖",
        "$text-warning",
        "waits for what it names, such as room on the disk",
        f"It goes on then. {COME_BACK}",
        alive=True,
    ),
    "completed": RunState(
        "✓", "$text-success", "took all its steps and wrote its files", "Use it: loratui generate {run} PROMPT"
    ),
    "stopped": RunState("■", "$text-warning", "was stopped by a person and saved what it had", GO_ON, goes_on=True),
    "aborted": RunState("■", "$text-warning", "was ended by a person and saved nothing more", GO_ON, goes_on=True),
    "failed": RunState("✗", "$text-error", "ended with an error", GO_ON, goes_on=True),
    "crashed": RunState("✗", "$text-error", "ended without a message", GO_ON, goes_on=True),
    "refused": RunState(
        "✗", "$text-error", "holds a link under a name of its own and is not opened", "Take the link out of {run}"
    ),
}


def state_words(state: StateName) -> str:
    """Mark and word."""
    return f"{STATES[state].glyph} {state}"


def next_words(run: RunDir, state: StateName) -> str:
    """What can be done next, as a sentence with a command to paste."""
    return STATES[state].next.replace("{run}", run_word(run))


def go_on_word(state: StateName) -> str:
    """What a key that goes on with a run is called: one that was never started is started."""
    return "Start" if state == "new" else "Resume"


def run_title(name: str, folder: str) -> str:
    """What people see of a run: its folder's name, after its own where that does not hold it. Never trusted."""
    return folder if not name or name in folder else f"{name} ({folder})"


def run_word(run: RunDir) -> str:
    """What a command calls `run`: its folder's name where it lies in ./runs, else its path."""
    path = run.path.absolute()
    return shell_path(path.name if path.parent == Path(RUNS).absolute() else path)


def leaving_words(run: RunDir, state: StateName) -> str:
    """What is said of a run to somebody who leaves it: its state, what is there, what can be done next."""
    name = safe_text(run.path.name)
    if not can_see(run.path):
        return f"{name}: its folder is gone, deleted or moved."
    said = f"{name}: {state}."
    if state not in ("training", "completed"):  # those words say it
        said += f" It {STATES[state].means}."
    if state in ("failed", "crashed"):
        said += f" What happened: {show_path(run.log)}." if _wrote(run.log) else ""
    elif has_files(run) and not STATES[state].alive:
        said += f" The files: {show_path(run.export)}."
    return f"{said} {next_words(run, state)}"


def _wrote(log: Path) -> bool:
    try:
        return log.stat().st_size > 0  # a trainer that was started by hand has none
    except OSError:
        return False


def has_files(run: RunDir) -> bool:
    """Whether an export is there."""
    try:
        return any(run.export.iterdir())
    except OSError:
        return False
