"""What of a base model decides the loss: where it is read, said by hand, warned of, and written into the card."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from tests.contract.basemodel.folders import linked, rewrite
from tests.trainer.checkpoints import write_small
from tests.trainer.conftest import make_config
from trainer.contract.basemodel.inspect import loss_of
from trainer.contract.plan.advice import advice
from trainer.export.card import model_card
from trainer.model.parts import load_parts


def test_a_file_without_marks_is_said_by_hand_and_drawn_with_so(tmp_path: Path) -> None:
    path = write_small(tmp_path / "someXL_vpred.safetensors")
    shutil.rmtree(tmp_path / "someXL_vpred" / "scheduler")
    own = make_config(tmp_path, model__base=str(path))
    loss = loss_of(own.model)
    assert loss is not None and (loss.prediction, loss.named_v) == ("epsilon", True)
    assert any("set model.prediction to v_prediction" in one for one in advice(own))
    said = make_config(tmp_path, model__base=str(path), model__prediction="v_prediction", model__zero_snr="on")
    assert not any("v_prediction" in one for one in advice(said))
    scheduler = load_parts(said, torch.device("cpu")).scheduler.config
    assert (scheduler["prediction_type"], scheduler["rescale_betas_zero_snr"]) == ("v_prediction", True)
    card = model_card(said, 5, 3, [])
    assert "| base model predicts | v-prediction, zero terminal SNR |" in card
    assert "'prediction_type': 'v_prediction'" in card and "'rescale_betas_zero_snr': True" in card
    assert "'timestep_spacing': 'trailing'" in card
    # the .yaml beside it that AUTOMATIC1111 reads
    path.with_suffix(".yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    told = loss_of(own.model)
    assert told is not None and told.prediction == "v_prediction" and told.source == "someXL_vpred.yaml beside it"


def test_a_distilled_model_is_warned_of(tmp_path: Path) -> None:
    folder = linked(tmp_path / "own")
    assert not any("few steps" in one for one in advice(make_config(tmp_path, model__base=str(folder))))
    rewrite(folder / "model_index.json", scheduler=["diffusers", "LCMScheduler"])
    assert any("its scheduler is LCMScheduler" in one for one in advice(make_config(tmp_path, model__base=str(folder))))
    named = linked(tmp_path / "someXLTurbo")
    assert any("its name says turbo" in one for one in advice(make_config(tmp_path, model__base=str(named))))
