"""Real pictures, real answer files and the real program in a process of its own; nothing of the developer's home."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from tests.shaped import shaped_model

ROOT = Path(__file__).parents[2]
LoraTUI = Callable[..., subprocess.CompletedProcess[str]]
Draw = Callable[..., Path]

SMALL_RUN = """schema = 1
preset = "object"
name = "toy"

[model]
base = "sdxl-small"

[dataset]
path = "{folder}"

[train]
steps = {steps}
batch = 2
rank = 4
resolution = 64
precision = "fp32"
gradient_checkpointing = false
sample_every = 0

[sample]
steps = 2
""".replace("sdxl-small", str(shaped_model()))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for what scans remember, instead of the developer's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for drafts and what runs taught, instead of the developer's."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def own_starts(warm: None) -> None:
    """Programs start warm; with the fixture `cold` they do not."""


@pytest.fixture(autouse=True)
def own_hub_memory() -> Iterator[None]:
    """What a process has heard of the hub is of the test that asked."""
    yield
    if (hub := sys.modules.get("loratui.basemodels.hub")) is not None:
        for heard in (hub._refused, hub._silent, hub._asked):
            heard.clear()


_measures: dict[tuple[str, str, bytes, bool], Any] = {}


@pytest.fixture
def one_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes under the same name are measured by the first test that has them, as in a second scan."""
    import loratui.curation.scan as scanning
    from loratui.curation.checks.measure import measure

    def known(name: str, path: Path, background: str, with_grey: bool) -> Any:
        try:
            key = (name, background, hashlib.sha256(path.read_bytes()).digest(), with_grey)
        except OSError:
            return measure(name, path, background, with_grey)
        if key not in _measures:
            _measures[key] = measure(name, path, background, with_grey)
        return _measures[key]

    monkeypatch.setattr(scanning, "measure", known)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a person who uses loratui for the first time."""
    home = tmp_path_factory.mktemp("home")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "HF_", "LORATUI"))}
    no_hub = {"HF_ENDPOINT": os.environ["HF_ENDPOINT"]}
    return {**kept, **no_hub, "HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TERM": "dumb"}


@pytest.fixture
def loratui(tmp_path: Path, environment: dict[str, str]) -> LoraTUI:
    """Runs `loratui ...` in an empty folder; returns exit code, stdout and stderr."""

    def run(*words: object, cwd: Path = tmp_path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "loratui", *map(str, words)]
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    return run


def _draw(path: Path, number: int, size: tuple[int, int] = (96, 96)) -> Path:
    """A picture that no other number gives."""
    picture = Image.new("RGB", size, (250, 40 * number % 256, 90))
    ImageDraw.Draw(picture).ellipse((8 + 4 * number, 10, 50, 60), fill=(20, 80, 30 * number % 256))
    picture.save(path)
    return path


@pytest.fixture
def draw_picture() -> Draw:
    """Draws picture `number` at a path, in a size of px; the ending decides the format."""
    return _draw


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of four good pictures with captions that hold TOK."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        _draw(folder / f"{number}.png", number)
        (folder / f"{number}.txt").write_text(f"a TOK blob, number {number}")
    return folder


@pytest.fixture
def answers_file(tmp_path: Path, pictures: Path) -> Path:
    """An answer file for a run of four steps on the small SDXL."""
    path = tmp_path / "answers.toml"
    path.write_text(SMALL_RUN.format(folder=pictures, steps=4))
    return path
