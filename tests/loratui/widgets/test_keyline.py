"""The line of keys shows what has room, the way out first, and says where the rest is."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from loratui.widgets.keyline import AROUND, MORE, fitting

KEYS = [
    (key, key, words, f"do_{key}", True)
    for key, words in (
        ("s", "Solve"),
        ("f2", "Next"),
        ("escape", "Back"),
        ("f1", "Help"),
        ("u", "Undo"),
        ("f", "Filter"),
    )
]


def wide(keys: list[tuple[str, str, str, str, bool]]) -> int:
    return sum(cell_len(one[1]) + cell_len(one[2]) + AROUND for one in keys)


@pytest.mark.parametrize("width", range(30, 90))
def test_no_key_is_cut_and_the_way_out_stays(width: int) -> None:
    found = fitting(KEYS, 5, width)
    names = [one[0] for one in found]
    assert wide(found) <= width
    assert len(names) == len(set(names))
    assert (MORE[0] in names) == (width < wide(KEYS))  # where one is left out, the line says where it is
    if width >= 45:
        assert {"f2", "escape", "f1"} <= set(names)
    assert names == [one for one in [*(key[0] for key in KEYS), MORE[0]] if one in names]  # the order stays


def test_hidden_keys_come_where_there_is_room() -> None:
    assert [one[0] for one in fitting(KEYS, 5, wide(KEYS))] == ["s", "f2", "escape", "f1", "u", "f"]
