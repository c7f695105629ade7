"""A run's state is one word wherever it is named, and no word of it claims what is not there."""

from __future__ import annotations

import ast
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loratui.cli import app
from loratui.commands.follow import follow
from loratui.events.history import History
from loratui.events.lines import PHASES
from loratui.runs.find import find_run, parting_words, run_info
from loratui.runs.queue import listed
from loratui.runs.states import STATES, StateName, go_on_word, run_title
from loratui.screens.monitor.ending import abort_question, stop_question
from loratui.screens.monitor.run_words import head, state_of, trouble, unstarted
from loratui.screens.results.result_words import head as head_of_result
from tests.loratui.runs.test_find import RUN, logged, make
from trainer.contract.run.control import Inbox
from trainer.contract.run.events import EventLog, Tail
from trainer.contract.run.lock import RunLock
from trainer.contract.run.queue import enqueue
from trainer.contract.run.rundir import RunDir

NOTE = "waiting: the disk is full"
STEP = ("step", {"step": 4, "loss": 0.5, "s": 0.1})


def command(cmd: str, ok: bool = True) -> tuple[str, dict[str, Any]]:
    return "command", {"id": cmd, "cmd": cmd, "ok": ok, "message": "x"}


def end(status: str) -> tuple[str, dict[str, Any]]:
    return "end", {"status": status, "step": 4, "seconds": 1.0, "files": []}


EVENTS: dict[StateName, list[tuple[str, dict[str, Any]]]] = {
    "training": [RUN, STEP, command("pause"), command("resume"), command("pause", ok=False)],
    "paused": [RUN, STEP, command("pause"), command("save")],
    "waiting": [RUN, STEP],
    "completed": [RUN, STEP, command("pause"), command("resume"), end("completed")],
    "stopped": [RUN, STEP, command("abort"), end("stopped"), RUN, command("stop"), end("stopped")],
    "aborted": [RUN, STEP, command("pause"), command("abort"), end("stopped")],
    "failed": [RUN, STEP, ("error", {"kind": "oom", "message": "out of memory"}), end("failed")],
    "crashed": [RUN, STEP],
}


@pytest.fixture(params=[one for one in STATES if one != "refused"])  # such a run is opened nowhere: test_links
def found(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[RunDir, StateName]]:
    """A run in each state."""
    run = make(tmp_path, "2026-01-01-1000-toy")
    lock = None
    if request.param in EVENTS:
        logged(run, *EVENTS[request.param])
    if request.param == "queued":
        enqueue(run)
    if request.param in ("training", "paused", "waiting"):
        lock = RunLock(run.lock)
    if request.param == "waiting":
        assert lock is not None
        lock.note(NOTE)
    if request.param == "starting":
        lock = RunLock(run.claim)
    yield run, request.param
    if lock is not None:
        lock.release()


def test_every_place_says_the_same_word(found: tuple[RunDir, StateName], tmp_path: Path) -> None:
    run, state = found
    info = run_info(run)
    assert (info.state, info.alive) == (state, STATES[state].alive)
    shown = NOTE.split()[0] if state == "waiting" else state
    assert [word.split()[0] for word, _ in listed(tmp_path)] == [shown]
    history = History()
    history.absorb(Tail(run.events).read() if run.events.exists() else [])
    if state != "starting":  # the monitor knows that from the claim, and the launch
        assert (unstarted(run, history, info.alive) or state_of(history, info.alive, info.note)) == state
    words = head(history, state, 80, "toy", info.note).plain
    assert (info.note or state) in words or any(one in words for one in PHASES.values()) or "base model" in words
    if state != "queued":  # who lists the runs starts one that waits
        assert CliRunner().invoke(app, ["runs", str(tmp_path)]).output.split()[0] == shown
    if history.end is not None:
        said = io.StringIO()
        follow(run, said)
        assert re.search(rf"^{state} at step 4", said.getvalue(), re.M)


def test_leaving_says_the_state_what_is_there_and_what_can_be_done(found: tuple[RunDir, StateName]) -> None:
    run, state = found
    words = parting_words(run)
    assert f": {state}." in words and "loratui " in words
    assert "export" not in words  # none of these has written its files
    assert ("goes on" in words) == (state in ("training", "waiting"))
    run.export.mkdir()
    (run.export / "a.safetensors").touch()
    assert ("export" in parting_words(run)) == (state in ("completed", "stopped", "aborted", "new", "queued"))


def test_what_goes_on_is_what_resume_takes(found: tuple[RunDir, StateName]) -> None:
    _, state = found
    one = STATES[state]
    assert one.goes_on == ("loratui resume" in one.next)
    assert not one.goes_on or one.next.startswith(f"{go_on_word(state)} it")  # the key's word is the command's
    assert {one.next, one.means} and one.glyph and one.style.startswith("$")


def test_stop_without_a_name_says_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = logged(make(tmp_path / "runs", "2026-01-01-1000-toy"), RUN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("loratui.runs.inbox.PATIENCE", 0.0)
    lock = RunLock(run.lock)
    try:
        said = CliRunner().invoke(app, ["stop"]).output
        assert said.startswith("2026-01-01-1000-toy: stop: sent")
        assert CliRunner().invoke(app, ["pause", "toy"]).output.startswith("pause: sent")
        assert [one.cmd for one in Inbox(run).take()] == ["stop", "pause"]
    finally:
        lock.release()
    log = EventLog(run.events)
    log.emit("end", status="stopped", step=1)
    log.close()


@pytest.mark.parametrize(
    ("folder", "seen"), [("long", "toy (long)"), ("toy", "toy"), ("2026-11-23-1000-toy", "2026-11-23-1000-toy")]
)
def test_a_run_has_one_name_for_people_wherever_it_is_seen(tmp_path: Path, folder: str, seen: str) -> None:
    """Two runs of one name are told apart, and one whose folder is called otherwise is known by both."""
    run = logged(make(tmp_path, folder), RUN)
    history = History()
    history.absorb(Tail(run.events).read())
    assert run_title("toy", folder) == seen and run_title("", folder) == folder
    assert f"crashed  {seen} " in head(history, "crashed", 80, folder).plain
    assert f"  {seen}  " in head_of_result(history, folder, 80).plain


ROOT = Path(__file__).parents[3]
RUN_COMMAND = re.compile(r"loratui (resume|stop|attach|abort|pause|export|generate|checkpoints|queue add) $")
ANYWHERE = {"loratui/results/usage.py"}  # copied into another terminal, whatever folder that is in: a whole path


def _is_run_word(value: ast.expr, tree: ast.Module) -> bool:
    if isinstance(value, ast.Name):
        given = [one for one in ast.walk(tree) if isinstance(one, ast.Assign)]
        return any(
            ast.unparse(one.targets[0]).split(", ")[0].strip("(") == value.id and "run_word(" in ast.unparse(one.value)
            for one in given
        )
    return isinstance(value, ast.Call) and ast.unparse(value.func) == "run_word"


def test_one_function_names_a_run_in_a_command() -> None:
    """A name alone is found in ./runs only: of a run that lies elsewhere such a command finds nothing."""
    named, wrong = 0, []
    for path in sorted((ROOT / "loratui").rglob("*.py")):
        where, tree = str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.JoinedStr) or where in ANYWHERE:
                continue
            for before, after in zip(node.values, node.values[1:], strict=False):
                said = before.value if isinstance(before, ast.Constant) else ""
                if isinstance(after, ast.FormattedValue) and RUN_COMMAND.search(str(said)):
                    named += 1
                    wrong += [] if _is_run_word(after.value, tree) else [f"{where}:{node.lineno}: {ast.unparse(after)}"]
    assert not wrong and named > 15


def test_a_run_is_named_so_that_the_command_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here, other = (logged(make(one, "foo"), RUN, STEP) for one in (tmp_path / "runs", tmp_path / "else where"))
    for run in (here, other, RunDir(Path("runs", "foo"))):
        history = History()
        history.absorb(Tail(run.events).read())
        asked = (stop_question, abort_question)
        said = [str(one(history, run, "training")._body) for one in asked]
        said += [str(stop_question(History(), run, "starting")._body)]
        panel = trouble(history, "crashed", run, 80)
        assert panel is not None
        said += [panel.ways.plain, parting_words(run)]
        commands = [
            line.partition("loratui resume ")[2] for one in said for line in one.splitlines() if "loratui" in line
        ]
        assert len(commands) >= 4
        for one in commands:
            assert find_run(shlex.split(one)[0]).path == run.path.absolute(), one
