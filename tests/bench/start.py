"""Processor time from start to the first step, beside another checkout or the reference: `python -m tests.bench.start`.

Each run is a process of its own on the small SDXL, of one step, without pictures; in turns, medians. The bare import of
torch stands beside, which no program that trains can leave away.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.reference import D0, WAYS, adv_arguments, our_config, write_data
from tests.trainer.conftest import MEASURED, draw_dataset, make_config, make_run
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.settings.config import TrainConfig, flat, nested

HERE = Path(__file__).parents[2]


def seconds(command: list[str], tree: Path, place: Path | None = None) -> float:
    """Processor time of a program of `tree` with all its children, which must end well."""
    before, own = os.times(), os.environ | {"PYTHONPATH": str(tree)}
    subprocess.run([sys.executable, *command], cwd=place or tree, env=own, check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def a_run(folder: Path, tree: Path) -> Callable[[], float]:
    """A run of one step by the trainer of `tree`."""
    own = make_config(
        draw_dataset(folder / "pictures"), model__base=str(small_model()), train__steps=1, train__batch=1,
        train__sample_every=0, sample__prompts=[], **MEASURED,
    )  # fmt: skip
    made = iter(range(10**6))

    def take() -> float:
        run = make_run(folder / f"run-{next(made)}", own)
        return seconds(["-m", "trainer", str(run.config)], tree)

    return take


def side_by_side(folder: Path, adv: Path) -> dict[str, Callable[[], float]]:
    """A step of the reference with pivotal tuning and Prodigy to its files, and ours with the same settings."""
    way, data = WAYS["pivotal-prodigy"], write_data(folder)[False]
    own = flat(our_config(way, 0, data)) | {"train.steps": 1, "sample.at_start": False, "sample.prompts": []}
    made = iter(range(10**6))

    def ours() -> float:
        run = make_run(folder / f"ours-{next(made)}", TrainConfig.model_validate(nested(own)))
        return seconds(["-m", "trainer", str(run.config)], HERE)

    def theirs() -> float:
        (place := folder / f"theirs-{next(made)}").mkdir(parents=True)
        words = adv_arguments(way, 0, data, "adv", steps=1)
        return seconds(["-m", "tests.bench.adv.shim", str(D0), str(adv), *words], HERE, place)

    return {"ours with the reference's settings": ours, "the reference": theirs}


def main() -> None:
    """Print a row for each way."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.start", description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout of this repository")
    parser.add_argument("--adv", type=Path, help="the script train_dreambooth_lora_sdxl_advanced.py")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CACHE_HOME"] = str(Path(place) / "cache")
        ways = {"this checkout": a_run(Path(place) / "this", HERE)}
        if asked.against is not None:
            ways["the other"] = a_run(Path(place) / "other", asked.against.resolve())
        if asked.adv is not None:
            os.environ |= {"HF_HOME": str(Path(place) / "hf"), "HF_HUB_OFFLINE": "1"}
            ways |= side_by_side(Path(place) / "beside", asked.adv.resolve())
        ways["import torch"] = lambda: seconds(["-c", "import torch"], HERE)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(asked.rounds + 1):
            for name in list(ways)[:: 1 if turn % 2 else -1]:
                spent = ways[name]()
                if turn:  # the first compiles what is not compiled yet, and fills the caches
                    times[name].append(spent)
    medians = {name: statistics.median(one) for name, one in times.items()}
    for name, one in medians.items():
        print(f"| {name} | {one:.1f} s | {one / medians['this checkout']:.2f} |")


if __name__ == "__main__":
    main()
