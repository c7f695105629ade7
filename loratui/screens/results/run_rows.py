"""The rows of the list of runs: what stands in each column, and how wide it is; and the help on its keys."""

from __future__ import annotations

import time

from rich.text import Text

from loratui.runs.find import RunInfo
from loratui.runs.states import state_words
from loratui.terminal.text import safe_text

STATE, STEP, LOSS, VIEWS, WHEN = 13, 11, 7, 6, 16  # cells of the columns; the run's name gets the rest
NUMBERS = ("step", "loss", "views")
ROOM_OF_A_NOTE = 12  # cells that a note needs at least; the line below has all of it
WIDE = 110  # columns of a terminal with room for the date

HELP = """
Every run in the folder, the newest first.

  enter   look at the run while it trains, or at what came out of it
  n       a new draft with this run's answers: change what you like
  b       build on its LoRA: a new run with these answers starts from it
  space   mark a run, or take the mark back
  d       compare two runs: the two marked, or the marked one
          and the one under the cursor
  o       resume a run that is paused or over and took not all its steps,
          from its newest checkpoint; start one that was never started
  l       longer: more steps from its newest checkpoint
  f       fix what made it fail, and resume
  g       generate pictures, the base model's beside each
  e       export the files of another step       u   to the hub
  N       rename its folder             t   a note on it
  x       delete it, after a question   r   again: read the folder anew

● training   ‖ paused   ◌ starting   ○ new, queued
✓ completed  ■ stopped, aborted      ✗ failed, crashed, refused
views       how often each picture was seen: views per image
"""


def run_columns(width: int) -> list[tuple[str, int]]:
    """Title and cells of each column in a list of `width` cells."""
    fixed = [("step", STEP), ("loss", LOSS), ("views", VIEWS), *([("when", WHEN)] if width >= WIDE else [])]
    room = width - 3 - STATE - 2 - 2 - sum(cells + 2 for _, cells in fixed)
    return [("state", STATE), ("run", max(8, room)), *fixed]


def run_cells(info: RunInfo, marked: bool, width: int, note: str = "") -> list[Text]:
    """One run, a cell for each of `run_columns(width)`; its note stands behind the name where the column has room."""
    room = dict(run_columns(width))["run"]
    name = Text(safe_text(info.run.path.name, room), "dim" if info.trouble else "")
    if note and (left := room - len(name) - 2) >= ROOM_OF_A_NOTE:
        name.append(f"  {safe_text(note, left)}", "dim")
    cells = [
        Text(f"{'*' if marked else ' '} {state_words(info.state)}"),
        name,
        Text(f"{info.step}/{info.steps}" if info.steps else "", justify="right"),
        Text("" if info.loss is None else f"{info.loss:.4f}"[:LOSS], justify="right"),
        Text("" if info.views is None else f"{info.views:.0f}"[:VIEWS], justify="right"),
    ]
    return [*cells, Text(_date(info))] if width >= WIDE else cells


def _date(info: RunInfo) -> str:
    try:
        return "" if info.started is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(info.started))
    except (OverflowError, ValueError, OSError):
        return ""  # a number in the log that is no time
