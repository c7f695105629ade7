"""Help texts for a width: no word is lost, no line is wrapped a second time, columns stay where they fit."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import loratui.screens
from loratui.screens.shared.dialogs import KEYS
from loratui.terminal.layout import GAP, fitted, folded, laid_out, whole_words, without_keys


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


def test_entries_of_keys_are_left_out_and_what_stood_beside_them_moves_up() -> None:
    assert all(without_keys(text, frozenset()) == text.rstrip("\n") for text in helps())
    text = "Words of a.\n\n  a    one thing    b, c  another\n  ← →  a third\n       that goes on\n  d    the last\n"
    assert without_keys(text, frozenset("ab")).splitlines()[2] == "  b, c  another"
    assert without_keys(text, frozenset("bc")).splitlines()[2] == "  a    one thing"
    assert without_keys(text, frozenset("abc←→")) == "Words of a.\n\n  d    the last"


def test_columns_stay_where_they_fit_and_part_where_they_do_not() -> None:
    text = "A first line\nand the second.\n\n  a   one thing      b   another\n      that goes on   c   a third\n"
    assert laid_out(text, 60) == "A first line and the second.\n\n" + "\n".join(text.splitlines()[3:])
    assert laid_out(text, 24).splitlines()[2:] == [
        "  a  one thing that goes",
        "     on",
        "  b  another",
        "  c  a third",
    ]


WORDS = "free    12.3 GB in ~/.cache/huggingface/hub/models--stabilityai--stable-diffusion-xl-base-1.0: too little"


@pytest.mark.parametrize("width", range(12, 90))
@pytest.mark.parametrize("hang", [0, 8])
def test_a_word_is_broken_only_where_it_has_a_seam(width: int, hang: int) -> None:
    """A word that has room on a line is whole; one that has none goes on after a slash, a hyphen or an underscore."""
    lines = folded(WORDS, width, hang).split("\n")
    assert all(len(line) <= width for line in lines)
    left = WORDS
    for place, line in enumerate(lines):
        part = line[hang:] if place else line
        assert left.startswith(part), (left, part)
        left = left[len(part) :]
        whole = (part + left).replace("\n", "").split(" ")  # a piece without a seam may be longer than a line
        longest = max(len(piece) for word in whole for piece in re.split(r"(?<=[/_-])", word))
        assert not left or left[0] == " " or part[-1] in "/_-" or longest > width - hang
        left = left.lstrip(" ")
    assert left == ""


def test_a_command_in_a_sentence_is_never_broken() -> None:
    command = "loratui attach ~/somewhere/quite-far/away/2026-11-23-1000-a-dog-with-a-long-name/and-a-folder-of-it"
    lines = whole_words(f"a dog: training. The training goes on. Come back with: {command}", 40).split("\n")
    assert " ".join(lines).endswith(command) and lines[-1] == command.split()[-1]
    assert all(len(line) <= 40 for line in lines[:-1])


def test_what_is_wrapped_breaks_no_word_and_nothing_to_paste() -> None:
    command = "loratui replay answers.toml " + "--set model.base=sdxl-small " * 5
    lines = [
        f"  Do it: {command}",
        "word " * 60,
        f"in /a/{'long-name' * 20}/b and c",
        f"    {command}",
        '  skip = ["a"]' * 9,
    ]
    for width in (20, 40, 80):
        shown = fitted(lines, width)
        assert f"    {command}" in shown and lines[-1] in shown  # each command and each line of a file is whole
        assert " ".join(" ".join(shown).split()) == " ".join(" ".join(lines).split())
        words = [one for one in shown if not one.strip().startswith(("loratui", "skip"))]
        assert all(len(one) <= width or len(one.split()) == 1 for one in words)


def _helps() -> dict[str, str]:
    """The help texts of the screens."""
    found = {}
    for one in pkgutil.walk_packages(loratui.screens.__path__, "loratui.screens."):
        words = getattr(importlib.import_module(one.name), "HELP", None)
        if isinstance(words, str):
            found[one.name] = words
    return found


def test_arrows_in_a_help_are_keys_and_their_words_stand_apart() -> None:
    """With one space between them all is taken for the key, and the words of every other key begin far to the right."""
    helps = _helps()
    assert len(helps) > 8
    for name, words in helps.items():
        for line in words.splitlines():
            names = [cell for cell in GAP.split(line.strip()) if re.match("[←→↑↓]", cell)] if line[:1] == " " else []
            assert not [one for one in names if re.search("[a-z]", one)], (name, line)
