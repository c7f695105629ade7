"""Makes a run that has ended longer: asks for the number of steps, says what that changes, starts the trainer."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen

from loratui.errors import Refusal
from loratui.recovery.restart import longer_lines, make_longer
from loratui.runs.possible import possible
from loratui.screens.shared.editors import Form
from loratui.screens.shared.going_on import WentOn, start_in_thread
from loratui.screens.shared.questions import Confirm
from loratui.terminal.text import plural, safe_text
from trainer.contract.run.rundir import RunDir

STEPS = "steps"
WORDS = "How many steps it is to have in all. It resumes from its newest checkpoint, step {step}."
LEFT = " It has {left} left: o resumes it to step {steps} as it is."


def ask_longer(screen: Screen[Any], run: RunDir, given: str = "", wrong: str = "") -> None:
    """Ask on top of `screen`, which gets WentOn once it is decided; nothing where a person cancels.

    What was `given` and `wrong` before is shown again.
    """
    now = possible(run)
    if why := now.why_not("longer"):
        screen.post_message(WentOn(run, why))
        return
    saved = now.resumable
    words = f"✗ {safe_text(wrong)}" if wrong else WORDS.format(step=saved[-1])
    if now.steps > saved[-1] and not wrong and now.can("go_on"):
        words += LEFT.format(left=plural(now.steps - saved[-1], "step"), steps=now.steps)
    usual = str(2 * max(now.steps, saved[-1]))
    fields = [(STEPS, safe_text(given) or usual, "as many as now")]
    form = Form("Make the run longer", words, fields, does="See what changes", typed=given not in ("", usual))
    screen.app.push_screen(form, lambda given: _check(screen, run, given) if given and given[STEPS] else None)


def _check(screen: Screen[Any], run: RunDir, given: dict[str, str]) -> None:
    try:
        steps = int(given[STEPS])
        lines = longer_lines(run, steps)
    except Refusal as refusal:
        ask_longer(screen, run, given[STEPS], refusal.messages[0])
    except ValueError:
        ask_longer(screen, run, given[STEPS], f"'{safe_text(given[STEPS], 20)}' is not a whole number")
    else:
        question = Confirm(f"Resume to step {steps}?", "\n\n".join(lines), "Resume", "Another number")
        screen.app.push_screen(
            question, lambda yes: _begin(screen, run, steps) if yes else ask_longer(screen, run, str(steps))
        )


def _begin(screen: Screen[Any], run: RunDir, steps: int) -> None:
    start_in_thread(screen, run, lambda: make_longer(run, steps))
