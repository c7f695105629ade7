"""Changing a run that has ended: its files, what is refused, and that a kill at any moment loses nothing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loratui.commands.replay import overrides_of
from loratui.errors import Refusal
from loratui.planning.prepared import prepare
from loratui.recovery.settings_change import amend, begin_anew, saved_steps
from loratui.runs.launch import LaunchError, create_run
from loratui.settings.answers import read_answers
from loratui.settings.resolve import resolve
from tests.loratui.conftest import LoraTUI
from trainer.contract.run.changes import SettingChange, read_changes, settings_at
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import flat, load_config

BATCH = {"train.batch": 1, "train.accumulation": 2}


@pytest.fixture
def run(answers_file: Path, tmp_path: Path) -> RunDir:
    """A run of the small SDXL with checkpoints at 2 and 4, made and not started."""
    ready = prepare(read_answers(answers_file), overrides_of(["dataset.skip=0.png"]), "answers.toml")
    run = create_run(ready.resolved, ready.answers, tmp_path / "runs" / "toy")
    for step in (2, 4):
        checkpoint(run, step)
    return run


def checkpoint(run: RunDir, step: int) -> None:
    run.checkpoint(step).mkdir(parents=True)
    (run.checkpoint(step) / "manifest.json").write_text(str(step))


def settings(run: RunDir) -> dict[str, Any]:
    return flat(load_config(run.config))


def test_a_change_reaches_both_files_and_the_old_ones_are_kept(run: RunDir) -> None:
    before = {path.name: path.read_text() for path in (run.config, run.answers)}
    assert amend(run, BATCH) == (SettingChange("train.batch", 2, 1), SettingChange("train.accumulation", 1, 2))
    assert (settings(run)["train.batch"], settings(run)["train.accumulation"]) == (1, 2)
    assert resolve(read_answers(run.answers), images=3).config == load_config(run.config)
    assert (run.path / "config.1.toml").read_text() == before["config.toml"]
    assert (run.path / "answers.1.toml").read_text() == before["answers.toml"]
    amend(run, {"train.max_grad_norm": 0.5})
    assert load_config(run.path / "config.2.toml").train.batch == 1
    assert [one.key for one in read_changes(run)] == ["train.batch", "train.accumulation", "train.max_grad_norm"]
    assert {path.stat().st_mode & 0o777 for path in run.path.glob("*.toml")} == {0o600}


def test_what_changes_nothing_writes_nothing(run: RunDir) -> None:
    before = sorted(run.path.iterdir())
    assert amend(run, {"train.batch": 2}) == ()
    assert sorted(run.path.iterdir()) == before


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"train.rank": 8}, "train.rank: the checkpoint of step 4 was trained with 4, but 8 is asked for"),
        ({"train.optimizer": "adamw"}, "the checkpoint holds the other optimizer's state"),
        ({"train.batch": 1}, "batch x accumulation must stay the same"),
        ({"train.batch": 0}, "--set train.batch: 0 is out of bounds"),
        ({"preset": "face"}, "preset: it is resolved together with its preset's values"),
    ],
)
def test_what_cannot_be_changed_is_refused_whole(run: RunDir, values: dict[str, Any], said: str) -> None:
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(Refusal) as refused:
        amend(run, {**values, "train.keep_checkpoints": 1})
    assert said in str(refused.value)
    if "train.batch: 0" not in said:
        assert "loratui replay" in refused.value.messages[-1] and "--set" in refused.value.messages[-1]
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_without_a_checkpoint_the_rank_may_change(run: RunDir) -> None:
    for step in (2, 4):
        (run.checkpoint(step) / "manifest.json").unlink()
    assert saved_steps(run) == ()
    amend(run, {"train.rank": 8})
    assert settings(run)["train.rank"] == 8


def test_going_back_puts_later_checkpoints_aside(run: RunDir) -> None:
    amend(run, {"train.learning_rate": 0.5}, back_to=2)
    assert saved_steps(run) == (2,)
    assert (run.checkpoints / "aside-000004" / "manifest.json").read_text() == "4"
    checkpoint(run, 4)
    amend(run, {}, back_to=2)
    assert (run.checkpoints / "aside-000004-2").is_dir() and saved_steps(run) == (2,)


def test_a_running_trainer_keeps_its_settings(run: RunDir) -> None:
    lock = RunLock(run.lock)
    before = run.config.read_bytes()
    with pytest.raises(LaunchError, match="already runs"):
        amend(run, BATCH)
    lock.release()
    assert run.config.read_bytes() == before


def killed_at(count: int, work: Callable[[], Any]) -> bool:
    """Do `work` in a process that dies at its `count`-th change of a file; whether it was killed."""
    child = os.fork()
    if not child:
        left = count

        def look(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if writes or event in ("os.rename", "os.remove", "os.mkdir"):
                left -= 1
                if not left:
                    os._exit(9)

        sys.addaudithook(look)
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, 9)
    return os.waitstatus_to_exitcode(status) == 9


@pytest.mark.slow
def test_a_kill_at_any_write_leaves_a_run_that_can_go_on(run: RunDir) -> None:
    values = {"train.learning_rate": 0.5, **BATCH}
    old, old_text = settings(run), run.config.read_text()
    kills = 0
    while killed_at(kills + 1, lambda: amend(run, values, back_to=2)):
        kills += 1
        now = settings(run)
        assert now == old or now == {**old, **values}
        # the trainer can take up the newest checkpoint with what stands in config.toml
        led = settings_at(old, load_config(run.config), read_changes(run))
        assert {**now, **led} == old
        texts = [path.read_text() for path in run.path.glob("config*.toml")]
        assert old_text in texts
        assert 2 in saved_steps(run)
    assert kills >= 10  # two copies, the record, two files: written aside and renamed; a checkpoint
    assert settings(run) == {**old, **values}
    assert resolve(read_answers(run.answers), images=3).config == load_config(run.config)


@pytest.mark.slow
def test_what_a_killed_change_left_in_the_answers_is_put_right_by_the_next(run: RunDir) -> None:
    for count in range(1, 30):  # until the answers are written and the configuration is not
        killed_at(count, lambda: amend(run, BATCH))
        if read_answers(run.answers).values["train.batch"] == 1:
            break
    assert settings(run)["train.batch"] == 2
    amend(run, {"train.gradient_checkpointing": True})
    assert read_answers(run.answers).values["train.batch"] == 2
    assert resolve(read_answers(run.answers), images=3).config == load_config(run.config)


def test_a_new_run_lies_beside_with_the_changes_and_the_old_one_is_untouched(run: RunDir) -> None:
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    new = begin_anew(run, {"train.rank": 2, "train.optimizer": "adamw"})
    assert new.path.name == "toy-again" and begin_anew(new, {}).path.name == "toy-again-2"
    changed = {key for key, value in settings(new).items() if settings(run)[key] != value}
    assert {"train.rank", "train.optimizer"} <= changed
    # AdamW with the rates that the preset gives Prodigy would run away
    assert settings(new)["train.learning_rate"] != 1.0
    assert resolve(read_answers(new.answers), images=3).config == load_config(new.config)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_the_command_line_refuses_in_the_same_words(loratui: LoraTUI, run: RunDir) -> None:
    refused = loratui("resume", run.path, "--set", "train.rank=8", "--detach")
    assert refused.returncode == 2
    assert "train.rank: the checkpoint of step 4 was trained with 4, but 8 is asked for" in refused.stderr
    assert "--set train.rank=8" in refused.stderr and not run.log.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("warm_trainer")
def test_resume_with_set_says_what_it_changes_and_trains_in_it(loratui: LoraTUI, run: RunDir) -> None:
    shutil.rmtree(run.checkpoints)
    done = loratui("resume", run.path, "--set", "train.batch=1", "--set", "train.accumulation=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed: train.batch from 2 to 1" in done.stdout and "The training stays the same" in done.stdout
    assert "completed at step 4" in done.stdout
    assert settings(run)["train.batch"] == 1 and load_config(run.path / "config.1.toml").train.batch == 2
