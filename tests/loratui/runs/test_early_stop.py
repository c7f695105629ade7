"""A trainer that is stopped in its first moments, wherever it is by then: 130, and a sentence for what is there."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loratui.children.output import run_shown
from loratui.commands.follow import _ask_to_stop, follow
from loratui.runs.launch import start
from loratui.terminal.line_sink import sink_for
from tests.loratui.runs.test_find import make
from trainer.contract.run import exits
from trainer.contract.run.control import Inbox

ROOT = Path(__file__).parents[3]


@pytest.mark.usefixtures("cold")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("saved", "said"), [(0, "nothing was saved yet"), (40, "its checkpoint of step 40 is as it was")]
)
def test_a_trainer_stopped_at_once(tmp_path: Path, number: int, saved: int, said: str) -> None:
    run = make(tmp_path, "run")
    if saved:
        run.checkpoint(saved).mkdir(parents=True)
        (run.checkpoint(saved) / "manifest.json").write_text('{"lora.safetensors": "", "optimizer.safetensors": ""}')
    pid = start(run)
    os.kill(pid, number)
    out = io.StringIO()
    assert follow(run, out, pid=pid) == exits.STOPPED
    assert out.getvalue().startswith(f"stopped before training began; {said}: loratui resume ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("cold")
def test_a_signal_before_pythons_own_start_is_over_waits_for_the_program(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import os\nos.kill(os.getpid(), {int(number)})\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = make(tmp_path, "run")
    out = io.StringIO()
    assert follow(run, out, pid=start(run)) == exits.STOPPED
    assert out.getvalue().startswith("stopped before training began; nothing was saved yet: loratui resume ")
    assert run.log.read_text() == "stopped before training began\n"


@pytest.mark.usefixtures("cold")
def test_nothing_that_is_shown_as_it_works_ends_with_a_traceback_however_early(
    tmp_path: Path, environment: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    command = [sys.executable, "-m", "trainer.samples.generate"]
    assert run_shown(command, {**environment, "PYTHONPATH": str(tmp_path)}) == exits.STOPPED
    assert capfd.readouterr() == ("", "")


LASTS = """
import sys, time
from pathlib import Path
from trainer.contract.run.program import begin, run_program
begin()
def main():
    print("here", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        Path(sys.argv[1]).touch()
        raise
run_program(main)
"""
SHOWS = """
import os, sys
from loratui.children.output import run_shown
sys.exit(run_shown([sys.executable, "-c", *sys.argv[1:]], os.environ))
"""


@pytest.mark.slow
def test_an_interrupt_of_the_command_alone_reaches_what_it_shows(tmp_path: Path, environment: dict[str, str]) -> None:
    told = tmp_path / "told"
    command = [sys.executable, "-c", SHOWS, LASTS, str(told)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=ROOT) as shows:
        assert shows.stdout is not None and shows.stdout.readline() == b"here\n"
        shows.send_signal(signal.SIGINT)  # to it alone, as `kill` does
        assert shows.wait(30) == exits.STOPPED
    assert told.exists()


def test_no_stop_is_sent_to_a_run_without_a_trainer(tmp_path: Path) -> None:
    """Also by Ctrl+C on what follows a run that it did not start."""
    run, out = make(tmp_path, "run"), io.StringIO()
    with contextlib.closing(sink_for(out)) as sink:
        _ask_to_stop(run, sink, None)
    assert out.getvalue() == "stop: not sent: no trainer works on the run any more\n"
    assert not Inbox(run).waiting()
