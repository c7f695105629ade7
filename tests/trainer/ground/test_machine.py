"""What a run says of its memory: what it needs from its first step on, and not what reading its model took."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from trainer.ground.machine import RamPeak, memory_now

CPU = torch.device("cpu")
MUCH = 300_000_000
NOISE = 60_000_000

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the system counts no peak that begins anew"
)


def test_the_peak_is_that_of_what_came_since_and_lies_in_no_file(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    with path.open("wb") as file:
        file.truncate(MUCH)
    held = bytearray(b"1") * MUCH
    assert RamPeak.begin()
    del held
    peak = RamPeak.begin()
    assert peak is not None
    before = memory_now(CPU, peak)["rss_peak"]
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert sum(mapped[at] for at in range(0, MUCH, 4096)) == 0  # each page is in memory now
        assert memory_now(CPU, peak)["rss_peak"] < before + NOISE
    held = bytearray(b"1") * MUCH
    del held
    assert before + MUCH - NOISE < memory_now(CPU, peak)["rss_peak"] < before + MUCH + NOISE


def test_weights_that_stay_in_their_file_are_needed(tmp_path: Path) -> None:
    """As they do where a model lies in the precision of the training: each step reads them."""
    save_file({"weight": torch.ones(MUCH // 4)}, tmp_path / "blob")
    without = RamPeak.begin()
    weights = load_file(tmp_path / "blob")["weight"]
    assert weights.sum() == MUCH // 4
    peak = RamPeak.begin()
    assert without is not None and peak is not None
    assert MUCH - NOISE < peak.weights - without.weights < MUCH + NOISE
    with_them, without_them = peak.most(), RamPeak(0).most()
    assert with_them is not None and without_them is not None
    assert MUCH - NOISE < with_them - without_them < peak.weights + NOISE
    assert weights[0] == 1


def test_where_no_peak_is_counted_none_is_told() -> None:
    assert memory_now(CPU)["rss_peak"] is None
