"""The bar of memory: cells in proportion to bytes, whatever the width, and what is too much behind the end."""

from __future__ import annotations

import pytest

from loratui.planning.hardware import Machine
from loratui.planning.memory_bar import FREE, LETTERS, OTHERS, OVER, memory_bar
from trainer.contract.plan.estimate import Estimate, estimate
from trainer.contract.settings.config import TrainConfig, nested

GB = 1_000_000_000


def need(**own: object) -> Estimate:
    values = {key.replace("__", "."): value for key, value in own.items()}
    return estimate(TrainConfig.model_validate(nested(values)), 5)


ESTIMATES = {
    "plain": need(),
    "huge": need(train__gradient_checkpointing=False),
    "no words": need(pivotal__enabled=False),
}


@pytest.mark.parametrize("width", [40, 71, 120])
@pytest.mark.parametrize(("total", "free"), [(24, 23), (24, 14), (8, 8), (80, 80), (11, 2)])
@pytest.mark.parametrize("case", ESTIMATES)
def test_every_part_has_the_cells_of_its_bytes(case: str, total: int, free: int, width: int) -> None:
    found, machine = ESTIMATES[case], Machine("cuda", "A GPU", total * GB, free * GB)
    lines = memory_bar(found, machine, width)
    bar = lines[0].replace("[", "").replace("]", "")
    assert max(map(len, lines)) <= width and len(bar) == width - 2
    whole = max(total * GB, (total - free) * GB + found.memory_total)
    cell = whole / (width - 2)
    inside = lines[0][1 : lines[0].index("]")]
    assert len(inside) * cell == pytest.approx(total * GB, abs=cell)
    assert inside.count(OTHERS) * cell == pytest.approx((total - free) * GB, abs=cell)
    if found.memory_total <= free * GB:
        for one in found.memory:
            assert inside.count(LETTERS[one.name]) * cell == pytest.approx(one.bytes, abs=cell), one.name
        assert OVER not in bar and f"{FREE} free" in "\n".join(lines)
    else:
        beyond = found.memory_total - free * GB
        assert bar.count(OVER) * cell == pytest.approx(beyond, abs=cell)
        assert FREE not in bar and f"{OVER} too much" in "\n".join(lines)


def test_every_part_of_an_estimate_has_a_letter_of_its_own() -> None:
    names = {part.name for one in ESTIMATES.values() for part in one.memory}
    assert names <= set(LETTERS)
    assert len(set(LETTERS.values())) == len(LETTERS)


def test_the_words_name_what_is_drawn() -> None:
    lines = memory_bar(ESTIMATES["plain"], Machine("cuda", "A GPU", 24 * GB, 20 * GB), 100)
    words = " ".join(lines[1:])
    for glyph in set(lines[0]) - set("[]"):
        assert f"{glyph} " in words
    assert "U unet 5.1 GB" in words and f"{OTHERS} others 4 GB" in words
