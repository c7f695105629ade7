"""Pivotal tuning with Prodigy on random weights: the full-size SDXL on a GPU, and the same tests reduced on the CPU."""

from __future__ import annotations

import filecmp
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from tests.gpu.driving import FULL_BED, REDUCED_BED, Bed, Course, Seen, bed_config, draw_pictures, drive
from trainer.contract.run.rundir import RunDir

FULL = pytest.param(FULL_BED, id="full-gpu", marks=pytest.mark.gpu)
REDUCED = pytest.param(REDUCED_BED, id="reduced-cpu", marks=pytest.mark.slow)
ROUNDING = {"bf16": 2**-8, "fp32": 2**-11}  # half a unit in the last place: bf16's, and TF32's as cuDNN takes it
Train = Callable[[bool], Course]


@pytest.fixture(scope="module", params=[REDUCED, FULL])
def bed(request: pytest.FixtureRequest) -> Bed:
    """The two places where everything here is tried."""
    return request.param


@pytest.fixture(scope="module")
def pictures(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of the bed's resolution."""
    return draw_pictures(tmp_path_factory.mktemp("pictures"), bed.resolution)


@pytest.fixture(scope="module")
def trained(bed: Bed, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """A whole run with or without gradient checkpointing, made when it is first asked for."""

    @cache
    def run(checkpointing: bool) -> Course:
        config = bed_config(bed, pictures, train__gradient_checkpointing=checkpointing)
        return drive(bed, tmp_path_factory.mktemp("run"), config, weigh=True)

    return run


def peak(steps: list[Seen]) -> int:
    return max(one.peak for one in steps)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_every_loss_is_finite_before_and_after_the_pivot(bed: Bed, trained: Train, checkpointing: bool) -> None:
    course = trained(checkpointing)
    assert [len(phase) for phase in course.phases] == [bed.steps // 2, bed.steps // 2]
    assert all(math.isfinite(loss) and loss > 0 for loss in course.losses)


def test_gradient_checkpointing_does_not_change_the_loss(bed: Bed, trained: Train) -> None:
    assert trained(True).losses == pytest.approx(trained(False).losses, rel=ROUNDING[bed.precision])


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_text_encoders_leave_memory_at_the_pivot(bed: Bed, trained: Train, checkpointing: bool) -> None:
    before, after = trained(checkpointing).held
    assert before - after > 0.9 * encoder_bytes(bed)  # the captions, now constants, take some of it


def encoder_bytes(bed: Bed) -> int:
    """Bytes of both text encoders, their token tables included."""
    encoders = bed.parts(torch.device("meta")).text_encoders
    return sum(one.nbytes for encoder in encoders for one in encoder.parameters())


@pytest.mark.parametrize("bed", [FULL], indirect=True)
def test_the_peak_falls_at_the_pivot_and_with_gradient_checkpointing(bed: Bed, trained: Train) -> None:
    kept, recomputed = ([peak(phase) for phase in trained(checkpointing).phases] for checkpointing in (False, True))
    for before, after in (kept, recomputed):
        assert before - after > 0.9 * encoder_bytes(bed)  # the captions, now constants, take some of it
    assert recomputed[0] < kept[0]
    assert recomputed[1] < kept[1]


def test_a_resumed_run_is_bit_equal_in_deterministic_mode(bed: Bed, pictures: Path, tmp_path: Path) -> None:
    every = bed.steps // 4
    config = bed_config(bed, pictures, train__checkpoint_every=every, train__keep_checkpoints=9)
    whole = RunDir(tmp_path / "whole")
    course = drive(bed, whole.path, config, exact=True)
    for cut in (every, 3 * every):  # before the pivot, and after it
        resumed = RunDir(tmp_path / f"from-{cut}")
        shutil.copytree(whole.checkpoint(cut), resumed.checkpoint(cut))
        again = drive(bed, resumed.path, config, exact=True)
        assert again.losses == course.losses[cut:]
        assert_same(whole, resumed, bed.steps)


def assert_same(one: RunDir, other: RunDir, step: int) -> None:
    for folder, mirror in ((one.checkpoint(step), other.checkpoint(step)), (one.export, other.export)):
        names = [str(path.relative_to(folder)) for path in folder.rglob("*.safetensors")]
        assert len(names) == 3
        assert filecmp.cmpfiles(folder, mirror, names, shallow=False) == (names, [], [])


COMPARED = [
    pytest.param("cpu", "bf16", marks=pytest.mark.slow),
    pytest.param("cuda", "bf16", marks=pytest.mark.gpu),
    pytest.param("cuda", "fp32", marks=pytest.mark.gpu),
]


@pytest.mark.parametrize(("device", "precision"), COMPARED)
def test_the_first_losses_are_those_of_the_cpu_in_fp32(tmp_path: Path, device: str, precision: str) -> None:
    known = replace(REDUCED_BED, drawn=("cpu", "fp32"), steps=2)
    tried = replace(known, device=device, precision=precision)
    pictures = draw_pictures(tmp_path / "pictures", known.resolution)
    expected = drive(known, tmp_path / "known", bed_config(known, pictures)).losses
    found = drive(tried, tmp_path / "tried", bed_config(tried, pictures)).losses
    assert found == pytest.approx(expected, rel=ROUNDING[precision])
