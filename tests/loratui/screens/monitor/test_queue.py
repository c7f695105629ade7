"""The queue on the screen: what it shows, what each key does to it, and how one gets there and away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from loratui.app import LoratuiApp
from loratui.runs import launch
from loratui.screens.monitor.queue import QueueScreen
from loratui.settings.demo import SMALL_SIZE
from loratui.settings.drafts.draft import Draft
from tests.loratui.screens.conftest import HOSTILE, SIZES, assert_snapshot, at, fake_run, screen_text, training, until
from tests.loratui.screens.wizard.test_review import review
from trainer.contract.run import queue
from trainer.contract.run.events import EventLog
from trainer.contract.run.lock import RunLock
from trainer.contract.run.queue import waiting
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config, nested

pytestmark = pytest.mark.slow
Wizard = Callable[..., LoratuiApp]
NAMES = ("cat", "fox", "owl")
REFUSED = "no = 'settings of a run'\n"  # the trainer says so and ends, before it loads anything


@pytest.fixture
def root(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run at step 40 of 100, and three that wait."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # one place for a run, whatever the machine has
    folder = own_place / "runs"
    dog = fake_run(folder / "2026-11-23-1000-dog", training())
    dog.config.write_text(dump_config(TrainConfig(name="dog")))
    for number, name in enumerate(NAMES):
        run = RunDir(folder / f"2026-11-23-110{number}-{name}")
        run.path.mkdir()
        run.config.write_text(dump_config(TrainConfig.model_validate(nested({"name": name, "train.steps": 800}))))
        queue.write(replace(queue.enqueue(run), since=1795428000.0 + 60 * number))
    return folder


@pytest.fixture
def trains(root: Path) -> Iterator[RunLock]:
    """The dog's trainer holds its lock."""
    lock = RunLock(dog_of(root).lock)
    yield lock
    if lock._descriptor >= 0:
        end(lock)


def end(lock: RunLock) -> None:
    lock.release()
    lock._descriptor = -1


def dog_of(root: Path) -> RunDir:
    return RunDir(root / "2026-11-23-1000-dog")


def order(root: Path) -> list[str]:
    return [one.run.path.name.rpartition("-")[2] for one in waiting(root)]


async def opened(pilot: Pilot[Any], root: Path) -> tuple[QueueScreen, list[RunDir | None]]:
    await at(pilot, "WelcomeScreen")
    answers: list[RunDir | None] = []
    pilot.app.push_screen(QueueScreen(root), answers.append)
    screen = await at(pilot, "QueueScreen")
    await until(pilot, lambda: screen.rows is not None)
    await pilot.pause()
    return screen, answers


async def press_on(pilot: Pilot[Any], screen: QueueScreen, row: int, *keys: str) -> None:
    screen.query_one("#queue-list", OptionList).highlighted = row
    await pilot.pause()
    await pilot.press(*keys)
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
async def test_what_trains_and_what_waits(wizard: Wizard, root: Path, trains: RunLock, size: tuple[int, int]) -> None:
    app = wizard()
    async with app.run_test(size=size) as pilot:
        screen, _ = await opened(pilot, root)
        await press_on(pilot, screen, 2)
        assert_snapshot(app, "queue")


@pytest.mark.parametrize(
    ("row", "keys", "after"),
    [
        (2, ["u"], ["fox", "cat", "owl"]),
        (2, ["d"], ["cat", "owl", "fox"]),
        (3, ["shift+up", "shift+up"], ["owl", "cat", "fox"]),
        (1, ["shift+down"], ["fox", "cat", "owl"]),
        (3, ["f"], ["owl", "cat", "fox"]),
        (1, ["u"], ["cat", "fox", "owl"]),
        (3, ["d"], ["cat", "fox", "owl"]),
        (0, ["d", "f", "u", "c"], ["cat", "fox", "owl"]),  # what trains can only be watched
    ],
)
async def test_keys_move_the_run_under_the_cursor_and_the_cursor_with_it(
    wizard: Wizard, root: Path, trains: RunLock, row: int, keys: list[str], after: list[str]
) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        screen, _ = await opened(pilot, root)
        await press_on(pilot, screen, row)
        chosen = screen.chosen
        await press_on(pilot, screen, row, *keys)
        assert order(root) == after
        assert screen.chosen is not None and chosen is not None and screen.chosen.run == chosen.run
        assert type(app.screen).__name__ == "QueueScreen"


@pytest.mark.parametrize("key", ["c", "delete"])
async def test_cancelling_asks_and_keeps_the_folder(wizard: Wizard, root: Path, trains: RunLock, key: str) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        screen, _ = await opened(pilot, root)
        await press_on(pilot, screen, 2, key)
        await at(pilot, "Confirm")
        assert "Its folder stays" in screen_text(app)
        await pilot.press("enter")  # the harmless answer
        await at(pilot, "QueueScreen")
        assert order(root) == ["cat", "fox", "owl"]
        await press_on(pilot, screen, 2, key)
        await at(pilot, "Confirm")
        await pilot.press("left", "enter")
        await at(pilot, "QueueScreen")
        assert order(root) == ["cat", "owl"]
        assert (
            "fox is out of the queue" in screen_text(app) and "1101-fox" not in screen_text(app).partition("fox is")[0]
        )
        assert (root / "2026-11-23-1101-fox" / "config.toml").exists()


async def test_enter_watches_and_q_goes_back(wizard: Wizard, root: Path, trains: RunLock) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        for keys, answer in ((["enter"], dog_of(root)), (["q"], None), (["escape"], None)):
            _, answers = await opened(pilot, root)
            await pilot.press(*keys)
            await at(pilot, "WelcomeScreen")
            assert answers == [answer]
        screen, answers = await opened(pilot, root)
        await pilot.press("f1")
        await at(pilot, "Help")
        assert "the trainer that ends starts" in screen_text(app)
        await pilot.press("escape")
        await at(pilot, "QueueScreen")
        await press_on(pilot, screen, 3, "enter")
        await at(pilot, "WelcomeScreen")
        assert answers == [RunDir(root / "2026-11-23-1102-owl")]


async def test_a_run_that_will_not_start_by_itself_says_why(wizard: Wizard, root: Path, trains: RunLock) -> None:
    stuck, wide, _ = waiting(root)
    queue.write(replace(stuck, tries=queue.MOST_TRIES))
    queue.write(replace(wide, gpus=4))
    app = wizard()
    async with app.run_test(size=(120, 36)) as pilot:
        screen, _ = await opened(pilot, root)
        await press_on(pilot, screen, 1)
        assert "! 1." in screen_text(app) and "did not start in 3 tries: see its trainer.log" in screen_text(app)
        await pilot.press("r")
        await pilot.pause()
        again = queue.entry_of(stuck.run)
        assert again is not None and not again.stuck and order(root) == ["fox", "owl", "cat"]
        await press_on(pilot, screen, 1)
        assert "asks for 4 GPUs, this machine shows 0" in screen_text(app)


async def test_hostile_names_are_shown_and_never_obeyed(wizard: Wizard, root: Path, trains: RunLock) -> None:
    for one in waiting(root):
        one.run.config.write_text(f"name = {json.dumps(HOSTILE)}\n[train]\nsteps = 5\n")
        one.run.path.rename(one.run.path.with_name(HOSTILE.replace("/", "") + one.run.path.name[-3:]))
    app = wizard()
    async with app.run_test(size=(120, 36)) as pilot:
        screen, _ = await opened(pilot, root)
        await press_on(pilot, screen, 1, "d", "c")
        await at(pilot, "Confirm")
        shown = screen_text(app)
        await pilot.press("escape")
        shown += screen_text(app)
    assert "␛]52" in shown and not set(shown) & set("\x1b\x07\x9b")
    app = LoratuiApp(run=dog_of(root))
    async with app.run_test(size=(120, 36)) as pilot:
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: "3 wait, next is ␛]52" in screen_text(app))
        assert "\x1b" not in screen_text(app)


async def test_an_empty_queue_says_how_runs_come_into_it(wizard: Wizard, own_place: Path) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        await opened(pilot, own_place / "runs")
        assert "nothing trains, nothing waits" in screen_text(app)
        assert "loratui replay ANSWERS --queue" in screen_text(app)
        await pilot.press("enter", "f", "c", "d")
        assert type(app.screen).__name__ == "QueueScreen"


async def test_whoever_looks_starts_the_next_when_the_gpu_is_free(wizard: Wizard, root: Path, trains: RunLock) -> None:
    first = waiting(root)[0].run
    first.config.write_text(REFUSED)
    app = wizard()
    async with app.run_test() as pilot:
        await opened(pilot, root)
        for later in waiting(root)[1:]:
            queue.cancel(later.run)
        assert not first.log.exists()
        end(trains)
        await until(pilot, lambda: "cat starts now" in screen_text(app))
        await until(pilot, lambda: not first.queued.exists())  # a real trainer, which refused
        assert "config.toml" in first.log.read_text()


async def test_opening_the_wizard_starts_what_waits_where_nothing_trains(wizard: Wizard, root: Path) -> None:
    """After a power cut: nobody is there who could have gone on."""
    first, *others = waiting(root)
    first.run.config.write_text(REFUSED)
    for one in others:
        queue.cancel(one.run)
    async with wizard().run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await until(pilot, lambda: not first.run.queued.exists())
    assert "config.toml" in first.run.log.read_text()


# -- the monitor ------------------------------------------------------------------------------------------------------


def line(app: LoratuiApp) -> str:
    return next((one for one in screen_text(app).splitlines() if one.startswith(" ○")), "")


@pytest.mark.parametrize("size", SIZES)
async def test_the_monitor_of_a_queued_run_says_what_it_waits_for(
    root: Path, trains: RunLock, size: tuple[int, int]
) -> None:
    app = LoratuiApp(run=RunDir(root / "2026-11-23-1101-fox"))
    async with app.run_test(size=size) as pilot:
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: "place 2 in the queue; 2026-11-23-1000-dog trains now" in screen_text(app))
        await pilot.pause()
        assert_snapshot(app, "monitor-queued")
        await pilot.press("s", "c", "p", "x")  # there is no trainer to be asked
        assert type(app.screen).__name__ == "MonitorScreen" and not (root / "2026-11-23-1101-fox" / "control").exists()
        queue.cancel(RunDir(root / "2026-11-23-1101-fox"))
        await until(pilot, lambda: "○ new" in screen_text(app))
        await pilot.press("q")
    assert app.return_value is not None and "was never started" in app.return_value


async def test_the_monitor_leads_to_the_queue_and_to_another_run(root: Path, trains: RunLock) -> None:
    app = LoratuiApp(run=dog_of(root))
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: "3 wait, next is 2026-11-23-1100-cat · n shows the queue" in line(app))
        await pilot.press("x")
        await at(pilot, "Confirm")
        assert "The queue goes on with 2026-11-23-1100-cat." in screen_text(app)
        await pilot.press("escape", "n")
        screen = await at(pilot, "QueueScreen")
        await until(pilot, lambda: screen.rows is not None)
        await pilot.press("q")
        await at(pilot, "MonitorScreen")
        await pilot.press("n")
        screen = await at(pilot, "QueueScreen")
        await until(pilot, lambda: screen.rows is not None)
        await press_on(pilot, screen, 2, "enter")
        await until(pilot, lambda: "2026-11-23-1101-fox" in screen_text(app).splitlines()[0])
        await until(pilot, lambda: "place 2 in the queue" in screen_text(app))


async def test_the_monitor_of_a_run_that_ended_offers_the_one_that_went_on(root: Path, trains: RunLock) -> None:
    app = LoratuiApp(run=dog_of(root))
    cat = waiting(root)[0].run
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: "3 wait" in line(app))
        lock = RunLock(cat.lock)  # as the next trainer does, a moment after
        queue.leave(cat)
        log = EventLog(dog_of(root).events)
        log.emit("end", status="completed", step=100, seconds=50.0, files=[])
        log.close()
        end(trains)
        await until(pilot, lambda: "1100-cat trains now · 2 wait, next is 2026-11-23-1101-fox" in screen_text(app))
        await pilot.press("n")
        screen = await at(pilot, "QueueScreen")
        await until(pilot, lambda: screen.rows is not None)
        await pilot.press("enter")
        await until(pilot, lambda: "2026-11-23-1100-cat" in screen_text(app).splitlines()[0])
        lock.release()


async def test_without_a_queue_the_monitor_has_neither_line_nor_key(own_place: Path) -> None:
    run = fake_run(own_place / "runs" / "2026-11-23-1000-dog", training())
    lock = RunLock(run.lock)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("n")
        await pilot.pause()
        assert type(app.screen).__name__ == "MonitorScreen" and "Queue" not in screen_text(app)
    lock.release()


# -- the review -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [["enter"], ["down", "enter"]])
async def test_f2_asks_while_another_run_trains_whether_to_wait_or_to_start_beside_it(
    wizard: Wizard, chosen: Draft, root: Path, trains: RunLock, keys: list[str]
) -> None:
    here = chosen.with_settings(dict(SMALL_SIZE)).with_fields(step=5, preset="object")
    before = set(launch._children)  # of tests before this one, which may not be waited for yet
    app = wizard(here)  # its base model need not be fetched
    async with app.run_test() as pilot:
        plan = await review(pilot)
        await pilot.press("f2")
        await at(pilot, "Chooser")
        assert "Queue it   It starts after 1 run in training and 3 waiting." in screen_text(app)
        await pilot.press("escape")
        await at(pilot, "ReviewScreen")
        assert len(waiting(root)) == 3 and len(list(root.iterdir())) == 5  # four runs and the queue's lock
        await pilot.press("f2")
        await at(pilot, "Chooser")
        await pilot.press(*keys)
        await at(pilot, "MonitorScreen")
        plan._answered()  # the hub may answer only now, when what it was asked for is taken away
        assert not app.store.path.exists()  # the draft became the run
    if "down" in keys:
        (started,) = launch._children.keys() - before
        (child := launch._children.pop(started)).kill()
        assert child.wait() and len(waiting(root)) == 3
    else:
        new = waiting(root)[3].run
        assert 'path = "photos"' in new.answers.read_text() and not new.log.exists()
        assert json.loads(new.queued.read_text())["folder"] == str(Path.cwd())
