"""The names of everything inside a run directory, and how its state is read from outside."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trainer.contract.paths import can_see

State = Literal["starting", "running", "completed", "stopped", "failed", "crashed", "new", "queued", "refused"]

# a checkpoint's folder; or `aside`, which stepped aside for its successor of that name (once without "loratui-")
CHECKPOINT = re.compile(r"step-([0-9]{1,12})|\.(?:loratui-)?(?P<aside>step-([0-9]{1,12}))\.old")


@dataclass(frozen=True)
class RunDir:
    """A run directory: the whole truth about one run."""

    path: Path

    @property
    def answers(self) -> Path:
        """What the person chose."""
        return self.path / "answers.toml"

    @property
    def config(self) -> Path:
        """Everything resolved; the only thing that the trainer reads."""
        return self.path / "config.toml"

    @property
    def changes(self) -> Path:
        """What a person changed between two starts of the run, as JSON; absent where nothing was."""
        return self.path / "changes.json"

    @property
    def events(self) -> Path:
        """The append-only log; the trainer's rank 0 is its only writer."""
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        """Raw stdout and stderr of the trainer."""
        return self.path / "trainer.log"

    @property
    def lock(self) -> Path:
        """Flocked by the trainer for its life; holds pid, host and start as JSON."""
        return self.path / "lock"

    @property
    def claim(self) -> Path:
        """Flocked from the launch of a trainer until all its processes are gone; says which GPUs they were given."""
        return self.path / "claim"

    @property
    def queued(self) -> Path:
        """There while the run waits in the queue of the folder it lies in."""
        return self.path / "queued.json"

    @property
    def slurm(self) -> Path:
        """Which job of Slurm has the run, as JSON; absent where none ever had. Touched by the job while it lives."""
        return self.path / "slurm.json"

    @property
    def slurm_files(self) -> Path:
        """What submitit hands to the job, and what Slurm says of it."""
        return self.path / "slurm"

    @property
    def control(self) -> Path:
        """Inbox of commands, one JSON file each."""
        return self.path / "control"

    @property
    def samples(self) -> Path:
        """Validation pictures: 000300-0.png and the small 000300-0.jpg."""
        return self.path / "samples"

    @property
    def prompts(self) -> Path:
        """Prompts that were added to the validation pictures while it ran; written by the trainer."""
        return self.path / "prompts.json"

    @property
    def checkpoints(self) -> Path:
        """step-000300 and so on."""
        return self.path / "checkpoints"

    @property
    def cache(self) -> Path:
        """Latents and prompt embeddings of this run, and generated class pictures."""
        return self.path / "cache"

    @property
    def trackers(self) -> Path:
        """What trackers write, each into a folder of its own."""
        return self.path / "trackers"

    @property
    def export(self) -> Path:
        """The files that other programs read."""
        return self.path / "export"

    @property
    def generated(self) -> Path:
        """Pictures that a person asked for when the run was over."""
        return self.path / "generated"

    @property
    def note(self) -> Path:
        """A line that a person noted of the run; absent where nothing was."""
        return self.path / "note.txt"

    def checkpoint(self, step: int) -> Path:
        """The folder of the checkpoint at `step`."""
        return self.checkpoints / f"step-{step:06d}"

    def sample(self, step: int, index: int) -> Path:
        """The full-size validation picture of prompt `index` at `step`."""
        return self.samples / f"{step:06d}-{index}.png"


def checkpoint_folders(run: RunDir) -> dict[int, Path]:
    """The folder of each checkpoint by its step, newest first; whether they are whole, the trainer finds out.

    One that stepped aside for its successor (`.loratui-step-000300.old`) counts where a kill came before that one.
    """
    try:
        names = sorted(one.name for one in os.scandir(run.checkpoints) if one.is_dir(follow_symlinks=False))
    except OSError:
        return {}
    # in the order of names what stepped aside comes first: its successor counts instead
    steps = {int(one[1] or one[3]): run.checkpoints / name for name in names if (one := CHECKPOINT.fullmatch(name))}
    return dict(sorted(steps.items(), reverse=True))


def home_folder() -> Path:
    """The person's home; where nobody knows one (a container without HOME), a folder that is not there."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


def cache_folder() -> Path:
    """Where caches of all runs lie: $XDG_CACHE_HOME/loratui, or ~/.cache/loratui."""
    root = os.environ.get("XDG_CACHE_HOME") or home_folder() / ".cache"
    return Path(root) / "loratui"


def run_state(run: RunDir, last: dict[str, Any] | None) -> State:
    """The state of a run from its lock and the last `run` or `end` event (None if there is neither).

    Lock held: running. Lock free: queued while it waits for its turn; after an `end` that status; without: crashed.
    """
    from trainer.contract.run.lock import lock_holder

    if lock_holder(run.lock) is not None:
        return "running"
    if os.path.lexists(run.queued):
        return "queued"
    if last is None:
        return "new" if not can_see(run.log) else "crashed"
    if last.get("type") == "end":
        status = last.get("status")
        return status if status in ("completed", "stopped", "failed") else "failed"
    return "crashed"
