"""The words of the monitor: its head, its trouble panel, its log, from a history and a state."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from textual.content import Content

from loratui.events.endings import ending
from loratui.events.history import History, Message
from loratui.runs.own_log import WINDOW, own_log
from loratui.runs.states import STATES, StateName, run_title, run_word
from loratui.terminal.numbers import number
from loratui.terminal.text import plural, safe_lines, safe_text
from loratui.terminal.units import bytes_of, clock, in_bytes, in_time
from loratui.widgets.progress import progress_bar
from trainer.contract.paths import can_see
from trainer.contract.run.rundir import RunDir

SAID, MOST_LINES = 230, 3  # letters of a line of what a trainer says, and lines
SAID_ROWS = 6  # of the panel on the monitor
NOTHING = "The trainer wrote nothing."
PHASES = {
    "data": "reading the class pictures' data set",
    "load": "loading the base model",
    "download": "downloading the base model",
    "cache": "preparing the pictures",
    "prior": "making class pictures",
    "start": "working out the start from the weights",
    "train": "training",
    "sample": "drawing pictures",
    "save": "saving a checkpoint",
    "export": "writing the files",
}
HELP = """
Curves, pictures and messages of a run. Leaving never stops the training.

  s   sample: every prompt now           c   save a checkpoint now
  p   pause, and resume                  x   stop: saves and exports
  v   view the pictures full screen      w   the wall of all pictures
  a   one more prompt, now               l   log: what matters, messages
  g   graphs, full screen, with cursor   r   other chart below the loss
  f   fix: what to change after an end   X   abort: ends and saves nothing
  ← →  earlier, later picture            ↑ ↓  another prompt
  n   the queue, if any run waits        q   leave; 'loratui attach' comes back
  o   resume a run that is paused or over and took not all its steps; start
      one that was never started
  enter   the result of a run that has ended; where there is none, as f or o
  escape  back to the list of runs; where there is none, as q

loss   the line is the running mean, the shade what single steps gave; single
       steps jump, because each looks at another noise level. Of several
       concepts each has a line of its own: its loss at fixed noise, measured
       at the checkpoints. Where pictures are drawn, they say more.
rate   the line is what the optimizer really steps with; the dots are
       Prodigy's estimate d. ◆ is the pivot: the words are frozen there, which
       are the new tokens or the LoRA of the text encoders."""


UNBEGUN = Content("It was never started. o starts it.")


def state_of(history: History, alive: bool, note: str = "") -> StateName:
    """One word for where the run is. `note`: what keeps its trainer from its work."""
    if history.end is not None:
        return ending(history.end.get("status"), history.aborted)
    if not alive:
        return "failed" if history.error is not None else "crashed"
    if note:
        return "waiting"
    if history.paused:
        return "paused"
    return "training" if history.run else "starting"


def is_paused(history: History, state: StateName) -> bool:
    """Whether a trainer waits for a resume; of one that was killed, or of the start before, the log may say so too."""
    return history.paused and state in ("paused", "waiting")


def unstarted(run: RunDir, history: History, alive: bool) -> StateName | None:
    """ "queued" or "new" for a run that waits for its turn or was never started; None for any other."""
    if alive:
        return None
    if can_see(run.queued):
        return "queued"
    return None if history.run or can_see(run.log) or can_see(run.events) else "new"


TITLES = {  # of a bad end, by the kind of its `error` event
    "crash": "crashed",
    "oom": "out of memory",
    "nan": "not finite",
    "disk": "disk full",
    "data": "failed",
    "moved": "moved away",
    "signal": "interrupted",
    "exception": "failed",
}


def head(history: History, state: StateName, width: int, folder: str, note: str = "") -> Content:
    """Three rows: what and how far, the bar, the numbers; `note`: what a run that is "waiting" waits for."""
    inner = max(20, width - 2)
    glyph, style = STATES[state].glyph, STATES[state].style
    phase = history.phase
    working = state == "training" and (phase is None or phase.name != "train")  # a training run, between its steps
    doing = PHASES.get(phase.name, "") if working and phase is not None else ""
    word = f"{state}: {doing}" if doing else state
    if note and state in ("waiting", "queued"):
        word = safe_text(note)
    done, total, unit = history.step, history.steps, "step"
    if state == "starting":  # what the history tells is of the start before
        done, total = 0, 0
    if working and phase is not None and phase.total:
        done, total, unit = phase.done, phase.total, "part"
    percent = f" · {100 * done / total:.0f} %" if total else ""
    if unit == "part" and phase is not None and phase.name == "download":
        right = f"{bytes_of(done, total)}{percent}"
    else:
        right = f"{unit} {done} of {total}{percent}" if total else ""
    name = safe_text(run_title(history.name, folder), limit=max(8, inner - len(word) - len(right) - 8))
    left = Content.assemble((f"{glyph} {word}  ", f"bold {style}"), (name, "bold"))
    gap = max(1, inner - left.cell_length - len(right))
    speed = history.seconds_per_step
    ends = _pace(history, state, speed)
    bar = progress_bar(done, total, inner - len(ends) - 2)
    return Content("\n").join(
        [
            Content.assemble(left, " " * gap, right),
            Content.assemble(bar, "  ", (ends, "$muted")),
            Content.styled("" if state == "starting" else _facts(history, inner), "$muted"),
        ]
    )


def _pace(history: History, state: StateName, speed: float | None) -> str:
    if state in ("completed", "stopped", "aborted", "failed") and history.end is not None:
        return f"took {clock(history.seconds)}"
    if speed is None or state == "starting":
        return "ETA --:--"
    rate = f"{in_time(speed)}/step"
    return rate if state == "crashed" else f"{rate}  ETA {clock(history.eta)}"


def _facts(history: History, width: int) -> str:
    facts: list[str] = []
    if history.views is not None:
        facts.append(f"views per image {history.views:.1f}")
    if history.epoch is not None:
        facts.append(f"epoch {history.epoch:.1f}")
    if history.vram:
        facts.append(f"memory {in_bytes(history.vram)}")
    elif history.rss:
        facts.append(f"memory {in_bytes(history.rss)} of RAM")
    if history.checkpoints:
        facts.append(f"checkpoint {history.checkpoints[-1].get('step')}")
    pivot = next((mark.step for mark in history.marks if mark.kind == "pivot"), None)
    if pivot is not None:
        facts.append(f"pivot {pivot}")
    while len(" · ".join(facts)) > width:
        facts.pop()
    return " · ".join(facts)


@dataclass(frozen=True)
class Trouble:
    """What went wrong, in a few rows; and what to do, which is never pushed off the screen by it."""

    said: Content
    ways: Content


def trouble(history: History, state: StateName, run: RunDir, width: int) -> Trouble | None:
    """What went wrong and what to do, or None; `width`: cells of a row."""
    if state not in ("failed", "crashed"):
        return None
    lines: list[Content] = []
    advice: list[Any] = []
    if history.error is not None:
        kind, said = str(history.error.get("kind")), str(history.error.get("message"))
        title = TITLES.get(kind, kind)
        first, *others = first_lines(said) or [""]
        room = (SAID_ROWS - 1 - len(others)) * width
        lines.append(_bold(safe_text(" ".join(["✗", *_once(title, first, state)]), room)))
        lines += [Content.styled(safe_text(f"  {one}", width), "$text-error") for one in others]
        raw = history.error.get("advice")
        advice = raw if isinstance(raw, list) else [raw] if raw else []
    else:
        lines.append(_bold("✗ The trainer is gone without a message: killed, or the machine went down."))
    unsaid = tail_of(run, max(0, SAID_ROWS - 1 - len(lines)), said=str((history.error or {}).get("message")))
    lines += [Content.styled(safe_text(f"  {line}", width), "$muted") for line in unsaid]
    ways = [Content(f"→ {safe_text(one, 2 * width)}") for one in advice[:2]]
    step = history.checkpoints[-1].get("step") if history.checkpoints else None
    start = (
        "start again; no checkpoint was written yet" if step is None else f"resume from the checkpoint at step {step}"
    )
    ways.append(Content.assemble("→ ", ("f", "bold"), f" shows what to change, and has it {start}"))
    ways.append(Content.styled(f"  loratui resume {run_word(run)}", "bold"))
    return Trouble(Content("\n").join(lines), Content("\n").join(ways))


def first_lines(message: str) -> list[str]:
    """The first lines of what a trainer said, and how many more there are: of lost pictures each has one."""
    lines = safe_lines(message)
    shown = [safe_text(line, SAID) for line in lines[:MOST_LINES]]
    more = len(lines) - MOST_LINES
    return [*shown, f"... and {plural(more, 'more line')} (l shows all)"] if more > 0 else shown


def _once(title: str, said: str, state: StateName) -> list[str]:
    """What kind of end, and what the trainer said of it; the head says the state already."""
    kind = [] if title == state and said else [title]
    return kind if said in ("", title) else [*(f"{one}:" for one in kind), said]


def _bold(text: str) -> Content:
    return Content.styled(safe_text(text), "bold $text-error")


def tail_of(run: RunDir, lines: int, window: int = WINDOW, said: str = "") -> list[str]:
    """The last lines of the trainer's own output that hold anything, without those of what was `said` already."""
    try:
        text = own_log(run, window)
    except OSError:
        return []
    told = {"", *(line.strip() for line in said.splitlines())}
    return [line for line in text.splitlines() if line.strip() not in told][-lines:] if lines else []


def messages_of_start(history: History, state: StateName) -> list[Message]:
    """What happened since the trainer was started last: what was before that stands in the log (`l`)."""
    if state == "starting":
        return [one for one in history.messages if one.t > history.now]
    begun = number(history.run.get("t")) or 0.0
    return [one for one in history.messages if one.t >= begun]


def log_text(history: History, run: RunDir) -> Content:
    """All messages kept, then the end of trainer.log."""
    lines = []
    for one in history.messages:
        first, *others = safe_lines(one.text) or [""]
        lines.append(Content(f"{time.strftime('%H:%M:%S', time.localtime(one.t))} {first}"))
        lines += [Content(f"         {line}") for line in others]
    lines += [Content(""), Content.styled("trainer.log", "bold")]
    lines += [Content.styled(safe_text(line), "$muted") for line in tail_of(run, 60) or [NOTHING]]
    return Content("\n").join(lines)
