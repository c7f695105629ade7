"""Runs that are over: renamed, noted, deleted; never one that a trainer works on, never what a link leads to."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.errors import Refusal
from loratui.runs.keeping import contents_words, delete_run, read_note, rename_run, size_of, write_note
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run's folder with a file of 1000 bytes."""
    found = RunDir(tmp_path / "runs" / "one")
    found.checkpoints.mkdir(parents=True)
    found.config.write_text('name = "one"\n')
    (found.checkpoints / "big").write_bytes(bytes(1000))
    return found


def test_renamed(run: RunDir) -> None:
    now = rename_run(run, "anna-best")
    assert now.path.name == "anna-best" and now.config.is_file() and not run.path.exists()
    (now.path.parent / "there").mkdir()
    for name in ("there", "", "a b", "../out", "a/b", ".hidden", "x" * 200, "a\nb"):
        with pytest.raises(Refusal):
            rename_run(now, name)
    assert sorted(one.name for one in now.path.parent.iterdir()) == ["anna-best", "there"]


def test_noted(run: RunDir) -> None:
    assert read_note(run) == ""
    write_note(run, " the good one \x1b[31m")
    assert (
        read_note(run).startswith("the good one")
        and "\x1b" not in read_note(run)
        and run.note.stat().st_mode & 0o777 == 0o600
    )
    write_note(run, "")
    assert read_note(run) == "" and not run.note.exists()
    run.note.symlink_to(run.config)
    assert read_note(run) == "", "a link is not followed"


def test_deleted_with_what_it_holds_and_nothing_beyond(run: RunDir, tmp_path: Path) -> None:
    beyond = tmp_path / "beyond"
    beyond.mkdir()
    (beyond / "kept").write_text("kept")
    (run.checkpoints / "link").symlink_to(beyond)
    assert 1000 < size_of(run) < 2000
    delete_run(run)
    assert not run.path.exists() and (beyond / "kept").read_text() == "kept"
    with pytest.raises(Refusal):
        delete_run(RunDir(beyond))
    assert (beyond / "kept").is_file()


def test_what_would_be_lost_is_what_is_there(run: RunDir) -> None:
    assert contents_words(run) == "nothing that was trained"
    run.checkpoint(3).mkdir()
    (run.checkpoint(3) / "manifest.json").write_text("{}")
    assert contents_words(run) == "1 checkpoint"
    run.export.mkdir()
    (run.export / "one.safetensors").touch()
    run.samples.mkdir()
    (run.samples / "000003-0.png").touch()
    assert contents_words(run) == "the trained files, 1 checkpoint and 1 picture"


def test_one_that_is_worked_on_is_left_alone(run: RunDir) -> None:
    lock = RunLock(run.lock)
    for act in (delete_run, lambda one: rename_run(one, "other")):
        with pytest.raises(Refusal, match="a trainer is working on it"):
            act(run)
    lock.release()
    assert run.config.is_file()
    delete_run(run)
