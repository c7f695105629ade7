"""A setting's row: its value is read whole, beside the title or below it."""

from __future__ import annotations

import pytest

from loratui.widgets.settinglist import SettingRow
from trainer.contract.settings.config import BY_KEY

LONG = "a photo of a TOK dog on a beach; a photo of a TOK dog in the snow"


@pytest.mark.parametrize("width", [30, 44, 80, 120])
def test_a_value_is_whole_at_any_width(width: int) -> None:
    lines = SettingRow(BY_KEY["sample.prompts"], LONG).drawn(width).plain.split("\n")
    assert all(len(line) <= width for line in lines)
    assert "…" not in "".join(lines) and LONG in " ".join(line.strip() for line in lines)
    assert BY_KEY["sample.prompts"].title in lines[0]


def test_a_short_value_stands_beside_its_title() -> None:
    assert SettingRow(BY_KEY["train.rank"], "16").drawn(44).plain.split() == ["rank", "16"]
