"""A sweep on the pictures of the tests, without a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.settings.answers import read_answers
from loratui.sweeps.declaration import Sweep, declared, grid_axis


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """./runs of an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return tmp_path / "runs"


@pytest.fixture
def ranks(answers_file: Path) -> Sweep:
    """Ranks 2 and 4 by two optimizers, two seeds each."""
    axes = [grid_axis("train.rank=2,4"), grid_axis("train.optimizer=prodigy,adamw")]
    return declared("ranks", read_answers(answers_file), axes, 2)
