"""What a full disk refuses is tried again while commands are heard; once written, it is not written again."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from trainer.ground.full_disk import until_written


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
