"""`plan`, `replay` and the trainer answer alike of the same input; `check` says of pictures what they say of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loratui.cli import main
from tests.contract.basemodel.folders import BROKEN, linked
from tests.loratui.conftest import Draw
from tests.trainer.conftest import make_config, make_run
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run.events import Tail

# each run by the program's own entry, one after the other in one process; those that need torch come last
MANY = """
import sys
from trainer.__main__ import main
for path in sys.argv[1:]:
    print(main([path]), "torch" in sys.modules, flush=True)
"""
BASES = ("inpainting", "edits", "nine channels", "refiner", "second shard", "index", "pickle", "pointer", "dangling")
NAMES = {
    "one file of a repository": "me/model/own-xl.safetensors",
    "an address": "https://huggingface.co/me/model",
    "another address": "https://civitai.com/api/download/models/123",
    "with a revision": "me/model@main",
    "hf": "hf://me/model",
    "a word": "plain",
}


@dataclass(frozen=True)
class Input:
    """Settings as --set takes them, and the exit code that all of them have for it."""

    sets: dict[str, Any]
    code: int
    said: str = ""
    pictures: Path | None = None  # what `check` is asked of


def captioned(folder: Path, draw: Draw, first: int = 0) -> Path:
    folder.mkdir(parents=True)
    for number in range(first, first + 4):
        draw(folder / f"{number}.png", number)
        (folder / f"{number}.txt").write_text(f"a TOK blob, number {number}")
    return folder


def rows(path: Path, before: str) -> None:
    words = [{"file_name": f"{before}{number}.png", "prompt": f"a TOK {number}"} for number in range(4)]
    path.write_text("".join(json.dumps(one) + "\n" for one in words))


def bases(place: Path, good: Path) -> dict[str, Input]:
    """Cases 16, 17, 18 and 29: what is no base model, and what is no VAE."""
    found = {f"base {kind}": Input({"model.base": name}, 2, "model.base") for kind, name in NAMES.items()}
    for kind in BASES:
        folder = linked(place / kind)
        BROKEN[kind][0](folder)
        found[f"base {kind}"] = Input({"model.base": str(folder)}, 2, "model.base")
    found["base around it"] = Input({"model.base": str(small_model().parent)}, 2, "give the folder inside it")
    bare = place / "bare"
    bare.mkdir()
    shutil.copy(small_model() / "vae" / "diffusion_pytorch_model.safetensors", bare)
    found["vae without configuration"] = Input({"model.vae": str(bare)}, 2, "give the file itself")
    found["vae that is a model"] = Input({"model.vae": str(small_model())}, 2, "give the folder of its VAE")
    return {kind: Input({"dataset.path": str(good), **one.sets}, one.code, one.said) for kind, one in found.items()}


def class_folders(place: Path, good: Path, draw: Draw) -> dict[str, Input]:
    """Case 30: class pictures that are not there, the concept's own, one that cannot be read, in kohya's layout too."""
    for half in (captioned(place / "half", draw, 4), captioned(place / "kohya" / "1_woman", draw, 4)):
        (half / "4.png").write_bytes((half / "4.png").read_bytes()[:200])
    said = {
        "kohya": "4.png: cannot be read",
        "nowhere": "there is no folder",
        "half": "4.png: cannot be read",
        good.name: "0.png is the same picture as 0.png",
    }
    return {
        f"class {name}": Input(
            {"dataset.path": str(good), "prior.enabled": True, "prior.path": str(good.parent / name)}, 2, words
        )
        for name, words in said.items()
    }


def picture_folders(place: Path, draw: Draw) -> dict[str, Input]:
    """Cases 06 and 30: the layouts of `datasets` and kohya, where the pictures lie below, or the rows name others."""
    rows(captioned(place / "root" / "images", draw).parent / "metadata.jsonl", "images/")
    captioned(place / "parent" / "train", draw)
    captioned(place / "kohya_tree" / "10_TOK woman", draw)
    said = {
        place / "root": "holds no pictures",
        place / "parent": "holds no pictures",
        place / "kohya_tree": "holds no pictures",
    }
    return {f"pictures {one.name}": Input({"dataset.path": str(one)}, 3, words, one) for one, words in said.items()}


@pytest.fixture
def inputs(tmp_path: Path, draw_picture: Draw) -> dict[str, Input]:
    """Everything that must be refused, by name."""
    good = captioned(tmp_path / "good", draw_picture)
    return bases(tmp_path, good) | class_folders(tmp_path, good, draw_picture) | picture_folders(tmp_path, draw_picture)


def asked(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit code of `loratui WORDS`."""
    monkeypatch.setattr(sys, "argv", ["loratui", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


@pytest.mark.slow
def test_what_is_refused_is_refused_by_all_of_them_with_one_code(
    inputs: dict[str, Input],
    answers_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    codes: dict[str, list[int]] = {}
    for kind, one in inputs.items():
        sets = [word for key, value in one.sets.items() for word in ("--set", f"{key}={toml(value)}")]
        codes[kind] = []
        for command in (["plan"], ["replay", "--out", str(tmp_path / "out" / kind)]):
            codes[kind].append(asked(monkeypatch, command[0], answers_file, *command[1:], *sets))
            told = capsys.readouterr()
            assert one.said in " ".join((told.out + told.err).split()), (kind, told)
        if one.pictures is not None:
            codes[kind].append(asked(monkeypatch, "check", one.pictures, "--no-subfolders"))
        assert codes[kind] == [one.code] * len(codes[kind]), kind
    assert not (tmp_path / "out").exists()
    runs = [
        make_run(tmp_path / "runs" / kind, make_config(tmp_path, **dotted(one.sets))) for kind, one in inputs.items()
    ]
    done = subprocess.run(
        [sys.executable, "-c", MANY, *(str(run.config) for run in runs)], capture_output=True, text=True, timeout=240
    )
    expected = [f"{one.code} False" for one in inputs.values()]  # and torch was not loaded
    assert done.stdout.splitlines() == expected, done.stderr
    for run, one in zip(runs, inputs.values(), strict=True):
        errors = [event["message"] for event in Tail(run.events).read() if event["type"] == "error"]
        assert one.said in errors[-1], errors


def toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def dotted(sets: dict[str, Any]) -> dict[str, Any]:
    return {key.replace(".", "__"): value for key, value in sets.items()}
