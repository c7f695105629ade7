"""`loratui merge` as a command: two files of others become one, and what it cannot find is a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from trainer.contract.basemodel.tensors import wanted_tensors
from trainer.contract.basemodel.unet_names import unet_of
from trainer.contract.loras.keys import kohya_key
from trainer.contract.run import exits
from trainer.contract.settings.model import Model

LAYER = "up_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


def a_file(path: Path, rank: int) -> Path:
    """kohya's file of one layer of the small SDXL."""
    unet = unet_of(Model(base="sdxl-small"))
    assert unet is not None
    outputs, inputs = (wanted_tensors("unet", unet) or {})[f"{LAYER}.weight"]
    draw, key = np.random.default_rng(rank), kohya_key(LAYER, unet["layers_per_block"])
    parts = {"lora_down.weight": (rank, inputs), "lora_up.weight": (outputs, rank)}
    tensors = {f"{key}.{part}": draw.standard_normal(shape).astype("float32") for part, shape in parts.items()}
    save_file({**tensors, f"{key}.alpha": np.array(1.0, "float32")}, path)
    return path


def merge(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loratui", "merge", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_two_files_of_others_become_one(tmp_path: Path) -> None:
    files = [str(a_file(tmp_path / f"{rank}.safetensors", rank)) for rank in (2, 3)]
    done = merge(tmp_path, *files, "--out", "both", "--weights", "0.5", "-1", "--base", "sdxl-small")
    assert done.returncode == exits.DONE, done.stderr
    assert "The sum of 0.5 x 2 and -1 x 3." in done.stderr and "both.safetensors" in done.stdout
    tensors = load_file(tmp_path / "both" / "both.safetensors")
    assert sorted(len(one) for name, one in tensors.items() if "down" in name) == [5]
    assert "Neither LoRA says what its prompts call it." in (tmp_path / "both" / "both.json").read_text()


def test_what_is_no_run_and_no_file_is_said(tmp_path: Path) -> None:
    done = merge(tmp_path, "nowhere", "nothing", "--out", "both")
    assert done.returncode == exits.USAGE and "there is no run 'nowhere'" in done.stderr
