"""Real parts for the trainer's tests: the small SDXL, pictures drawn on the spot, runs in a process of their own."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.shaped import shaped_model
from tests.trainer.checkpoints import write_small
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config, nested
from trainer.demo.draw import COLOURS, Ground, Spec, draw, named

FIGURES = (("star", "red"), ("heart", "blue"), ("ring", "green"), ("cross", "pink"), ("arrow", "yellow"))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Latents are cached for this session only; nothing of the developer's home is read."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    import torch

    torch.set_num_threads(1)
    yield folder
    os.environ.pop("XDG_CACHE_HOME")
    if before is not None:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(autouse=True)
def own_starts(warm: None) -> None:
    """Programs start warm; with the fixture `cold` they do not."""


def draw_dataset(folder: Path, captions: bool = True, grey: int = 250) -> Path:
    """Five pictures on a ground of `grey`, one of them upright and not square, each with a caption beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, (shape, colour) in enumerate(FIGURES):
        spec = Spec(named(shape, COLOURS[colour]), Ground("plain", (grey, grey, grey), (0, 0, 0)))
        draw(spec, 96, 80 if place == 2 else None).save(folder / f"{place}.png")
        if captions:
            (folder / f"{place}.txt").write_text(f"a TOK {shape}")
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of five pictures."""
    return draw_dataset(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def settings(pictures: Path) -> Callable[..., TrainConfig]:
    """A configuration for the small SDXL; dotted keys override it."""
    return lambda **own: make_config(pictures, **MEASURED | own)


MEASURED: dict[str, Any] = {"train__measure": True, "sample__at_start": True}  # as a run is without a word on them


def make_config(folder: Path, **own: Any) -> TrainConfig:
    """A short run on the small SDXL in the shape of the real one; __ stands for a dot of a key (train__rank=8)."""
    values: dict[str, Any] = {
        "name": "toy",
        "model.base": str(shaped_model()),
        "dataset.path": str(folder),
        "train.steps": 6,
        "train.batch": 2,
        "train.resolution": 64,
        "train.precision": "fp32",
        "train.rank": 4,
        "train.targets": "attention",  # what PEFT and diffusers' script train, beside which much is held
        "train.gradient_checkpointing": False,
        "train.checkpoint_every": 2,
        "train.keep_checkpoints": 9,
        "train.sample_every": 0,
        "train.measure": False,  # a sixth of such a run, and the picture next to it: MEASURED where they are looked at
        "sample.at_start": False,
        "sample.steps": 2,
        "sample.prompts": ["a TOK star"],
    }
    values |= {key.replace("__", "."): value for key, value in own.items()}
    return TrainConfig.model_validate(nested(values))


@pytest.fixture(scope="session")
def real_shape_base() -> Path:
    """The small SDXL as a hub cache keeps the real one: a folder that `shaped_model` has made."""
    return shaped_model()


def real_shape_file(path: Path) -> Path:
    """The same as one checkpoint: no scheduler lies beside it, so that SDXL's own counts."""
    write_small(path)
    save_file({name: one.half() for name, one in load_file(path).items()}, path)
    shutil.rmtree(path.with_suffix("") / "scheduler")
    return path


def make_run(folder: Path, config: TrainConfig) -> RunDir:
    """A run directory with nothing but its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    run = RunDir(folder)
    run.config.write_text(dump_config(config))
    return run


def start(run: RunDir) -> subprocess.Popen[bytes]:
    """The trainer in a process of its own, as loratui starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "trainer", str(run.config)],
        stdin=subprocess.DEVNULL,
        stdout=run.log.open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@lru_cache(maxsize=1)
def _freeze() -> None:
    """What the first run imported stays: the full collections of all later ones need not look at it again."""
    gc.collect()
    gc.freeze()


def train(run: RunDir, code: int = 0) -> list[dict[str, Any]]:
    """Train to the end in this process, through the program's own entry; the exit code must be `code`.

    Returns all events. Tests of signals and kills use `start`, which is the same in a process of its own.
    """
    from trainer.__main__ import main

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        with run.log.open("a") as log, redirect_stdout(log), redirect_stderr(log):
            found = main([str(run.config)])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    _freeze()
    assert found == code, run.log.read_text()
    return Tail(run.events).read()
