"""A run on a base of SDXL's own shape goes on in another process: what it is known by is no process's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import diffusers
import pytest

from tests.trainer.conftest import make_config, make_run
from trainer.checkpoints.snapshot import OtherRun, Snapshot, check_identity
from trainer.contract.basemodel.single_file import CONFIGS
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.model.parts import forward_process

DDPMScheduler: Any = diffusers.DDPMScheduler
EDMEulerScheduler: Any = diffusers.EDMEulerScheduler
EulerDiscreteScheduler: Any = diffusers.EulerDiscreteScheduler

REAL: dict[str, Any] = json.loads((CONFIGS / "scheduler.json").read_text())
SDXL = (
    "DDPM beta_end=0.012 beta_schedule=scaled_linear beta_start=0.00085 num_train_timesteps=1000.0 "
    "prediction_type=epsilon rescale_betas_zero_snr=False trained_betas=None"
)


def train_hashed(run: RunDir, seed: str, **own: str) -> list[dict[str, Any]]:
    """Train in a process whose sets have the order of `seed`."""
    env = os.environ | {"PYTHONHASHSEED": seed} | own
    done = subprocess.run([sys.executable, "-m", "trainer", str(run.config)], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return Tail(run.events).read()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "hub"])
def test_a_run_on_sdxls_own_files_goes_on_in_another_process(
    kind: str, real_shape_base: Path, pictures: Path, tmp_path: Path
) -> None:
    base = str(real_shape_base) if kind == "folder" else "owner/name"
    cache = {"HF_HUB_CACHE": str(real_shape_base.parents[2]), "HF_HUB_OFFLINE": "1"}
    run = make_run(tmp_path / "run", make_config(pictures, model__base=base, train__steps=2, train__checkpoint_every=1))
    train_hashed(run, "1", **cache)
    state = json.loads((run.checkpoint(2) / "state.json").read_text())
    assert state["identity"]["base"]["scheduler"] == SDXL
    last = (run.checkpoint(2) / "lora.safetensors").read_bytes()
    shutil.rmtree(run.checkpoint(2))
    assert [one["step"] for one in train_hashed(run, "2", **cache) if one["type"] == "step"] == [1, 2, 2]
    assert (run.checkpoint(2) / "lora.safetensors").read_bytes() == last


def test_a_scheduler_is_known_by_what_training_reads_of_it_alone() -> None:
    file = {name: value for name, value in REAL.items() if not name.startswith("_")}
    assert forward_process(EulerDiscreteScheduler.from_config(REAL)) == SDXL
    assert forward_process(EulerDiscreteScheduler.from_config(file | {"timestep_spacing": "trailing"})) == SDXL
    assert forward_process(DDPMScheduler.from_config(file)) == SDXL
    for name, value in (("beta_end", 0.02), ("prediction_type", "v_prediction"), ("rescale_betas_zero_snr", True)):
        assert forward_process(EulerDiscreteScheduler.from_config(file | {name: value})) != SDXL
    assert forward_process(EDMEulerScheduler()).startswith("EDM num_train_timesteps=1000.0 prediction_type=epsilon")


def test_a_checkpoint_with_the_old_digest_goes_on_and_another_forward_process_does_not() -> None:
    def check(before: str, unet: str = "u") -> None:
        check_identity(Snapshot(1, {}, {}, {}, {"base": {"scheduler": before, "unet": unet}}), now)

    now = {"base": {"scheduler": SDXL, "unet": "u"}}
    check(SDXL)
    check("0123456789abcdef" * 2)
    with pytest.raises(OtherRun, match=r"base\.unet"):
        check("0123456789abcdef" * 2, unet="another")
    with pytest.raises(OtherRun, match=r"base\.scheduler"):
        check(SDXL.replace("epsilon", "v_prediction"))
