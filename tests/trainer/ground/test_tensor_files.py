"""What the system keeps from torch is an OSError, which whoever reads weights puts into words."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save, save_file

from trainer.ground.tensor_files import OtherTensors, fill, load_tensors, pieces


@contextmanager
def one_more_file() -> Iterator[None]:
    """safetensors can open one file, and torch then none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_the_system_refuses_is_an_oserror(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.arange(4)}, path)
    assert torch.equal(load_tensors(path)["a"], torch.arange(4))
    with one_more_file(), pytest.raises(RuntimeError, match="unable to open"):
        load_file(path)  # what the library makes of it
    with one_more_file(), pytest.raises(OSError, match="unable to open"):
        load_tensors(path)


def test_a_missing_file_and_a_damaged_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_tensors(tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with pytest.raises(SafetensorError):
        load_tensors(tmp_path / "a.safetensors")


@pytest.mark.parametrize("saved", [{}, {"a": torch.ones(2)}, {"a": torch.ones(2), "b": torch.ones(1)}])
def test_what_does_not_fit_is_refused_and_nothing_is_touched(saved: dict[str, torch.Tensor]) -> None:
    live = {"a": torch.zeros(2), "b": torch.zeros(3)}
    with pytest.raises(OtherTensors, match=r"such as [ab]"):
        fill(live, saved)  # a shape of 1 would be spread over all three
    assert not any(one.any() for one in live.values())
    fill(live, {"a": torch.ones(2), "b": torch.ones(3), "c": torch.ones(1)})
    assert all(one.all() for one in live.values())


def test_the_pieces_are_the_file_that_safetensors_writes_and_none_is_a_copy() -> None:
    start = torch.Generator().manual_seed(0)
    tensors = {
        "b": torch.randn(3, 4, generator=start),
        "a": torch.randn(5, generator=start).bfloat16(),
        'ü "quoted"\n': torch.randn(2, 1, 3, generator=start).half(),
        "count": torch.tensor(7),
        "estimate": torch.tensor(0.25, dtype=torch.float64),
        "mask": torch.tensor([True, False]),
        "bytes": torch.arange(9, dtype=torch.uint8),
        "numbers": torch.arange(3, dtype=torch.int32),
        "short": torch.arange(3, dtype=torch.int16),
        "codes": torch.arange(5, dtype=torch.int8),
        "nothing": torch.zeros(0, 4),
    }
    found = list(pieces(tensors))
    assert b"".join(found) == save(tensors) and b"".join(pieces({})) == save({})
    tensors["b"].fill_(9)
    assert b"".join(found) == save(tensors)
