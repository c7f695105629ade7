"""What can be done with a run as it is now: asked here by every key, command and completion that names one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loratui.runs.find import RunInfo, resumable_steps, run_info, saved_steps
from loratui.runs.states import STATES, StateName
from trainer.contract.run.rundir import RunDir

Deed = Literal["go_on", "fix", "longer", "export", "generate", "push", "build_on", "note", "rename", "delete"]
WORKED_ON = "a trainer is working on it: stop it first"
BUSY: dict[str, str] = {"starting": "it is starting", "queued": "it waits in the queue: take it out first"}


@dataclass(frozen=True)
class Possible:
    """A run's state, and what of it is there."""

    state: StateName
    steps: int = 0  # that it has in its settings
    resumable: tuple[int, ...] = ()  # steps of the checkpoints that it can go on from
    saved: tuple[int, ...] = ()  # of all checkpoints
    files: bool = False  # a LoRA lies in its export
    trouble: str = ""  # why it is refused

    def can(self, deed: Deed) -> bool:
        """Whether it can be done."""
        return not self.why_not(deed)

    def why_not(self, deed: Deed) -> str:
        """Why it cannot be done, as half a sentence; empty where it can."""
        state = STATES[self.state]
        if self.state == "refused":
            return self.trouble
        match deed:
            case "go_on":
                longer = "; l makes it longer" if self.can("longer") else ""
                return "" if state.goes_on else f"it is {self.state}{longer}"
            case "fix":
                return "" if self.state in ("failed", "crashed") else f"it is {self.state}"
            case "longer":
                return self._busy or ("" if self.resumable else "no checkpoint is kept to resume from")
            case "export":
                return self._busy or ("" if self.saved else "no checkpoint is kept to write files from")
            case "generate":
                return "" if self.files or self.saved else "it has neither files nor a checkpoint to draw with"
            case "push" | "build_on":
                return "" if self.files else "it has no LoRA in its export"
            case "rename" | "delete":
                return self._busy
            case "note":
                return ""

    def goes_on_by(self, action: str) -> bool:
        """Whether this of the key's two actions does: what was never started begins, all else goes on."""
        return self.can("go_on") and action == ("begin" if self.state == "new" else "go_on")

    @property
    def has_result(self) -> bool:
        """Whether its result says more than that there is none: files, or checkpoints that make them."""
        return not self._busy and (self.files or bool(self.saved) or self.state == "completed")

    @property
    def _busy(self) -> str:
        if STATES[self.state].alive and self.state != "starting":
            return WORKED_ON
        return BUSY.get(self.state, "")


def possible(run: RunDir, state: StateName | None = None) -> Possible:
    """Look at `run`: the ends of its log, and the names in its folders. `state`: what a screen knows of it already."""
    info = run_info(run)
    if info.state == "refused":
        return Possible("refused", trouble=info.trouble)
    return Possible(state or info.state, info.steps, resumable_steps(run), saved_steps(run), _has_lora(run))


def takes(info: RunInfo, command: str) -> bool:
    """Whether the command `loratui COMMAND RUN` has something to do with a run: a shell offers no other."""
    match command:
        case "stop" | "abort" | "save" | "sample" | "pause":
            return (info.alive and not (command == "pause" and info.state == "paused")) or leaves_slurm(info, command)
        case "first" | "move" | "cancel":  # of the queue
            return info.state == "queued"
        case "add":
            return STATES[info.state].goes_on and not info.alive
        case "checkpoints":
            return bool(saved_steps(info.run))
        case "resume" | "export" | "generate" | "push" | "rename" | "delete":
            return possible(info.run).can("go_on" if command == "resume" else command)
        case _:
            return True


def leaves_slurm(info: RunInfo, command: str) -> bool:
    """Whether `command` takes the run out of a cluster, where no trainer hears it yet."""
    return bool(info.slurm) and info.state in ("queued", "starting") and command in ("stop", "abort")


def _has_lora(run: RunDir) -> bool:
    try:
        return any(one.name.endswith(".safetensors") for one in run.export.iterdir())
    except OSError:
        return False
