"""What no program of ours may touch: a folder of somebody else's; and the number of a process that is gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FILE, PRECIOUS = "1-stop.json", '{"cmd": "stop"}\n'  # as a command to another run would be


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder outside, with a file in it."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / FILE).write_text(PRECIOUS)
    return folder


def untouched(victim: Path) -> bool:
    """Whether nothing was changed, added or taken."""
    return [(one.name, one.read_text()) for one in victim.iterdir()] == [(FILE, PRECIOUS)]


def ended_process() -> int:
    """The number of a process that has just ended: nobody has it now."""
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return child
