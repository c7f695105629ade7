"""New tokens that are not alike: how many of each trigger, and a pivot and a decay of some of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from tests.trainer.conftest import make_run, train
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig
from trainer.model.parts import load_parts
from trainer.step.trainee import make_trainee

Settings = Callable[..., TrainConfig]
CPU = torch.device("cpu")
TWO = {"dataset__trigger": "TOK,TOK2", "pivotal__tokens_each": "TOK = 3; TOK2 = 1"}
PLACES = {"TOK": slice(0, 3), "TOK2": slice(3, 4)}


def rows_at(run: RunDir, step: int) -> dict[str, torch.Tensor]:
    return load_file(run.checkpoint(step) / "embeddings.safetensors")


def test_each_trigger_has_its_number_of_tokens_in_the_prompt_and_in_its_file(settings: Settings) -> None:
    config = settings(**TWO)
    assert config.token_counts == {"TOK": 3, "TOK2": 1}
    trainee = make_trainee(load_parts(config, CPU), config)
    assert trainee.vocabulary.write("a TOK2 and a TOK") == "a <s3> and a <s0><s1><s2>"
    assert [len(table.rows) for table in trainee.tables] == [4, 4]
    assert [group.name for group in trainee.groups] == ["unet", "embeddings"]  # one group, as ever


def test_decay_of_each_trigger_and_encoder_is_what_a_step_without_a_gradient_does(settings: Settings) -> None:
    own = {"pivotal__weight_decay_each": "TOK2 = 0; clip_g = 0.5", "train__embedding_weight_decay": 0.1}
    config = settings(**TWO, **own, train__optimizer="adamw", train__embedding_learning_rate=0.2)
    trainee = make_trainee(load_parts(config, CPU), config)
    before = {name: one.detach().clone() for name, one in trainee.embedding_tensors().items()}
    assert trainee.optimizer is not None
    trainee.optimizer.step(1.0, torch.ones((), dtype=torch.bool))
    for (name, word), decay in {
        ("clip_l", "TOK"): 0.1, ("clip_g", "TOK"): 0.5, ("clip_l", "TOK2"): 0.0, ("clip_g", "TOK2"): 0.0,
    }.items():  # fmt: skip
        now, then = trainee.embedding_tensors()[name][PLACES[word]], before[name][PLACES[word]]
        torch.testing.assert_close(now, then * (1 - 0.2 * decay))


def test_the_text_encoders_lora_has_a_decay_of_its_own(settings: Settings) -> None:
    own = {"pivotal__enabled": False, "text_encoder_lora__enabled": True, "train__embedding_weight_decay": 0.1}
    for given, decay in (({}, 0.1), ({"text_encoder_lora__weight_decay": 0.03}, 0.03)):
        config = settings(**own, **given)
        trainee = make_trainee(load_parts(config, CPU), config)
        assert {group.name: group.weight_decay for group in trainee.groups}["text_encoder"] == decay


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["prodigy", "adamw"])
def test_each_stops_at_its_step_and_a_resumed_run_ends_with_the_same_bytes(
    settings: Settings, tmp_path: Path, optimizer: str
) -> None:
    own = {"pivotal__fraction_each": "TOK2 = 0.17; clip_l = 0.33", "pivotal__fraction": 0.67, "train__ema": 0.3}
    config = settings(**TWO, **own, train__optimizer=optimizer, train__checkpoint_every=1, train__keep_checkpoints=9)
    run = make_run(tmp_path / "run", config)
    train(run)
    rows = {step: rows_at(run, step) for step in range(1, 7)}
    ends = {("clip_l", "TOK"): 2, ("clip_g", "TOK"): 4, ("clip_l", "TOK2"): 1, ("clip_g", "TOK2"): 1}
    for (name, word), last in ends.items():
        found = {step: one[name][PLACES[word]] for step, one in rows.items()}
        moved = [step for step in range(2, 7) if not torch.equal(found[step - 1], found[step])]
        assert moved == list(range(2, last + 1)), (name, word)
    again = RunDir(tmp_path / "again")
    shutil.copytree(run.path, again.path)
    for step in (3, 4, 5, 6):
        shutil.rmtree(again.checkpoint(step))
    shutil.rmtree(again.export)
    train(again)
    for name in ("lora.safetensors", "embeddings.safetensors"):
        ended, resumed = (load_file(one.checkpoint(6) / name) for one in (run, again))
        assert all(torch.equal(one, resumed[key]) for key, one in ended.items())


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("tokens_each", "ZED = 2", "'ZED = 2' is not NAME = NUMBER, separated by ;, where NAME is one of TOK, TOK2"),
        ("tokens_each", "TOK = 1.5", "TOK = 1.5: a whole number from 1 to 32"),
        ("tokens_each", "TOK = 2; TOK = 3", "'TOK' is given twice"),
        ("fraction_each", "clip_l = 0.6", "clip_l = 0.6: above 0 to the pivot, 0.5"),
        ("fraction_each", "TOK = 0", "TOK = 0: above 0 to the pivot, 0.5"),
        ("weight_decay_each", "TOK2 = much", "'TOK2 = much': much is not a number of at least 0, such as TOK2 = 0.5"),
        ("weight_decay_each", "TOK2 = -1", "'TOK2 = -1': -1 is not a number of at least 0, such as TOK2 = 0.5"),
        ("weight_decay_each", "TOK2 = 2", "TOK2 = 2: 0 to 1"),
    ],
)
def test_what_cannot_be_is_refused_in_words(settings: Settings, key: str, text: str, said: str) -> None:
    with pytest.raises(ValidationError, match=f"pivotal.{key}: {said}"):
        settings(dataset__trigger="TOK,TOK2", **{f"pivotal__{key}": text})
    settings(dataset__trigger="TOK,TOK2", pivotal__enabled=False, **{f"pivotal__{key}": text})  # not used
