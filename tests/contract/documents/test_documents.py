"""Small files from outside: whatever lies there, the answer is a value of the wanted shape or a reason, at once."""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from pathlib import Path

import pytest

from trainer.contract.documents.files import read_json, read_toml
from trainer.contract.documents.parsers import MAX_DEPTH, parse_json, parse_toml
from trainer.contract.documents.regular import read_bytes
from trainer.contract.documents.toml_keys import MOST_KEYS, TooMuch, key_places


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "it is not valid JSON (line 1 column 1)"),
        (b'{\n"a": 1,\n}', "it is not valid JSON (line 3 column 1)"),
        (b"\0", "it is not valid JSON (line 1 column 1)"),
        (b'{"a": "\xff"}', "it is not text in UTF-8 (byte 7)"),
        (b"[1]", "it holds a list where an object is expected"),
        (b"null", "it holds nothing where an object is expected"),
        (b"[" * 100_000, "it is nested deeper than 64 levels"),
        (b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "it is nested deeper than 64 levels"),
        (b'{"a": ' + b"9" * 20 + b"}", "it holds a number that is too large"),
        (b'{"a": ' + b"9" * 400 + b"}", "it holds a number that is too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "it holds a number that is too large"),
        (b'{"a": 1e999}', "it holds a number that is not finite"),
        (b'{"a": [NaN]}', "it holds a number that is not finite"),
    ],
)
def test_what_is_no_json_of_the_wanted_shape_has_a_reason(raw: bytes, said: str) -> None:
    found = parse_json(raw, dict)
    assert found.value is None and found.reason == said


@pytest.mark.parametrize("raw", [b'\xef\xbb\xbf{"a": 1}', '{"a": 1}'.encode("utf-16"), b'{"a": 2, "a": 1}'])
def test_what_every_program_reads_is_read(raw: bytes) -> None:
    assert parse_json(raw, dict).value == {"a": 1}


def test_bytes_of_a_file_name_and_infinity_come_through_where_they_are_meant() -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    assert parse_json(json.dumps({"name": name, "rate": float("inf")}), dict, constants=True).value == {
        "name": name,
        "rate": float("inf"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\nb = [", "it is not valid TOML"),
        ("a = 1\nb = 2 c", "it is not valid TOML (line 2, column 7)"),
        ("a = 1\na = 2", "it is not valid TOML"),
        (".".join("a" * 20_000) + " = 1", "it has a key of more than 16 parts (line 1)"),
        ("[" + " . ".join("a" * 20_000) + "]", "it has a key of more than 16 parts (line 1)"),
        ("\n".join(f"k{one} = 1" for one in range(60_000)), "it holds more than 5,000 keys"),
        ("a = {" + ", ".join(f"k{one} = 1" for one in range(60_000)) + "}", "it holds more than 5,000 keys"),
        ("a = " + "[" * 10_000 + "]" * 10_000, "it is nested deeper than 64 levels (line 1)"),
        ("a = " + "{a = " * 10_000 + "1" + "}" * 10_000, "it is nested deeper than 64 levels (line 1)"),
        ("a = " + "9" * 400, "it holds a number that is too large"),
        ("a = " + "9" * 5000, "it holds a number that is too large"),
        ("a = 2026-13-45", "it is not valid TOML (line 1, column 9)"),
        ("a = 1\0", "it is not text"),
    ],
)
def test_toml_that_cannot_be_used_or_would_take_long_has_a_reason(text: str, said: str) -> None:
    found = parse_toml(text)
    assert found.value is None and found.reason == said


def test_a_hundred_thousand_lines_are_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list with a comma at the start of each line: every line could be its end."""
    import tomllib

    calls: list[int] = []
    real = tomllib.loads
    monkeypatch.setattr(tomllib, "loads", lambda text: calls.append(len(text)) or real(text))
    text = 'skip = [\n"a"\n' + ',"b"\n' * 2_000 + "]\n[train]\nrank = 8\n"
    assert [one.line for one in key_places(text)] == [1, 2004, 2005]
    assert parse_toml(text).value is not None
    assert calls == [len(text)]


def test_keys_are_found_past_texts_comments_and_inline_tables() -> None:
    text = (
        '# a = 1\n\'b.c\' . "d\\u0065" = \'x = [\' # [y]\n[[t]]\nu = {v = [{w = 1}, 2], x = """\n[z]\n""""}\ny = 1.5\n'
    )
    assert [(one.key, one.line) for one in key_places(text)] == [
        (("b.c", "de"), 2),
        (("t",), 3),
        (("t", "u"), 4),
        (("t", "u", "v"), 4),
        (("t", "u", "v", "w"), 4),
        (("t", "u", "x"), 4),
        (("t", "y"), 7),
    ]
    with pytest.raises(TooMuch):
        key_places("a = 1\n" * (MOST_KEYS + 1))


def test_only_files_are_opened_and_no_pipe_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "long").write_bytes(b"x" * 11)
    (tmp_path / "whole").write_bytes(b"x" * 10)
    (tmp_path / "link").symlink_to("whole")
    assert read_bytes(tmp_path / "whole", 10).value == read_bytes(tmp_path / "link", 10).value == b"x" * 10
    reasons = {
        "pipe": "it is a pipe and not a file",
        "folder": "it is a folder and not a file",
        "long": "it is larger than 10 B",
        "none": "it is missing",
        "a\0b": "it cannot be read",
    }
    for name, said in reasons.items():
        found = read_json(tmp_path / name, dict, limit=10)
        assert (found.value, found.reason, found.absent) == (None, said, name == "none")
    assert read_bytes(tmp_path / "link", 10, root=tmp_path).reason == "it is a link, and links are not followed here"
    assert read_bytes(Path("/dev/zero"), 10).reason == "it is a device and not a file"
    assert read_toml(Path("/proc/self/maps"), limit=10).reason == "it is larger than 10 B"  # no size, and no end


def test_memory_stays_near_the_size_of_the_file() -> None:
    raw = b"[" + b"[]," * 3_000_000 + b"1]"
    tracemalloc.start()
    assert parse_json(raw, list).reason == "it holds more than 1,000,000 values"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * len(raw)


BITS = [b"[", b"{", b'"', b"9" * 30, b"e999", b"\0", b"\xff", b"a.b=", b"\n", b"'''"]
JSON = '{"v": 1, "added": [{"index": 4, "prompt": "a TOK, é", "kept": true, "t": 1.5e-3, "no": null}]}'.encode()
TOML = b"""schema = 1
preset = "object"
[train]
rank = 8 # x
blocks = ["a", 'b']
more = {a.b = true, rate = 1e-4}
"""


def mutated(raw: bytes, draws: random.Random) -> bytes:
    """`raw` with some bytes taken out, put in, doubled or turned."""
    found = bytearray(raw)
    for _ in range(draws.randint(1, 4)):
        at = draws.randrange(len(found) + 1)
        match draws.randrange(4):
            case 0:
                del found[at : at + draws.randint(1, 8)]
            case 1:
                found[at:at] = draws.choice(
                    [b"[", b"{", b'"', b"9" * 30, b"e999", b"\0", b"\xff", b"a.b=", b"\n", b"'''"]
                )
            case 2:
                found[at:at] = found[at : at + draws.randint(1, 40)]
            case _ if at < len(found):
                found[at] ^= 1 << draws.randrange(8)
    return bytes(found)


@pytest.mark.parametrize("seed", range(3))
def test_no_mutation_of_a_document_raises(seed: int) -> None:
    draws = random.Random(seed)
    for _ in range(200):
        for found in (parse_json(mutated(JSON, draws), dict), parse_toml(mutated(TOML, draws))):
            assert (found.value is None) == bool(found.reason)


def test_no_folder_on_the_way_may_be_a_link_either(tmp_path: Path) -> None:
    (tmp_path / "run" / "inner").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for place in (tmp_path / "run" / "inner", tmp_path / "elsewhere"):
        (place / "a.json").write_bytes(b"{}")
    (tmp_path / "run" / "control").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to("run")
    assert read_json(tmp_path / "link" / "inner" / "a.json", dict, root=tmp_path / "link").value == {}
    found = read_json(tmp_path / "run" / "control" / "a.json", dict, root=tmp_path / "run")
    assert found.value is None and found.reason.startswith("it cannot be read: 'control' is a link")
