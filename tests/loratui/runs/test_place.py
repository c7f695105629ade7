"""Where `runs` is a file every command that looks for a run says so, and what to do; none says that there are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command

from loratui.cli import app
from loratui.errors import Refusal
from loratui.runs.find import find_run
from loratui.runs.place import runs_trouble
from tests.loratui.conftest import LoraTUI

SAID = "there can be no runs in "
LOOK_FOR_NONE = {"init", "import", "check", "fix", "caption", "export-job", "sweep", "plan", "replay", "demo"}
WORDS = {  # what a command wants beside its name
    "generate": ["x", "a TOK"],
    "diff": ["x", "y"],
    "merge": ["x", "y", "--out", "z"],
    "rename": ["x", "y"],
    "note": ["x"],
    "delete": ["x", "--yes"],
    "preset": ["save", "x"],
    "push": ["--dry-run"],
}


def test_a_folder_a_name_that_is_not_there_and_an_empty_folder_can_hold_runs(tmp_path: Path) -> None:
    assert not runs_trouble(tmp_path) and not runs_trouble(tmp_path / "runs") and not runs_trouble(tmp_path / "a" / "b")


def test_a_file_in_the_place_of_any_folder_above_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "runs", tmp_path / "file" / "a" / "runs"):
        assert runs_trouble(place).startswith(f"{SAID}{tmp_path / 'file'}: it is a file; ")
        for text in (None, "dog"):
            with pytest.raises(Refusal, match="it is a file"):
                find_run(text, place)


@pytest.mark.parametrize(
    "name",
    sorted({*get_command(app).commands} - LOOK_FOR_NONE - {"doctor"}),  # type: ignore[attr-defined]
)
def test_every_command_that_looks_for_a_run_says_so(name: str, loratui: LoraTUI, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("not a folder")
    done = loratui(name, *WORDS.get(name, []))
    assert done.returncode == 2 and done.stdout == ""
    assert SAID in done.stderr and "it is a file" in done.stderr, done.stderr


@pytest.mark.parametrize("words", [["--list"], ["mine"], ["answers.toml", "--grid", "train.rank=2,4"]])
def test_a_file_in_the_place_of_the_sweeps_is_told_in_the_same_words(
    words: list[str], loratui: LoraTUI, answers_file: Path
) -> None:
    (answers_file.parent / "sweeps").write_text("not a folder")
    done = loratui("sweep", *words)
    assert done.returncode == 2 and "there can be no sweeps in " in done.stderr and "it is a file" in done.stderr


def test_the_doctor_says_so_in_its_verdict_too(loratui: LoraTUI, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("not a folder")
    done = loratui("doctor")
    assert "a folder for runs" in done.stdout.splitlines()[0] and SAID in " ".join(done.stdout.split())


def test_a_run_that_is_no_run_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for name, said in (
        ("file", ": it is a file;"),
        ("folder", ": it is a folder without a config.toml;"),
        ("no", "';"),
    ):
        with pytest.raises(Refusal, match=f"there is no run '.*{name}'?{said}"):
            find_run(str(tmp_path / name), tmp_path / "runs")
