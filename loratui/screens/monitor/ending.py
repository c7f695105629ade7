"""How a run is ended and begun again from the monitor: what a stop leaves behind, what an abort loses, in words."""

from __future__ import annotations

from loratui.events.history import History
from loratui.runs.find import resumable_steps
from loratui.runs.launch import exit_code, is_alive
from loratui.runs.states import STATES, StateName, run_word
from loratui.screens.monitor.run_words import is_paused
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.queue_choice import stop_note
from loratui.terminal.text import plural, safe_text, show_path
from loratui.terminal.units import clock, in_bytes, in_time
from trainer.contract.basemodel.inspect import NotSDXL
from trainer.contract.plan.estimate import estimate
from trainer.contract.plan.vae_memory import WIDTH
from trainer.contract.run.control import Cmd
from trainer.contract.run.events import Event
from trainer.contract.run.exports import FILES, lora_files, lora_sizes, paths_of
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, load_config

PREPARING = {
    "data": "reading the class pictures' data set",
    "load": "loading the base model",
    "cache": "preparing the pictures",
    "prior": "making class pictures",
    "start": "working out the start from the weights",
}
BUSY = {
    "sample": "drawing pictures",
    "save": "saving a checkpoint",
    "export": "writing the files",
}


class Restart:
    """A trainer that was started again and has not spoken yet."""

    def __init__(self, pid: int, before: Event) -> None:
        """`before` is the `run` event of the start before it."""
        self.pid, self._before = pid, before

    def settle(self, history: History) -> str | None:
        """None while nothing is known; empty once it speaks; else a sentence: it ended before it could."""
        if history.run is not self._before:
            return ""
        if is_alive(self.pid):
            return None
        code = exit_code(self.pid)
        return f"the trainer could not start again (exit code {code}); l shows the end of its log"


def preparing(history: History, state: StateName) -> str:
    """What a trainer that has taken no step since its start is doing; empty once it trains."""
    if state == "starting" or not history.run:  # what the history tells is of the start before
        return "starting"
    return PREPARING.get(history.doing, "") if history.doing else "starting"


def asked_words(cmd: Cmd, history: History, state: StateName) -> str:
    """What is said when a command was sent: when it will be done."""
    doing = preparing(history, state)
    if doing and cmd not in ("stop", "abort"):
        return f"{cmd}: asked; done at the first step ({doing} now)"
    if doing:
        return f"{cmd}: asked; done as soon as that can be left ({doing} now)"
    if history.doing == "sample":
        return f"{cmd}: asked; done when the pictures are drawn"
    if is_paused(history, state):
        return f"{cmd}: asked"
    return f"{cmd}: asked; done after the current step"


def late_words(cmd: str, history: History, state: StateName) -> str:
    """What is said of a command that nobody took for a while."""
    if not STATES[state].alive:
        return f"{cmd}: not done: no trainer works on the run any more"
    doing = preparing(history, state) or BUSY.get(history.doing, "")
    now = f"it is {doing} now, and " if doing else ""
    return f"{cmd}: no answer yet; {now}the trainer looks at commands between two steps"


def stop_question(history: History, run: RunDir, state: StateName) -> Confirm:
    """The question before a stop: exactly what it leaves behind."""
    title, yes = "Stop this run?", "Stop and export"
    doing = preparing(history, state)
    if doing or not history.step:
        yes = "Stop"
        body = _stop_before_training(history, run, doing)
    else:
        body = _stop_words(history, run, state)
    body += stop_note(run)
    return Confirm(title, body, yes, _no(history, state), careful=True)


def abort_question(history: History, run: RunDir, state: StateName) -> Confirm:
    """The question before an abort: what is lost, and what stays."""
    saved = resumable_steps(run)
    newest = saved[-1] if saved else 0
    lost = 0 if preparing(history, state) == "starting" else history.step - newest
    now = "is paused; it" if is_paused(history, state) else "finishes its step, then"
    lines = [f"The trainer {now} ends at once and writes nothing more: no checkpoint, no files.", ""]
    if lost > 0 and newest:
        lines.append(f"  lost   {_steps(newest + 1, history.step)}{_work(history, lost)}")
    elif lost > 0:
        lines.append(f"  lost   everything that was trained: {plural(lost, 'step')}{_work(history, lost)};")
        lines.append("         no checkpoint was written yet")
    else:
        lines.append("  lost   nothing that was trained")
    if newest:
        lines.append(f"  stays  checkpoint step-{newest:06d}, from which it resumes:")
        lines.append(f"         loratui resume {run_word(run)}")
    if history.samples:
        lines.append(f"  stays  {plural(len(history.samples), 'picture')} in samples/")
    if lost > 0:
        lines += ["", "x stops it instead: with a checkpoint and the files."]
    return Confirm("Abort this run?", "\n".join(lines), "Abort, save nothing", _no(history, state), destroys=True)


def _no(history: History, state: StateName) -> str:
    """The answer that changes nothing."""
    return "Leave it paused" if is_paused(history, state) else "Keep training"


def _stop_before_training(history: History, run: RunDir, doing: str) -> str:
    """A stop while there is nothing new to save."""
    saved = resumable_steps(run)
    now = f"The trainer is {doing}" if doing else "The trainer has just begun"
    lines = [f"{now} and has taken no step since its start, so a stop writes no checkpoint and no files.", ""]
    if saved:
        lines.append(f"  stays  checkpoint step-{saved[-1]:06d}, from which it was about to resume")
    lines.append("  stays  what was prepared: the next start finds it")
    lines += ["", f"Start it again: loratui resume {run_word(run)}"]
    return "\n".join(lines)


def _stop_words(history: History, run: RunDir, state: StateName) -> str:
    step = history.step
    now = "The trainer is paused; it" if is_paused(history, state) else "The trainer finishes its step, then"
    lines = [f"{now} writes into {show_path(run.path)}"]
    lines += ["", *_files(history, run, is_paused(history, state)), ""]
    keep, saved = _keep(run), resumable_steps(run)
    if keep and len(saved) >= keep and step not in saved:
        gone = ", ".join(f"step-{one:06d}" for one in saved[: len(saved) - keep + 1][-3:])
        lines.append(f"{gone}: only its LoRA and embeddings stay (keep_checkpoints {keep}).")
    took = [
        f"{what} took {clock(history.took[name])} the last time"
        for name, what in (("save", "a checkpoint"), ("export", "the files"))
        if name in history.took and history.took[name] >= 1
    ]
    if took:
        lines.append(f"{' and '.join(took)}.".capitalize())
    at = f"step {step}" if is_paused(history, state) else f"about step {step}"
    lines += [
        f"It ends as stopped at {at} of {history.steps}; no step is lost.",
        f"Resume it later: loratui resume {run_word(run)}",
    ]
    return "\n".join(lines)


def _files(history: History, run: RunDir, paused: bool) -> list[str]:
    """The checkpoint and the files to use, each with about its size; a trainer that is paused takes no step before."""
    name = f"checkpoints/step-{history.step:06d}"
    try:
        config = load_config(run.config)
        need = estimate(config, 1)
    except (OSError, ValueError, NotSDXL):
        return [f"  {name}", "  export/ with the LoRA, the embeddings and the README"]
    lora = need.lora_parameters * WIDTH[config.export.precision]
    known = history.checkpoints[-1].get("bytes") if history.checkpoints else None
    checkpoint = in_bytes(known or need.disk[0].bytes / max(1, _kept(config)))
    rows = [(name if paused else f"{name} or the step after", checkpoint)]
    whole, parts = lora_files(config)[::-1], lora_sizes(config)
    for one in (*whole, *(one for one in FILES if one not in whole)):
        if paths := paths_of(one, config):
            said = f" {len(paths)} {one.many}" if len(paths) > 1 else paths[0]
            rows.append((f"export/{said}", one.size or in_bytes(parts[paths[0]] * lora)))
    sizes = [f"about {size}" if size[:1].isdigit() else size for _, size in rows]
    return [f"  {safe_text(name):<52} {size}".rstrip() for (name, _), size in zip(rows, sizes, strict=True)]


def _keep(run: RunDir) -> int:
    """How many checkpoints keep the optimizer's state; 0 where the configuration cannot be read."""
    try:
        return load_config(run.config).train.keep_checkpoints
    except (OSError, ValueError):
        return 0


def _kept(config: TrainConfig) -> int:
    from trainer.contract.settings.arithmetic import checkpoint_steps

    return min(len(checkpoint_steps(config)), config.train.keep_checkpoints + 1)


def _steps(first: int, last: int) -> str:
    return f"step {first}" if first == last else f"steps {first} to {last}"


def _work(history: History, steps: int) -> str:
    speed = history.seconds_per_step
    return f", about {in_time(steps * speed)} of work" if speed and steps * speed >= 1 else ""
