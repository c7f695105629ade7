"""Headers of safetensors files: what is too large is refused before it is parsed, what is odd has a reason."""

from __future__ import annotations

import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.contract.documents.test_documents import mutated
from trainer.contract.basemodel.headers import BadHeader, read_header
from trainer.contract.documents.tensor_header import LARGEST, read_tensor_header

TENSOR = {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}


def write(path: Path, header: Any, tensors: bytes = b"12345678") -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + tensors)
    return path


def test_a_whole_header_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", {"__metadata__": {"a": "b"}, "x": TENSOR})
    found = read_tensor_header(path).value
    assert found is not None
    assert (found.tensors, found.told, found.wanted, found.there) == ({"x": TENSOR}, {"a": "b"}, 8, 8)
    assert read_header(path).shapes == {"x": (2, 1)}


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"[" * 50_000, "its header is damaged: it is nested deeper than 64 levels"),
        ([1], "its header is damaged: it holds a list where an object is expected"),
        ({"x": 1}, "its header is damaged: it holds other things than tensors"),
        ({"x": {**TENSOR, "shape": [-1]}}, "its header is damaged: it holds other things than tensors"),
        ({"x": {**TENSOR, "data_offsets": [0]}}, "its header is damaged: it holds other things than tensors"),
        ({"x": TENSOR, "__metadata__": [1]}, "its header is damaged: it holds other things than tensors"),
        ({"x": {**TENSOR, "shape": [10**400]}}, "its header is damaged: it holds a number that is too large"),
    ],
)
def test_an_odd_header_has_a_reason(tmp_path: Path, header: Any, said: str) -> None:
    path = write(tmp_path / "a.safetensors", header)
    assert read_tensor_header(path).reason == said
    with pytest.raises(BadHeader, match="damaged"):
        read_header(path)


def test_a_header_of_thirty_megabytes_takes_no_memory(tmp_path: Path) -> None:
    """Made of what takes most memory: empty lists, 27 bytes of memory for each byte of text."""
    large = write(tmp_path / "large.safetensors", b'{"a":[' + b"[]," * 10_000_000 + b"1]}")
    small = write(tmp_path / "small.safetensors", b'{"a":[' + b"[]," * ((LARGEST - 20) // 3) + b"1]}")
    tracemalloc.start()
    for path, said in ((large, "its header of 30 MB is larger than 16.8 MB"), (small, "more than 1,000,000 values")):
        with pytest.raises(BadHeader, match=said):
            read_header(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * LARGEST


def test_no_mutation_of_a_header_raises_anything_else(tmp_path: Path) -> None:
    path, draws = tmp_path / "a.safetensors", random.Random(6)
    raw = write(path, {"__metadata__": {"a": "b"}, "x": TENSOR}).read_bytes()
    for number in range(150):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(mutated(raw, draws))
        try:
            assert all(type(one) is int for shape in read_header(path).shapes.values() for one in shape)
        except BadHeader as error:
            assert str(error).startswith("it")
