"""`attach --plain`: a bar below the lines on a terminal, whole lines everywhere else, the same words in both."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loratui.runs.test_find import RUN, logged, make
from tests.ptys import Pty
from trainer.contract.run import exits
from trainer.contract.run.events import EventLog
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir

ASKED = ("save", "stop", "! pause")

RATES = {"unet": {"lr": 1.0, "d": 2e-5, "effective": 1.8e-5}}
ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    phase = ("phase", {"name": "cache", "done": 0, "total": 4})
    step = ("step", {"step": 3, "loss": 0.125, "rates": RATES, "s": 0.5})
    return logged(make(tmp_path / "runs", "2026-dog"), RUN, phase, step)


def command(run: RunDir) -> list[str]:
    return [sys.executable, "-m", "loratui", "attach", str(run.path), "--plain"]


def words_of(wrote: bytes) -> str:
    return ESCAPE.sub(b"", wrote).decode().replace("\r", "\n")


def watched_to_its_end(run: RunDir, environment: dict[str, str], first: bytes, size: tuple[int, int]) -> Pty:
    """A run that goes on while it is watched, and then ends."""
    lock, log = RunLock(run.lock), EventLog(run.events)
    with Pty(command(run), run.path, environment, size) as pty:
        pty.until(lambda wrote: first in wrote)
        log.emit("step", step=7, loss=0.5, rates=RATES, s=0.5)
        log.emit("checkpoint", step=7, path="checkpoints/step-000007")
        log.emit("warn", code="x", message="mind this", advice="do that")
        pty.until(lambda wrote: b"mind this" in wrote)
        log.emit("end", status="completed", step=10, seconds=65, files=["export/a.safetensors"])
        log.close()
        lock.release()
        assert pty.end() == exits.DONE
    return pty


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (40, 10), (0, 0)])
def test_a_terminal_has_a_bar_below_the_lines(run: RunDir, environment: dict[str, str], size: tuple[int, int]) -> None:
    pty = watched_to_its_end(run, environment | {"TERM": "xterm-256color"}, b"training", size)
    said = words_of(pty.wrote)
    assert "━" in said and "3 of 10  30 %" in said  # 3 of 10 steps
    assert "checkpoint at step 7" in said and "! warning: mind this (do that)" in said
    assert "loss 0.125" in said and "s/step" in said
    assert "step 3/10" not in said  # the bar says it
    assert pty.wrote.count(b"\x07\x1b]9;toy: completed, step 10 of 10\x07") == 1  # it rings
    assert "completed at step 10 after 1:05" in said and "  file: export/a.safetensors" in said
    assert words_of(pty.wrote.rpartition(b"\x1b[2K")[2]).strip() == ""  # the bar was wiped, with nothing after it


@pytest.mark.slow
def test_a_terminal_for_a_screen_reader_has_whole_lines(run: RunDir, environment: dict[str, str]) -> None:
    pty = watched_to_its_end(run, environment | {"TERM": "dumb"}, b"step 3/10", (80, 24))
    assert b"\x1b" not in pty.wrote and b"\x07" not in pty.wrote and b"\r" not in pty.wrote.replace(b"\r\n", b"")
    said = words_of(pty.wrote)
    assert "encoding the pictures ..." in said
    assert "step 7/10  loss 0.5  unet: d 2e-05, rate 1.8e-05  0.50 s/step  0:02 left" in said


def test_a_pipe_has_whole_lines_whatever_the_terminal(run: RunDir, environment: dict[str, str]) -> None:
    log = EventLog(run.events)
    log.emit("end", status="completed", step=10)
    log.close()
    for more in ({"TERM": "xterm-256color"}, {"TERM": "xterm", "LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}):
        done = subprocess.run(
            command(run), cwd=run.path, env=environment | more, capture_output=True, timeout=120, check=False
        )
        assert done.returncode == exits.DONE, done.stderr
        assert b"\x1b" not in done.stdout and b"step 3/10" in done.stdout and b"completed at step 10" in done.stdout


def test_hostile_words_bring_no_escape_of_their_own_to_the_bar(run: RunDir, environment: dict[str, str]) -> None:
    bad = "x\x1b]52;c;aGk=\x07\x1b[31m\u202e\x9b[red]y[/red]:smile:"
    with run.events.open("a") as file:
        file.truncate(0)
    logged(
        run,
        ("run", {"v": 1, "name": bad, "steps": 9, "gpu": bad}),
        ("phase", {"name": bad, "done": 1, "total": 3}),
        ("phase", {"name": bad, "done": 2, "total": 3}),
        ("step", {"step": 1, "loss": 0.1, "rates": {bad: RATES["unet"]}, "s": 0.1}),
        ("warn", {"message": bad, "advice": bad}),
        ("error", {"kind": bad, "message": bad, "advice": [bad]}),
        ("end", {"status": bad, "step": 1, "files": [bad]}),
    )
    with Pty(command(run), run.path, environment | {"TERM": "xterm-256color"}, (120, 36)) as pty:
        assert pty.end() == exits.FAILED
    assert "[red]y[/red]:smile:" in words_of(pty.wrote)  # no markup was obeyed
    assert b"\x1b]" not in pty.wrote and b"\x07" not in pty.wrote and b"\x1b[31m" not in pty.wrote
    assert not set(pty.wrote.decode()) & set("\u202e\x9b")


@pytest.mark.slow
def test_no_color_keeps_the_bar_and_drops_the_colours(run: RunDir, environment: dict[str, str]) -> None:
    colours = re.compile(rb"\x1b\[[0-9;]*(?:3[0-9]|4[0-9]|9[0-7])(?:;[0-9]+)*m")
    plain = environment | {"TERM": "xterm-256color", "NO_COLOR": "1"}
    pty = watched_to_its_end(run, plain, b"training", (80, 24))
    assert "━" in words_of(pty.wrote) and not colours.search(pty.wrote)


@pytest.mark.slow
def test_a_log_longer_than_one_look_is_followed_to_its_end(tmp_path: Path) -> None:
    """A reader that took 16 MB for all would call this run dead without a word."""
    import io

    from loratui.commands.follow import exit_code_of, follow

    run = logged(make(tmp_path, "long"), RUN)
    line = b'{"t":1,"type":"step","step":5,"loss":0.25,"s":0.1,"of a later version":"%s"}\n' % (b"x" * 900)
    with run.events.open("ab") as file:
        file.write(line * (18_000_000 // len(line)))
    logged(run, ("error", {"kind": "oom", "message": "no room"}), ("end", {"status": "failed", "step": 5}))
    out = io.StringIO()
    assert follow(run, out) == exits.MEMORY == exit_code_of(run)
    assert "no room" in out.getvalue()


def test_what_matters_is_said_once_as_a_line(tmp_path: Path) -> None:
    import io

    from loratui.commands.follow import follow

    run = make(tmp_path, "stuck")
    rates = {"unet": {"lr": 1.0, "d": 1e-6, "effective": 1e-6}}
    steps = [("step", {"step": one, "loss": 0.1, "rates": rates, "s": 0.5}) for one in range(1, 200)]
    logged(run, ("run", {**RUN[1], "steps": 200}), *steps, ("end", {"status": "completed", "step": 199}))
    out = io.StringIO()
    assert follow(run, out) == exits.DONE
    assert out.getvalue().count("d is still at its first value after 199 steps") == 1
    assert "prodigy.d0" in out.getvalue()


def test_an_answered_command_is_one_sentence(tmp_path: Path) -> None:
    """No "stop: done: stopping: ...": the word of the command, and what the trainer says."""
    import io

    from loratui.commands.follow import follow

    run = make(tmp_path, "asked")
    asked = [
        ("command", {"id": "1", "cmd": "save", "ok": True, "message": ""}),
        ("command", {"id": "2", "cmd": "stop", "ok": True, "message": "a checkpoint is written, then the run ends"}),
        ("command", {"id": "3", "cmd": "pause", "ok": False, "message": "not done: the run was already ending"}),
    ]
    logged(run, RUN, *asked, ("end", {"status": "stopped", "step": 5}))
    out = io.StringIO()
    follow(run, out)
    said = [line for line in out.getvalue().splitlines() if ": " in line and line.split(":")[0] in ASKED]
    assert said == [
        "save: done",
        "stop: a checkpoint is written, then the run ends",
        "! pause: not done: the run was already ending",
    ]


@pytest.mark.parametrize("log", [None, "", "\n\n", "of a start before\n", "words\n"])
def test_a_heading_stands_above_lines_only(run: RunDir, environment: dict[str, str], log: str | None) -> None:
    """Whatever is in the log, or where there is none: no line that announces something is followed by nothing."""
    if log is not None:
        run.log.write_text(log)
    if log == "of a start before\n":
        run.claim.write_text(json.dumps({"log": len(log)}))  # the last trainer's part begins here
    done = subprocess.run(
        command(run), cwd=run.path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    lines = done.stdout.splitlines()
    said = next(place for place, line in enumerate(lines) if "ended without a message" in line)
    assert lines[said].endswith(":") == lines[said + 1].startswith("  | ") == (log == "words\n")
    assert done.returncode == exits.FAILED and ("wrote nothing into its trainer.log" in lines[said]) == (
        log != "words\n"
    )
