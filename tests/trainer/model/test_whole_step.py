"""A whole step of a run, of full depth: no operation beside the model and the optimizer that it could do without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bench.operations import adv_folder
from tests.trainer.conftest import make_config
from tests.trainer.model.full_depth import Operations
from tests.trainer.trap_parts import begin
from trainer.step import prodigy

AT_MOST = 4_700  # the aim of issue 12
OWN: dict[str, Any] = {
    "train__batch": 1,
    "train__rank": 8,
    "train__precision": "bf16",
    "train__steps": 12,
    "pivotal__fraction": 0.1,
    "train__gradient_checkpointing": "off",
}


@pytest.mark.slow
def test_a_runs_own_step_after_the_pivot_takes_few_operations(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With draws, norm, clipping, "skip if not finite", the average, and the numbers of the log."""
    monkeypatch.setattr(prodigy, "PIECE", 2**40)  # as a GPU takes it
    live = begin(tmp_path / "run", make_config(pictures, **OWN, model__base=str(adv_folder(tmp_path / "base"))))
    for step in range(1, 8):  # until captions and sizes were seen
        live._one_step(step, known=True)
    assert live.trainee.pivoted
    with Operations() as seen:
        live.stepper.take(8)
    print(f"\na run's own step at full depth in bf16: {seen.count} operations")
    assert seen.count <= AT_MOST
