"""Whatever a path that a command is given leads to: the answer names it and says what is wrong, with no errno."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.loratui.conftest import LoraTUI
from tests.loratui.runs.test_find import make

ROOT = Path(__file__).parents[3] / "loratui"
READS = [
    ["plan", "{}"],
    ["replay", "{}"],
    ["import", "{}", "--into", "new.toml"],
    ["check", "{}"],
    ["caption", "{}", "--dry-run"],
    ["fix", "{}", "--into", "new"],
    ["runs", "{}"],
    ["queue", "--folder", "{}"],
    ["attach", "{}"],
    ["stop", "{}"],
    ["resume", "{}"],
    ["generate", "{}", "a TOK"],
    ["export", "{}"],
    ["merge", "{}", "{}", "--out", "new"],
    ["checkpoints", "{}"],
    ["diff", "{}", "{}"],
    ["push", "{}"],
    ["note", "{}"],
    ["delete", "{}", "--yes"],
    ["preset", "save", "mine", "--from", "{}"],
    ["sweep", "{}", "--grid", "train.rank=2,4", "--dry-run"],
    ["sweep", "answers.toml", "--from", "{}", "--dry-run"],
    ["export-job", "{}", "--sky"],
]
WRITES = [
    ["init", "pictures", "--into", "{}/x.toml"],
    ["check", "pictures", "--contact-sheet", "{}/x.png"],
    ["fix", "pictures", "--into", "{}/x"],
    ["replay", "answers.toml", "--no-start", "--out", "{}/x"],
    ["export-job", "answers.toml", "--sky", "--into", "{}/x.yaml"],
    ["generate", "run", "a TOK", "--out", "{}/x"],
    ["export", "run", "--out", "{}"],
    ["merge", "run", "other", "--out", "{}/x"],
]
RAW = ("Errno", "Traceback", "No such file", "Not a directory", "Is a directory", "File exists")


def said_by(loratui: LoraTUI, words: list[str], place: str) -> str:
    done = loratui(*(one.format(place) for one in words))
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode in (2, 3) and not any(raw in said for raw in RAW), said
    return said


@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_what_is_not_there_or_of_the_wrong_kind_is_named(
    words: list[str], loratui: LoraTUI, answers_file: Path
) -> None:
    root = answers_file.parent
    (root / "file").write_text("no settings\n")
    (root / "folder").mkdir()
    for place in ("nowhere", "file", "folder", "file/below"):
        if (words[0], place) in {("runs", "folder"), ("queue", "folder")}:
            continue  # a folder is wanted
        assert place.partition("/")[0] in said_by(loratui, words, place)


@pytest.mark.parametrize("words", WRITES, ids=" ".join)
def test_where_nothing_can_be_written_the_place_at_fault_is_named(
    words: list[str], loratui: LoraTUI, answers_file: Path
) -> None:
    (answers_file.parent / "file").write_text("")
    for name in ("run", "other"):
        make(answers_file.parent / "runs", name)
    said = said_by(loratui, words, "file")
    assert "file" in said and "is a file" in said and "another" in said


def test_no_command_has_a_path_judged_before_it_looks_itself() -> None:
    """What the argument parser says of a path is its usage and no word of what to do."""
    judged = [
        f"{path.name}:{one.lineno}"
        for path in (*(ROOT / "commands").glob("*.py"), ROOT / "cli.py")
        for one in ast.walk(ast.parse(path.read_text()))
        if isinstance(one, ast.Subscript) and isinstance(one.value, ast.Name) and one.value.id == "Annotated"
        if isinstance(one.slice, ast.Tuple) and "Path" in ast.dump(one.slice.elts[0])
        if isinstance(call := one.slice.elts[1], ast.Call)
        if not any(word.arg == "readable" for word in call.keywords)
    ]
    assert not judged
