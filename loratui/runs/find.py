"""Finds runs and says how each is doing, from the ends of its files: a long log costs no more than a short one."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui.errors import Refusal
from loratui.events.curves import mean_at_end
from loratui.events.endings import ending, taken
from loratui.runs.place import runs_trouble
from loratui.runs.silence import is_silent, may_begin
from loratui.runs.slurm import InSlurm, in_slurm
from loratui.runs.states import RUNS as FOLDER
from loratui.runs.states import STATES, StateName, leaving_words
from loratui.terminal.numbers import number, whole
from loratui.terminal.text import listed, plural, safe_text, show_path
from trainer.contract.documents.files import read_toml
from trainer.contract.documents.json_lines import parse_line, parse_lines
from trainer.contract.documents.regular import open_regular
from trainer.contract.entries import BadEntry
from trainer.contract.paths import can_see, expanded, is_file, is_folder
from trainer.contract.run.checkpoint_files import LORA, MANIFEST, OPTIMIZER, read_manifest
from trainer.contract.run.folder import refuse_links
from trainer.contract.run.lock import is_held, lock_holder
from trainer.contract.run.rundir import RunDir, checkpoint_folders, run_state

RUNS = Path(FOLDER)
WINDOW = 1 << 16  # bytes looked at from each end of events.jsonl
SHOWN = 3  # of the runs that a part of a name could mean
MEAN = "running mean"  # of the loss, put beside what the last step says
_LOSS = re.compile(rb'"type": ?"step", ?"step": ?(\d{1,9}), ?"loss": ?(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)[,}]')


class RunNotFound(Refusal):
    """There is no such run."""


@dataclass(frozen=True)
class RunInfo:
    """One run as a list shows it."""

    run: RunDir
    name: str
    state: StateName
    step: int
    steps: int
    started: float | None  # unix seconds of the first start
    seconds_per_step: float | None  # of the last step logged
    loss: float | None  # the running mean, as the result shows it
    views: float | None = None  # views per image, of the last step logged
    note: str = ""  # what keeps its trainer from its work
    trouble: str = ""  # why it is refused: a sentence
    slurm: str = ""  # what a cluster does with it, as words: which job, what it waits for

    @property
    def alive(self) -> bool:
        """Whether a trainer works on it now."""
        return STATES[self.state].alive


def find_runs(root: Path = RUNS) -> list[RunInfo]:
    """Every run in `root`, the newest first; an absent folder holds none."""
    try:
        folders = [Path(one.path) for one in os.scandir(root) if one.is_dir()]
    except OSError:
        return []
    found = [run_info(RunDir(folder)) for folder in folders if is_file(folder / "config.toml")]
    return sorted(found, key=lambda one: (one.started or _changed(one.run.config), one.run.path.name), reverse=True)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # gone meanwhile
        return 0.0


def run_info(run: RunDir, wait: bool = True) -> RunInfo:
    """How one run is doing. Of one that is refused nothing is read. Without `wait` no cluster is waited for."""
    if trouble := link_trouble(run, deep=False):
        return RunInfo(run, run.path.name, "refused", 0, 0, None, None, None, trouble=trouble)
    head, tail = ends(run.events)
    first = next((one for one in head if one.get("type") == "run"), {})
    last = next((one for one in reversed(tail) if one.get("type") in ("run", "end")), first or None)
    step: dict[str, Any] = next((one for one in reversed(tail) if one.get("type") == "step"), {})
    ended = last if last and last.get("type") == "end" else {}
    words = first or _from_config(run)
    cluster = None if is_held(run.lock) else in_slurm(run, last, wait)
    steps = _from_config(run)["steps"] if can_see(run.changes) else words.get("steps")  # it may have been made longer
    state = _state(run, last, tail, cluster)
    if state == "starting":  # what the start before it logged is none of its steps
        ended, step = {}, {"step": max(resumable_steps(run), default=0)}
    return RunInfo(
        run=run,
        name=str(words.get("name") or run.path.name),
        state=state,
        step=whole(ended.get("step", step.get("step"))),
        steps=whole(steps),
        started=number(first.get("t")),
        seconds_per_step=number(step.get("s")),
        loss=number(step.get(MEAN)),
        views=number(step.get("views")),
        note=lock_note(run),
        slurm="" if cluster is None else safe_text(cluster.words, 80),
    )


def parting_words(run: RunDir) -> str:
    """How a run is that somebody leaves, where its files lie, and how to come back to it."""
    return leaving_words(run, run_info(run).state)


def processes_of(run: RunDir) -> int:
    """How many processes shared the run when it was last started; 1 before that."""
    head, tail = ends(run.events)
    starts = [one for one in (*head, *tail) if one.get("type") == "run"]
    return max(1, whole(starts[-1].get("world"))) if starts else 1


def lock_note(run: RunDir) -> str:
    """What keeps the trainer of a run from its work, as its lock says it; mostly empty. Never trusted."""
    holder = lock_holder(run.lock)
    return "" if holder is None else holder.note


def link_trouble(run: RunDir, deep: bool = True) -> str:
    """Why a run's folder is not worked in, as a sentence: a name of the run's own is a link. Empty if none is."""
    try:
        refuse_links(run, deep)
    except BadEntry as error:
        return safe_text(error)
    except OSError:
        pass  # what may not be looked into is told by who wants to
    return ""


def saved_steps(run: RunDir) -> tuple[int, ...]:
    """The steps of the checkpoints on disk, oldest first; whether they are whole, the trainer finds out."""
    return tuple(_saved(run))


def resumable_steps(run: RunDir) -> tuple[int, ...]:
    """Those of the saved steps that hold the optimizer's state, so that a run can go on from them; oldest first."""
    return tuple(step for step, folder in _saved(run).items() if not _lightened(folder))


def _saved(run: RunDir) -> dict[int, Path]:
    found = reversed(checkpoint_folders(run).items())
    return {step: folder for step, folder in found if is_file(folder / MANIFEST)}


def _lightened(checkpoint: Path) -> bool:
    hashes = read_manifest(checkpoint).value or {}
    return LORA in hashes and OPTIMIZER not in hashes


def find_run(text: str | None = None, root: Path = RUNS) -> RunDir:
    """The run that `text` means: a folder, a run's folder name in `root` or part of one, or a run's own name.

    Of several with the same own name it is one that is alive, else the newest; part of several names means none.
    Without `text` the newest run that is alive, else the newest. Raises RunNotFound with a sentence, or Refusal for a
    run that has links in its folder.
    """
    run = _meant_run(text, root)
    if trouble := link_trouble(run):
        raise Refusal(f"{show_path(run.path)}: {trouble}")
    return run


def _meant_run(text: str | None, root: Path) -> RunDir:
    if text:
        for path in (expanded(text), root / text):
            if is_file(path / "config.toml"):
                return RunDir(path.absolute())
    if trouble := runs_trouble(root):
        raise RunNotFound(trouble)
    runs = find_runs(root)
    if not text:
        if not runs:
            raise RunNotFound(f"there are no runs in {show_path(root)}/; start one with 'loratui' or 'loratui replay'")
        return RunDir(next((one for one in runs if one.alive), runs[0]).run.path.absolute())
    named = [one for one in runs if one.name == text]
    parts = [one for one in runs if text in one.run.path.name] if not named else []
    if len(parts) > 1:
        shown = listed([f"'{show_path(one.run.path.name)}'" for one in parts[:SHOWN]])
        more = f" and {plural(len(parts) - SHOWN, 'other')}" if len(parts) > SHOWN else ""
        raise RunNotFound(f"'{show_path(text)}' is part of several names, {shown}{more}: write the whole name")
    if named := named or parts:
        return RunDir(next((one for one in named if one.alive), named[0]).run.path.absolute())
    place = expanded(text)
    if can_see(place) and (around := next((one for one in place.parents if is_file(one / "config.toml")), None)):
        raise RunNotFound(f"'{show_path(text)}' is inside a run; name the run itself: {show_path(around)}")
    what = ": it is a file" if is_file(place) else ": it is a folder without a config.toml" if is_folder(place) else ""
    lists = "'loratui runs' lists them" if runs else f"there are none in {show_path(root)}/"
    raise RunNotFound(f"there is no run '{show_path(text)}'{what}{_meant(text, runs)}; {lists}")


def _state(run: RunDir, last: dict[str, Any] | None, tail: list[dict[str, Any]], cluster: InSlurm | None) -> StateName:
    state = run_state(run, last)
    paused, aborted = taken(tail)
    if state == "running":
        silent = is_silent(run, last)
        return "waiting" if lock_note(run) else "starting" if silent else "paused" if paused else "training"
    if cluster is not None:
        return "paused" if cluster.state == "training" and paused else cluster.state
    if is_silent(run, last):
        return "starting"
    if state == "stopped":
        return ending(state, aborted)
    return "starting" if state == "crashed" and last is None and may_begin(run) else state


def ends(path: Path, whole: bool = False) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The events of the first and of the last WINDOW bytes of a log; the same list where the file is shorter.

    Without `whole` only each `run`, `end` and command, and the last `step`: parsing all of them takes 7 ms a run.
    """
    chosen = _all if whole else _telling
    try:
        with os.fdopen(open_regular(path, path.parent), "rb") as file:
            head = file.read(WINDOW)
            size = file.seek(0, os.SEEK_END)
            if size <= WINDOW:
                events = chosen(head.split(b"\n"))
                return events, events
            file.seek(size - WINDOW)
            tail = file.read()
    except (OSError, ValueError):
        return [], []
    return chosen(head.split(b"\n")[:-1]), chosen(tail.split(b"\n")[1:])


def _all(lines: list[bytes]) -> list[dict[str, Any]]:
    return [one for one in parse_lines(lines) if one is not None]


def _telling(lines: list[bytes]) -> list[dict[str, Any]]:
    found = [parse_line(line) for line in lines if b'"run"' in line or b'"end"' in line or b'"command"' in line]
    found.append(_last_step(lines))
    return [one for one in found if one is not None]


def _last_step(lines: list[bytes]) -> dict[str, Any] | None:
    """The last `step` that no later start undid, with the mean of the loss up to it.

    Where such a start took none yet, it is at the step from which it began.
    """
    start: int | None = None  # from which the earliest of the later starts began
    for at in range(len(lines) - 1, -1, -1):
        line = lines[at]
        one = parse_line(line) if b'"step"' in line or b'"run"' in line else None
        if one is None:
            continue
        if one.get("type") == "run":
            begun = whole(one.get("resumed_from"))
            start = begun if start is None else min(begun, start)
            if not start:
                break
        elif one.get("type") == "step" and (start is None or whole(one.get("step")) <= start):
            return {**one, "step": one.get("step") if start is None else start, MEAN: _mean(lines[: at + 1], one)}
    return None if start is None else {"type": "step", "step": start}


def _mean(lines: list[bytes], last: dict[str, Any]) -> float | None:
    losses = ((int(one[1]), number(float(one[2]))) for one in map(_LOSS.search, lines) if one)
    mean = mean_at_end((step, loss) for step, loss in losses if loss is not None)
    return number(last.get("loss")) if mean is None else mean


def _from_config(run: RunDir) -> dict[str, Any]:
    tables = read_toml(run.config, root=run.path).value or {}
    train = tables.get("train")
    steps = train.get("steps") if isinstance(train, dict) else 0
    return {"name": tables.get("name", run.path.name), "steps": steps}


def _meant(text: str, runs: list[RunInfo]) -> str:
    import difflib

    known = [one.run.path.name for one in runs] + [one.name for one in runs]
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.6)
    return f"; did you mean '{show_path(near[0])}'?" if near else ""
