"""The newest runs without reading all; all of them bit by bit."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from loratui.runs.listing import each_run, newest_runs, run_facts, run_folders, table_lines
from trainer.contract.run.events import EventLog
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir


def make(root: Path, name: str, at: float, called: str = "toy") -> RunDir:
    run = RunDir(root / name)
    run.path.mkdir(parents=True)
    run.config.write_text('name = "toy"\n')
    log = EventLog(run.events)
    log.emit("run", v=1, name=called, steps=5)
    log.emit("step", step=3, views=1.5)
    log.close()
    run.log.touch()
    os.utime(run.config, (at, at))
    return run


def test_the_newest_first_but_those_alive_before(tmp_path: Path) -> None:
    runs = [make(tmp_path, f"run-{number}", 1000 + number) for number in range(6)]
    (tmp_path / "no-run").mkdir()
    (tmp_path / "file").touch()
    lock = RunLock(runs[0].lock)
    dead = RunLock(runs[1].lock)
    dead.release()
    infos, count = newest_runs(3, tmp_path)
    assert [one.run.path.name for one in infos] == ["run-0", "run-5", "run-4"] and count == 6
    assert infos[0].alive and infos[0].views == 1.5
    lock.release()
    assert [run.path.name for run in run_folders(tmp_path)] == [f"run-{number}" for number in range(5, -1, -1)]
    assert [(info.run.path.name, of) for info, of in each_run(tmp_path)][:2] == [("run-5", 6), ("run-4", 6)]


def test_no_folder_holds_no_runs(tmp_path: Path) -> None:
    assert newest_runs(3, tmp_path / "gone") == ([], 0)
    assert list(each_run(tmp_path / "gone")) == []


@pytest.mark.parametrize("width", [400, 200, 100, 80, 60])
def test_each_run_has_its_name_and_a_column_holds_one_thing(tmp_path: Path, width: int) -> None:
    """Also of a run that failed before its first step, one whose folder is called otherwise, and one without a name."""
    make(tmp_path, "2026-11-27-0655-dog", 1)
    ((done, _),) = each_run(tmp_path)
    done = replace(done, name="dog", loss=0.4393)
    failed = replace(done, loss=None, state="failed", step=0)
    elsewhere = replace(failed, run=RunDir(tmp_path / "x"), name="a-cat-with-a-name-of-forty-letters-and-more")
    for runs in ([done, failed], [done, failed, elsewhere]):
        rows = [(run_facts(one.state, one, 9), one) for one in runs]
        found = table_lines(rows, width, 9)
        assert all(one.name in " ".join(lines) for one, lines in zip(runs, found, strict=True))
        assert len({lines[0].index(str(tmp_path)) for lines in found if str(tmp_path) in lines[0]}) <= 1
        assert all(re.match(r"\w+ +\d+/\d+  (loss|no loss)", lines[0]) for lines in found)
    make(tmp_path / "more", "2026-11-28-cat", 1, called="")
    ((nameless, _),) = each_run(tmp_path / "more")
    assert nameless.name == "2026-11-28-cat"


def test_no_figure_of_a_line_is_cut_whatever_its_width(tmp_path: Path) -> None:
    make(tmp_path, "2026-11-27-0655-a-run-of-some-length", 1)
    ((found, _),) = each_run(tmp_path)
    info = replace(found, loss=0.4393, name="a-run-of-some-length")
    for width in (200, 100, 80, 60):
        (lines,) = table_lines([(run_facts("training", info, 9), info)], width, 9)
        assert str(info.run.path) in lines[-1] and "loss 0.4393" in lines[0]
        assert all(len(line) <= width for line in lines[:-1]) and len(lines) <= 2
