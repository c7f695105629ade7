"""Help texts for a width: no word is lost, no line is wrapped a second time, columns stay where they fit."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import loratui.screens
from loratui.screens.shared.dialogs import KEYS
from loratui.terminal.layout import laid_out


def helps() -> list[str]:
    """Every help text of the program."""
    found = {KEYS: None}
    for module in pkgutil.walk_packages(loratui.screens.__path__, "loratui.screens."):
        for one in vars(importlib.import_module(module.name)).values():
            text = getattr(one, "HELP", "") if isinstance(one, type) else ""
            found |= {text: None} if isinstance(text, str) and text else {}
        text = getattr(importlib.import_module(module.name), "HELP", "")
        found |= {text: None} if text else {}
    return list(found)


@pytest.mark.parametrize("width", [30, 46, 70, 72, 84])
def test_every_help_text_fits_and_loses_no_word(width: int) -> None:
    texts = helps()
    assert len(texts) > 10
    for text in texts:
        out = laid_out(text, width)
        assert sorted(out.split()) == sorted(text.split())
        rows = [line for line in out.splitlines() if line.startswith(" ") or "  " in line]
        assert not [row for row in rows if len(row) > max(width, 40)], out


def test_columns_stay_where_they_fit_and_part_where_they_do_not() -> None:
    text = "A first line\nand the second.\n\n  a   one thing      b   another\n      that goes on   c   a third\n"
    assert laid_out(text, 60) == "A first line and the second.\n\n" + "\n".join(text.splitlines()[3:])
    assert laid_out(text, 24).splitlines()[2:] == [
        "  a  one thing that goes",
        "     on",
        "  b  another",
        "  c  a third",
    ]
