"""What a person or a trainer does to files: how it is prepared, done, and what must hold whatever failed meanwhile."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

import trainer.demo
from loratui.curation.copies.folder import CannotWrite, FixSettings, fix_pictures
from loratui.settings.answers import Answers, read_answers, write_answers
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from tests.faults import forks, runs
from trainer.captioner.files import write_new
from trainer.checkpoints.saver import Saver
from trainer.checkpoints.snapshot import Snapshot, newest_checkpoint, save_checkpoint
from trainer.contract.pictures.folder import NoDataset
from trainer.contract.run import queue
from trainer.contract.run.control import Inbox, send
from trainer.contract.run.events import EventLog
from trainer.contract.run.rundir import RunDir
from trainer.export.__main__ import main as export

Check = Callable[[Path, int], list[str]]  # the folder and the exit code (negative: killed) -> broken promises
MASCOT = Path(trainer.demo.__file__).parent / "concepts" / "mascot"
LEFT_OUT = 3  # a picture could not be read, and that is said
FAILED = 7  # the operation said that it could not be done


@dataclass(frozen=True)
class Operation:
    """One thing that is done to a folder."""

    name: str
    prepare: Callable[[Path], None]
    act: Callable[[Path], int]
    check: Check
    seconds: float = 10.0  # longer is a hang


def _snapshot(step: int, seed: int) -> Snapshot:
    random = torch.Generator().manual_seed(seed)
    one, two, three = (torch.rand(64, 64, generator=random) for _ in range(3))
    return Snapshot(step, {"a": one}, {"b": two}, {"c": three}, {"settings": {"seed": seed}})


def _two_checkpoints(folder: Path) -> None:
    for step in (2, 4):
        save_checkpoint(RunDir(folder), _snapshot(step, step))


def _save(step: int, seed: int) -> Callable[[Path], int]:
    def act(folder: Path) -> int:
        log = EventLog(RunDir(folder).events)
        saver = Saver(RunDir(folder), log, 1)
        saver.save(_snapshot(step, seed))
        return 0 if saver.wait() else FAILED

    return act


def _checkpoint_whole(wanted: dict[int, set[int]], done: int) -> Check:
    """`wanted`: which seeds the snapshot of a step may have; `done`: the step that is there after a success."""

    def check(folder: Path, code: int) -> list[str]:
        run = RunDir(folder)
        told = [int(one["step"]) for one in runs.events(run) if one.get("type") == "checkpoint"]
        found = newest_checkpoint(run)
        if found.snapshot is None:
            return [f"no checkpoint is there any more: {found.damaged}"]
        seed = found.snapshot.identity["settings"]["seed"]
        problems = [] if seed in wanted.get(found.snapshot.step, set()) else [f"a mix: step {found.step}, seed {seed}"]
        if told and found.snapshot.step < max(told):
            problems.append(f"step {max(told)} was said to be saved, {found.step} is there")
        if code == 0 and found.step != done:
            problems.append(f"said to be done, {found.step} is there")
        return problems

    return check


def _write_answers(rank: int) -> Callable[[Path], int]:
    def act(folder: Path) -> int:
        try:
            write_answers(folder / "answers.toml", Answers("object", {"name": f"r{rank}", "train.rank": rank}))
        except OSError:
            return FAILED
        return 0

    return act


def _answers_whole(folder: Path, code: int) -> list[str]:
    name = read_answers(folder / "answers.toml").values["name"]
    problems = [] if name in ("r8", "r16") else [f"other answers: {name}"]
    return problems + ["said to be done, the old ones are there"] * (code == 0 and name != "r16") + _swept(folder, code)


def _three_wait(folder: Path) -> None:
    for name in ("r1", "r2", "r3"):
        (folder / name).mkdir()
        (folder / name / "config.toml").write_text("name = 'x'\n")
        queue.enqueue(RunDir(folder / name))


def _move_last_first(folder: Path) -> int:
    try:
        queue.move(RunDir(folder / "r3"), 1)
    except (OSError, queue.QueueError):
        return FAILED
    return 0


def _queue_whole(folder: Path, code: int) -> list[str]:
    order = [one.run.path.name for one in queue.waiting(folder)]
    moved = [["r3", "r1", "r2"], ["r1", "r3", "r2"], ["r2", "r3", "r1"]]  # before those that could be read
    problems = [] if sorted(order) == ["r1", "r2", "r3"] else [f"{order} wait"]
    return (
        problems + ["said to be done, not moved"] * (code == 0 and order not in moved) + _swept(folder, code, "queue")
    )


def _one_draft(folder: Path) -> None:
    DraftStore(folder).save(Draft(values={"name": "one"}))


def _save_draft(folder: Path) -> int:
    store = DraftStore(folder)
    kept = store.all().kept
    store.take(kept[0].key if kept else "")
    return FAILED if store.save(Draft(values={"name": "two"})) else 0


def _draft_whole(folder: Path, code: int) -> list[str]:
    drafts = DraftStore(folder).all()
    names = [one.draft.values.get("name") for one in drafts.kept]
    problems = [f"trouble: {drafts.troubles}"] * bool(drafts.troubles)
    if not names or not set(names) <= {"one", "two"}:
        problems.append(f"the drafts are {names}")
    lost = ["said to be saved, it is not there"] * (code == 0 and "two" not in names)
    return problems + lost + _swept(folder, 0)  # the look at them was a start: what a killed one left is gone


WORDS = "a TOK, a dog on a beach " * 10


def _write_caption(folder: Path) -> int:
    try:
        return 0 if write_new(folder / "a.txt", WORDS) else FAILED
    except OSError:
        return FAILED


def _caption_whole(folder: Path, code: int) -> list[str]:
    path = folder / "a.txt"
    there = path.read_text() if path.exists() else None
    problems = [] if there in (None, WORDS + "\n") else [f"half a caption, {len(there or '')} letters"]
    return problems + ["said to be written, it is not there"] * (code == 0 and there is None) + _swept(folder, code)


def _fix(folder: Path) -> int:
    try:
        made = fix_pictures(MASCOT, folder / "out", FixSettings(trigger="TOK"))
    except (CannotWrite, NoDataset):
        return FAILED
    return 0 if len(made.copies) == len(made.pictures) else LEFT_OUT


def _copies_whole(folder: Path, code: int) -> list[str]:
    out = folder / "out"
    problems = ["said to be done, no folder is there"] * (code == 0 and not out.exists())
    if out.exists():
        made, wanted = (sum(one.suffix == ".png" for one in at.iterdir()) for at in (out, MASCOT))
        if (made != wanted and code != LEFT_OUT) or not (out / "FIXED.json").exists():
            problems.append(f"half a folder: {made} of {wanted} pictures")
        problems += ["refused, and the folder is there"] * (code == FAILED)
    return problems + _swept(folder, code)


def _begin_log(folder: Path) -> None:
    log = EventLog(RunDir(folder).events)
    log.emit("run", v=1, name="x", steps=3)
    log.close()


def _go_on_with_log(folder: Path) -> int:
    log = EventLog(RunDir(folder).events)
    for step in range(1, 6):
        log.emit("step", step=step, loss=1.0)
    log.close()
    return 0


def _log_whole(folder: Path, code: int) -> list[str]:
    found = runs.events(RunDir(folder))
    if not found or found[0]["type"] != "run":
        return ["the first event is lost"]
    return [f"said to be done, {len(found)} of 6 events are there"] * (code == 0 and len(found) != 6)


def _swept(folder: Path, code: int, keep: str = "") -> list[str]:
    """A process that lives to its end leaves nothing behind; a killed one's strays are swept at the next start."""
    left = [one for one in runs.strays(folder) if not (keep and keep in one)] if code >= 0 else []
    return [f"left behind: {left}"] * bool(left)


def _send(folder: Path) -> int:
    try:
        send(RunDir(folder), "save")
    except OSError:
        return FAILED
    return 0


def _sent_whole(folder: Path, code: int) -> list[str]:
    found = Inbox(RunDir(folder)).take()
    problems = [] if [one.cmd for one in found] in ([], ["save"]) else [f"the inbox holds {found}"]
    return problems + ["said to be sent, it is not there"] * (code == 0 and not found) + _swept(folder, code)


@dataclass(frozen=True)
class FinishedRun:
    """A run that came to its end, and what its export is: at its last step, and at an earlier one.

    `bare`: at the earlier one where the pictures cannot be read, which is said, and then no header names them.
    """

    folder: Path
    last: dict[str, str]
    earlier: dict[str, str]
    bare: dict[str, str]


EARLIER = 4  # step


@lru_cache(maxsize=1)
def finished_run() -> FinishedRun:
    """Trained once in this process, in a folder that goes when it ends."""
    from tests.trainer.conftest import draw_dataset

    place = Path(tempfile.mkdtemp(prefix="loratui-finished-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    pictures = draw_dataset(place / "pictures")
    run = runs.fresh(place / "run", runs.short_run(pictures))
    assert forks.wait(forks.trainer(run), 300.0) == 0, run.log.read_text()
    earlier = _exported_earlier(run, place / "other")
    pictures.rename(place / "gone")
    bare = _exported_earlier(run, place / "bare")
    (place / "gone").rename(pictures)
    return FinishedRun(run.path, _exported(run.path), earlier, bare)


def _exported_earlier(run: RunDir, folder: Path) -> dict[str, str]:
    shutil.copytree(run.path, folder)
    said = folder.with_suffix(".log")
    assert forks.wait(forks.child(lambda: _export(folder), said), 300.0) == 0, said.read_text()
    return _exported(folder)


def _copy_of_finished(folder: Path) -> None:
    shutil.copytree(finished_run().folder, folder, dirs_exist_ok=True)


def _exported(folder: Path) -> dict[str, str]:
    files = sorted(path for path in RunDir(folder).export.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _export(folder: Path) -> int:
    return export([str(folder), "--checkpoint", str(EARLIER)])


def _export_whole(folder: Path, code: int) -> list[str]:
    run, found = finished_run(), _exported(folder)
    whole = found in (run.last, run.earlier, run.bare)
    problems = [] if whole else ["neither the old files nor the new ones, but a mix"]
    return problems + ["said to be done, the old ones are there"] * (code == 0 and found == run.last)


OPERATIONS = (
    Operation("checkpoint", _two_checkpoints, _save(6, 6), _checkpoint_whole({4: {4}, 6: {6}}, 6)),
    Operation("checkpoint of the same step", _two_checkpoints, _save(4, 5), _checkpoint_whole({4: {4, 5}}, 4)),
    Operation("answers", lambda folder: _require(_write_answers(8)(folder)), _write_answers(16), _answers_whole),
    Operation("queue", _three_wait, _move_last_first, _queue_whole),
    Operation("draft", _one_draft, _save_draft, _draft_whole),
    Operation("caption", lambda folder: None, _write_caption, _caption_whole),
    Operation("fix", lambda folder: None, _fix, _copies_whole),
    Operation("command", lambda folder: None, _send, _sent_whole),
    Operation("export", _copy_of_finished, _export, _export_whole, 60.0),
    Operation("log", _begin_log, _go_on_with_log, _log_whole),
)


def _require(code: int) -> None:
    assert code == 0
