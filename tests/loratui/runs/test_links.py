"""A run from elsewhere with a link among its names: every command refuses it by that name, lists tell it and go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer.main

from loratui.cli import app
from loratui.errors import Refusal
from loratui.planning.past_runs import measure
from loratui.runs.find import find_run, find_runs
from loratui.runs.listing import each_run, newest_runs
from loratui.runs.queue import listed
from tests.outside import FILE, untouched
from trainer.contract.run.events import EventLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config

COMMANDS = {  # those that take a run, with the words that they need besides
    "abort": [],
    "attach": ["--plain"],
    "checkpoints": [],
    "delete": ["--yes"],
    "diff": ["RUN"],
    "export": [],
    "generate": ["a TOK"],
    "note": ["a line"],
    "pause": [],
    "push": ["--dry-run"],
    "queue add": [],
    "rename": ["other"],
    "resume": [],
    "sample": [],
    "save": [],
    "stop": [],
}
UNTOUCHED = {"queue cancel", "queue first", "queue move"}  # they change the place in the queue, and nothing else


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A run with a log, in ./runs."""
    monkeypatch.chdir(tmp_path)
    run = RunDir(tmp_path / "runs" / "mine")
    run.path.mkdir(parents=True)
    run.config.write_text(dump_config(TrainConfig(name="toy")))
    log = EventLog(run.events)
    log.emit("run", v=1, name="toy", steps=5)
    log.emit("end", status="stopped", step=3, seconds=1, files=[])
    log.close()
    run.log.touch()
    return run


def with_a_run(group: click.Command, before: str = "") -> Iterator[str]:
    """The commands that take a run."""
    for name, command in getattr(group, "commands", {}).items():
        yield from with_a_run(command, f"{before}{name} ")
        if any(one.metavar in ("RUN", "[RUN]") for one in command.params):
            yield f"{before}{name}"


def test_every_command_that_takes_a_run_is_tried_here() -> None:
    assert set(with_a_run(typer.main.get_command(app))) == set(COMMANDS) | UNTOUCHED


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_refuses_by_the_name(run: RunDir, victim: Path, command: str) -> None:
    run.export.symlink_to(victim)
    words = [*command.split(), str(run.path), *(str(run.path) if one == "RUN" else one for one in COMMANDS[command])]
    with pytest.raises(Refusal, match="'export' is a link"):
        typer.main.get_command(app).main(words, standalone_mode=False)
    assert untouched(victim)
    assert not run.control.exists()


@pytest.mark.parametrize("name", ["events.jsonl", "config.toml", "lock", "samples/000002-0.png"])
def test_the_lists_tell_it_and_show_the_others(run: RunDir, victim: Path, name: str) -> None:
    other = RunDir(run.path.with_name("other"))
    other.path.mkdir()
    other.config.write_text(run.config.read_text())
    path = other.path / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(victim / FILE)
    deep = "/" in name  # a list looks at the first level alone, whoever opens the run at all
    for infos in (find_runs(), [info for info, _ in each_run()], newest_runs(5)[0], [info for _, info in listed()]):
        found = {one.run.path.name: (one.state, one.trouble) for one in infos}
        assert found["mine"] == ("stopped", "")
        assert found["other"] == (("new", "") if deep else ("refused", told(name)))
    with pytest.raises(Refusal, match=f"'{name}' is a link"):
        find_run("other")
    if not deep:
        with pytest.raises(OSError, match="is a link"):
            measure(other)
    assert untouched(victim)


def told(name: str) -> str:
    """The sentence of a link."""
    return f"'{name}' is a link: remove it, or put a copy of what it leads to there"


def test_the_runs_may_lie_behind_a_link(run: RunDir, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(run.path.parent)
    assert find_run("mine", tmp_path / "elsewhere").path == tmp_path / "elsewhere" / "mine"
    (tmp_path / "one").symlink_to(run.path)
    assert find_run(str(tmp_path / "one")).path == tmp_path / "one"
