"""The optimizer's kernels give what torch gives: run by Triton's interpreter on the CPU, where Triton is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from trainer.step.prodigy import kernels_for

ASK = """
import torch
from tests.trainer.step.test_starts import go, made
from trainer.step import prodigy, prodigy_kernels

def agreeing(kernels, rel, halved=False):
    (mine, one), (plain, other) = made(halved), made(halved)
    mine._kernels = kernels
    went, meant = go(mine, one, range(1, 16)), go(plain, other, range(1, 16))
    return all(torch.allclose(went[name].double(), meant[name].double(), rtol=rel, atol=1e-7) for name in went)

class Wrong:
    accumulate = staticmethod(prodigy_kernels.accumulate)

    def move(data, mean, square, scalars):
        prodigy_kernels.move(data, mean, square, scalars * 1.001)

cpu = torch.device("cpu")
both = agreeing(prodigy_kernels, 1e-5) and agreeing(prodigy_kernels, 1e-5, halved=True)
print(both, prodigy.agree(prodigy_kernels, cpu), prodigy.agree(Wrong, cpu))
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed: torch brings it along on CUDA")
def test_the_kernels_do_what_torch_does() -> None:
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=Path(__file__).parents[3], env=environment, capture_output=True, text=True
    )
    assert done.stdout.split() == ["True", "True", "False"], done.stderr


def test_on_the_cpu_there_are_none() -> None:
    assert kernels_for(torch.device("cpu")) is None
