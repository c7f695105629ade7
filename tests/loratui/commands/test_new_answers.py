"""`loratui init` and `loratui import`, `-h` and completion, through the real program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from loratui.commands.options import KINDS
from tests.loratui.conftest import LoraTUI

OTHER = (
    "network_dim = 8\nnetwork_module = 'networks.lora'\nshuffle_caption = true\nhuggingface_token = 'hf_ofsomebody'\n"
)


def test_an_answer_file_for_a_folder(loratui: LoraTUI, pictures: Path, tmp_path: Path) -> None:
    taught = pictures.rename(tmp_path / "3_TOK blob")
    written = loratui("init", taught, "--kind", "face", "--set", "train.rank=8")
    assert written.returncode == 0, written.stderr
    assert "run it: loratui replay answers.toml" in written.stdout
    text = (tmp_path / "answers.toml").read_text()
    assert 'preset = "face"' in text and 'name = "blob"' in text and "rank = 8" in text
    assert 'trigger = "TOK"' in text and "repeats = 3" in text and 'class_word = "blob"' in text
    again = loratui("init", taught)
    assert again.returncode == 2 and "answers.toml is there already" in again.stderr
    assert (tmp_path / "answers.toml").read_text() == text
    wrong = loratui("init", taught, "--into", "b.toml", "--kind", "fase")
    assert wrong.returncode == 2 and "did you mean 'face'?" in wrong.stderr and not (tmp_path / "b.toml").exists()


def test_settings_of_another_trainer(loratui: LoraTUI, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "kohya.toml").write_text(OTHER)
    done = loratui("import", "kohya.toml", "--pictures", pictures, "--trigger", "TOK", "--set-nothing")
    assert done.returncode == 2 and not (tmp_path / "answers.toml").exists()
    done = loratui("import", "kohya.toml", "--pictures", pictures, "--trigger", "TOK")
    assert done.returncode == 0, done.stderr
    assert "train.rank = 8" in done.stdout and "network_dim" in done.stdout
    assert "shuffle_caption: captions are trained as they are written" in done.stdout
    text = (tmp_path / "answers.toml").read_text()
    assert "rank = 8" in text and "alpha = 1.0" in text and str(pictures) in text
    assert "hf_ofsomebody" not in done.stdout + text
    planned = loratui("plan", "answers.toml", "--set", "model.base=sdxl-small")
    assert 'targets = "all-linear"  # answers: answers.toml' in planned.stdout, planned.stderr


def test_help_and_completion(environment: dict[str, str], tmp_path: Path) -> None:
    def asked(words: list[str], **more: str) -> str:
        command = [sys.executable, "-m", "loratui", *words]
        done = subprocess.run(
            command, cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True, check=False
        )
        return done.stdout

    assert asked(["-h"]) == asked(["--help"]) != ""
    assert "|".join(KINDS) in asked(["check", "-h"])
    (tmp_path / "runs" / "2026-01-01-anna").mkdir(parents=True)
    (tmp_path / "runs" / "2026-01-01-anna" / "config.toml").write_text("")
    completed = {
        "loratui sto": "stop",
        "loratui check --kind f": "face",
        "loratui init x --preset char": "character-style",
        "loratui attach 2026": "2026-01-01-anna",
    }
    for typed, found in completed.items():
        shell = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_LORATUI_COMPLETE": "complete_bash"}
        assert found in asked([], **shell).split(), typed
