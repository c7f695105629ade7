"""The newest runs without reading all; all of them bit by bit."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from loratui.runs.listing import each_run, newest_runs, run_folders, run_lines
from trainer.contract.run.events import EventLog
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir


def make(root: Path, name: str, at: float) -> RunDir:
    run = RunDir(root / name)
    run.path.mkdir(parents=True)
    run.config.write_text('name = "toy"\n')
    log = EventLog(run.events)
    log.emit("run", v=1, name="toy", steps=5)
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


def test_no_figure_of_a_line_is_cut_whatever_its_width(tmp_path: Path) -> None:
    make(tmp_path, "2026-11-27-0655-a-run-of-some-length", 1)
    ((found, _),) = each_run(tmp_path)
    info = replace(found, loss=0.4393, name="a-run-of-some-length")
    for width in (200, 100, 80, 60):
        lines = run_lines("training", info, 8, width)
        assert str(info.run.path) in lines[-1] and "loss 0.4393" in lines[0]
        assert all(len(line) <= width for line in lines[:-1]) and len(lines) <= 2
