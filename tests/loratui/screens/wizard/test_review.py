"""The plan: nothing starts while something is wrong, and the person reads why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from loratui.app import LoratuiApp
from loratui.runs import launch
from loratui.screens.shared.palette import commands_of
from loratui.screens.shared.slurm_choice import OPTIONS, wrong_options
from loratui.screens.wizard.machine import gpu_commands
from loratui.settings.drafts.draft import Draft
from tests.loratui.screens.conftest import at, screen_text, until
from trainer.contract.settings.config import load_config

Wizard = Callable[..., LoratuiApp]


@pytest.fixture
def ready(chosen: Draft) -> Draft:
    return chosen.with_fields(step=5, preset="object")


async def review(pilot: Pilot[Any]) -> Any:
    """The review with its plan made, or its reason shown."""
    await at(pilot, "WelcomeScreen")
    await pilot.press("enter")
    screen = await at(pilot, "ReviewScreen")
    await until(pilot, lambda: (screen._plan is not None and not screen._asking) or screen._reason)
    await pilot.pause()
    return screen


async def test_the_plan_is_laid_out_for_the_window_as_it_is(wizard: Wizard, ready: Draft) -> None:
    """And not for the one that was there when the plan was made."""
    app = wizard(ready)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await review(pilot)

        def longest() -> int:
            return max(len(line) for line in str(screen.query_one("#plan-static", Static).content).splitlines())

        assert longest() > 80
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: longest() <= 71)
        await pilot.resize_terminal(120, 36)
        await until(pilot, lambda: longest() > 80)


@pytest.mark.slow
async def test_a_bad_name_stops_the_start(wizard: Wizard, ready: Draft) -> None:
    app = wizard(ready)
    async with app.run_test() as pilot:
        screen = await review(pilot)
        screen.query_one("#name", Input).value = "my dog!"
        await until(pilot, lambda: "only letters, digits" in screen_text(app))
        await pilot.press("f2")
        await pilot.pause()
        assert type(app.screen).__name__ == "ReviewScreen"
    assert not Path("runs").exists()


async def test_a_base_model_that_is_not_sdxl_is_said(wizard: Wizard, ready: Draft) -> None:
    Path("other").mkdir()
    Path("other/model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    app = wizard(ready.with_settings({"model.base": "./other"}))
    async with app.run_test(size=(120, 36)) as pilot:
        await review(pilot)
        assert "not a StableDiffusionXLPipeline" in screen_text(app)
        await pilot.press("f2")
        assert type(app.screen).__name__ == "ReviewScreen"


@pytest.mark.slow
async def test_class_pictures_need_a_class(wizard: Wizard, ready: Draft) -> None:
    own = {"prior.enabled": True, "prior.path": str(Path("photos").absolute())}
    for word, shown in (("", "nothing says what the class pictures"), ("dog", "trained as 'a photo of a dog'")):
        app = wizard(ready.with_settings({**own, "dataset.class_word": word}))
        async with app.run_test(size=(140, 90)) as pilot:
            await review(pilot)
            assert shown in screen_text(app)
            await pilot.press("f2")
            await pilot.pause()
            assert word or type(app.screen).__name__ == "ReviewScreen"


async def test_an_output_folder_that_cannot_be_made_is_said(wizard: Wizard, ready: Draft) -> None:
    Path("taken").write_text("a file")
    app = wizard(ready)
    async with app.run_test() as pilot:
        screen = await review(pilot)
        screen.query_one("#out", Input).value = "taken"
        await pilot.press("f2")
        await until(pilot, lambda: "'taken' is a file" in screen_text(app) or "taken' is a file" in screen_text(app))
        assert app.store.load().draft.out == "taken"


async def test_where_no_folder_can_be_made_the_plan_says_so_and_the_field_solves_it(
    wizard: Wizard, ready: Draft, loratui: Callable[..., Any], own_place: Path
) -> None:
    """What the review says, `plan` says, and neither calls ready what would not start."""
    Path("runs").write_text("in the way")
    app = wizard(ready)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await review(pilot)
        assert screen._plan.errors and "runs: it is a file" in " ".join(screen_text(app).split())
        assert "another folder for the run" in screen._plan.errors[0] and "It cannot start" in screen_text(app)
        line = screen.query_one("#out", Input)
        line.value = "elsewhere/first"
        await until(pilot, lambda: screen._plan is not None and not screen._plan.errors)
        line.value = "runs/first"  # below the same file
        await until(pilot, lambda: screen._plan is not None and bool(screen._plan.errors))
    small = ("--set", "model.base=sdxl-small", "--set", "train.resolution=64", "--set", "train.precision=fp32")
    assert loratui("init", "photos", *small, cwd=own_place).returncode == 0
    told = loratui("plan", "answers.toml", cwd=own_place)
    assert told.returncode == 2 and "runs: it is a file; choose another folder" in " ".join(told.stdout.split())
    Path("runs").rename("not in the way")
    assert loratui("plan", "answers.toml", cwd=own_place).returncode == 0


async def test_pictures_that_went_away_are_said(wizard: Wizard, ready: Draft) -> None:
    app = wizard(ready.with_settings({"dataset.path": "gone"}))
    async with app.run_test() as pilot:
        screen = await review(pilot)
        assert "there is no folder" in screen._reason
        await pilot.press("f2")
        assert type(app.screen).__name__ == "ReviewScreen"


@pytest.fixture
def trainers() -> Iterator[None]:
    """Ends every trainer that the test started."""
    yield
    for child in launch._children.values():
        child.kill()
        child.wait()


async def test_s_leads_to_the_first_finding(wizard: Wizard, ready: Draft) -> None:
    Path("photos/dog_3.txt").write_text("a dog without its word")
    app = wizard(ready)
    async with app.run_test() as pilot:
        await review(pilot)
        await pilot.press("s")
        screen = await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen.row is not None)
        assert screen.row.code == "trigger-missing"
        assert "End" not in {one.title for one in commands_of(screen)}  # of a job that does not run


@pytest.mark.slow
async def test_warnings_are_asked_about_and_noted(wizard: Wizard, ready: Draft, trainers: None) -> None:
    Path("photos/dog_3.txt").write_text("a dog without its word")
    app = wizard(ready)
    async with app.run_test() as pilot:
        await review(pilot)
        await pilot.press("f2")
        await at(pilot, "Confirm")
        assert "dog_3.png" in screen_text(app)
        await pilot.press("enter")
        watched = await at(pilot, "MonitorScreen")
        await pilot.press("escape")
        listed = await at(pilot, "RunsScreen")  # its draft is a run now
        await until(pilot, lambda: listed.current == watched.run_dir)
        await pilot.press("escape")
        assert "Go on  " not in screen_text(app)
    (answers,) = Path("runs").glob("*/answers.toml")
    text = answers.read_text()
    assert ":dog_3.png" in text
    assert 'path = "photos"' in text  # as typed
    assert load_config(answers.with_name("config.toml")).train.steps == 500  # 100 x 5 pictures
    assert app.store.all().kept == ()


@pytest.mark.slow
async def test_a_machine_with_several_gpus_may_share_the_run(
    wizard: Wizard, ready: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    app = wizard(ready.with_settings({"train.batch": 4}))
    async with app.run_test(size=(120, 50)) as pilot:
        screen = await review(pilot)
        assert list(gpu_commands(screen)) == [], "nothing is offered where there is one"
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
        (command,) = gpu_commands(screen)
        for key, said in (("down", "each takes 2 of a batch of 4"), ("down", "3 processes cannot share a step of bat")):
            command.callback()
            await at(pilot, "Chooser")
            await pilot.press(key, "enter")
            await at(pilot, "ReviewScreen")
            screen.query_one("#plan").scroll_end(animate=False)
            await until(pilot, lambda said=said: said in plan_text(screen))  # type: ignore[misc]
        assert screen._plan.errors


def plan_text(screen: Any) -> str:
    """All of the plan, also what is scrolled away."""
    rows = [f"{row.label} {row.value} {row.note}" for section in screen._plan.sections for row in section.rows]
    return "\n".join([*rows, *screen._plan.errors])


async def test_without_a_cluster_nothing_is_seen_of_one(wizard: Wizard, ready: Draft) -> None:
    app = wizard(ready)
    async with app.run_test(size=(160, 40)) as pilot:
        screen = await review(pilot)
        assert "Slurm" not in screen_text(app) and not screen.has_slurm
        await pilot.press("f9")
        await pilot.pause()
        assert app.screen is screen
        await pilot.press("f1")
        await at(pilot, "Help")
        assert "Slurm" not in screen_text(app)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("partition=gpu time=4:00:00 exclusive", ""),
        ("comment='two words'", ""),
        ("comment='two", "A quotation mark is not closed."),
        ("output=x", "output: loratui sets that one itself"),
    ],
)
def test_options_of_sbatch_are_read_as_a_shell_would(typed: str, said: str) -> None:
    assert wrong_options({OPTIONS: typed}) == said
