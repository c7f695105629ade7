"""`loratui preset` and `loratui --from`, through the real program."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

LoraTUI = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(environment: dict[str, str]) -> Iterator[Path]:
    """Where the program of this home keeps presets; emptied afterwards."""
    found = Path(environment["HOME"]) / ".config" / "loratui" / "presets"
    yield found
    for path in found.glob("*"):
        path.unlink()


def test_saved_listed_shown_used_deleted(loratui: LoraTUI, answers_file: Path, folder: Path) -> None:
    saved = loratui("preset", "save", "mine", "--from", answers_file, "--title", "Quick look")
    assert saved.returncode == 0, saved.stderr
    assert saved.stdout.startswith("preset 'mine' saved: ") and "~/.config/loratui/presets/mine.toml" in saved.stdout
    (folder / "bad.toml").write_text("{half")
    listed = loratui("preset", "list")
    assert listed.stdout.startswith("mine                    yours  Yours, saved ")
    assert "\nface " in listed.stdout and "\nface/75x " in listed.stdout
    assert listed.stderr.startswith("! bad.toml is left out: it is not valid TOML")
    shown = loratui("preset", "show", "mine").stdout
    assert "mine (yours): Quick look" in shown and "train.rank = 4\n    yours, saved " in shown
    assert "pictures" not in shown.partition("values:")[2]  # the folder is in no preset
    planned = loratui("plan", answers_file, "--all", "--set", "preset=mine", "--set", "train.steps=3")
    assert planned.returncode == 0, planned.stderr
    assert 'preset = "mine"' in planned.stdout and "rank = 4" in planned.stdout
    deleted = loratui("preset", "delete", "mine")
    assert deleted.stdout == "deleted: ~/.config/loratui/presets/mine.toml\n"
    refused = loratui("plan", answers_file, "--set", "preset=mine")
    assert refused.returncode == 2 and "there is no preset 'mine'" in refused.stderr


def test_refusals_say_what_to_do(loratui: LoraTUI, answers_file: Path, folder: Path) -> None:
    cases = {
        ("preset", "save", "face", "--from", answers_file): "ships with loratui; choose another name",
        ("preset", "save", "mine"): "there are no runs in runs/",
        ("preset", "delete", "face"): "only presets of your own can be deleted",
        ("preset", "show", "gone"): "in ~/.config/loratui/presets: copy gone.toml there",
        ("--from", answers_file, "runs"): "--from belongs to 'loratui' alone",
        ("--from", answers_file): "the guided way needs a terminal",
    }
    for words, said in cases.items():
        done = loratui(*words)
        assert done.returncode == 2 and said in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.stderr and not done.stdout
    assert not list(folder.glob("*"))
