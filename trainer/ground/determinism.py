"""Training that gives the same bits every time, on a GPU too; slower, so it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
FIXED = ":4096:8"  # the workspace with which cuBLAS adds up in one order; read once, at the first product
# flash attention's backward pass has an order-keeping form that torch takes in this mode; cuDNN's has none
KERNELS = [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]


def fix_workspace() -> None:
    """Ask cuBLAS for a fixed workspace. To be called before the process' first product on a GPU."""
    os.environ.setdefault(WORKSPACE, FIXED)


def do_not_fill() -> None:
    """Leave memory that is asked for as it is.

    In its deterministic mode torch writes a pattern into it, to show what reads it too soon: in every step each buffer
    is then written twice, and memory that nothing has touched yet is taken from the machine all the same.
    """
    import torch.utils.deterministic

    torch.utils.deterministic.fill_uninitialized_memory = False


@contextmanager
def deterministic() -> Iterator[None]:
    """Within it every operation keeps its order of summation; torch raises RuntimeError for one that cannot."""
    fix_workspace()
    before, lenient = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    tuning = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    do_not_fill()
    torch.backends.cudnn.benchmark = False  # it would choose a convolution by time, another one in another run
    try:
        with sdpa_kernel(KERNELS):
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=lenient)
        torch.backends.cudnn.benchmark = tuning
