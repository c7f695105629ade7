"""Base models whose scheduler is of the EDM family: trained with their preconditioning, sampled, exported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from tests.trainer.conftest import MEASURED, make_config, make_run, train
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.plan.advice import advice

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def edm_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small SDXL in the clothes of Playground 2.5: an EDM scheduler, latents with mean and spread."""
    copy = tmp_path_factory.mktemp("edm") / "model"
    shutil.copytree(small_model(), copy)
    index = json.loads((copy / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", "EDMEulerScheduler"]
    (copy / "model_index.json").write_text(json.dumps(index))
    words = {"_class_name": "EDMEulerScheduler", "sigma_data": 0.5, "sigma_max": 80.0, "sigma_min": 0.002}
    (copy / "scheduler" / "scheduler_config.json").write_text(json.dumps(words))
    vae = json.loads((copy / "vae" / "config.json").read_text())
    vae |= {"latents_mean": [0.1, 0.2, -0.1, 0.0], "latents_std": [2.0, 1.5, 2.0, 1.0], "scaling_factor": 0.5}
    (copy / "vae" / "config.json").write_text(json.dumps(vae))
    return copy


@pytest.mark.parametrize("prior", [False, True])
def test_an_edm_model_trains_samples_and_exports(pictures: Path, tmp_path: Path, edm_model: Path, prior: bool) -> None:
    own = make_config(
        pictures,
        model__base=str(edm_model),
        prior__enabled=prior,
        prior__images=3,
        dataset__class_word="figure",
        train__steps=4,
        train__min_snr_gamma=0,
        **MEASURED,
    )
    assert not [one for one in advice(own) if "EDM" in one]
    gamma = make_config(pictures, model__base=str(edm_model), train__min_snr_gamma=5.0)
    assert [one for one in advice(gamma) if "the base model is an EDM model" in one]
    run = make_run(tmp_path / "run", own)
    events = train(run)
    assert events[-1]["status"] == "completed"
    steps = [event for event in events if event["type"] == "step"]
    assert all(0 < event["loss"] < 100 and event["grad_norm"] > 0 for event in steps)
    assert [event["step"] for event in events if event["type"] == "sample"] == [0, 4]
    with safe_open(run.export / "toy.safetensors", "pt") as file:
        assert "modelspec.prediction_type" not in file.metadata()
    assert any(
        float(one.abs().max()) > 0 for name, one in load_file(run.export / "toy.safetensors").items() if "up" in name
    )
