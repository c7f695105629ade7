"""The result: every key, what is copied, what is asked before anything is written or sent, what is refused."""

from __future__ import annotations

import os
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui.app import LoratuiApp
from loratui.screens.results.generating import read_generate_wish
from tests.loratui.results.test_push import png, safetensors
from tests.loratui.screens.conftest import (
    HOSTILE,
    SIZES,
    assert_snapshot,
    at,
    fake_run,
    sample,
    screen_text,
    training,
    until,
)
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config, nested

pytestmark = pytest.mark.slow

CARD = """# dog

```python
base = "x"
files = "."  # the folder of this card
print("a TOK dog")
```
"""


def measured(step: int, loss: float, norm: float) -> dict[str, Any]:
    losses = [loss + place / 100 for place in range(8)]
    return {"type": "measure", "step": step, "losses": losses, "of": "held-out", "norm": norm, "views": step * 0.8}


def make_run(folder: Path, prompt: str = "a photo of a TOK dog") -> RunDir:
    """A run of 100 steps that has ended, with checkpoints at 30, 60 and 100 of which the first is gone."""
    events = [
        *training(steps=100),
        sample(100),
        measured(0, 0.2, 0.0),
        measured(30, 0.15, 1.0),
        measured(60, 0.11, 2.0),
        measured(100, 0.13, 5.0),
        {"type": "checkpoint", "step": 60, "bytes": 93_000_000},
        {"type": "checkpoint", "step": 100, "bytes": 93_000_000},
        {"type": "end", "status": "completed", "step": 100, "seconds": 251.0, "files": []},
    ]
    run = fake_run(folder, events)
    config = {"name": "dog", "kind": "object", "dataset.path": "/nowhere", "sample.prompts": [prompt], "sample.seed": 7}
    run.config.write_text(dump_config(TrainConfig.model_validate(nested(config))))
    for step in (60, 100):
        run.checkpoint(step).mkdir(parents=True)
        (run.checkpoint(step) / "manifest.json").write_text("{}")  # its last file: without it a checkpoint is none
    run.export.mkdir()
    (run.export / "diffusers").mkdir()
    for name in ("dog.safetensors", "dog_emb.safetensors", "diffusers/pytorch_lora_weights.safetensors"):
        (run.export / name).write_bytes(safetensors({"format": "pt"}))
    (run.export / "README.md").write_text(CARD)
    (run.export / "sample-0.png").write_bytes(png())
    run.samples.mkdir()
    from PIL import Image

    for step in (0, 30, 100):
        for ending in ("jpg", "png"):
            Image.new("RGB", (64, 64), (40, 2 * step, 160)).save(run.samples / f"{step:06d}-0.{ending}")
    return run


@pytest.fixture
def run(own_place: Path) -> RunDir:
    return make_run(own_place / "runs" / "2026-11-23-1000-dog")


@asynccontextmanager
async def result(run: RunDir, size: tuple[int, int] = (80, 24)) -> Any:
    """The result screen, drawn."""
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("enter")
        screen = await at(pilot, "ResultScreen")
        await until(pilot, lambda: screen.query_one("#wall-0").shown and screen.query_one("#wall-2").shown)
        await pilot.pause()
        yield app, pilot, screen


async def fill(pilot: Pilot[Any], *values: str) -> None:
    """Write into the fields of the form on top, and press Enter in the last one."""
    from textual.widgets import Input

    inputs = list(pilot.app.screen.query(Input))
    for one, value in zip(inputs, values, strict=False):
        one.value = value
    inputs[-1].focus()
    await pilot.press("enter")
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
async def test_the_result_shows_pictures_files_and_checkpoints(run: RunDir, size: tuple[int, int]) -> None:
    async with result(run, size) as (app, pilot, screen):
        assert_snapshot(app, "result")
        keys = screen_text(app).splitlines()[-1]
        assert "l Longer" in keys and "esc Curves" in keys  # also at 80 columns
        await pilot.press("c")
        await pilot.pause()
        assert screen.query_one("#point-list").has_focus
        assert_snapshot(app, "result-checkpoints")
        assert "Step 60: the lowest loss on pictures that" in screen_text(app)
        await pilot.press("c")
        assert screen.query_one("#files").has_focus
        await pilot.press("u")
        await at(pilot, "Form")
        await pilot.press("enter", "enter", "enter")
        await at(pilot, "Confirm")
        assert_snapshot(app, "result-push")
        await pilot.press("escape")
        await at(pilot, "ResultScreen")
        await pilot.press("g")
        await at(pilot, "Form")
        assert_snapshot(app, "result-generate")


async def test_every_line_is_copied_and_shown_to_select(run: RunDir) -> None:
    async with result(run) as (app, pilot, _):
        copied = []
        for key in ("y", "enter") * 5:
            await pilot.press(key)
            await at(pilot, "CopyBox")
            copied.append(app.clipboard)
            shown = screen_text(app).splitlines()
            assert shown[3].rstrip() == app.clipboard.splitlines()[0][:80].rstrip()
            await pilot.press("escape", "down")
            await at(pilot, "ResultScreen")
        folder = "~/runs/2026-11-23-1000-dog/export"
        assert copied[:9] == [
            f"{folder}/dog.safetensors",
            "<lora:dog:1>",
            "dog.safetensors",
            f"{folder}/dog_emb.safetensors",
            "a photo of a dog_emb dog",
            "a photo of a embedding:dog_emb dog",
            "a photo of a <dog_emb> dog",
            "a photo of a <embed:dog_emb> dog",
            f"{folder}/diffusers/pytorch_lora_weights.safetensors",
        ]
        assert copied[9].splitlines() == [
            'base = "x"',
            f"files = {str(run.export)!r}  # the folder of this card",
            'print("a TOK dog")',
        ]
        await pilot.press("end", "y")
        await at(pilot, "CopyBox")
        assert app.clipboard == "loratui generate ~/runs/2026-11-23-1000-dog 'a photo of a TOK dog'"


async def test_keys_lead_away_and_back(run: RunDir) -> None:
    async with result(run) as (app, pilot, _):
        opens = {"v": "GalleryScreen", "w": "GalleryScreen", "f1": "Help", "e": "Chooser", "g": "Form", "u": "Form"}
        for key, name in opens.items():
            await pilot.press(key)
            await at(pilot, name)
            await pilot.press("escape")
            await at(pilot, "ResultScreen")
        await pilot.press("left", "right", "escape")
        await at(pilot, "MonitorScreen")
        await pilot.press("enter")
        await at(pilot, "ResultScreen")
        await pilot.press("q")
        await until(pilot, lambda: app.return_value is not None)
    assert "completed" in (app.return_value or "")


async def test_export_starts_on_the_hint_or_on_the_line_and_never_overwrites_unasked(run: RunDir) -> None:
    there = run.path / "export-step-000100"
    there.mkdir()
    (there / "mine.txt").write_text("mine")
    async with result(run) as (app, pilot, _):
        await pilot.press("e")
        chooser = await at(pilot, "Chooser")
        assert chooser.query_one("#choices").highlighted == 1  # step 60, the hint; newest first
        assert "step 60  loss 0.1450 · norm 2 · 48.0 views per image · the hint" in screen_text(app)
        await pilot.press("escape", "c", "end", "enter")
        chooser = await at(pilot, "Chooser")
        assert chooser.query_one("#choices").highlighted == 0  # step 100, the line that was entered
        await pilot.press("enter")
        form = await at(pilot, "Form")
        assert "export-step-000100" in screen_text(app)
        await pilot.press("enter")
        await at(pilot, "Confirm")
        assert "mine.txt" in screen_text(app)
        assert form is not app.screen
        await pilot.press("enter")  # the careful answer
        await at(pilot, "Form")
        await fill(pilot, str(run.config))
        await at(pilot, "Form")
        assert "config.toml is a file; name a folder." in words(app)
    assert [path.name for path in there.iterdir()] == ["mine.txt"]


async def test_what_is_wrong_in_the_form_is_said_and_what_was_typed_is_kept(run: RunDir) -> None:
    async with result(run) as (app, pilot, _):
        await pilot.press("g")
        for values, said in (
            (("", "1", "1", "1", ""), "a prompt is needed"),
            (("a TOK cat", "x", "1", "1", ""), "seed: 'x' is not a whole number"),
            (("a TOK cat", "3", "inf", "1", ""), "scale: 'inf' is not a number"),
            (("a TOK cat", "3", "0.5", "65", ""), "pictures: '65' is not a whole number from 1 to 64"),
            (("a TOK cat", "3", "0.5", "2", "30"), "no checkpoint of step 30; there are: 60, 100"),
        ):
            await at(pilot, "Form")
            await fill(pilot, *values)
            await at(pilot, "Form")
            shown = " ".join(screen_text(app).split())
            assert said in shown.replace("│ │ │ │ ", ""), shown
            assert values[0] in screen_text(app)
        await fill(pilot, "a TOK cat", "3", "0.5", "2", "60")
        job = await at(pilot, "JobScreen")
        command = job._job.command
        assert command[1:7] == [
            "-m",
            "trainer.samples.generate",
            "--seed=3",
            "--scale=0.5",
            "--count=2",
            f"--out={run.path / 'generated' / 'step-000060-scale-0.5'}",
        ]
        assert command[7:] == ["--checkpoint=60", "--base", "--", str(run.path), "a TOK cat"]


def test_an_empty_form_means_the_finished_files() -> None:
    given = {"prompt": "x", "seed": "", "scale": "", "pictures": "", "checkpoint": ""}
    assert read_generate_wish(given, ()).folder == "final-scale-1"


@pytest.mark.usefixtures("cold")  # cancelled while it still loads its libraries
async def test_a_job_is_cancelled_after_a_question_and_dies_with_the_program(run: RunDir) -> None:
    async with result(run) as (app, pilot, _):
        await pilot.press("g")
        await at(pilot, "Form")
        await fill(pilot, "a TOK cat")
        job = await at(pilot, "JobScreen")
        pid = job._child.pid
        assert "loading the base model" in screen_text(app) and alive(pid)
        await pilot.press("escape")
        await at(pilot, "Confirm")
        await pilot.press("enter")  # the careful answer: go on
        assert await at(pilot, "JobScreen") is job and alive(pid)
        await pilot.press("escape")
        await at(pilot, "Confirm")
        await pilot.press("tab", "enter")
        await at(pilot, "ResultScreen")
        assert not alive(pid)
        await pilot.press("g")
        await at(pilot, "Form")
        await fill(pilot, "a TOK cat")
        pid = (await at(pilot, "JobScreen"))._child.pid
        assert alive(pid)
        await pilot.press("ctrl+q")
    assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def words(app: LoratuiApp) -> str:
    """The screen with its lines put together."""
    return " ".join(screen_text(app).replace("│", " ").split())


async def test_longer_asks_for_the_steps_and_says_what_that_changes(run: RunDir) -> None:
    before = run.config.read_bytes()
    async with result(run) as (app, pilot, _):
        await pilot.press("l")
        await at(pilot, "Form")
        for given, said in (("50", "100 steps taken already"), ("many", "'many' is not a whole number")):
            await fill(pilot, given)
            await until(pilot, lambda said=said: said in words(app))
        await fill(pilot, "1600")
        await at(pilot, "Confirm")
        await until(pilot, lambda: "train.steps from 1000 to 1600" in words(app))
        assert "Resume to step 1600?" in words(app)
        await pilot.press("escape")
        await at(pilot, "Form")
        await pilot.press("escape", "d")
        await at(pilot, "ResultScreen")
    assert run.config.read_bytes() == before and not run.changes.exists()


async def test_a_run_without_files_says_what_to_press(own_place: Path) -> None:
    run = make_run(own_place / "runs" / "x")
    shutil.rmtree(run.export)
    run.export.mkdir()
    async with result(run) as (app, pilot, _):
        assert "No files were written: the run ended before its export." in screen_text(app)
        assert "e  writes the files of a checkpoint" in screen_text(app)
        await pilot.press("u")
        await until(pilot, lambda: "it has no LoRA in its export" in screen_text(app))
        await pilot.press("e")
        await at(pilot, "Chooser")


async def test_hostile_prompts_and_cards_are_inert_on_the_screen_and_in_what_is_copied(own_place: Path) -> None:
    run = make_run(own_place / "runs" / "x", prompt=f"TOK {HOSTILE}")
    (run.export / "README.md").write_text(f"```python\nfiles = '.'\nprint('{HOSTILE}')\n```\n")
    async with result(run, (120, 36)) as (app, pilot, screen):
        for place in (0, 1, 4, 7, len(screen.lines) - 1):
            screen.query_one("#files").highlighted = place
            await pilot.press("y")
            await at(pilot, "CopyBox")
            assert not set(app.clipboard + screen_text(app)) & {"\x1b", "\x07", "\x9b"}
            await pilot.press("escape")
            await at(pilot, "ResultScreen")
        await pilot.press("g")
        await at(pilot, "Form")
        assert not set(screen_text(app)) & {"\x1b", "\x07", "\x9b"}
        assert app.is_running
