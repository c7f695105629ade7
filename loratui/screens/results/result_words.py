"""The words of the result screen: its keys, how the run ended, and how its files are used."""

from __future__ import annotations

from textual.content import Content

from loratui.events.history import History
from loratui.results.usage import Usage
from loratui.runs.possible import Deed, Possible
from loratui.runs.states import STATES, run_title
from loratui.screens.monitor.run_words import state_of
from loratui.terminal.text import plural, safe_text
from loratui.terminal.units import clock

PICTURES = """
The pictures go from the base model (left) to the last step (right), all from
the same prompt and the same first noise, so that only the training differs.
"""  # in the help, where there are any
HELP = f"""{PICTURES}
  ← →   another prompt              v   view the pictures full screen
  ↑ ↓   a line of the list          w   the wall of all pictures
  y     copy what the line says     e   export the files of another step
  c     the steps: checkpoints      g   generate: prompt, scale
  l     make the run longer         o   resume, where it was stopped
  u     upload it to the hub        f   fix what made it fail
  n     a draft with its answers    b   build on this LoRA: a new run
  N     rename the run's folder     t   a note on it
  x     delete it, after a question
  escape   back to the curves       q   done

The files are yours: copy them to where the text says.

Checkpoints. The loss at fixed noise is measured at every checkpoint on the
same pictures, noise levels and noise, so that its numbers can be compared. On
held-out pictures (dataset.hold_out) a low one means a good fit; on the
training pictures it falls with overfitting too. The norm is the size of all
weight changes together. Of a face, where loratui[identity] is installed, the
column face is how alike the samples of that step are to the training pictures:
the cosine of OpenCV's SFace to their mean; the words above say what they have
among themselves. What the hint says of this run rests on:
"""


def head(history: History, folder: str, width: int) -> Content:
    """State, name and figures of a run that has ended, those that `width` cells hold; `folder`: its folder's name."""
    state = state_of(history, alive=False)
    glyph, style = STATES[state].glyph, STATES[state].style
    end = history.end or {}
    facts = [plural(history.step, "step")]
    if history.best is not None:
        facts.append(f"ended early, step {history.best} is the best")
    if isinstance(end.get("seconds"), int | float):
        facts.append(clock(history.seconds))
    if history.ema.last is not None:
        facts.append(f"loss {history.ema.last:.4f}{parts_words(history)}")
    if history.views is not None:
        facts.append(f"{history.views:.1f} views per image")
    called = Content.assemble(
        (f"{glyph} {state}  ", f"bold {style}"), (safe_text(run_title(history.name, folder), 30), "bold")
    )
    while facts and called.cell_length + 2 + len(" · ".join(facts)) > width:
        facts.pop()  # the whole part: half a number is another one
    return Content.assemble(called, (f"  {' · '.join(facts)}", "$muted")) if facts else called


def parts_words(history: History) -> str:
    """The loss of one's own pictures and that of the class pictures; empty where there are none."""
    instance, classes = history.curves.instance.last, history.curves.classes.last
    return "" if instance is None or classes is None else f" (instance {instance:.4f}, class {classes:.4f})"


def no_files_words(now: Possible) -> list[Content]:
    """What stands in the place of the files where none were written: that, and the keys that lead on from here."""
    start = f"resumes from step {now.resumable[-1]}" if now.resumable else "begins again: no checkpoint is kept"
    keys: tuple[tuple[Deed, str, str], ...] = (
        ("export", "e", "writes the files of a checkpoint"),
        ("fix", "f", "shows what to change, and starts it again"),
        ("go_on", "o", start),
    )
    said = [Content.styled("No files were written: the run ended before its export.", "$text-warning")]
    return said + [Content.assemble((f"  {key}  ", "bold"), words) for deed, key, words in keys if now.can(deed)]


def usage_line(one: Usage, width: int) -> Content:
    """One way to use the files; of several lines only what they are. What has no room goes on below in its column."""
    if one.head:
        return Content.assemble((one.shown, "bold"), (f"  {one.note}", "$muted"))
    label = f"  {one.shown:<22}"
    what = Content.assemble((one.note, "$muted"), "" if "\n" in one.copied else f": {one.copied}")
    return Content(label) + Content("\n" + " " * len(label)).join(what.wrap(max(20, width - len(label))))
