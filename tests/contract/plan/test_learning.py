"""A run that cannot learn is refused, and of what is shown without being learned a note is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from trainer.contract.plan.advice import advice, refusals
from trainer.contract.plan.masks import BLACK
from trainer.contract.settings.config import SMALL, TrainConfig, nested


def pictures(folder: Path, *masks: int | None) -> Path:
    """A folder of one picture for each mask, of this one value; None has no mask."""
    folder.mkdir()
    for place, value in enumerate(masks):
        Image.new("RGB", (32, 32), (10 * place, 90, 200)).save(folder / f"{place}.png")
        (folder / f"{place}.txt").write_text("a TOK")
        if value is not None:
            Image.new("L", (32, 32), value).save(folder / f"{place}-masklabel.png")
    return folder


def said(path: Path, **own: Any) -> tuple[list[str], list[str]]:
    values = {key.replace("__", "."): value for key, value in own.items()}
    config = TrainConfig.model_validate(nested({"model.base": SMALL, "dataset.path": str(path)} | values))
    words = ("loss_weight", "mask.", "black")
    return tuple(
        [one for one in found if any(word in one for word in words)] for found in (refusals(config), advice(config))
    )


def test_a_loss_weight_of_0_everywhere_is_refused_and_beside_another_noted(tmp_path: Path) -> None:
    first, second = pictures(tmp_path / "a", None), pictures(tmp_path / "b", None)
    assert said(first) == ([], [])
    (one,), notes = said(first, dataset__loss_weight=0)
    assert "dataset.loss_weight is 0: nothing would be learned; set it to 1" in one and not notes
    beside = {"path": str(second), "trigger": "REX", "class_word": "dog"}
    found, (note,) = said(first, dataset__loss_weight=0, concepts=[beside])
    assert not found and "the concept of [dataset] ('TOK') has a loss_weight of 0: it is shown, not learned" in note
    found, (note,) = said(first, concepts=[beside | {"loss_weight": 0}])
    assert not found and note.startswith("concept 2 ('REX')")
    (one,), notes = said(first, dataset__loss_weight=0, concepts=[beside | {"loss_weight": 0}])
    assert one.startswith("loss_weight of every concept is 0") and not notes


@pytest.mark.parametrize("black", [0, BLACK])
def test_black_masks_are_refused_where_nothing_counts_outside_them(tmp_path: Path, black: int) -> None:
    every, some = pictures(tmp_path / "every", black, black), pictures(tmp_path / "some", black, 255, None)
    (one,), notes = said(every, mask__enabled=True, mask__outside=0.0)
    assert "the mask of every picture is black, such as 0.png's: nothing would be learned" in one and not notes
    assert said(every, mask__enabled=False, mask__outside=0.0) == ([], [])
    found, notes = said(every, mask__enabled=True)
    assert not found and "a black mask for 2 pictures, such as 0.png: all of it counts 0.1" in notes[-1]
    found, notes = said(some, mask__enabled=True, mask__outside=0.0)
    assert not found and "a black mask for 1 picture, such as 0.png: nothing of it is learned" in notes[-1]


def test_a_concept_that_does_not_count_saves_no_run_from_black_masks(tmp_path: Path) -> None:
    first, second = pictures(tmp_path / "a", 0), pictures(tmp_path / "b", 255)
    beside = {"path": str(second), "trigger": "REX", "loss_weight": 0}
    (one,), _ = said(first, mask__enabled=True, mask__outside=0.0, concepts=[beside])
    assert "the mask of every picture is black" in one
    assert said(first, mask__enabled=True, mask__outside=0.0, concepts=[beside | {"loss_weight": 1}])[0] == []


def test_a_mask_that_is_white_somewhere_or_grey_is_none_of_that(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "a", BLACK + 1, 0)
    dot = Image.new("L", (32, 32), 0)
    dot.putpixel((3, 4), 255)
    dot.save(folder / "1-masklabel.png")
    assert said(folder, mask__enabled=True, mask__outside=0.0) == ([], [])
