"""`loratui diff` and a preset saved from a run: on runs that the real trainer made."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

LoraTUI = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.slow
@pytest.mark.usefixtures("warm_trainer")
def test_two_real_runs_and_what_tells_them_apart(
    loratui: LoraTUI, answers_file: Path, pictures: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    more = ["--set", "train.steps=2", "--set", "train.checkpoint_every=1"]
    first = loratui("replay", answers_file, "--out", tmp_path / "runs" / "first", *more)
    assert first.returncode == 0, first.stdout + first.stderr
    (pictures / "0.txt").write_text("a TOK blob in other words")
    saved = loratui("preset", "save", "from-a-run", "--from", "first")
    assert saved.returncode == 0, saved.stderr
    (Path(environment["HOME"]) / ".config" / "loratui" / "presets" / "from-a-run.toml").unlink()
    words = ["--set", "train.rank=2", "--set", "dataset.skip=3.png"]
    second = loratui("replay", answers_file, "--out", tmp_path / "runs" / "second", *more, *words)
    assert second.returncode == 0, second.stdout + second.stderr
    done = loratui("diff", "first", "second")
    assert done.returncode == 0, done.stderr
    rows = {line[:20].strip(): line[20:].split() for line in done.stdout.splitlines()}
    assert rows["rank"] == ["4", "2"]
    assert rows["pictures"] == ["4", "3"]
    assert rows["only here"] == ["3.png", "-"]
    assert rows["changed"][:3] == ["1", "picture:", "0.png"]
    assert rows["views per image"] == ["1.0", "1.3"]
    assert "steps" not in rows and "checkpoints" not in rows  # the same in both
    assert "The same seed" in done.stdout and environment["HOME"] not in done.stdout
    same = loratui("diff", "first", "first").stdout
    assert "no setting differs" in same and "nothing that was measured differs" in same
    assert "the same result" in " ".join(same.split())
