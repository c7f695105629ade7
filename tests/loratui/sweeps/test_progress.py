"""A point and its run: known by its folder or by its name inside; one that was changed is told and left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.errors import Refusal
from loratui.settings.answers import Answers
from loratui.sweeps.declaration import Sweep, declared, grid_axis
from loratui.sweeps.forecast import forecast
from loratui.sweeps.points import points
from loratui.sweeps.progress import point_runs, start, summary
from loratui.sweeps.results import results
from loratui.sweeps.table import remarks
from trainer.contract.run.changes import changes_between, record_changes
from trainer.contract.run.events import EventLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config, load_config

SWEEP = declared("s", Answers(), [grid_axis("train.rank=2,4,8")])


def done(folder: Path, name: str, rank: int) -> None:
    """A completed run of this rank with a loss."""
    run = RunDir(folder)
    folder.mkdir(parents=True)
    config = TrainConfig(name=name)
    train = config.train.model_copy(update={"rank": rank})
    run.config.write_text(dump_config(config.model_copy(update={"train": train})))
    log = EventLog(run.events)
    log.emit("run", v=1, name=name, steps=5)
    log.emit("measure", step=5, loss=0.1, losses=[0.1, 0.1], of="held-out", norm=1.0, views=1.0)
    log.emit("end", status="completed", step=5)
    log.close()


def test_a_run_that_is_another_one_by_now_is_named_and_not_held_against_the_others(root: Path) -> None:
    first, second, third = points(SWEEP)
    done(root / "renamed", first.name, 2)
    done(root / second.name, second.name, 16)
    found = point_runs(SWEEP, root)
    assert [one.state for one in found] == ["completed", "completed", "missing"] and third.name not in summary(found)
    assert found[0].run is not None and found[0].run.path.name == "renamed"
    assert [one.changed for one in found] == [(), ("train.rank",), ()]
    table = results(SWEEP, found)
    assert [row.loss for row in table.rows] == [0.1, None, None]
    assert f"Left out, because settings were changed (train.rank): {second.name}." in remarks(table)


def test_a_run_that_was_made_longer_is_named_and_not_held_against_the_others(root: Path) -> None:
    """Its loss is that of more steps; checkpoints written more often change no loss."""
    first, second, _ = points(SWEEP)
    done(root / first.name, first.name, 2)
    done(root / second.name, second.name, int(str(second.values["train.rank"])))
    for name, key in ((first.name, "train.checkpoint_every"), (second.name, "train.steps")):
        run = RunDir(root / name)
        old = load_config(run.config)
        new = old.model_copy(update={"train": old.train.model_copy(update={key.removeprefix("train."): 77})})
        run.config.write_text(dump_config(new))
        record_changes(run, changes_between(old, new))
    found = point_runs(SWEEP, root)
    assert [one.changed for one in found] == [(), ("train.steps",), ()]
    assert f"Left out, because settings were changed (train.steps): {second.name}." in remarks(results(SWEEP, found))


def test_where_no_runs_can_be_made_a_sentence_says_so_and_the_same_command_goes_on(ranks: Sweep, root: Path) -> None:
    planned = forecast(ranks, points(ranks)[:1], Path("runs"))
    root.symlink_to("/nowhere/runs")
    with pytest.raises(Refusal) as refused:
        start(planned, Path("runs"), say=lambda _: None, settle=False)
    assert refused.value.messages[0].startswith(
        "the folder of the runs cannot be made: runs: something else lies there"
    )
    root.unlink()
    root.mkdir()
    (root / planned.able[0].point.name).write_text("in the way since it was looked at")
    with pytest.raises(Refusal, match="is a file; put that right, then the same command goes on"):
        start(planned, Path("runs"), say=lambda _: None, settle=False)
