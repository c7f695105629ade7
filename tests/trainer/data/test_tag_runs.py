"""Runs whose views read other words of their captions: right after the pivot too, and exact over a resume."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import draw_dataset, make_run, train
from tests.trainer.test_resume import STEPS, assert_same, cut_after, six_steps
from tests.trainer.trap_parts import begin
from trainer.contract.settings.config import TrainConfig
from trainer.data.tags import caption_seen
from trainer.model.prompts import encode

pytestmark = pytest.mark.slow
OWN = {"caption__shuffle": True, "caption__tag_dropout": 0.3, "caption__max_tokens": 150, "prodigy__d0": 1e-3}


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = draw_dataset(tmp_path_factory.mktemp("tagged"))
    for path in folder.glob("*.txt"):
        path.write_text(f"{path.read_text()}, red, blue, big, on a green background")
    return folder


@pytest.mark.parametrize("words", ["pivotal", "none"])
def test_a_resumed_run_ends_bit_equal(tagged: Path, tmp_path: Path, words: str) -> None:
    whole = make_run(tmp_path / "whole", six_steps(tagged, **OWN, pivotal__enabled=words == "pivotal"))
    train(whole)
    for step in (2, 4) if words == "pivotal" else (3,):
        cut = cut_after(whole, tmp_path / f"cut-{step}", step)
        train(cut)
        assert_same(cut, whole)
        shutil.rmtree(cut.path)
    card = (whole.export / "README.md").read_text()
    assert "in 2 chunks of 75" in card and "shuffled, 30 % left out" in card


def test_after_the_pivot_each_view_is_encoded_as_it_reads_its_caption(tagged: Path, tmp_path: Path) -> None:
    config: TrainConfig = six_steps(tagged, **OWN, train__batch=3)
    run = begin(tmp_path / "run", config)
    for step in range(1, STEPS + 1):
        host = run.stepper._ahead.of(step)[0][0]
        words = run.stepper._words(host)
        expected = [
            caption_seen(view.item.prompt, config.caption, ("TOK",), config.train.seed, (step, view.sample, 0))
            for view in host.views
        ]
        assert list(host.prompts) == expected and len(set(expected)) > 1
        with torch.no_grad():
            own = encode(run.parts, [run.trainee.vocabulary.write(one) for one in expected])
        torch.testing.assert_close(words.hidden, own.hidden)
        assert words.hidden.requires_grad is (not run.trainee.pivoted)
        run._one_step(step)
    assert run.trainee.pivoted
