"""Goes on with a run that waits or is over, from wherever it is shown: says from which step, starts the trainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.message import Message
from textual.screen import Screen

from loratui.errors import Refusal
from loratui.recovery.restart import go_on
from loratui.runs.possible import possible
from loratui.runs.slurm import entry_of
from loratui.runs.states import go_on_word
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.queue_choice import When, ask_when, begin
from loratui.terminal.text import os_words, safe_text
from trainer.contract.run.rundir import RunDir


class WentOn(Message):
    """The trainer of `run` works again, or the run waits in its queue; or `reason` says why not."""

    def __init__(self, run: RunDir, reason: str = "") -> None:
        super().__init__()
        self.run, self.reason = run, reason


def ask_go_on(screen: Screen[Any], run: RunDir) -> None:
    """Ask on top of `screen`, which gets WentOn once it is decided; nothing where a person says no."""

    def begun(when: When) -> None:
        start_in_thread(screen, run, lambda: go_on(run) if when == "now" else begin(run, when))

    now = possible(run)
    if why := now.why_not("go_on"):
        screen.post_message(WentOn(run, why))
    elif now.state == "paused":
        start_in_thread(screen, run, lambda: go_on(run))
    else:
        saved = now.resumable
        start = f"resumes from its checkpoint of step {saved[-1]}" if saved else "has no checkpoint and begins again"
        yes = "Resume training" if saved else "Begin again"
        if now.state == "new":
            start, yes = "begins with its first step", "Start training"
        slurm = entry_of(run) is not None  # it goes back there, whatever trains here
        where = ", in Slurm as before" if slurm else ""
        words = f"It {start}, to step {now.steps}, with the settings that it has{where}."
        question = Confirm(f"{go_on_word(now.state)} {safe_text(run.path.name, 40)}?", words, yes, "Leave it as it is")

        def answered(yes: bool | None) -> None:
            if yes and slurm:
                begun("now")
            elif yes:
                ask_when(screen, str(run.path), begun)

        screen.app.push_screen(question, answered)


def start_in_thread(screen: Screen[Any], run: RunDir, start: Callable[[], object]) -> None:
    """Call `start`, which answers False where the trainer did not come up, and tell `screen` what became of it."""

    def work() -> None:
        reason = ""
        try:
            if start() is False:
                reason = "the trainer could not start; its own screen says why"
        except Refusal as refusal:
            reason = " ".join(refusal.messages)
        except OSError as error:
            reason = f"the settings cannot be written: {os_words(error)}; nothing was changed"
        screen.post_message(WentOn(run, reason))

    screen.run_worker(work, thread=True, exclusive=True, group="going-on")
