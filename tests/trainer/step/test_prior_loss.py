"""With class pictures the loss of one's own and theirs are told apart: beside what a look at the batch gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from loratui.events.history import History
from loratui.events.lines import _step_words
from loratui.screens.results.result_words import parts_words
from loratui.widgets.plots import loss_title
from tests.trainer.conftest import make_config
from tests.trainer.trap_parts import begin
from trainer.step.batch import DeviceBatch
from trainer.step.step import batch_losses

PRIOR = {"prior__enabled": True, "prior__images": 3, "prior__weight": 0.25, "dataset__class_word": "star"}


@pytest.mark.parametrize("passes", [1, 2])
def test_the_loss_is_instance_plus_weighted_class(pictures: Path, tmp_path: Path, passes: int) -> None:
    config = make_config(pictures, train__accumulation=passes, prodigy__d0=1e-3, **PRIOR)
    run = begin(tmp_path / "run", config)
    stepper = run.stepper
    hosts = stepper._batches(1)
    with torch.no_grad():
        batches = [DeviceBatch.of(host, stepper._words(host), stepper.device) for host in hosts]
        errors = [batch_losses(run.parts, stepper._diffusion, batch, config.loss) for batch in batches]
    instance = torch.cat([one[:2] for one in errors]).mean()
    classes = torch.cat([one[2:] for one in errors]).mean()
    outcome = stepper.outcome(stepper.take(1))
    assert outcome.instance == pytest.approx(float(instance), rel=1e-4)
    assert outcome.classes == pytest.approx(float(classes), rel=1e-4)
    assert outcome.loss == pytest.approx(float(instance + 0.25 * classes), rel=1e-4)
    assert outcome.instance != pytest.approx(outcome.classes, rel=1e-3)


def test_without_class_pictures_there_is_one_loss(pictures: Path, tmp_path: Path) -> None:
    stepper = begin(tmp_path / "run", make_config(pictures)).stepper
    outcome = stepper.outcome(stepper.take(1))
    assert outcome.instance is outcome.classes is None and outcome.loss > 0


def test_both_are_shown_where_the_loss_is() -> None:
    history, event = History(), {"type": "step", "loss": 0.3, "loss_instance": 0.2, "loss_class": 0.1, "t": 1.0}
    assert "instance" not in _step_words({"step": 1, "loss": 0.3}, 9, None)[1][0]
    history.absorb([{**event, "step": step} for step in (1, 2)])
    assert _step_words({**event, "step": 1}, 9, None)[1][0] == "loss 0.3 (instance 0.2, class 0.1)"
    assert parts_words(history) == " (instance 0.2000, class 0.1000)"
    assert "instance 0.2000  class 0.1000" in loss_title(history).plain
    history.curves.cut(0)
    assert parts_words(history) == ""
