"""What a full disk refuses is tried again while commands are heard; once written, it is not written again."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.contract.run.events import EventLog, Tail
from trainer.ground.full_disk import FullDisk, until_written


class Told(Exception):
    """To end."""


def test_it_is_tried_until_there_is_room_and_then_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.ground.full_disk.AGAIN", 0.0)
    tries: list[int] = []

    def write() -> str:
        tries.append(1)
        if len(tries) < 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return "files"

    def look(is_written: Callable[[], bool]) -> None:
        while not is_written():
            pass
        assert is_written()  # as a look that is paused by its person asks again

    assert until_written(write, look) == "files"
    assert len(tries) == 4


def test_what_is_heard_meanwhile_ends_it_and_other_errors_do_at_once() -> None:
    def full() -> None:
        raise OSError(errno.EDQUOT, "over quota")

    def told(is_written: Callable[[], bool]) -> None:
        assert not is_written()  # not asked again so soon
        raise Told

    with pytest.raises(Told):
        until_written(full, told)

    def other() -> None:
        raise PermissionError(errno.EACCES, "closed")

    with pytest.raises(PermissionError):
        until_written(other, told)


def test_the_advice_on_a_full_disk_says_whether_training_goes_on_by_itself(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    for held in (False, True):
        disk = FullDisk(log, lambda _: None)
        for room in (False, True):
            disk.has_room(lambda room=room: room, held)
    log.close()
    full, free, full_held, free_held = Tail(tmp_path / "events.jsonl").read()
    assert "goes on by itself" in full["advice"] and "training goes on" in free["message"]
    for words in (full_held["advice"], free_held["message"]):
        assert "the run stays paused until it is resumed" in words and "goes on" not in words
