"""The optimizer's kernels give what torch gives, where Triton is installed: its interpreter runs them on the CPU."""

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
import numpy as np
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

def rounded():
    # numpy rounds roots and quotients as IEEE 754 has it, as torch does on a GPU; MKL's root under torch does not
    made = torch.Generator().manual_seed(1)
    data, mean, square = (torch.randn(5000, generator=made) for _ in range(3))
    square.square_()
    rate, least, decay = (np.float32(one) for one in (1e-2, 1e-8, 1e-4))
    x, m, v = (one.numpy().copy() for one in (data, mean, square))
    prodigy_kernels.move(data, mean, square, torch.tensor([rate, least, decay]))
    return np.array_equal(data.numpy(), x - x * decay - m / (np.sqrt(v) + least) * rate)

cpu = torch.device("cpu")
both = agreeing(prodigy_kernels, 1e-5) and agreeing(prodigy_kernels, 1e-5, halved=True)
print(both, prodigy.agree(prodigy_kernels, cpu), rounded(), prodigy.agree(Wrong, cpu))
"""

# as for a LoRA that begins on numbers of bf16, and for one that does not
COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from trainer.step import prodigy_kernels as own

def compiled(kernel, card, **signature):
    named = dict.fromkeys(kernel.arg_names, "*fp32") | {"size": "i32", "BLOCK": "constexpr"} | signature
    source = ASTSource(kernel, {name: named[name] for name in kernel.arg_names}, {"BLOCK": own.BLOCK})
    how = {name: one for name, one in own.HOW.items() if name != "BLOCK"}
    return triton.compile(source, target=GPUTarget("cuda", card, 32), options=how).asm

sums = {"dots": "*fp64", "sums": "*fp64", "begun": "i32"}
for card in (75, 80, 86, 89, 90, 100, 120):
    for p0 in ("*bf16", "*fp32"):
        for made in (compiled(own._accumulate, card, p0=p0, **sums), compiled(own._move, card)):
            assert made["cubin"] and "fma." not in made["ptx"] and "approx" not in made["ptx"]
            assert "div.full" not in made["ptx"]
    print(card)
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed: torch brings it along on CUDA")
def test_the_kernels_do_what_torch_does() -> None:
    done = asked(ASK, TRITON_INTERPRET="1")
    assert done.stdout.split() == ["True", "True", "True", "False"], done.stderr


@pytest.mark.slow
@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed: torch brings it along on CUDA")
def test_they_compile_for_the_cards_that_people_have_and_round_each_number_as_torch_does(tmp_path: Path) -> None:
    done = asked(COMPILE, TRITON_CACHE_DIR=str(tmp_path))
    assert done.stdout.split() == ["75", "80", "86", "89", "90", "100", "120"], done.stderr


def asked(program: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own: Triton looks at its environment when it is imported."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=Path(__file__).parents[3], env=os.environ | more, capture_output=True, text=True)


def test_on_the_cpu_there_are_none() -> None:
    assert kernels_for(torch.device("cpu")) is None
