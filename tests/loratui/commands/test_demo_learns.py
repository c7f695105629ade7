"""The demo does what it says: at its end the small model draws a concept that it could not draw before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from loratui.results.facts import read_facts
from loratui.results.parcel import make_parcel
from loratui.settings.demo import FIRST, concepts
from trainer.contract.run.rundir import RunDir
from trainer.demo.measure import concept_distance

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_trainer")]


def pictures(paths: list[Path]) -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in sorted(paths)]


def test_the_concept_is_visible_in_the_last_samples_and_not_in_the_first(
    loratui: Callable[..., object], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = loratui("demo", "--plain", "--out", str(run), timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    end = json.loads((run / "events.jsonl").read_text().splitlines()[-1])
    assert (end["type"], end["status"]) == ("end", "completed")
    concept = pictures(list(concepts()[FIRST].glob("*.png")))
    first = concept_distance(pictures(list((run / "samples").glob("000000-*.png"))), concept).total
    last = concept_distance(pictures(list((run / "samples").glob(f"{end['step']:06d}-*.png"))), concept).total
    print(f"\ndistance to '{FIRST}', colour and shape: {first:.3f} before, {last:.3f} after")
    assert last < first / 2
    half = concept_distance(pictures(list((run / "samples").glob("000150-*.png"))), concept).total
    assert last < half
    shown = loratui("checkpoints", str(run)).stdout.splitlines()
    starred = [line.split()[1] for line in shown if line.startswith("*")]
    assert starred == [str(end["step"])], shown  # the hint takes the step whose pictures are nearer
    parcel = make_parcel(run / "export", read_facts(RunDir(run)).name)
    assert parcel.files and parcel.problems == ()  # nothing of an ordinary export looks like a secret
