"""`rename`, `note`, `delete`: what the keys of the screens do, for a shell; nothing is deleted by a part of a name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ptys import Pty

LoraTUI = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.slow
def test_a_run_is_renamed_noted_and_deleted(loratui: LoraTUI, environment: dict[str, str], tmp_path: Path) -> None:
    for name in ("2026-11-23-1000-anna", "2026-11-24-1000-anna"):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text('name = "anna"\n')
    done = loratui("rename", "2026-11-23-1000-anna", "best")
    assert done.returncode == 0 and "runs/best now" in done.stdout
    assert loratui("rename", "best", "../out").returncode == 2
    assert "no note" in loratui("note", "best").stdout
    assert "the good one" in loratui("note", "best", "the good one \x1b[31m").stdout
    listed = loratui("runs").stdout
    assert "note: the good one" in listed and "\x1b" not in listed and listed.count("note:") == 1
    assert "no note" in loratui("note", "best", "").stdout
    assert not (tmp_path / "runs" / "best" / "note.txt").exists()
    for words in (("delete", "best"), ("delete", "anna", "--yes"), ("delete", "bes", "--yes")):
        done = loratui(*words)
        assert done.returncode == 2 and "delete" in done.stderr, words
    assert len(list((tmp_path / "runs").iterdir())) == 2
    with Pty([sys.executable, "-m", "loratui", "delete", "best"], tmp_path, environment) as pty:
        pty.until(lambda seen: b"Delete it? [y/N]" in seen)
        pty.type(b"\x04")  # the end of the input: an answer that is not given
        pty.until(lambda seen: b"nothing was deleted" in seen)
        assert pty.process.wait(30) == 2 and b"Abort" not in pty.wrote
    assert (tmp_path / "runs" / "best").is_dir()
    done = loratui("delete", "best", "--yes")
    assert done.returncode == 0 and done.stdout.startswith("deleted: ")
    assert [one.name for one in (tmp_path / "runs").iterdir() if one.is_dir()] == ["2026-11-24-1000-anna"]
