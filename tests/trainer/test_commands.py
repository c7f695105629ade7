"""Every command is acknowledged: also one that came too early, too late, or beside a stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trainer.commands import Requests, Stop
from trainer.contract.run.control import send
from trainer.contract.run.events import EventLog, Tail
from trainer.contract.run.rundir import RunDir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path)


@pytest.fixture
def log(run: RunDir) -> Iterator[EventLog]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    log = EventLog(run.events)
    yield log
    log.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def answers(run: RunDir) -> dict[str, tuple[bool, str]]:
    return {one["id"]: (one["ok"], one["message"]) for one in Tail(run.events).read() if one["type"] == "command"}


def look(requests: Requests) -> list[Any]:
    """One look between two steps; returns what was done."""
    done: list[Any] = []

    def save() -> tuple[bool, str]:
        done.append("save")
        return True, "saved"

    def sample(prompt: str | None, keep: bool | None) -> tuple[bool, str]:
        done.append(prompt)
        return True, "drawn"

    requests.look(save, sample)
    return done


def test_what_was_sent_to_a_dead_trainer_is_refused_and_what_came_since_is_done(run: RunDir, log: EventLog) -> None:
    old = send(run, "stop")
    began = time.time()
    new = send(run, "save")  # while torch is being imported
    requests = Requests(run, log, since=began)
    assert look(requests) == ["save"]
    said = answers(run)
    assert said[old] == (False, "not done: it was sent before this trainer began")
    assert said[new] == (True, "saved")


def test_a_stop_while_preparing_says_that_there_is_nothing_to_save(run: RunDir, log: EventLog) -> None:
    requests = Requests(run, log)
    early = send(run, "sample", prompt="a TOK")
    requests.check()  # waits for the first step
    assert answers(run) == {}
    stop = send(run, "stop")
    with pytest.raises(Stop) as stopped:
        requests.check()
    assert not stopped.value.save
    said = answers(run)
    assert said[stop] == (True, "no step was taken since the start, so there is nothing to save")
    assert said[early] == (False, "not done: the run was already ending")


def test_all_commands_are_answered_while_paused(run: RunDir, log: EventLog) -> None:
    requests = Requests(run, log)
    sent = [send(run, "pause"), send(run, "save"), send(run, "sample", prompt="a TOK"), send(run, "resume")]
    assert look(requests) == ["save", "a TOK"]
    assert [answers(run)[one][0] for one in sent] == [True] * 4


def test_what_was_waited_while_paused_is_known(run: RunDir, log: EventLog) -> None:
    requests = Requests(run, log)
    send(run, "pause")
    threading.Timer(0.3, lambda: send(run, "resume")).start()
    began = time.monotonic()
    look(requests)
    assert 0.1 < requests.waited <= time.monotonic() - began
    before = requests.waited
    look(requests)
    assert requests.waited == before, "only a pause is waited for"


@pytest.mark.parametrize(("cmd", "saves"), [("stop", True), ("abort", False)])
def test_what_came_after_a_stop_is_refused_and_not_lost(run: RunDir, log: EventLog, cmd: Any, saves: bool) -> None:
    requests = Requests(run, log)
    ends, after = send(run, cmd), send(run, "save")
    with pytest.raises(Stop) as stopped:
        look(requests)
    assert stopped.value.save == saves
    late = send(run, "pause")  # while the files are written
    requests.close()
    said = answers(run)
    assert said[ends][0]
    assert said[after] == said[late] == (False, "not done: the run was already ending")
    assert list(run.control.glob("*.json")) == []
