"""What keeps a trainer from its work stands on its lock, and is told by the list, the lines and the monitor."""

from __future__ import annotations

import io
from pathlib import Path

from loratui.commands.follow import follow
from loratui.events.history import History
from loratui.runs.queue import listed, queue_lines
from loratui.screens.monitor.run_words import head, state_of
from tests.loratui.runs.test_find import RUN, logged, make
from trainer.contract.run.lock import RunLock

FULL = "waiting: the disk is full"


def test_a_full_disk_is_told_wherever_a_run_is_looked_at(tmp_path: Path) -> None:
    run = logged(make(tmp_path, "run"), RUN, ("step", {"step": 3, "loss": 0.5, "s": 0.1}))
    lock = RunLock(run.lock)
    assert [state for state, _ in listed(tmp_path)] == ["training"]
    lock.note(f"{FULL} \x1b[31m")
    assert [state for state, _ in listed(tmp_path)] == [f"{FULL} ␛[31m"]
    lock.note(FULL)
    assert queue_lines(tmp_path)[0].startswith(FULL)
    out = io.StringIO()
    follow(run, out, until_end=False)
    assert FULL in out.getvalue().splitlines()
    history = History()
    assert head(history, state_of(history, True, FULL), 80, "run", FULL).plain.startswith(f"‖ {FULL}")
    lock.note("")
    assert [state for state, _ in listed(tmp_path)] == ["training"]
    lock.release()
