"""What no loratui wrote in a run's folder: it ends no run, hangs no look, and keeps no neighbour from starting."""

from __future__ import annotations

import json
import os
import random
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.documents.test_documents import mutated
from trainer.contract.documents.json_lines import MAX_LINE
from trainer.contract.run import queue
from trainer.contract.run.changes import SettingChange, read_changes, record_changes
from trainer.contract.run.control import MOST, Inbox, send
from trainer.contract.run.devices import free_slots
from trainer.contract.run.events import EventLog, Tail, last_status
from trainer.contract.run.lock import AlreadyRunning, RunLock, is_held, lock_holder
from trainer.contract.run.queue import enqueue, entry_of, leave, waiting
from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import hand_over, pass_on
from trainer.contract.settings.config import TrainConfig, dump_config

REFUSED = "no = 'settings of a run'\n"  # the trainer says so and ends, before it loads anything
Odd = Callable[[Path], object]
ENTRY = b'{"place": 1, "gpus": 1, "since": 0, "folder": "/", "offset": 5}'
DEEP = b"[" * 100_000
ODD: dict[str, Odd] = {
    "deep": lambda path: path.write_bytes(DEEP),
    "a list": lambda path: path.write_bytes(b"[1]"),
    "infinite": lambda path: path.write_bytes(ENTRY.replace(b"1", b"1e999")),
    "huge": lambda path: path.write_bytes(ENTRY.replace(b"5", b"9" * 400)),
    "negative": lambda path: path.write_bytes(ENTRY.replace(b"5", b"-5")),
    "long": lambda path: path.write_bytes(b'"' + b"a" * (1 << 22) + b'"'),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\0"),
    "folder": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
    "link": lambda path: path.symlink_to("config.toml"),
    "dangling": lambda path: path.symlink_to("/nonexistent"),
}


def make(root: Path, name: str, config: str | None = None) -> RunDir:
    run = RunDir(root / name)
    run.path.mkdir(parents=True)
    run.config.write_text(config or dump_config(TrainConfig(name=name)))
    return run


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_entry_of_the_queue_has_a_reason_stays_and_can_be_queued_anew(tmp_path: Path, odd: str) -> None:
    good, bad = make(tmp_path, "good"), make(tmp_path, "bad")
    enqueue(good)
    ODD[odd](bad.queued)
    assert [one.run for one in waiting(tmp_path)] == [good, bad]
    entry = waiting(tmp_path)[1]
    assert entry.stuck and entry.trouble.startswith("queued.json: it ") and len(entry.trouble) < 100
    assert queue.goes_on_words(RunDir(tmp_path / "other")) == "; then the queue goes on with good"
    enqueue(bad)  # the person says: again
    entry = waiting(tmp_path)[1]
    assert entry.run == bad and not entry.stuck
    bad.queued.unlink()
    ODD[odd](bad.queued)
    leave(bad)
    assert entry_of(bad) is None


@pytest.mark.parametrize("place", ["queued.json", "claim", "lock", "events.jsonl", "config.toml"])
def test_an_odd_file_keeps_no_neighbour_from_starting(tmp_path: Path, place: str) -> None:
    for number, odd in enumerate(ODD.values()):
        run = make(tmp_path, f"a{number}")
        (run.path / place).unlink(missing_ok=True)
        odd(run.path / place)
    stuck = make(tmp_path, "b", REFUSED)
    enqueue(stuck)
    stuck.claim.mkdir()  # it cannot be started
    last = make(tmp_path, "c", REFUSED)
    enqueue(last)
    free_slots(tmp_path, ("0", "1"))
    assert hand_over(tmp_path, RunDir(tmp_path / "ended")) == []
    assert "config.toml: " in last.log.read_text() and not last.queued.exists()
    entry = entry_of(stuck)
    assert entry is not None and entry.tries >= 1


def test_the_last_act_of_a_trainer_raises_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ended = make(tmp_path, "ended")
    enqueue(make(tmp_path, "next"))
    (tmp_path / queue.LOCK).unlink()
    (tmp_path / queue.LOCK).mkdir()  # no queue can be locked
    assert hand_over(tmp_path, ended) == []
    assert "'loratui runs' takes it up" in capfd.readouterr().err
    shutil.rmtree(tmp_path)
    pass_on(ended)
    leave(ended)
    assert hand_over(tmp_path, ended) == []


# -- the inbox --------------------------------------------------------------------------------------------------------

STOP = b'{"cmd": "stop", "args": {}}'
NAMES = ("9-x.json", "\u00b2-stop.json", "9" * 200 + ".json", "a\u200e.json", "-.json")


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_command_is_passed_over_once_and_the_rest_is_taken(tmp_path: Path, odd: str) -> None:
    run = RunDir(tmp_path)
    inbox = Inbox(run)
    ODD[odd](run.control / "9-x.json")
    if odd == "folder":
        (run.control / "9-x.json" / "kept").touch()  # an empty one is removed
    assert inbox.waiting() == [] and inbox.take(before=0.0) == []
    sent = send(run, "save")
    assert [one.id for one in inbox.take()] == [sent]
    (rejected,) = inbox.rejected()
    assert rejected.name == "9-x.json" and rejected.reason.startswith("it ")
    assert inbox.take() == [] and inbox.rejected() == []
    assert [one.name for one in run.control.iterdir()] == (["9-x.json"] if odd == "folder" else [])


@pytest.mark.parametrize("name", NAMES)
def test_a_command_under_an_odd_name_is_a_command(tmp_path: Path, name: str) -> None:
    run = RunDir(tmp_path)
    inbox = Inbox(run)
    (run.control / name).write_bytes(STOP)
    assert [one.cmd for one in inbox.take(before=1.0 if name[0] != "9" else None)] == ["stop"]


def test_a_command_that_cannot_be_removed_is_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDir(tmp_path)
    inbox = Inbox(run)
    sent = send(run, "save")

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "not allowed")

    monkeypatch.setattr(Path, "unlink", refuse)
    assert [[one.id for one in inbox.take()] for _ in range(2)] == [[sent], []]


def test_no_inbox_is_no_end(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    inbox = Inbox(run)
    for change in (lambda: shutil.rmtree(run.control), lambda: run.control.write_text("x")):
        change()
        assert inbox.take() == inbox.waiting() == []
    inbox = Inbox(run)  # a file in its place
    assert inbox.take() == [] and len(inbox.rejected()) == 1


def test_one_look_takes_so_many_and_the_next_goes_on(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    inbox = Inbox(run)
    for number in range(MOST + 5):
        (run.control / f"{number:05d}-save.json").write_bytes(b'{"cmd": "save"}')
    assert [len(inbox.take()) for _ in range(3)] == [MOST, 5, 0]


# -- lock, changes, log -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [b"[]", DEEP[:4000], b'{"pid": 1e999, "host": [], "since": 1e300}', b'{"pid": 1}'])
def test_a_lock_whose_words_are_odd_is_held_by_somebody(tmp_path: Path, words: bytes) -> None:
    lock = RunLock(tmp_path / "lock")
    (tmp_path / "lock").write_bytes(words)
    holder = lock_holder(tmp_path / "lock")
    assert holder is not None and "process 0" in str(AlreadyRunning(holder))
    lock.release()
    assert not is_held(tmp_path / "lock")


def test_a_record_of_changes_is_one_or_nothing(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    kept = (
        SettingChange("dataset.skip", [], ["a.jpg"]),
        SettingChange("prodigy.growth_rate", 1.02, float("inf")),
    )
    record_changes(run, kept)
    assert read_changes(run) == kept
    raw, draws = run.changes.read_bytes(), random.Random(2)
    for _ in range(100):
        run.changes.write_bytes(mutated(raw, draws))
        for one in read_changes(run):
            assert isinstance(one.new, list) == (one.key == "dataset.skip") or one.key not in (kept[0].key, kept[1].key)
    run.changes.write_bytes(b'[{"key": "dataset.skip", "old": 1, "new": [[]]}]')
    assert read_changes(run) == ()


def test_a_log_with_a_line_without_end_takes_little_memory_and_hides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with path.open("wb") as file:
        file.write(b'{"t":1,"type":"run","v":1}\n{"type":"warn","message":"')
        for _ in range(12):
            file.write(b"a" * (1 << 20))
        file.write(b'"}\n{"t":2,"type":"step","step":1}\n')
    tracemalloc.start()
    tail, found = Tail(path), []
    while events := tail.read(1 << 20):
        found += events
    assert [one["type"] for one in found] == ["run", "step"]
    assert last_status(path, 1 << 10) == found[0]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * MAX_LINE


def test_lines_of_no_known_type_end_no_look(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"t":1,"type":"run"}\n' + b'{"a":1}\n' * 30_000 + b'{"t":1,"type":"step","step":1}\n')
    tail = Tail(path)
    assert [one["type"] for _ in range(3) for one in tail.read(1 << 16)] == ["run", "step"]
    assert (last_status(path, 64) or {})["type"] == "run"


def test_no_mutation_of_a_log_raises_and_numbers_are_numbers(tmp_path: Path) -> None:
    path, draws = tmp_path / "events.jsonl", random.Random(4)
    log = EventLog(path)
    log.emit("run", v=1, name="a \ud800 " + os.fsdecode(b"\xe9"), steps=3, resumed_from=None)
    log.emit("step", step=1, loss=0.00012345678901234567, rates={"unet": {"d": 1e-6}})
    log.close()
    raw = path.read_bytes()
    assert [one["name"] for one in Tail(path).read() if one["type"] == "run"] == ["a \ud800 " + os.fsdecode(b"\xe9")]
    for _ in range(150):
        path.write_bytes(mutated(raw, draws))
        for event in Tail(path).read():
            json.dumps(event, allow_nan=False)
            assert all(one.bit_length() <= 64 for one in event.values() if isinstance(one, int))
