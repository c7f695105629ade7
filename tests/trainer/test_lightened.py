"""Older checkpoints without the optimizer's state: valid, exportable, and not gone on from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainer.checkpoints.snapshot import (
    Snapshot,
    drop_old,
    list_checkpoints,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
    step_of,
)
from trainer.contract.run.rundir import RunDir


def test_only_the_optimizers_state_of_older_checkpoints_goes_and_a_kill_leaves_them_valid(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.path.mkdir()
    for step in (2, 4, 6):
        tensors = {"a": torch.full((2,), float(step))}
        save_checkpoint(run, Snapshot(step, tensors, tensors, tensors, {"settings": {"train.seed": 0}}))
    before = load_checkpoint(run.checkpoint(2))
    state = (run.checkpoint(2) / "optimizer.safetensors").read_bytes()
    drop_old(run, 1, written=6)
    assert [step_of(one) for one in list_checkpoints(run)] == [6, 4, 2]
    assert [path.name for path in run.checkpoints.glob("*/optimizer.safetensors")] == ["optimizer.safetensors"]
    (run.checkpoint(2) / "optimizer.safetensors").write_bytes(state)  # as a kill between manifest and file leaves it
    light = load_checkpoint(run.checkpoint(2))
    assert light.optimizer is None and light.identity == before.identity
    assert all(torch.equal(one, before.lora[name]) for name, one in light.lora.items())
    (run.checkpoint(6) / "lora.safetensors").write_bytes(b"damaged")
    found = newest_checkpoint(run)
    assert found.snapshot is None and "step-000004 is kept without the optimizer's state" in found.damaged[1]
    drop_old(run, 1, written=6)
    assert not (run.checkpoint(2) / "optimizer.safetensors").exists()
    with pytest.raises(ValueError, match="no optimizer state"):
        save_checkpoint(run, light)
