"""All runs as a table, and two of them side by side: every key, many runs, hostile names."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import DataTable, Input

from loratui.app import LoratuiApp
from loratui.screens.results.runs import BATCH, RunsRead, RunsScreen
from tests.loratui.screens.conftest import (
    HOSTILE,
    SIZES,
    assert_snapshot,
    at,
    draw_photo,
    fake_run,
    sample,
    screen_text,
    training,
    until,
)
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config

Wizard = Callable[..., LoratuiApp]
ANSWERS = 'schema = 1\npreset = "face"\nname = "dog"\n\n[dataset]\npath = "photos"\n\n[train]\nrank = 8\n'


def make(place: Path, name: str, steps: int = 40, end: str = "", number: int = 0, **train: Any) -> RunDir:
    """A run with pictures of two prompts; `number` orders them by age."""
    events = [*training(steps), sample(steps, 1, "a TOK in the rain")]
    if end:
        events.append({"type": "end", "status": end, "step": steps, "seconds": steps / 2, "files": []})
    run = fake_run(place / "runs" / name, events)
    values = {"name": "dog", "dataset": {"path": str(place / "photos")}, "train": train}
    run.config.write_text(dump_config(TrainConfig.model_validate(values)))
    os.utime(run.config, (1000 + number, 1000 + number))
    run.answers.write_text(ANSWERS)
    run.log.touch()
    run.samples.mkdir()
    for file in ("000000-0", "000030-0", f"{steps:06d}-1"):
        draw_photo(run.samples / f"{file}.png", number, (256, 256))
        (run.samples / f"{file}.jpg").write_bytes((run.samples / f"{file}.png").read_bytes())
    return run


@pytest.fixture
def three(own_place: Path) -> list[RunDir]:
    """Newest last."""
    return [
        make(own_place, "2026-11-21-1000-dog", 40, "completed", 1, rank=8),
        make(own_place, "2026-11-22-1000-dog", 60, "stopped", 2, rank=16, seed=3),
        make(own_place, "2026-11-23-1000-a-run-with-a-long-name-of-its-own", 30, "", 3),
    ]


async def opened(pilot: Pilot[Any], count: int = 3) -> RunsScreen:
    """The table, filled, from the first list."""
    await at(pilot, "WelcomeScreen")
    await pilot.press("end", "enter")
    screen: RunsScreen = await at(pilot, "RunsScreen")
    await until(pilot, lambda: screen.query_one(DataTable).row_count == count)
    await pilot.pause()
    return screen


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_the_table_and_two_side_by_side(wizard: Wizard, three: list[RunDir], size: tuple[int, int]) -> None:
    app = wizard()
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        await pilot.press("down", "space", "down")
        assert_snapshot(app, "runs")
        await pilot.press("d")
        screen = await at(pilot, "CompareScreen")
        await until(pilot, lambda: screen._found is not None)
        await until(pilot, lambda: screen.query_one("#left").shown and screen.query_one("#right").shown)
        await pilot.pause()
        assert_snapshot(app, "compare")


async def test_enter_goes_to_the_run(wizard: Wizard, three: list[RunDir]) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press("end", "home", "down", "down", "up", "enter")
        screen = await at(pilot, "MonitorScreen")
        assert screen.run_dir.path == three[1].path


@pytest.mark.slow
async def test_n_opens_its_answers_as_a_new_draft(wizard: Wizard, three: list[RunDir], photos: Path) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press("n")
        await at(pilot, "SettingsScreen")
        assert app.draft.preset == "face" and app.draft.values["train.rank"] == 8
        assert app.draft.values["dataset.path"] == str(photos.absolute())
    (kept,) = app.store.all().kept
    assert kept.draft.values["train.rank"] == 8
    assert three[2].answers.read_text() == ANSWERS


@pytest.mark.slow
async def test_n_says_what_is_gone_and_what_cannot_be_read(wizard: Wizard, three: list[RunDir]) -> None:
    three[2].answers.write_text("{half")
    three[2].config.write_text("{half")
    app = wizard()
    async with app.run_test(notifications=True) as pilot:
        screen = await opened(pilot)
        await pilot.press("n")
        await until(pilot, lambda: "✗ answers.toml:1: not valid TOML" in screen_text(app))
        assert app.screen is screen
        await pilot.press("down", "n")
        await at(pilot, "PicturesScreen")
        await until(pilot, lambda: "the pictures are gone" in screen_text(app))


@pytest.mark.slow
async def test_marks_and_the_keys_around(wizard: Wizard, three: list[RunDir]) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await pilot.press("d")
        assert "Mark a run with space" in screen_text(app)
        await pilot.press("space", "d")  # only itself is marked
        assert "Mark a run with space" in screen_text(app)
        await pilot.press("down", "space", "down", "space")  # the first mark goes
        assert screen_text(app).count("* ") == 2 and "2 runs marked" in screen_text(app)
        await pilot.press("space")
        assert screen_text(app).count("* ") == 1
        await pilot.press("f1")
        await at(pilot, "Help")
        await pilot.press("escape", "r")
        await until(pilot, lambda: screen.query_one(DataTable).row_count == 3)
        await pilot.press("escape")
        await at(pilot, "WelcomeScreen")


@pytest.mark.slow
async def test_the_keys_of_two_side_by_side(wizard: Wizard, three: list[RunDir]) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press("down", "space", "down", "space", "d")
        screen = await at(pilot, "CompareScreen")
        await until(pilot, lambda: screen._found is not None)

        def steps() -> list[int]:
            return [one.step for one in screen.pictures() if one is not None]

        assert screen.query_one("#left").path == three[0].samples / "000030-0.jpg"
        await pilot.press("right")
        assert steps() == [40, 60]
        await pilot.press("s")  # this prompt has no step in common
        assert steps() == [40, 60]
        await pilot.press("left")
        assert steps() == [30, 30]
        await pilot.press("v")
        view = await at(pilot, "PictureView")
        assert view._path == three[0].samples / "000030-0.png"
        await pilot.press("escape")
        await until(pilot, lambda: getattr(app.screen, "_path", None) == three[1].samples / "000030-0.png")
        await pilot.press("escape")
        await at(pilot, "CompareScreen")
        before = screen.query_one("#compared").scroll_y
        await pilot.press("down", "down")
        assert screen.query_one("#compared").scroll_y > before
        await pilot.press("f1")
        await at(pilot, "Help")
        await pilot.press("escape", "escape")
        await at(pilot, "RunsScreen")


async def test_a_run_that_is_alive_moves_on_in_the_table(wizard: Wizard, three: list[RunDir]) -> None:
    lock = RunLock(three[2].lock)
    app = wizard()
    async with app.run_test() as pilot:
        await opened(pilot)
        assert "● training" in screen_text(app)
        with three[2].events.open("a") as file:
            file.write(json.dumps({"type": "step", "step": 77, "loss": 0.1}) + "\n")
        await until(pilot, lambda: "77/100" in screen_text(app))
        lock.release()
        await until(pilot, lambda: "✗ crashed" in screen_text(app))
        # it is under the cursor: the keys are those of today's state
        await until(pilot, lambda: "f Fix" in screen_text(app))
        lock = RunLock(three[2].lock)  # resumed from elsewhere
        await until(pilot, lambda: "● training" in screen_text(app) and "f Fix" not in screen_text(app))
        lock.release()


@pytest.mark.slow
async def test_a_run_that_cannot_be_read_is_said(wizard: Wizard, three: list[RunDir]) -> None:
    three[0].events.unlink()
    three[0].events.mkdir()
    app = wizard()
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press("down", "space", "down", "space", "d")
        await at(pilot, "CompareScreen")
        await until(
            pilot, lambda: "✗ A run cannot be read: ~/runs/2026-11-21-1000-dog/events.jsonl" in screen_text(app)
        )
        await pilot.press("right", "s", "v", "escape")
        await at(pilot, "RunsScreen")


@pytest.mark.slow
async def test_l_makes_the_run_under_the_cursor_longer(wizard: Wizard, three: list[RunDir]) -> None:
    completed = three[0]
    completed.checkpoint(40).mkdir(parents=True)
    (completed.checkpoint(40) / "manifest.json").write_text("{}")  # its last file: without it a checkpoint is none
    app = wizard()
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press("l")  # the newest has no checkpoint
        await until(pilot, lambda: "no checkpoint is kept to resume from" in screen_text(app))
        await pilot.press("down", "down", "l")
        await at(pilot, "Form")
        assert "newest checkpoint, step 40" in " ".join(screen_text(app).replace("│", " ").split())
        app.screen.query_one(Input).value = "2000"
        await pilot.press("enter")
        await at(pilot, "Confirm")
        assert "Resume to step 2000?" in screen_text(app)
        await pilot.press("escape")
        await at(pilot, "Form")
        await pilot.press("escape", "d")
        await at(pilot, "RunsScreen")
        await pilot.press("f1")
        await at(pilot, "Help")
        assert "longer: more steps" in screen_text(app)
    assert not completed.changes.exists()


@pytest.mark.slow
async def test_many_runs_come_in_batches(wizard: Wizard, own_place: Path) -> None:
    for number in range(210):
        folder = own_place / "runs" / f"run-{number:04d}"
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text('name = "x"\n')
        os.utime(folder / "config.toml", (number, number))
    batches: list[int] = []

    def hook(message: Message) -> None:
        if isinstance(message, RunsRead) and not getattr(message, "seen", False):
            message.seen = True  # type: ignore[attr-defined]
            batches.append(len(message.infos))

    app = wizard()
    async with app.run_test(message_hook=hook) as pilot:
        screen = await opened(pilot, 210)
        assert "210 runs." in screen_text(app)
        assert batches == [BATCH] * (210 // BATCH) + [210 % BATCH]
        assert screen.current is not None and screen.current.path.name == "run-0209"


@pytest.mark.slow
async def test_hostile_names_are_inert(wizard: Wizard, own_place: Path) -> None:
    name = HOSTILE.replace("/", "")
    for number in range(2):
        run = make(own_place, f"{number}{name}", 40, "completed", number)
        with run.events.open("a") as file:
            file.write(
                json.dumps({**sample(40, 0, HOSTILE), "path": "../../etc/passwd", "thumb": "/etc/passwd"}) + "\n"
            )
            file.write('{"type":"step","step":"x","loss":"y","views":1e300}\n')
        run.answers.write_text(f'schema = 1\nname = {json.dumps(HOSTILE)}\n"{"x" * 9}" = 1\n')
    app = wizard()
    async with app.run_test(notifications=True) as pilot:
        await opened(pilot, 2)
        assert not {"\x1b", "\x07", "\x9b"} & set(screen_text(app))
        await pilot.press("space", "down", "d")
        screen = await at(pilot, "CompareScreen")
        await until(pilot, lambda: screen._found is not None)
        assert screen.query_one("#left").path.name == "outside-the-run"
        assert not {"\x1b", "\x07", "\x9b"} & set(screen_text(app))
        await pilot.press("escape", "n")
        await at(pilot, "PicturesScreen")
        assert not {"\x1b", "\x07", "\x9b"} & set(screen_text(app))
        assert app.is_running


@pytest.mark.slow
async def test_a_run_with_a_link_in_it_is_shown_and_not_opened(wizard: Wizard, three: list[RunDir]) -> None:
    three[2].lock.symlink_to(three[1].config)
    app = wizard()
    async with app.run_test(notifications=True) as pilot:
        screen = await opened(pilot)
        assert "✗ refused" in screen_text(app)
        for key in ("enter", "n", "l"):
            screen._say("")
            await pilot.press(key)
            await until(pilot, lambda: "'lock' is a link: remove it" in screen_text(app))
            assert app.screen is screen
        await pilot.press("space", "down", "d")
        assert "'lock' is a link: remove it" in screen_text(app)
        assert app.screen is screen
        await pilot.press("escape")
        await at(pilot, "WelcomeScreen")
        await pilot.press("end", "up", "up", "up")
        await pilot.press("enter")
        await until(pilot, lambda: "is a link" in screen_text(app))
        await at(pilot, "WelcomeScreen")
    assert three[1].config.read_text().startswith("name")


@pytest.mark.slow
async def test_a_run_gets_a_note_another_name_and_is_deleted_after_a_question(
    wizard: Wizard, three: list[RunDir]
) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await pilot.press("t", *"soft", "enter")
        await until(pilot, lambda: ": soft" in screen_text(app))
        await pilot.press("down", "N", *["backspace"] * 40, *"best", "enter")
        await until(pilot, lambda: (three[1].path.parent / "best").is_dir())
        await until(pilot, lambda: " best " in screen_text(app))
        await pilot.press("x")
        question = await at(pilot, "Confirm")
        assert "This cannot be undone." in screen_text(app) and question.focused.id == "answer-1"
        await pilot.press("enter")
        assert (three[1].path.parent / "best").is_dir(), "Enter keeps it"
        await pilot.press("x", "y")
        await until(pilot, lambda: "Deleted: best" in screen_text(app))
        assert not (three[1].path.parent / "best").exists() and screen.query_one(DataTable).row_count == 2
        await pilot.press("g")  # nothing was saved, so there is nothing to draw with
        await until(pilot, lambda: "it has neither files nor a checkpoint" in screen_text(app))
        three[0].export.mkdir()
        (three[0].export / "dog.safetensors").touch()
        await pilot.press("r")
        await until(pilot, lambda: screen.query_one(DataTable).row_count == 2)
        await pilot.press("down", "g")
        await at(pilot, "Form")
        assert "a TOK" in screen_text(app)
