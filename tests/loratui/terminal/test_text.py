"""What comes from outside is shown, and never obeyed, by a terminal."""

from __future__ import annotations

import shlex
import unicodedata
from pathlib import Path

import pytest

from loratui.terminal.text import listed, plural, safe_lines, safe_text, shell_path, show_path

HOSTILE = [
    "\x1b]52;c;aGk=\x07",  # writes the clipboard
    "\x1b[2J\x1b[H",  # clears the screen
    "\x9b31m red",  # CSI in one C1 byte
    "a\x7fb\x00c",
    "invoice\u202egpj.exe",  # shows backwards
    "\u2066x\u2069 \u200e\u200f\u061c",
    "name\udcff.png",  # a file name's byte that is no UTF-8
    "\ud800",
    "\U000e0041tag",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_control_character_reaches_the_terminal(text: str) -> None:
    shown = safe_text(text)
    assert shown.encode("utf-8")
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cs")]
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def test_every_code_point_comes_out_printable() -> None:
    for code in (*range(0x3000), *range(0xD800, 0xE100), *range(0xE0000, 0xE0080)):
        assert not [char for char in safe_text(chr(code)) if unicodedata.category(char) in ("Cc", "Cs")], hex(code)


def test_what_was_hidden_is_made_visible() -> None:
    assert safe_text("a\x1b[0m") == "a␛[0m"
    assert safe_text("x\udcffy") == "x\\xffy"
    assert safe_text("a\u202eb") == "a\\u202eb"


def test_ordinary_text_is_left_alone() -> None:
    for text in ("a photo of a TOK", "Zoë – «ça»", "犬の写真", "👩‍🎨 paints", "[@click=app.quit()]x[/]"):
        assert safe_text(text) == text


def test_one_value_is_one_line() -> None:
    assert safe_text("a\nb\tc\r\u2028d") == "a b c  d"


def test_a_limit_is_kept_even_where_escapes_grow() -> None:
    assert safe_text("abcdef", 4) == "abc…"
    assert safe_text("abcd", 4) == "abcd"
    assert len(safe_text("\u202e" * 50, 10)) == 10
    assert len(safe_text("x" * 10_000_000, 10)) == 10


def test_a_log_becomes_lines_of_safe_text() -> None:
    assert safe_lines("one\r\ntwo\r50%\r100%\nred\x1b[31m\n\n") == ["one", "two", "50%", "100%", "red␛[31m"]


def test_the_home_folder_is_never_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    assert show_path(Path("/home/anna/photos")) == "~/photos"
    assert show_path("/home/annabel/photos") == "/home/annabel/photos"


def test_a_folder_of_any_name_is_one_word_of_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    assert shell_path("2026-11-22-anna") == "2026-11-22-anna" and shell_path("/home/anna/runs/x") == "~/runs/x"
    assert shell_path("/home/anna/my runs/x") == "~/'my runs/x'"  # quoted, the ~ would be a letter
    for name in ("x; rm -rf ~", "$(id)", "`id`", "a'b", "a\nb", "\x1b[31m", "-- x", "a && b", "*", "#x"):
        words = shlex.split(f"loratui resume {shell_path(name)}")
        assert words == ["loratui", "resume", safe_text(name)]


def test_counts_read_as_a_person_would_say_them() -> None:
    assert [plural(1, "picture"), plural(4, "picture"), plural(0, "box", "boxes")] == [
        "1 picture",
        "4 pictures",
        "0 boxes",
    ]


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1"), (2, "1 and 2"), (3, "1, 2 and 3"), (4, "1, 2, 3 and 4"), (5, "1, 2, 3 and 2 more")],
)
def test_names_are_listed_as_a_sentence_holds_them_and_never_one_more_instead_of_a_name(count: int, words: str) -> None:
    names = [str(place) for place in range(1, count + 1)]
    assert listed(names, 3) == words
