"""The first list: several drafts, taken up, copied, deleted; an old run's answers; the folders used last."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList

from loratui.app import LoratuiApp
from loratui.runs.past_run import PastRun
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from loratui.settings.drafts.undo import Decision
from loratui.settings.recents import recent_sources, remember
from tests.loratui.screens.conftest import (
    SIZES,
    assert_snapshot,
    at,
    fake_run,
    kind_chosen,
    screen_text,
    training,
    until,
)
from trainer.contract.run import queue
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config

Wizard = Callable[..., LoratuiApp]
AGES = {"~/photos/anna": 30, "owner/icons": 3 * 3600 + 5, "/mnt/disk/a/long/way/to/the/pictures/of/bob": 2 * 86400 + 5}


@pytest.fixture
def store(own_place: Path) -> DraftStore:
    """Three drafts, changed at different times."""
    found = DraftStore(own_place / "state")
    for step, (folder, age) in enumerate(AGES.items(), start=1):
        found.begin(Draft())
        found.save(Draft(step=step, values={"dataset.path": folder, "train.rank": step}))
        os.utime(found.path, (time.time() - age, time.time() - age))
    found.leave()
    return found


def runs(place: Path, *names: str) -> None:
    for name in names:
        end = {"type": "end", "status": "completed", "step": 40, "seconds": 1, "files": []}
        run = fake_run(place / "runs" / name, [*training(), end])
        run.config.write_text('name = "dog"\n')
        run.log.touch()


async def test_nothing_is_there_but_two_ways_for_a_first_time_person(wizard: Wizard) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        screen = await at(pilot, "WelcomeScreen")
        assert screen.query_one("#ways", OptionList).option_count == 2
        await pilot.press("d")  # means nothing here
        assert app.screen is screen and "Delete" not in screen_text(app)


@pytest.mark.parametrize("size", SIZES)
async def test_drafts_and_runs_are_offered(store: DraftStore, own_place: Path, size: tuple[int, int]) -> None:
    runs(own_place, "2026-11-22-1000-dog", "2026-11-23-1000-a-run-with-a-long-name-of-its-own")
    os.utime(own_place / "runs" / "2026-11-22-1000-dog" / "config.toml", (1, 1))
    app = LoratuiApp(store=store)
    async with app.run_test(size=size) as pilot:
        await at(pilot, "WelcomeScreen")
        assert_snapshot(app, "welcome-drafts")


async def test_the_draft_that_is_chosen_is_gone_on_with(store: DraftStore) -> None:
    app = LoratuiApp(store=store)
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("down", "enter")
        await at(pilot, "ConceptScreen")
        assert {"dataset.path": "owner/icons", "train.rank": 2}.items() <= app.draft.values.items()
    assert {one.draft.values["train.rank"] for one in store.all().kept} == {1, 2, 3}


async def test_d_deletes_a_draft_after_a_question(store: DraftStore) -> None:
    app = LoratuiApp(store=store)
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("down", "d")
        await at(pilot, "Confirm")
        assert "owner/icons" in screen_text(app)
        await pilot.press("enter")  # the harmless answer is the first
        await at(pilot, "WelcomeScreen")
        assert len(store.all().kept) == 3
        await pilot.press("d", "left", "enter")
        await at(pilot, "WelcomeScreen")
        await until(pilot, lambda: "owner/icons" not in screen_text(app))
        assert [one.draft.values["train.rank"] for one in store.all().kept] == [1, 3]


@pytest.mark.slow
async def test_older_drafts_are_a_line_away(own_place: Path) -> None:
    store = DraftStore(own_place / "state")
    for rank in range(1, 9):
        store.begin(Draft())
        store.save(Draft(step=4, values={"train.rank": rank, "dataset.path": f"folder-{rank}"}))
        os.utime(store.path, (rank, rank))
    store.leave()
    app = LoratuiApp(store=store)
    async with app.run_test() as pilot:
        screen = await at(pilot, "WelcomeScreen")
        ways = screen.query_one("#ways", OptionList)
        ways.highlighted = ways.get_option_index("drafts")
        assert "3 more" in screen_text(app)
        await pilot.press("enter")
        await at(pilot, "Chooser")
        await pilot.press("end", "enter")
        await at(pilot, "SettingsScreen")
        assert app.draft.values["train.rank"] == 1


@pytest.mark.slow
async def test_a_draft_open_in_another_window_is_copied_and_said(store: DraftStore, own_place: Path) -> None:
    other = DraftStore(own_place / "state")
    other.take(store.all().kept[0].key)
    app = LoratuiApp(store=store)
    async with app.run_test(notifications=True) as pilot:
        await at(pilot, "WelcomeScreen")
        assert "open elsewhere" in screen_text(app)
        await pilot.press("d")
        await at(pilot, "Confirm")
        await pilot.press("left", "enter")
        await until(pilot, lambda: "it stays" in screen_text(app))
        await pilot.press("enter")
        await at(pilot, "PicturesScreen")
        await until(pilot, lambda: "go on with a copy" in screen_text(app))
        assert app.store.open_key != other.open_key
    assert len(store.all().kept) == 4


@pytest.mark.slow
@pytest.mark.usefixtures("photos")
async def test_a_draft_that_the_disk_does_not_take_stays_in_hand(own_place: Path) -> None:
    (own_place / "state").write_text("a file")
    app = LoratuiApp(store=DraftStore(own_place / "state"))
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        await pilot.press(*"photos", "enter")
        await kind_chosen(pilot)
        await until(pilot, lambda: screen._report is not None)
        await pilot.press("escape")
        await at(pilot, "WelcomeScreen")
        assert "Go on               photos" in screen_text(app)
        await pilot.press("d")  # there is no file to delete
        assert type(app.screen).__name__ == "WelcomeScreen"
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        assert screen.query_one("#folder", Input).value == "photos"


@pytest.mark.slow
async def test_an_old_runs_answers_open_at_their_step_and_their_notes_are_said(own_place: Path) -> None:
    past = PastRun(Draft(step=4, preset="face", values={"train.rank": 8}), ("one thing", "another"))
    app = LoratuiApp(store=DraftStore(own_place / "state"), past=past)
    async with app.run_test(notifications=True) as pilot:
        await at(pilot, "SettingsScreen")
        await until(pilot, lambda: "one thing (and 1 more note)" in screen_text(app))
        assert [one.draft.values for one in app.store.all().kept] == [{"train.rank": 8}]
        await pilot.press("escape")
        await at(pilot, "PresetScreen")


async def test_the_folders_used_last_are_offered_where_one_is_typed(wizard: Wizard, own_place: Path) -> None:
    (own_place / "photos").mkdir()
    remember("~/gone")
    remember("~/photos")
    app = wizard()
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        await until(pilot, lambda: "Press ↓ to choose one of these folders" in screen_text(app))
        await pilot.press("down")
        await at(pilot, "Chooser")
        assert "~/photos" in screen_text(app) and "~/gone" not in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: screen.draft.values.get("dataset.path") == "~/photos")
        assert screen.query_one("#folder", Input).value == "~/photos"


@pytest.mark.slow
async def test_what_was_looked_at_is_remembered(wizard: Wizard, photos: Path, own_place: Path) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        await pilot.press(*"nowhere", "enter")
        await until(pilot, lambda: "there is no folder" in screen_text(app))
        screen.query_one("#folder", Input).value = "photos"
        await pilot.press("enter")
        await kind_chosen(pilot)
        await until(pilot, lambda: screen._report is not None)
    assert recent_sources() == (str(own_place / "photos"),)


async def test_the_queue_is_a_line(wizard: Wizard, own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    fake_run(own_place / "runs" / "dog", training())
    (own_place / "runs" / "dog" / "config.toml").write_text(dump_config(TrainConfig(name="dog")))
    cat = RunDir(own_place / "runs" / "cat")
    cat.path.mkdir()
    cat.config.write_text(dump_config(TrainConfig(name="cat")))
    lock = RunLock(own_place / "runs" / "dog" / "lock")
    queue.enqueue(cat)
    app = wizard(None)
    async with app.run_test() as pilot:
        welcome = await at(pilot, "WelcomeScreen")
        assert "1 waiting" in screen_text(app)
        ways = welcome.query_one("#ways", OptionList)
        ways.highlighted = ways.get_option_index("queue")
        await pilot.press("enter")
        await at(pilot, "QueueScreen")
        await until(pilot, lambda: "cat" in screen_text(app))
        await pilot.press("escape")
        await at(pilot, "WelcomeScreen")
    lock.release()


async def test_the_runs_are_as_they_are_after_coming_back(store: DraftStore, own_place: Path) -> None:
    """Renamed, deleted and ended meanwhile: from the list of all runs, or by another program."""
    runs(own_place, "2026-11-22-1000-dog", "2026-11-23-1000-cat", "2026-11-24-1000-owl")
    app = LoratuiApp(store=store)
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        assert "cat" in screen_text(app)
        await pilot.press("end", "enter")
        await at(pilot, "RunsScreen")
        (own_place / "runs" / "2026-11-23-1000-cat").rename(own_place / "runs" / "bird")
        shutil.rmtree(own_place / "runs" / "2026-11-24-1000-owl")
        await pilot.press("escape")
        screen = await at(pilot, "WelcomeScreen")
        await until(pilot, lambda: "bird" in screen_text(app) and "cat" not in screen_text(app))
        assert "2 runs: look" in screen_text(app) and "owl" not in screen_text(app)
        ways = screen.query_one("#ways", OptionList)
        assert ways.get_option_at_index(ways.highlighted).id == "runs"


@pytest.mark.parametrize("keys", [("down", "enter"), ("home", "enter")])
async def test_no_decision_of_another_draft_can_be_taken_back(store: DraftStore, keys: tuple[str, ...]) -> None:
    app = LoratuiApp(store=store)
    async with app.run_test() as pilot:
        welcome = await at(pilot, "WelcomeScreen")
        ways = welcome.query_one("#ways", OptionList)
        new = next(n for n in range(ways.option_count) if "new" in str(ways.get_option_at_index(n).id))
        welcome.session.undo.append(Decision.between("Rank of another.", Draft(), Draft(values={"train.rank": 64})))
        if keys[0] == "home":
            ways.highlighted = new
        await pilot.press(*keys[-1:] if keys[0] == "home" else keys)
        await until(pilot, lambda: app.screen is not welcome)
        assert app.screen.session is welcome.session and not welcome.session.undo
        assert app.draft.values.get("train.rank") != 4


async def test_who_leaves_by_ctrl_q_reads_of_the_draft_as_by_escape(wizard: Wizard, chosen: Draft) -> None:
    for keys in (["escape"], ["ctrl+q"], ["f2", "ctrl+q"]):
        app = wizard(chosen)
        async with app.run_test() as pilot:
            await at(pilot, "WelcomeScreen")
            await pilot.press(*keys)
            await until(pilot, lambda app=app: app._exit)
        assert "kept; 'loratui' takes" in str(app.return_value), keys


async def test_lines_of_drafts_have_the_room_that_the_window_has(wizard: Wizard, store: DraftStore) -> None:
    app = wizard()
    app.store = app.session.drafts = store
    async with app.run_test(size=(120, 36)) as pilot:
        await at(pilot, "WelcomeScreen")
        await until(pilot, lambda: "object ·" in screen_text(app))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "object ·" not in screen_text(app))
