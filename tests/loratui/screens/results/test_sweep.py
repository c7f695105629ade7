"""A sweep on the screen: its table, its wall, and what can be done with the one under the cursor."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest
from PIL import Image
from textual.widgets import DataTable, Input
from typer.testing import CliRunner

from loratui.app import LoratuiApp
from loratui.cli import app as commands
from loratui.screens.results.sweep_seen import held_words, resumed_words
from loratui.settings.answers import Answers
from loratui.settings.drafts.store import DraftStore
from loratui.settings.own_presets import found_presets
from loratui.sweeps.declaration import Sweep, declared, grid_axis
from loratui.sweeps.files import freeze
from loratui.sweeps.points import points
from tests.loratui.screens.conftest import SIZES, assert_snapshot, at, fake_run, sample, screen_text, until
from trainer.contract.run.control import Inbox
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config
from trainer.contract.settings.tracking import NO_SAMPLES

LOSS = {(2, "prodigy"): 0.2, (2, "adamw"): 0.3, (4, "prodigy"): 0.1, (4, "adamw"): 0.301}


@pytest.fixture
def tried(own_place: Path) -> Sweep:
    """Rank by optimizer with three seeds, all completed but one."""
    axes = [grid_axis("train.rank=2,4"), grid_axis("train.optimizer=prodigy,adamw")]
    sweep = declared("ranks", Answers("object", {"name": "dog", "dataset.path": "photos"}), axes, 3)
    freeze(sweep)
    chance = random.Random(1)
    for point in points(sweep):
        rank, optimizer, seed = (point.values[f"train.{one}"] for one in ("rank", "optimizer", "seed"))
        config = TrainConfig(name=point.name)
        train = config.train.model_copy(update={"rank": rank, "optimizer": optimizer, "seed": seed})
        loss = LOSS[rank, optimizer] * chance.uniform(0.99, 1.01)
        measure = {"type": "measure", "step": 9, "loss": loss, "losses": [loss] * 8, "of": "held-out", "norm": 1.0}
        events = [
            {"type": "run", "v": 1, "pid": 1, "host": "h", "name": point.name, "steps": 9},
            *([sample(0), sample(9), measure, {"type": "end", "status": "completed", "step": 9, "seconds": 4.0}]),
        ]
        run = fake_run(Path("runs") / point.name, events if point.number < 12 else events[:1])
        run.config.write_text(dump_config(config.model_copy(update={"train": train})))
        run.answers.write_text(f'schema = 1\npreset = "object"\n[train]\nrank = {rank}\noptimizer = "{optimizer}"\n')
        run.samples.mkdir()
        for name in ("000000-0", "000009-0"):
            colour = (20 * point.number, 200 - 10 * point.number, 90)
            for ending in ("png", "jpg"):
                Image.new("RGB", (64, 64), colour).save(run.samples / f"{name}.{ending}")
    return sweep


@pytest.mark.parametrize("size", SIZES)
async def test_the_table_is_honest_and_the_wall_shows_each_in_its_place(tried: Sweep, size: tuple[int, int]) -> None:
    app = LoratuiApp(sweep=tried)
    async with app.run_test(size=size) as pilot:
        screen = await at(pilot, "SweepScreen")
        await until(pilot, lambda: "★ lowest" in screen_text(app))
        assert "11 completed, 1 crashed" in screen_text(app)
        table = screen.query_one(DataTable)
        assert [str(table.get_cell_at((row, 0))) for row in range(4)] == ["7", "1", "4", "10"]
        assert_snapshot(app, "sweep-table")
        await pilot.press("w", "right")
        await until(pilot, lambda: all(one.shown for one in screen.query("WallPicture") if one.place != (1, 1)))
        assert screen.cell.one.point.number == 4
        await pilot.press("down", "left", "down", "left")
        assert screen.cell.one.point.number == 7
        await until(pilot, lambda: "★ rank 4: 0.1" in screen_text(app))
        assert_snapshot(app, "sweep-wall")
        await pilot.press("v")
        await at(pilot, "PictureView")
        await pilot.press("escape", "w")
        await until(pilot, lambda: "★ lowest" in screen_text(app))


async def test_where_no_run_draws_pictures_no_key_leads_to_any(tried: Sweep) -> None:
    for events in Path("runs").glob("*/events.jsonl"):
        lines = events.read_text().splitlines(keepends=True)
        events.write_text("".join(line for line in lines if '"sample"' not in line))
        text = (config := events.with_name("config.toml")).read_text()
        head, sample_table, rest = text.partition("\n[sample]\n")
        config.write_text(head + sample_table + re.sub(r"^count = \d+$", "count = 0", rest, count=1, flags=re.M))
    app = LoratuiApp(sweep=tried)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await at(pilot, "SweepScreen")
        await until(pilot, lambda: "★ lowest" in screen_text(app))
        assert "w Wall" not in screen_text(app) and "v View" not in screen_text(app)
        await pilot.press("w")
        assert not screen.has_class("-wall")
        await pilot.press("f1")
        words = (await at(pilot, "Help"))._help
        assert "open the run" in words and not [one for one in ("the wall of", "view the", "block") if one in words]
    said = CliRunner().invoke(commands, ["sweep", "ranks", "--wall"]).output
    assert "written: " in said and f"no picture stands in them: {NO_SAMPLES}" in said


async def test_the_one_under_the_cursor_becomes_a_preset(tried: Sweep) -> None:
    app = LoratuiApp(sweep=tried)
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "SweepScreen")
        await until(pilot, lambda: "★ lowest" in screen_text(app))
        await pilot.press("p")
        (await at(pilot, "LineEditor")).query_one(Input).value = "best-dog"
        await pilot.press("enter")
        await until(pilot, lambda: "preset 'best-dog' saved" in screen_text(app))
        (found,) = found_presets().presets
        rank = next(one for one in found.values if one.key == "train.rank")
        assert rank.value == 4 and "from sweep ranks, rank 4, optimizer prodigy" in rank.source
        await pilot.press("escape")
        await until(pilot, lambda: app.return_code is not None)


async def test_only_keys_that_change_something_are_offered(tried: Sweep) -> None:
    """One of twelve crashed: it can go on, nothing can be paused or stopped; once all are over, nothing goes on."""
    app = LoratuiApp(sweep=tried)

    def offered() -> set[str]:
        return {one.binding.description for one in app.screen.active_bindings.values()}

    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "SweepScreen")
        await until(pilot, lambda: "1 crashed" in screen_text(app))
        assert "Resume" in offered() and not {"Pause", "Stop"} & offered()
        crashed = Path("runs") / points(tried)[-1].name / "events.jsonl"
        with crashed.open("a") as file:
            file.write('{"type": "end", "status": "completed", "step": 9}\n')
        await until(pilot, lambda: "12 completed" in screen_text(app))
        assert not {"Resume", "Pause", "Stop"} & offered() and "Wall" in offered()
        with crashed.open("a") as file:
            file.write('{"type": "run", "steps": 9}\n{"type": "end", "status": "failed", "step": 1}\n')
        await until(pilot, lambda: "1 failed" in screen_text(app))
        assert "Resume" in offered()  # once more, as --again does
        await pilot.press("o")
        await until(pilot, lambda: "1 run resumed." in screen_text(app))


async def test_enter_opens_the_run_under_the_cursor_and_escape_comes_back(tried: Sweep) -> None:
    app = LoratuiApp(sweep=tried)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await at(pilot, "SweepScreen")
        await until(pilot, lambda: "★ lowest" in screen_text(app))
        await pilot.press("down", "enter")
        monitor = await at(pilot, "MonitorScreen")
        assert monitor.run_dir.path.name == points(tried)[0].name
        await pilot.press("escape")
        await at(pilot, "SweepScreen")
        await pilot.press("w", "enter")
        assert (await at(pilot, "MonitorScreen")).run_dir == screen.cell.one.run
        await pilot.press("escape")
        await at(pilot, "SweepScreen")
        assert "w Table" in screen_text(app).splitlines()[-1]


async def test_the_first_screen_leads_to_the_sweeps_that_are_there(tried: Sweep, own_place: Path) -> None:
    app = LoratuiApp(store=DraftStore(own_place / "state"))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await until(pilot, lambda: "Sweeps              1 sweep: table and pictures" in screen_text(app))
        await pilot.press("end", "enter")
        await at(pilot, "SweepScreen")
        await pilot.press("escape")
        await at(pilot, "WelcomeScreen")


async def test_the_question_closes_when_all_runs_are_over_meanwhile(
    tried: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loratui.screens.results.sweep.LOOK", 0.2)
    run = RunDir((Path("runs") / points(tried)[-1].name).absolute())
    lock = RunLock(run.lock)
    app = LoratuiApp(sweep=tried)
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "SweepScreen")
        await until(pilot, lambda: "1 training" in screen_text(app))
        await pilot.press("S")
        await at(pilot, "Confirm")
        with run.events.open("a") as file:
            file.write('{"type": "end", "status": "completed", "step": 9}\n')
        lock.release()
        await at(pilot, "SweepScreen")
        await pilot.press("y")
        await until(pilot, lambda: "No run trains or waits: nothing was stopped." in screen_text(app))
        assert not Inbox(run).waiting()


def test_what_came_of_a_key_names_resume_only_where_there_is_something_to_resume() -> None:
    assert held_words("pause", 1) == "1 run paused or taken out of the queue. The key o resumes it."
    assert held_words("stop", 3) == "3 runs stopped or taken out of the queue. The key o resumes them."
    assert "The key o" not in held_words("stop", 0) + resumed_words(0)


async def test_sweeps_are_chosen_from_the_newest_on_with_how_they_are_doing(tried: Sweep, own_place: Path) -> None:
    newer = declared("again", Answers("object", {"name": "dog", "dataset.path": "photos"}), [], 2)
    folder, _ = freeze(newer)
    older = folder.parent / "ranks" / "sweep.toml"
    os.utime(older, (1, 1))
    app = LoratuiApp(store=DraftStore(own_place / "state"))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await until(pilot, lambda: "2 sweeps" in screen_text(app))
        await pilot.press("end", "enter")
        await at(pilot, "Chooser")
        shown = screen_text(app)
        assert shown.index("again  2 missing") < shown.index("ranks  11 completed, 1 crashed")
