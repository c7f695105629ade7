"""What a run says of its memory: what it needs from its first step on, and not what reading its model took."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
import torch

from trainer.ground.machine import count_peak_anew, memory_now

CPU = torch.device("cpu")
MUCH = 300_000_000
NOISE = 60_000_000


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system counts no peak that begins anew")
def test_the_peak_is_that_of_what_came_since_and_lies_in_no_file(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    with path.open("wb") as file:
        file.truncate(MUCH)
    held = bytearray(b"1") * MUCH
    assert count_peak_anew()
    del held
    assert count_peak_anew()
    before = memory_now(CPU)["rss_peak"]
    assert before is not None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert sum(mapped[at] for at in range(0, MUCH, 4096)) == 0  # each page is in memory now
        assert memory_now(CPU)["rss_peak"] < before + NOISE
    held = bytearray(b"1") * MUCH
    del held
    assert before + MUCH - NOISE < memory_now(CPU)["rss_peak"] < before + MUCH + NOISE


def test_where_no_peak_can_begin_anew_none_is_told() -> None:
    assert memory_now(CPU, told=False)["rss_peak"] is None
