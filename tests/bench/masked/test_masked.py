"""What the comparison of masked loss reads is where it says: the figure, the distractor, and neither in the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.bench.masked.__main__ import (
    BESIDE,
    GREEN,
    WAYS_OF,
    _weighed,
    beside,
    cover,
    table,
    with_distractor,
    write_pictures,
)
from tests.bench.paired import config_of
from tests.bench.reference_eval import held_out_shots, training_shots
from trainer.contract.plan.advice import refusals
from trainer.demo.draw import draw


def test_the_mask_holds_the_figure_and_not_the_star(tmp_path: Path) -> None:
    star, nowhere = np.asarray(cover(BESIDE)) == 255, np.asarray(cover(BESIDE)) == 0
    for shot in (*training_shots(), *held_out_shots()):
        picture, mask = with_distractor(beside(shot))
        figure, inside = np.asarray(cover(beside(shot).spec)) == 255, np.asarray(mask)
        assert star.sum() > 100 and not inside[star].any()
        assert inside[figure & nowhere].min() == 255 and inside.mean() < 150
        plain = np.asarray(draw(beside(shot).spec, picture.width))
        assert (np.asarray(picture)[star] == GREEN).all()
        assert (np.asarray(picture)[nowhere] == plain[nowhere]).all()
    data = write_pictures(tmp_path / "a")
    assert len(list(data.glob("*-masklabel.png"))) == len(training_shots())
    for own in WAYS_OF.values():
        assert refusals(config_of("mascot", 0, data, own)) == []


def test_a_loss_is_weighed_by_where_it_is() -> None:
    errors = torch.tensor([[[1.0, 3.0]], [[5.0, 7.0]]])
    assert _weighed(errors, torch.tensor([[[1.0, 0.0]], [[0.5, 0.0]]])) == pytest.approx((1 + 2.5) / 1.5)


def test_the_table_compares_the_same_seeds() -> None:
    figures = ("inside", "outside", "distractor", "drawn")
    rows = [{"way": "untrained", "seed": 0} | dict.fromkeys(figures, 1.0)]
    for place, way in enumerate(WAYS_OF):
        rows += [{"way": way, "seed": seed} | dict.fromkeys(figures, 0.5 + seed / 10 - place / 10) for seed in range(3)]
    lines = table(rows).splitlines()
    assert len(lines) == 6 and "1.0000" in lines[2] and "%" not in lines[3]
    assert "0.5000" in lines[4] and "(-16.7%, p 0.250)" in lines[4]  # by hand: 0.1 of 0.6, and 2 of 8 signs
