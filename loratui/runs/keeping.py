"""A person's order among runs that are over: another name, a note, none of it any more."""

from __future__ import annotations

import os
import re
from pathlib import Path

from loratui.errors import Refusal
from loratui.runs.find import run_info, saved_steps
from loratui.runs.possible import BUSY, WORKED_ON
from loratui.runs.states import has_files
from loratui.terminal.text import os_words, plural, safe_text, show_path
from trainer.contract.documents.parsers import as_text
from trainer.contract.documents.regular import read_bytes
from trainer.contract.entries import remove, remove_folder, rename, write_atomic
from trainer.contract.paths import can_see, is_file
from trainer.contract.run.queue import has_trainer
from trainer.contract.run.rundir import RunDir

MOST = 100  # letters of a name
NAME = re.compile(rf"\w[\w.-]{{0,{MOST - 1}}}")
LONGEST = 300  # characters of a note


def rename_run(run: RunDir, name: str) -> RunDir:
    """Give the folder of `run` another name, in the folder where it lies. Raises Refusal."""
    _refuse_busy(run)
    if trouble := name_trouble(run, name):
        raise Refusal(trouble)
    target = run.path.with_name(name)
    try:
        rename(run.path, target, run.path.parent)
    except OSError as error:
        raise Refusal(f"{show_path(run.path)} cannot be renamed: {os_words(error)}") from None
    return RunDir(target)


def name_trouble(run: RunDir, name: str) -> str:
    """Why the folder of `run` cannot be called `name`, as a sentence; empty if it can, or is."""
    if name == run.path.name:
        return ""
    if not NAME.fullmatch(name):
        return f"'{safe_text(name, 60)}' cannot name a run: it {_fault(name)}"
    target = run.path.with_name(name)
    return f"{show_path(target)} is there already" if can_see(target) or target.is_symlink() else ""


def _fault(name: str) -> str:
    if not name:
        return "is empty"
    if len(name) > MOST:
        return f"has more than {MOST} letters"
    if re.search(r"\s", name):
        return "has a space in it"
    if re.fullmatch(r"[\w.-]*", name):
        return "has no letter or digit in front"
    return "has other signs than letters, digits, '.', '-' and '_'"


def read_note(run: RunDir) -> str:
    """What a person noted of `run`, in one line; empty where nothing was."""
    raw = read_bytes(run.note, 4 * LONGEST, run.path)
    try:
        return safe_text(as_text(raw.value).strip(), LONGEST) if raw.value is not None else ""
    except UnicodeDecodeError:
        return ""


def write_note(run: RunDir, text: str) -> None:
    """Note `text` of `run`; an empty one takes the note away. Raises Refusal."""
    if run_info(run).state == "refused":
        raise Refusal(f"{show_path(run.path)} holds a link under a name of its own and is left alone")
    try:
        if text.strip():
            write_atomic(run.note, text.strip()[:LONGEST] + "\n", 0o600)
        else:
            remove(run.note, run.path)
    except OSError as error:
        raise Refusal(f"the note cannot be written: {os_words(error)}") from None


def size_of(run: RunDir) -> int:
    """Bytes in the folder of `run`; what links lead to is not in it."""
    total = 0
    for folder, _, names in os.walk(run.path):
        for name in names:
            try:
                total += Path(folder, name).lstat().st_size
            except OSError:
                continue  # gone meanwhile
    return total


def contents_words(run: RunDir) -> str:
    """What lies in the folder of `run` that would be missed, counted: nothing is named that is not there."""
    pictures = [one for folder in (run.samples, run.generated) for one in folder.rglob("*.png")]
    parts = ["the trained files"] if has_files(run) else []
    parts += [plural(count, "checkpoint")] if (count := len(saved_steps(run))) else []
    parts += [plural(len(pictures), "picture")] if pictures else []
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts) or "nothing that was trained"


def delete_run(run: RunDir) -> None:
    """Remove the folder of `run` and all in it; what links lead to stays. Raises Refusal."""
    _refuse_busy(run)
    if run.path.is_symlink() or not is_file(run.config):
        raise Refusal(f"{show_path(run.path)} is not a run's folder, and is left alone")
    try:
        remove_folder(run.path, run.path.parent)
    except OSError as error:
        raise Refusal(f"{show_path(run.path)} is not completely removed: {os_words(error)}") from None


def _refuse_busy(run: RunDir) -> None:
    info = run_info(run)
    state = info.state
    if has_trainer(run) or (info.slurm and info.alive):
        raise Refusal(WORKED_ON)
    if state == "queued":
        raise Refusal("it waits in Slurm: take it out first" if info.slurm else BUSY["queued"])
    if state == "refused":
        raise Refusal("it holds a link under a name of its own and is left alone")
