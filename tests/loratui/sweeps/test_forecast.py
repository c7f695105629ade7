"""Before a sweep starts: how many runs, how long, how much disk; what cannot start, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from loratui.planning.prepared import Looks, prepare
from loratui.sweeps.declaration import Sweep, grid_axis, zip_axis
from loratui.sweeps.forecast import forecast, forecast_lines, time_words
from loratui.sweeps.points import points
from trainer.contract.settings.config import flat


def test_it_is_the_sum_of_the_plans_and_the_pictures_are_looked_at_once(ranks: Sweep, root: Path) -> None:
    looks = Looks()
    found = forecast(ranks, points(ranks), root, looks)
    assert len(looks.reports) == 1 and len(found.able) == 8 and not found.unable and not found.errors
    alone = [prepare(ranks.base, dict(one.values), "answers.toml").plan for one in points(ranks)]
    assert found.disk == sum(one.disk for one in alone) > 0
    assert found.seconds is None  # no run of this size has ended here
    lines = forecast_lines(found)
    assert lines[:2] == [
        "✓ Ready: 8 runs to start.",
        "sweep ranks: rank 2, 4 x optimizer prodigy, adamw x 2 seeds: 8 runs",
    ]
    some = forecast_lines(forecast(ranks, points(ranks)[:3], root, looks))
    assert some[0] == "✓ Ready: 3 runs to start; 5 of 8 there already."
    assert any("not known yet" in one for one in lines) and any("hold_out" in one for one in lines)


def test_samples_come_on_top_only_of_runs_that_draw_some(ranks: Sweep, root: Path) -> None:
    found = replace(forecast(ranks, points(ranks)[:2], root), seconds=(60.0, 60.0))
    assert time_words(found).endswith("the samples that it draws come on top")
    none = replace(ranks, fixed={"sample.count": 0})
    found = replace(forecast(none, points(none)[:2], root), seconds=(60.0, 60.0))
    assert len(found.able) == 2 and time_words(found).endswith("; each run's start comes on top")


def test_each_point_is_judged_as_answers_are_and_named_with_why(ranks: Sweep, root: Path) -> None:
    bad = replace(ranks, axes=(grid_axis("train.resolution=64,100"), grid_axis("dataset.hold_out=1,9")), seeds=1)
    found = forecast(bad, points(bad), root)
    told = "\n".join(forecast_lines(found))
    assert [one.point.number for one in found.unable] == [2, 3, 4]
    assert "100 is not a multiple of 64; 128 is the nearest" in told and "leaves none to train on" in told
    assert told.splitlines()[:2] == ["! 1 run of 4 to start.", "! 3 runs of 4 cannot start:"]
    assert [flat(one.ready.resolved.config)["train.resolution"] for one in found.able if one.ready] == [64]


def test_points_that_come_to_the_same_run_are_refused(ranks: Sweep, root: Path) -> None:
    same = replace(ranks, axes=(zip_axis("train.rank=4,4,train.alpha=0.0,1.0"), grid_axis("preset=object,style")))
    same = replace(same, seeds=1, fixed={"prodigy.beta2": 0.5})
    assert forecast(same, points(same), root).alike == ()
    steps = replace(ranks, axes=(grid_axis("preset=face/75x,face/100x"),), seeds=1)
    found = forecast(steps, points(steps), root)  # the answers say train.steps
    assert len(found.alike) == 1
    assert "come to the same run: train.steps of the answers decides in its place" in found.errors[0]


def test_where_none_can_start_why_stands_before_all_else(ranks: Sweep, root: Path) -> None:
    none = replace(ranks, axes=(grid_axis("train.resolution=100,200"),), seeds=1)
    lines = forecast_lines(forecast(none, points(none), root))
    assert lines[:2] == ["✗ Not ready: none of its runs can start", "! 2 runs of 2 cannot start:"]
    named = next(number for number, line in enumerate(lines) if line.startswith("sweep "))
    assert "not a multiple of 64" in "\n".join(lines[:named])


def test_a_sweep_that_the_disk_does_not_take_is_not_started(ranks: Sweep, root: Path) -> None:
    found = replace(forecast(ranks, points(ranks)[:1], root), free=1000)
    assert "1 kB are free" in found.errors[0] and forecast_lines(found)[0] == f"✗ Not ready: {found.errors[0]}"


def test_what_lies_in_the_way_of_one_run_is_said_before_and_does_not_keep_the_others(ranks: Sweep, root: Path) -> None:
    first = points(ranks)[0].name
    (root / first).mkdir(parents=True)
    (root / first / "notes.txt").write_text("mine")
    found = forecast(ranks, points(ranks), Path("runs"))
    assert len(found.able) == 7 and not found.errors
    assert f"'runs/{first}' is not empty, and is not a run: move it away" in "\n".join(forecast_lines(found))
