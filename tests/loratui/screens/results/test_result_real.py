"""The result screen on a run that was really trained: its exports and pictures are those of the commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui.app import LoratuiApp
from loratui.runs.find import resumable_steps, run_info
from loratui.screens.results.runs import RunsScreen
from tests.loratui.conftest import ROOT
from tests.loratui.screens.conftest import at, screen_text, until
from tests.loratui.screens.results.test_result import fill
from tests.trainer.conftest import MEASURED, draw_dataset, make_config, make_run
from tests.warm.fixtures import WarmServers
from trainer.contract.run.changes import read_changes
from trainer.contract.run.rundir import RunDir

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_trainer")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, warm_servers: WarmServers) -> RunDir:
    """Four steps on the small SDXL, one picture held out."""
    folder = tmp_path_factory.mktemp("real")
    config = make_config(
        draw_dataset(folder / "pictures"),
        train__steps=4,
        train__batch=14,  # enough between two checkpoints for both to be measured
        train__sample_every=2,
        dataset__hold_out=1,
        prodigy__d0=1e-3,
        **MEASURED,
    )
    run = make_run(folder / "run", config)
    with warm_servers.active():
        program(folder, "trainer", str(run.config))
    return run


def program(folder: Path, *words: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr


async def opened(pilot: Pilot[Any]) -> Any:
    await at(pilot, "MonitorScreen")
    await pilot.press("enter")
    return await at(pilot, "ResultScreen")


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_another_step_is_exported_as_the_command_does_it(trained: RunDir, tmp_path: Path) -> None:
    program(tmp_path, "trainer.export", "--checkpoint=2", f"--out={tmp_path / 'shell'}", str(trained.path))
    app = LoratuiApp(run=trained)
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press("e", "down", "enter")
        await at(pilot, "Form")
        await pilot.press("enter")
        await until(pilot, lambda: "✓ 7 files exported into export-step-000002/ of this run." in screen_text(app), 240)
    made = trained.path / "export-step-000002"
    names = files_in(made)
    assert names == files_in(tmp_path / "shell")
    lora = "diffusers/pytorch_lora_weights.safetensors"
    assert {"toy.safetensors", "toy_emb.safetensors", "toy.json", "toy.png", lora, "README.md"} < set(names)
    for name in names:
        assert (made / name).read_bytes() == (tmp_path / "shell" / name).read_bytes(), name
    assert (made / "toy.safetensors").read_bytes() != (trained.export / "toy.safetensors").read_bytes()
    # the card shows the pictures of its own step
    assert (made / "sample-0.png").read_bytes() == trained.sample(2, 0).read_bytes()


async def test_a_picture_is_generated_and_shown(trained: RunDir) -> None:
    app = LoratuiApp(run=trained)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await pilot.press("g")
        await at(pilot, "Form")
        await fill(pilot, "a TOK star", "0", "1", "2", "", "no")
        await until(pilot, lambda: type(app.screen).__name__ == "GeneratedScreen", 240)
        await until(pilot, lambda: app.screen.query_one("#made").shown)
        assert "1 of 2 · a TOK star · seed 0 · scale 1 · finished files" in screen_text(app)
        await pilot.press("right", "right")
        assert "1 of 2" in screen_text(app)
        await pilot.press("left", "y")
        await at(pilot, "CopyBox")
        assert app.clipboard.endswith("/generated/final-scale-1/a-TOK-star-1.png")
        await pilot.press("escape", "escape")
        assert await at(pilot, "ResultScreen") is screen
        assert "✓ 2 pictures in generated/final-scale-1/ of this run." in screen_text(app)
    made = trained.path / "generated" / "final-scale-1"
    # the same prompt, seed and files as the run's own last picture
    assert (made / "a-TOK-star-0.png").read_bytes() == trained.sample(4, 0).read_bytes()
    assert (made / "a-TOK-star-1.png").read_bytes() != trained.sample(4, 0).read_bytes()


async def test_a_run_is_made_longer_and_watched(trained: RunDir, tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    shutil.copytree(trained.path, run.path)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press("l")
        await at(pilot, "Form")
        await fill(pilot, "6")
        await at(pilot, "Confirm")
        await until(pilot, lambda: "The pivot stays after step 2." in screen_text(app))
        await pilot.press("enter")
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: run_info(run).step == 6 and run_info(run).state == "completed", 240)
    assert run_info(run).steps == 6 and resumable_steps(run)[-1] == 6
    assert [one.key for one in read_changes(run)] == ["train.steps", "pivotal.fraction"]


@pytest.mark.parametrize("place", ["ResultScreen", "MonitorScreen", "RunsScreen"])
async def test_o_goes_on_with_a_run_that_was_stopped(trained: RunDir, tmp_path: Path, place: str) -> None:
    """From each screen that shows it: the steps that are left, and the files."""
    run = RunDir(tmp_path / "runs" / "2026-01-01-1000-toy")
    shutil.copytree(trained.path, run.path)
    shutil.rmtree(run.export)
    shutil.rmtree(run.checkpoint(4))
    events = [json.loads(line) for line in run.events.read_text().splitlines()]
    kept = [one for one in events if one["type"] != "end" and (one.get("step") or 0) <= 2 and one.get("done") != 4]
    kept.append({**events[-1], "status": "stopped", "step": 2, "files": []})
    run.events.write_text("".join(json.dumps(one) + "\n" for one in kept))
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await at(pilot, "MonitorScreen")
        if place == "ResultScreen":
            screen = await opened(pilot)
        elif place == "RunsScreen":
            screen = RunsScreen(run.path.parent)
            app.push_screen(screen)
            await at(pilot, "RunsScreen")
            await until(pilot, lambda: "1 run." in screen_text(app))
        assert "■ stopped" in screen_text(app)
        await pilot.press("o")
        await at(pilot, "Confirm")
        assert "It resumes from its checkpoint of step 2, to step 4" in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: run_info(run).state == "completed", 240)
        if place != "RunsScreen":
            await at(pilot, "MonitorScreen")
            await until(pilot, lambda: "✓ completed" in screen_text(app))
            await pilot.press("o")  # there is nothing to go on with
            assert type(app.screen).__name__ == "MonitorScreen"
    assert run.export.is_dir() and run_info(run).step == 4


def test_the_checkpoints_are_listed_with_what_was_measured(trained: RunDir, loratui: Any) -> None:
    done = loratui("checkpoints", trained.path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["step", "loss", "norm", "views"]
    assert [line.removeprefix("*").split()[0] for line in lines[1:4]] == ["0", "2", "4"]
    assert [line.removeprefix("*").split()[3] for line in lines[1:4]] == ["0.0", "7.0", "14.0"]
    assert "loss at fixed noise: held-out pictures, 8 draws" in lines[4]
    assert "A hint, not a verdict: look at the pictures." in lines or "nothing to compare" in done.stdout
