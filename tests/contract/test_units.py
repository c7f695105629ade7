"""A count and its noun are worded by one function, `plural`: "1 steps" cannot come back anywhere in the program."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer.contract.units import plural

ROOT = Path(__file__).parents[2]
MORE = {"bytes", "epochs", "processes", "megapixels", "letters", "days", "hours", "minutes", "seconds", "people"}
# words that stand between a count and its noun: "3 new tokens", "2 of the pictures"
BETWEEN = r"(?:of |the |its |your |new |more |other |own |such |whole |class |invisible )*"


def _sources() -> dict[Path, ast.Module]:
    files = [path for package in ("loratui", "trainer") for path in sorted((ROOT / package).rglob("*.py"))]
    return {path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _words(node: ast.expr) -> list[str]:
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def _nouns(sources: dict[Path, ast.Module]) -> set[str]:
    """What the program counts: the nouns that `plural` is given somewhere, and the usual others."""
    found = set(MORE)
    for tree in sources.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) == "plural" and len(node.args) > 1:
                found |= {f"{words.split()[-1]}s" for words in _words(node.args[1])}
                found |= {words.split()[-1] for each in node.args[2:] for words in _words(each)}
    return found


def _is_fixed(value: ast.expr) -> bool:
    """Whether it is a limit of the source (an upper-case name), which is not 1."""
    if isinstance(value, ast.BinOp):
        return _is_fixed(value.left) and _is_fixed(value.right)
    return isinstance(value, ast.Constant) or _name(value).isupper()


def _is_number(value: ast.expr) -> bool:
    """Whether it may be a count: words that end in a noun ("the names", "PNG or JPEG pictures") are none."""
    called = _name(value.func) if isinstance(value, ast.Call) else ""
    return called not in {"plural", "join", "in_bytes", "in_units"} and not _is_fixed(value)


def _counted(node: ast.JoinedStr, nouns: set[str]) -> Iterator[str]:
    for before, after in zip(node.values, node.values[1:], strict=False):
        if not isinstance(before, ast.FormattedValue) or not isinstance(after, ast.Constant):
            continue
        shape = "".join(_words(before.format_spec)) if before.format_spec else ""
        if not _is_number(before.value) or re.search(r"\.[1-9]f|%", shape):  # "1.0 views" is right
            continue
        if (found := re.match(rf" {BETWEEN}([a-z]+)\b", str(after.value))) and found[1] in nouns and len(found[1]) > 3:
            yield f"{{{ast.unparse(before.value)}}}{str(after.value)[:30]}"


# a value that is no number, with what it is instead
NO_COUNTS = {
    "{named} pictures": "names of formats",
    "{coarse} numbers, too coarse to train": "fp8",
    "{header.coarse} numbers, too coarse to train": "fp8",
    "{WHAT.get(kind, 'other')} colours, the picture has ": "RGB",
    "{files} words under ": "a phrase",
    "{self._asked} files": "an ending",
    "{ending} files": "an ending",
    "{words_lr} words": "a rate",
    "{good.high} views per image; step ": "a preset's bound, above 1",
    "{where} pictures, ": "held-out or training",
    "{256 if '256' in term else 16} colours": "256 or 16",
    "{parts} values": "a limit",
    "{title} changes nothing in ": "a LoRA's name",
}


def test_every_count_with_a_noun_goes_through_one_function() -> None:
    sources = _sources()
    nouns = _nouns(sources)
    found = [
        f"{path}:{node.lineno}: {said}"
        for path, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for said in _counted(node, nouns)
        if not any(said.startswith(one[: len(said)]) for one in NO_COUNTS)
    ]
    assert found == []


def test_the_search_finds_what_it_is_for() -> None:
    nouns = {"steps"}
    joined = [ast.parse(text, mode="eval").body for text in ('f"{n} steps"', 'f"{n:,} more steps."', 'f"{MOST} steps"')]
    assert [bool(list(_counted(one, nouns))) for one in joined if isinstance(one, ast.JoinedStr)] == [True, True, False]


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 steps"), (1, "1 step"), (1200, "1,200 steps"), ("1", "1 step"), ("0.5", "0.5 steps"), (None, "? steps")],
)
def test_a_count_agrees_with_its_noun(count: object, words: str) -> None:
    assert plural(count, "step") == words
