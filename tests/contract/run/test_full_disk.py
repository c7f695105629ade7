"""On a disk without a free byte: events wait in their order, the lock tells why, a command is heard all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.small_disk import SmallDisk, small_disk
from trainer.contract.run.control import Inbox, send
from trainer.contract.run.events import MOST_WAITING, ROOM, EventLog, Tail
from trainer.contract.run.lock import RunLock, lock_holder
from trainer.contract.run.rundir import RunDir


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 400) as found:
        yield found


def numbers(path: Path) -> list[int]:
    """The steps of a log, in which every line must be whole."""
    raw = path.read_bytes()
    assert not raw or raw.endswith(b"\n")
    return [json.loads(line)["step"] for line in raw.splitlines() if b'"step"' in line]


def test_a_log_keeps_room_for_last_words_and_waits_for_more(disk: SmallDisk) -> None:
    before = disk.free
    log = EventLog(disk.path / "events.jsonl")
    assert before - disk.free == ROOM
    disk.fill()
    last = 0
    while log.has_room():
        last += 1
        log.emit("step", step=last, pad="x" * 100)
    assert last and numbers(disk.path / "events.jsonl") == list(range(1, last + 1))  # known before a line was refused
    for step in range(last + 1, last + 1500):
        log.emit("step", step=step, pad="x" * 100)
    written = numbers(disk.path / "events.jsonl")
    assert last < len(written) < last + 1000 and not log.has_room()
    disk.clear()
    assert log.has_room()
    log.close()
    assert numbers(disk.path / "events.jsonl") == list(range(1, last + 1500))
    assert before - disk.free < ROOM + (disk.path / "events.jsonl").stat().st_size  # what was kept was given back


def test_what_no_memory_is_left_for_is_counted(disk: SmallDisk) -> None:
    disk.fill()
    log = EventLog(disk.path / "events.jsonl")
    for step in range(MOST_WAITING + 7):
        log.emit("step", step=step)
    disk.clear()
    assert log.has_room()
    log.close()
    *steps, warning = Tail(disk.path / "events.jsonl").read()
    assert [one["step"] for one in steps] == list(range(7, MOST_WAITING + 7))
    assert warning["code"] == "events-lost" and warning["message"].startswith("7 events")


def test_a_killed_writers_half_line_is_closed_when_there_is_room(disk: SmallDisk) -> None:
    path = disk.path / "events.jsonl"
    path.write_bytes(b'{"t":1,"type":"st'.rjust(4096))  # a whole page: the next byte needs another
    disk.fill()
    log = EventLog(path)
    log.emit("step", step=1)
    assert path.stat().st_size == 4096
    disk.clear()
    log.close()
    assert [one["step"] for one in Tail(path).read()] == [1]


def test_the_lock_says_what_keeps_its_holder_from_its_work(disk: SmallDisk) -> None:
    lock = RunLock(disk.path / "lock")
    disk.fill()
    lock.note("waiting: the disk is full")
    holder = lock_holder(disk.path / "lock")
    assert holder is not None and holder.note == "waiting: the disk is full"
    lock.note("")
    holder = lock_holder(disk.path / "lock")
    assert holder is not None and (holder.note, holder.pid > 0) == ("", True)
    lock.release()
    assert lock_holder(disk.path / "lock") is None


def test_a_lock_can_be_taken_where_nothing_can_be_written(disk: SmallDisk) -> None:
    disk.fill()
    lock = RunLock(disk.path / "lock")
    assert lock_holder(disk.path / "lock") is not None
    lock.release()


def test_a_command_is_heard_on_a_full_disk(disk: SmallDisk) -> None:
    run = RunDir(disk.path / "run")
    run.path.mkdir()
    inbox = Inbox(run)
    disk.fill()
    sent = [send(run, "pause"), send(run, "stop")]
    assert [(one.id, one.cmd, one.args) for one in inbox.take()] == list(
        zip(sent, ("pause", "stop"), ({}, {}), strict=True)
    )
    with pytest.raises(OSError, match="No space left"):
        send(run, "sample", prompt="a red TOK")  # its name cannot say it all
    assert inbox.take() == []
