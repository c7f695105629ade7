"""A checkpoint saved again at its step: the same one stays, another takes its place, and neither is ever missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from loratui.runs.find import resumable_steps, saved_steps
from trainer.checkpoints.snapshot import Snapshot, list_checkpoints, newest_checkpoint, save_checkpoint, step_of
from trainer.contract.run.replacement import old_name, put_back_checkpoints
from trainer.contract.run.rundir import RunDir
from trainer.export.trained import find_checkpoint


def snapshot(value: float) -> Snapshot:
    def tensors() -> dict[str, torch.Tensor]:
        return {"a": torch.full((4,), value)}

    return Snapshot(4, tensors(), tensors(), tensors(), {"settings": {}, "x": value})


def test_the_same_checkpoint_is_left_alone_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    folder, size = save_checkpoint(run, snapshot(1))
    inode = folder.stat().st_ino
    assert save_checkpoint(run, snapshot(1)) == (folder, size)
    assert folder.stat().st_ino == inode
    (folder / "lora.safetensors").write_bytes(b"damaged")
    save_checkpoint(run, snapshot(1))
    assert newest_checkpoint(run).step == 4 and not newest_checkpoint(run).damaged


def test_another_one_takes_its_place(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    save_checkpoint(run, snapshot(1))
    save_checkpoint(run, snapshot(2))
    found = newest_checkpoint(run).snapshot
    assert found is not None and found.identity["x"] == 2
    assert [one.name for one in run.checkpoints.iterdir()] == ["step-000004"]


@pytest.mark.parametrize("name", [old_name("step-000004"), ".step-000004.old"])
def test_one_that_a_kill_left_aside_is_found_by_everybody_and_put_back(tmp_path: Path, name: str) -> None:
    run = RunDir(tmp_path)
    folder, _ = save_checkpoint(run, snapshot(1))
    folder.rename(run.checkpoints / name)
    (run.checkpoints / ".notes.old").mkdir()  # a person's
    assert newest_checkpoint(run).step == 4 and find_checkpoint(run, 4).identity["x"] == 1
    assert [step_of(one) for one in list_checkpoints(run)] == [4]
    assert saved_steps(run) == resumable_steps(run) == (4,)
    put_back_checkpoints(run)
    assert list_checkpoints(run) == [folder]
    assert sorted(one.name for one in run.checkpoints.iterdir()) == [".notes.old", "step-000004"]
