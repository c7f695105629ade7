"""Several processes share a step: the same run as one process, to rounding, and only the first one writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.conftest import make_config, make_run, train
from tests.warm.client import warm_environment
from trainer.contract.run.events import Tail
from trainer.ground.world import Uneven, World


@pytest.mark.parametrize(("batch", "accumulation"), [(4, 1), (1, 4), (2, 2), (3, 2), (2, 3)])
def test_a_step_is_dealt_out_once_and_completely(batch: int, accumulation: int) -> None:
    places = [(micro, k) for micro in range(accumulation) for k in range(batch)]
    dealt = [
        (micro, k)
        for rank in range(2)
        for micro, part in World(rank, 2).share(batch, accumulation)
        for k in range(batch)[part]
    ]
    assert sorted(dealt) == places


def test_a_step_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(Uneven, match="a multiple of 2"):
        World(0, 2).share(3, 1)


OWN = {"train__batch": 2, "train__device": "cpu", "prodigy__d0": 1e-3, "train__timesteps": "stratified"}
OWN |= {"train__noise_pairs": True}
# what `loratui --gpus 2` starts, which is torchrun underneath; without a GPU the processes talk through gloo
LAUNCHERS = {
    "torchrun": ["torch.distributed.run", "--nproc_per_node", "2", "--standalone"],
    "accelerate": ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"],
}


@pytest.fixture(scope="module")
def expected(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The steps of the same run in one process."""
    alone = make_run(tmp_path_factory.mktemp("alone") / "run", make_config(pictures, **OWN))
    return [event for event in train(alone) if event["type"] == "step"]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_have_the_loss_curve_of_one(
    pictures: Path, tmp_path: Path, launcher: str, expected: list[dict[str, Any]]
) -> None:
    both = make_run(tmp_path / "both", make_config(pictures, **OWN))
    with both.log.open("w") as log:
        done = subprocess.run(
            [sys.executable, "-m", *LAUNCHERS[launcher], "-m", "trainer", str(both.config)],
            stdout=log,
            stderr=log,
            env={**os.environ, **warm_environment(), "OMP_NUM_THREADS": "1"},
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, both.log.read_text()
    events = Tail(both.events).read()
    assert [event["world"] for event in events if event["type"] == "run"] == [2]
    steps = [event for event in events if event["type"] == "step"]
    assert [event["step"] for event in steps] == [event["step"] for event in expected]
    for name in ("loss", "grad_norm"):
        assert [one[name] for one in steps] == pytest.approx([one[name] for one in expected], rel=1e-4)
    assert events[-1]["status"] == "completed"
    # rank 0 alone writes: each event stands there once, and so does each file
    assert len([event for event in events if event["type"] == "sample"]) == 2
    assert len([event for event in events if event["type"] == "checkpoint"]) == 3
