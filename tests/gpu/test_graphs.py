"""CUDA graphs of a step's passes, for whoever has a GPU: they have not run on one yet."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.gpu.driving import FULL_BED, bed_config, draw_pictures, drive
from trainer.step.graphs import CudaRecorder, GraphedPasses

pytestmark = pytest.mark.gpu
ROUNDING = 2**-6  # bf16 kernels that add up in no fixed order, over a few steps


def test_a_graph_reads_its_buffers_anew() -> None:
    device = torch.device("cuda")
    weight, x, out = (torch.randn(64, 64, device=device) for _ in range(3))
    leaf = weight.requires_grad_(True)
    leaf.grad = torch.zeros_like(leaf)

    def work() -> None:
        (x @ leaf).square().mean().backward()
        with torch.no_grad():
            out.copy_(x * 2)

    replay = CudaRecorder(device).record(work)
    leaf.grad.zero_()
    x.copy_(torch.randn_like(x))
    replay()
    meant = torch.autograd.grad((x @ leaf).square().mean(), leaf)[0]
    assert torch.allclose(leaf.grad, meant) and torch.equal(out, x * 2)


@pytest.mark.parametrize("exact", [False, True])
def test_a_run_by_graphs_has_the_losses_of_one_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact: bool
) -> None:
    def refuse(_: GraphedPasses, why: str) -> None:
        raise AssertionError(why)

    monkeypatch.setattr(GraphedPasses, "_refuse", refuse)
    pictures, losses = draw_pictures(tmp_path / "pictures", FULL_BED.resolution), {}
    for graphs in ("off", "auto"):
        config = bed_config(FULL_BED, pictures, train__graphs=graphs, train__gradient_checkpointing="off")
        losses[graphs] = drive(FULL_BED, tmp_path / graphs, config, exact=exact).losses
    assert losses["auto"] == (losses["off"] if exact else pytest.approx(losses["off"], rel=ROUNDING))
