"""A trainer that ends hands its place on: to the next of the queue, and only when it is gone itself."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer.commands import Requests, Stop
from trainer.contract.run import queue
from trainer.contract.run.control import Cmd, send
from trainer.contract.run.events import EventLog, Tail
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config

ROOT = Path(__file__).parents[2]
REFUSED = "no = 'settings of a run'\n"  # the trainer says so and ends, before it loads anything
ENDING = """
import sys
from pathlib import Path
from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import pass_on
pass_on(RunDir(Path(sys.argv[1])))
print("passed on", flush=True)
sys.stdin.read()
"""


def make(root: Path, name: str, config: str = "") -> RunDir:
    run = RunDir(root / name)
    run.path.mkdir(parents=True)
    run.config.write_text(config or dump_config(TrainConfig(name=name)))
    return run


def ending(run: RunDir) -> subprocess.Popen[str]:
    """A process at the last act of a trainer: everything is handed on, it only is not gone yet."""
    child = subprocess.Popen(
        [sys.executable, "-c", ENDING, str(run.path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout is not None and child.stdout.readline() == "passed on\n"
    return child


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, None])
def test_the_next_run_starts_when_the_one_before_is_gone_and_not_sooner(tmp_path: Path, how: int | None) -> None:
    ended = make(tmp_path, "a")
    following, last = (make(tmp_path, name, REFUSED) for name in "bc")
    for run in (following, last):
        queue.enqueue(run)
    child = ending(ended)
    time.sleep(1.5)  # time enough to start something
    assert not following.log.exists() and following.queued.exists()
    if how is not None:
        child.send_signal(how)
    out, _ = child.communicate(timeout=60)  # until the process that it left behind has ended as well
    # the first one refused its settings: nothing stood in the way of the second
    assert "config.toml" in following.log.read_text() and "config.toml" in last.log.read_text()
    assert queue.entries(tmp_path) == []
    assert out == ""  # nothing trains


def test_without_a_queue_nothing_is_left_behind(tmp_path: Path) -> None:
    child = ending(make(tmp_path, "a"))
    assert child.communicate(timeout=20)[0] == ""
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "config.toml"]


@pytest.fixture
def own_signals() -> Iterator[None]:
    """The signals that a trainer takes over are given back."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("cmd", ["stop", "abort"])
def test_a_stop_says_what_the_queue_does_then(tmp_path: Path, own_signals: None, cmd: Cmd) -> None:
    run = make(tmp_path, "a")
    log = EventLog(run.events)
    requests = Requests(run, log)
    for waits in (False, True):
        if waits:
            queue.enqueue(make(tmp_path, "b"))
        send(run, cmd)
        with pytest.raises(Stop):
            requests.look(lambda: (True, ""), lambda _: (True, ""))
    log.close()
    alone, queued = [event["message"] for event in Tail(run.events).read()]
    assert queued == alone + "; then the queue goes on with b"
