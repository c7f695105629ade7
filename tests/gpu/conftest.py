"""What needs a GPU is skipped without one; the rest runs the same code on the CPU, on a reduced SDXL."""

from __future__ import annotations

import os

# cuBLAS reads it at the process' first product, whichever test makes that
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import pytest
import torch

from tests.trainer.conftest import own_cache  # noqa: F401


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what is marked gpu."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
