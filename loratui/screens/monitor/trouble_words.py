"""The words of the screen for a run that ended badly: what happened, and what each remedy would do."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path
from typing import Literal

from textual.content import Content

from loratui.events.history import History
from loratui.recovery.remedies import ram
from loratui.recovery.remedy import BadEnd, Remedy
from loratui.recovery.settings_change import EFFECTS
from loratui.recovery.sound_checkpoints import beginning
from loratui.runs.launch import exit_code
from loratui.runs.states import run_title
from loratui.screens.monitor.run_words import SAID, TITLES, first_lines
from loratui.terminal.numbers import number
from loratui.terminal.text import plural, safe_text, show_path
from loratui.terminal.units import in_bytes, in_time
from trainer.contract.run.rundir import RunDir

OPENS = {"base model": "opens a list", "folder": "asks where", "doctor": "looks", "disk": "looks"}
OPENED = {
    "base model": "the list of base models",
    "folder": "a line for its place",
    "doctor": "the doctor's findings",
    "disk": "what takes the room",
}
Does = Literal["change", "resume", "begin", "new run", "base model", "folder", "doctor", "disk"]
DOES: dict[Does, str] = {  # what Enter does on a row, as the line of keys says it
    "change": "Change and start again",
    "resume": "Resume",
    "begin": "Start again",
    "new run": "Begin a new run",
    "base model": "Choose the base model",
    "folder": "Name the folder",
    "doctor": "Look at the machine",
    "disk": "See what takes room",
}
TRAINING = {"none": "same training", "rounding": "same training", "training": "other training"}
WAS_DOING = {
    "load": "while loading the base model",
    "cache": "while preparing the pictures",
    "prior": "while making class pictures",
    "start": "while working out the start from the weights",
    "sample": "while drawing pictures",
    "save": "while saving a checkpoint",
    "export": "while writing the files",
}


def title_words(case: BadEnd, history: History, folder: str, width: int) -> Content:
    """One row: what, which run, how far."""
    name = safe_text(run_title(history.name, folder), 40)
    left = Content.assemble((f"✗ {TITLES[case.kind]}  ", "bold $text-error"), (name, "bold"))
    right = f"step {history.step} of {history.steps}" if history.steps else ""
    return Content.assemble(left, " " * max(1, width - left.cell_length - len(right)), right)


def happened(case: BadEnd, history: History, run: RunDir) -> Content:
    """What happened, then what there is to go on from."""
    lines = {"oom": _out_of_memory, "nan": _not_finite, "crash": _crashed, "disk": _disk}.get(case.kind, _said)
    return Content("\n").join(Content(safe_text(line)) for line in [*lines(case, history, run), _left(case, history)])


def does(remedy: Remedy) -> Does:
    """What Enter does with it."""
    if remedy.opens:
        return remedy.opens
    if remedy.goes == "new run":
        return "new run"
    return "change" if remedy.changes else "resume" if remedy.step else "begin"


def remedy_row(remedy: Remedy, case: BadEnd, width: int) -> Content:
    """One line of the list: what is changed, what that is to the training, and about how much memory it takes."""
    training = TRAINING[remedy.effect] if remedy.changes else ""
    if remedy.opens or remedy.goes == "new run":
        training = OPENS.get(remedy.opens, "new run")
    memory, tone = "", "$muted"
    if remedy.memory is not None:
        memory = f"about {in_bytes(remedy.memory[1])}"
        if not remedy.fits(case.room):
            memory, tone = f"! {memory}", "$text-warning"
    title = safe_text(remedy.title, max(8, width - 31))
    return Content.assemble(f"{title:<{max(8, width - 30)}}", (f"{training:<15}", "$muted"), (f"{memory:>15}", tone))


def remedy_words(remedy: Remedy, case: BadEnd) -> Content:
    """What Enter does with this remedy, before it is pressed."""
    if remedy.opens:
        after = (
            " Enter there starts again with it." if remedy.opens in ("base model", "folder") else " Nothing is changed."
        )
        return Content(safe_text(f"Enter opens {OPENED[remedy.opens]}: {remedy.why}.{after}"))
    steps = case.config.train.steps
    parts = {
        "checkpoint": f"Enter starts again at step {remedy.step} of {steps}.",
        "beginning": f"Enter starts again from the beginning, {plural(steps, 'step')}: there is no checkpoint.",
        "new run": f"Enter begins a new run of {plural(steps, 'step')} beside this one, which stays as it is.",
    }
    said = [parts[remedy.goes]]
    if remedy.memory:
        before, after = (in_bytes(one) for one in remedy.memory)
        full = "" if remedy.fits(case.room) else f", of {in_bytes(case.room)} there are: most likely still too much"
        said.append(f"Memory about {after} in place of {before}{full}.")
    if remedy.back:
        later = [one for one in case.checkpoints if one > remedy.step]
        named = f"step {later[0]}" if len(later) == 1 else f"steps {later[0]} to {later[-1]}"
        said.append(f"After it the loss had left its range: the checkpoints of {named} are put aside.")
    if remedy.goes == "checkpoint" and remedy.changes:
        said.append(EFFECTS[remedy.effect])
    said.append(f"{remedy.why[:1].upper()}{remedy.why[1:]}.")
    if remedy.changes and remedy.goes != "new run":
        said.append("The old config.toml is kept.")
    return Content(safe_text(" ".join(said)))


def _out_of_memory(case: BadEnd, history: History, run: RunDir) -> list[str]:
    error = history.error or {}
    where = WAS_DOING.get(case.phase, f"in step {history.step + 1}")
    if not case.gpu:
        held = f" At its last step it held {in_bytes(history.rss)}." if history.rss else ""
        return [f"The trainer ran out of memory {where}. This machine has {in_bytes(ram())} of RAM.{held}"]
    total = error.get("vram_total")
    of = f" of the GPU's {in_bytes(total)}" if total else ""
    name = f" ({history.run.get('gpu')})" if history.run.get("gpu") else ""
    return [f"The GPU{name} ran out of memory {where}; the trainer held {in_bytes(number(error.get('vram')))}{of}."]


def _not_finite(case: BadEnd, history: History, run: RunDir) -> list[str]:
    error = history.error or {}
    if "step" not in error and case.because:  # seen where it was encoded, for all steps
        found = safe_text(case.because, SAID)
        return [f"{found[:1].upper()}{found[1:]}.", "Steps would be made from that, so none was taken with it."]
    step = error.get("step") or history.step + 1
    said = str(error.get("message") or "")
    what = "gradient" if said.startswith("the gradient") else "loss"
    lines = [f"The {what} of step {step} was not a finite number; that step was not applied."]
    start, last = beginning(history.ema), history.ema.last
    if start and last is not None and case.sound != case.checkpoints:
        lines[0] += f" The loss had risen from {start:.3g} to {last:.3g} before: the training ran away."
    elif last is not None:
        lines[0] += f" The loss was fine until then ({last:.3g})."
    if case.because:
        lines.append(f"Found: {safe_text(case.because, SAID)}.")
    if case.pictures:
        shown = ", ".join(safe_text(one, 30) for one in case.pictures[:4])
        more = f" and {len(case.pictures) - 4} more" if len(case.pictures) > 4 else ""
        lines.append(f"It was made from {shown}{more}.")
    return lines


def _crashed(case: BadEnd, history: History, run: RunDir) -> list[str]:
    pid = history.run.get("pid")
    code = exit_code(pid) if isinstance(pid, int) else None  # only of a trainer that this program started
    if _booted_since(run):
        return ["The trainer is gone without a message: the machine has been restarted since."]
    if code is None:
        who = "The trainer is gone without a message: killed, or the machine went down."
    elif code < 0:
        who = f"The trainer was ended by signal {-code} ({_signal_name(-code)})."
    else:
        return [f"The trainer ended with exit code {code} and left no message; its log below may say why."]
    if case.full:
        who += f" It held {in_bytes(history.rss)} of the {in_bytes(ram())} of RAM: most likely the system ended it."
    if code in (None, -signal.SIGKILL):
        return [who, "If RAM had run out, the system's log says so: journalctl -k | grep -i killed"]
    return [who]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _disk(case: BadEnd, history: History, run: RunDir) -> list[str]:
    free = shutil.disk_usage(run.path).free
    size = history.checkpoints[-1].get("bytes") if history.checkpoints else None
    wants = f" A checkpoint takes {in_bytes(size)}." if size else ""
    return [*_said(case, history, run), f"Free now in {show_path(run.path)}: {in_bytes(free)}.{wants}"]


def _said(case: BadEnd, history: History, run: RunDir) -> list[str]:
    return first_lines(str((history.error or {}).get("message") or "It said nothing more."))


def _left(case: BadEnd, history: History) -> str:
    """What there is to go on from."""
    if not case.checkpoints:
        return "No checkpoint was written yet." if history.step else "No step was taken yet."
    newest = case.checkpoints[-1]
    behind = max(0, history.step - newest)
    if not behind:
        return f"The checkpoint of step {newest} is whole; no step is lost."
    speed = history.seconds_per_step
    lost = f", about {in_time(behind * speed)}" if speed else ""
    return f"The newest checkpoint is of step {newest}: {plural(behind, 'step')}{lost}, {_are(behind)} taken again."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _booted_since(run: RunDir) -> bool:
    """Whether the machine was started after the run's last event was written."""
    try:
        words = Path("/proc/stat").read_text(encoding="ascii")
        booted = next(int(line.split()[1]) for line in words.splitlines() if line.startswith("btime "))
        return run.events.stat().st_mtime < booted < time.time()
    except (OSError, ValueError, StopIteration):
        return False
