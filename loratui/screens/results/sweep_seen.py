"""What a look at a sweep found, what came of a key, and the words of its screen's help."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from loratui.sweeps.progress import PointRun
from loratui.sweeps.results import Results
from loratui.sweeps.wall import SweepWall
from loratui.terminal.text import plural

HELP = """
The lowest loss stands first, with its spread over the seeds. ≈ marks what
cannot be told from it: what lies between them is within the noise.

  enter    open the run: its course, its files, how to use them
  w        the wall of pictures, or the table again
  arrows   from row to row, from picture to picture
  v        view the picture as large as the terminal
  n        another prompt        b   block: the next of the other axes
  p        keep this one as a preset of your own
  o        resume what stopped or never began, else what failed
  z        pause what trains; what waits leaves the queue
  S        stop what trains; what waits leaves the queue
  escape   back; the runs go on

'loratui sweep NAME --wall' writes the wall as PNG and as a page.
"""
DRAWN = ("view", "wall", "table", "prompt", "block")  # what is nothing without them


DONE = {"stop": "stopped", "pause": "paused"}


def held_words(command: str, count: int) -> str:
    """What is said of a stop or a pause that reached `count` runs."""
    if not count:
        return f"No run trains or waits: nothing was {DONE[command]}."
    it = "it" if count == 1 else "them"
    return f"{plural(count, 'run')} {DONE[command]} or taken out of the queue. The key o resumes {it}."


def resumed_words(count: int) -> str:
    """What is said of a resume that reached `count` runs."""
    return f"{plural(count, 'run')} resumed." if count else "There was no run to resume."


@dataclass(frozen=True)
class Seen:
    """What one look found."""

    runs: tuple[PointRun, ...]
    found: Results
    prompts: tuple[int, ...]
    wall: SweepWall


class SweepRead(Message):
    """The runs were looked at."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self.seen = seen


class SweepTold(Message):
    """Something was done, or refused; the words say what."""

    def __init__(self, words: str, bad: bool = False) -> None:
        super().__init__()
        self.words, self.bad = words, bad
