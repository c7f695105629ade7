"""Ours beside ours and beside the reference still runs here: two seeds of it, and what is made of the figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.adv.process import reference_starter, train_theirs
from tests.bench.paired import BARE, LENGTH, THEIRS, compare, config_of, exam_of, read_settings
from tests.bench.paired_table import Comparison, figures_of, over_all, table
from tests.bench.reference import WAYS, write_data
from tests.bench.reference_eval import held_out_shots, load_trained, training_shots
from tests.bench.reference_pictures import picture_distance
from trainer.demo.concepts import CONCEPTS, SIDE, pictures
from trainer.demo.draw import draw
from trainer.demo.measure import concept_distance

STEPS = 3


def test_seeds_are_compared_in_pairs() -> None:
    # by hand: the differences -3, -1, -2, -2 have the mean -2 and the deviation 0.8165; t at three degrees is 3.182
    found = Comparison.of([10.0, 20.0, 30.0, 40.0], [7.0, 19.0, 28.0, 38.0])
    assert (found.before, found.difference, found.seeds) == (25.0, -2.0, 4)
    assert found.half_width == pytest.approx(3.182 * 0.81650 / 2, rel=1e-4)
    assert found.p == 2 / 16  # of all signs only these and their opposites are as far apart
    assert Comparison.of([1.0, 1.0], [2.0, 0.0]).p == 1.0
    many = Comparison.of([1.0] * 30, [1.0 + one % 2 for one in range(30)])  # too many to turn round in all ways
    assert many.p < 0.001 and many.half_width == pytest.approx(0.5085 * 2.093 / 30**0.5, rel=1e-3)


def test_settings_of_both_sides_reach_the_run_and_every_concept_has_its_pictures(tmp_path: Path) -> None:
    own = read_settings(["train.ema=0", "train.timesteps=stratified", "train.dora=true"])
    assert own == {"train.ema": 0, "train.timesteps": "stratified", "train.dora": True}
    for concept in CONCEPTS:
        config = config_of(concept, 7, write_data(tmp_path / concept, concept)[concept not in BARE], own)
        assert (config.train.seed, config.train.ema, config.train.dora) == (7, 0, True)
        shots = held_out_shots(concept)
        assert len(shots) == 16 and not {one.spec for one in shots} & {one.spec for one in training_shots(concept)}


def test_the_reference_is_read_both_ways_and_the_better_one_counts() -> None:
    ours, theirs = {"train.rank": 8, LENGTH: 4}, THEIRS | {LENGTH: 4}

    def record(seed: int, own: dict[str, object], ui: float, argmax: float) -> dict[str, object]:
        pictures = {"ui pictures": 0.5, "argmax pictures": 0.75}
        return {"seed": seed, "concept": "mascot", "set": own, "ui": ui, "argmax": argmax} | pictures

    results = [record(seed, own, 0.25, 0.125) for seed in (0, 1) for own in (ours, theirs)]
    assert figures_of(results, "mascot", ours, "ui") == {0: 0.25, 1: 0.25}
    assert figures_of(results, "mascot", theirs, "ui") == {0: 0.125, 1: 0.125}
    assert figures_of(results, "mascot", theirs, "ui pictures") == {0: 0.5, 1: 0.5}
    last = table(results, ["mascot", "rocket"], [ours, theirs]).splitlines()[-1]
    said = over_all(results, ["mascot", "rocket"], [ours, theirs]).splitlines()
    assert said[0] == "all concepts, ADV against as they are: held-out loss -50.0% (-50.0% to -50.0%), p 0.500, 2 pairs"
    assert last.startswith("| mascot | ADV | 0.1250 ± 0.0000 | -0.1250 ± 0.0000 (-50.0%) | 0.500 | 0.5000")


@pytest.mark.slow
def test_pictures_of_the_untrained_base_are_far_from_the_concept_and_its_own_near() -> None:
    captions = tuple(shot.caption for shot in held_out_shots("rocket")[:2])
    pipe = load_trained(None, None)
    drawn = [picture_distance(pipe, "rocket", captions, "ui") for _ in range(2)]
    held = [draw(shot.spec, SIDE) for shot in held_out_shots("rocket")]
    near = concept_distance(pictures("rocket"), held).total
    assert drawn[0] == drawn[1] > 0.5 > 2 * near


@pytest.mark.slow
def test_two_seeds_of_two_sets_are_trained_read_kept_and_laid_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.bench.reference_pictures.STEPS", 4)  # denoising steps: pictures at all
    exams = {"rocket": exam_of("rocket", 2)}
    sets = [{LENGTH: STEPS} | read_settings([f"train.targets={one}"]) for one in ("attention", "all-linear")]
    results = compare(tmp_path, exams, range(2), sets)
    assert [(one["seed"], one["set"]["train.targets"]) for one in results] == [
        (seed, targets) for seed in (0, 1) for targets in ("attention", "all-linear")
    ]
    assert all("commit" in one and one["ui"] < 0.5 and 0 < one["ui pictures"] <= 1 for one in results)
    assert len({one["ui"] for one in results}) == 4
    place = tmp_path / "paired.json"
    written = place.read_bytes()
    assert json.loads(written) == results == compare(tmp_path, exams, range(2), sets)  # nothing is trained again
    assert place.read_bytes() == written
    assert "| rocket | `train.targets=all-linear` |" in table(results, ["rocket"], sets)


@pytest.mark.slow
def test_the_reference_is_started_with_its_arguments_and_its_last_words_are_told(tmp_path: Path) -> None:
    script, starter = tmp_path / "script.py", reference_starter(tmp_path / "hf")
    script.write_text("import sys\nprint(sys.argv[1:])\nassert '--seed' in sys.argv\nopen('made', 'w').close()\n")
    seconds = train_theirs(starter, script, WAYS["captions"], 3, 4, tmp_path, tmp_path / "run")
    assert seconds > 0 and (tmp_path / "run" / "made").exists()
    assert "'--max_train_steps', '4'" in (tmp_path / "run" / "output.log").read_text()
    script.write_text("raise RuntimeError('no such luck')\n")
    with pytest.raises(ValueError, match="no such luck"):
        train_theirs(starter, script, WAYS["captions"], 3, 4, tmp_path, tmp_path / "run")
