"""Each kind of adapter as a whole run: it trains, is resumed to the bit, and its files draw the run's last picture."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.conftest import make_run, train
from tests.trainer.test_resume import STEPS, assert_same, cut_after, six_steps
from trainer.export.__main__ import main
from trainer.samples.generate import main as generate

pytestmark = pytest.mark.slow
KINDS: dict[str, dict[str, Any]] = {
    "ranks of blocks": {"adapter__ranks": ["attn2=2"], "adapter__rslora": True},
    "convolutions": {"adapter__conv_rank": 2, "train__precision": "bf16", "train__targets": "all-linear"},
    "lokr": {"adapter__kind": "lokr", "train__precision": "bf16", "train__targets": "all-linear"},
    "lokr of whole matrices": {
        "adapter__kind": "lokr",
        "train__rank": 64,
        "adapter__factor": 4,
        "adapter__conv_rank": 64,
    },
    "loha": {"adapter__kind": "loha", "train__alpha": 2.0, "adapter__conv_rank": 2, "model__quantize": "int8"},
    "pissa": {"adapter__start": "pissa", "train__alpha": 2.0, "train__precision": "bf16", "adapter__rslora": True},
    "olora": {"adapter__start": "olora", "model__quantize": "int8", "adapter__conv_rank": 2, "train__batch": 2},
    "oft": {"adapter__kind": "oft", "adapter__conv_rank": 1, "adapter__block": 8},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_resumed_to_the_bit_and_its_files_draw_its_picture(pictures: Path, tmp_path: Path, kind: str) -> None:
    own = {"prodigy__d0": 1e-3, "train__sample_every": STEPS, "train__measure": True} | KINDS[kind]
    whole = make_run(tmp_path / "whole", six_steps(pictures, train__checkpoint_every=4, **own))
    events = train(whole)
    assert events[-1]["status"] == "completed"
    steps = [event for event in events if event["type"] == "step"]
    assert all(event["applied"] and event["grad_norm"] > 0 for event in steps)
    norms = [event["norm"] for event in events if event["type"] == "measure"]
    assert norms[0] == 0 and norms[-1] > 0
    cut = cut_after(whole, tmp_path / "cut", 4)
    train(cut)
    assert_same(cut, whole)
    shutil.rmtree(cut.path)
    assert main([str(whole.path), "--out", str(tmp_path / "again")]) == 0
    for path in (tmp_path / "again").glob("*.safetensors"):
        assert path.read_bytes() == (whole.export / path.name).read_bytes()
    out = tmp_path / "a.png"
    assert generate([str(whole.path), "a TOK star", "--out", str(out)]) == 0
    assert out.read_bytes() == whole.sample(STEPS, 0).read_bytes()
