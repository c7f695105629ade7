"""Trains with the reference in a process forked from one that has its libraries: their start costs half a training."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path

from tests.bench.adv import shim
from tests.bench.reference import D0, Way, adv_arguments

NAME = "adv"  # without a slash: with one the reference loses the embeddings
SECONDS = "seconds"


def reference_starter(cache: Path) -> ForkServerContext:
    """What `train_theirs` needs; `cache` is where the reference's libraries put what they keep."""
    os.environ |= {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([shim.__name__, *shim.LIBRARIES])
    return found


def train_theirs(
    starter: ForkServerContext, adv: Path, way: Way, seed: int, steps: int, data: Path, folder: Path
) -> float:
    """Train with the script at `adv`; returns the processor seconds. Raises ValueError with its last words."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    words = [str(D0), str(adv), *adv_arguments(way, seed, data, NAME, steps)]
    process = starter.Process(target=_train, args=(words, folder))
    process.start()
    process.join()
    if process.exitcode:
        raise ValueError((folder / "output.log").read_text()[-2000:])
    return float((folder / SECONDS).read_text())


def _train(words: list[str], folder: Path) -> None:
    os.chdir(folder)
    with Path("output.log").open("w") as log:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())
    began = time.process_time()
    shim.main(words)
    (folder / SECONDS).write_text(str(time.process_time() - began))
