"""The pictures full screen and the wall: every key, at both sizes, while the run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui.app import LoratuiApp
from loratui.events.gallery import GalleryPlace
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
from trainer.contract.run.events import EventLog
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir

pytestmark = pytest.mark.slow

BEACH = "a photo of a TOK dog on a beach"
LATE = "a TOK dog as an astronaut"


def draw(run: RunDir, step: int, index: int) -> None:
    """A picture that no other step and prompt gives, and its small copy."""
    from PIL import Image, ImageDraw

    run.samples.mkdir(exist_ok=True)
    picture = Image.new("RGB", (128, 128), (40 + 2 * step, 90 * index, 160))
    ImageDraw.Draw(picture).ellipse((20, 20, 60 + step, 100), fill=(230, 200, 5 * step))
    for name in (f"{step:06d}-{index}.png", f"{step:06d}-{index}.jpg"):
        picture.save(run.samples / name)


@pytest.fixture
def run(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunDir]:
    """A run that trains: two prompts at steps 0, 10 ... 50, one that was added at 30; a terminal with all colours."""
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    places = [(0, step) for step in (10, 20, 40, 50)] + [(1, step) for step in range(0, 60, 10)]
    events = [*training(), *(sample(step, index, BEACH if index else "a photo of a TOK dog") for index, step in places)]
    late = [(2, step) for step in (30, 40, 50)]
    events += [sample(step, index, LATE) for index, step in late]
    run = fake_run(own_place / "runs" / "2026-11-23-1000-dog", events)
    run.config.write_text('[dataset]\ntrigger = "TOK"\ninstance_prompt = "a photo of a TOK dog"\n')
    for index, step in [*places, *late, (0, 0), (0, 30)]:
        draw(run, step, index)
    lock = RunLock(run.lock)
    yield run
    lock.release()


async def gallery(pilot: Pilot[Any], key: str) -> Any:
    """The gallery, opened from the monitor; drawn."""
    await at(pilot, "MonitorScreen")
    await pilot.press(key)
    screen = await at(pilot, "GalleryScreen")
    await seen(pilot, screen)
    return screen


async def seen(pilot: Pilot[Any], screen: Any) -> None:
    """Wait until everything that is to be seen is decoded."""
    from loratui.widgets.thumbnail import Thumbnail

    def decoded() -> bool:
        boxes = [one for one in screen.query(Thumbnail) if one.size.area and one.path is not None]
        return bool(boxes) and all(one.shown for one in boxes)

    await pilot.pause()
    await until(pilot, decoded)
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
async def test_one_picture_and_the_base_models_beside(run: RunDir, size: tuple[int, int]) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        screen = await gallery(pilot, "v")
        assert_snapshot(app, "gallery")
        assert screen.query_one("#gallery-now").path == run.samples / "000050-0.jpg"
        await pilot.press("b")
        await seen(pilot, screen)
        assert screen.query_one("#gallery-base").path == run.samples / "000000-0.jpg"
        assert_snapshot(app, "gallery-base")
        await pilot.press("down", "down")
        await seen(pilot, screen)
        assert "no base: added at step 30" in screen_text(app)
        assert "no picture of the base model" in screen_text(app)
        await pilot.press("b")
        await pilot.pause()
        assert "no picture of the base model" not in screen_text(app)


@pytest.mark.parametrize("size", SIZES)
async def test_the_wall(run: RunDir, size: tuple[int, int]) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        screen = await gallery(pilot, "w")
        assert_snapshot(app, "wall")
        cells = [[cell.place for cell in row] for row in screen.query_one("#gallery-wall")._cells]
        assert len(cells) >= 2
        assert len(cells[0]) >= 3
        assert {row[0].step for row in cells} == {0}
        assert {row[-1].step for row in cells} == {50}
        await pilot.press("left", "left", "down", "down")
        await seen(pilot, screen)
        assert screen.place == GalleryPlace(2, 30)
        assert "▸ step 30 ◂" in screen_text(app)
        assert "▸ 3  a TOK dog as an astronaut · added at step 30" in screen_text(app)
        await pilot.press("left", "enter")
        await pilot.pause()
        assert screen.wall
        assert "no picture was drawn of this prompt at this step" in screen_text(app)
        await pilot.press("right", "enter")
        await seen(pilot, screen)
        assert not screen.wall
        assert screen.query_one("#gallery-now").path == run.samples / "000030-2.jpg"
        await pilot.press("w")
        await pilot.pause()
        assert screen.wall


async def test_the_arrow_keys_go_through_steps_and_prompts(run: RunDir) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await gallery(pilot, "v")
        assert screen.place == GalleryPlace(0, 50)
        for key, place in (
            ("left", GalleryPlace(0, 40)),
            ("left", GalleryPlace(0, 30)),
            ("down", GalleryPlace(1, 30)),
            ("home", GalleryPlace(1, 0)),
            ("left", GalleryPlace(1, 0)),
            ("down", GalleryPlace(2, 30)),  # it was not drawn before
            ("right", GalleryPlace(2, 40)),
            ("up", GalleryPlace(1, 40)),
            ("end", GalleryPlace(1, 50)),
            ("up", GalleryPlace(0, 50)),
            ("up", GalleryPlace(0, 50)),
        ):
            await pilot.press(key)
            assert screen.place == place, key
        await pilot.pause()
        assert "picture 6 of 6 · prompt 1 of 3 · seed 0 · newest" in screen_text(app)
        await pilot.press("f1")
        await at(pilot, "Help")
        await pilot.press("escape")
        await at(pilot, "GalleryScreen")
        await pilot.press("q")
        await at(pilot, "MonitorScreen")


async def test_the_monitors_picture_is_where_the_gallery_starts(run: RunDir) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("down", "left", "left", "v")
        screen = await at(pilot, "GalleryScreen")
        assert screen.place == GalleryPlace(1, 30)
        await pilot.press("escape")
        await at(pilot, "MonitorScreen")


async def test_a_new_picture_is_followed_from_the_newest_and_only_from_there(run: RunDir) -> None:
    app = LoratuiApp(run=run)
    log = EventLog(run.events)

    def drawn(step: int) -> None:
        draw(run, step, 0)
        event = sample(step)
        log.emit(event.pop("type"), **event)

    async with app.run_test() as pilot:
        screen = await gallery(pilot, "v")
        drawn(60)
        await until(
            pilot, lambda: screen.place == GalleryPlace(0, 60) and "step 60  picture 7 of 7" in screen_text(app)
        )
        await pilot.press("left")
        drawn(70)
        await until(pilot, lambda: "picture 6 of 8" in screen_text(app))
        assert screen.place == GalleryPlace(0, 50)
        await pilot.press("w")
        drawn(80)
        await until(pilot, lambda: "picture 6 of 9" in screen_text(app))
        await until(pilot, lambda: "step 80" in screen_text(app))
        log.emit("run", v=1, pid=1, host="h", name="dog", steps=100, resumed_from=30)
        await until(pilot, lambda: screen.place == GalleryPlace(0, 30))  # what was undone is gone
    log.close()


async def test_the_path_is_shown_and_goes_to_the_clipboard(run: RunDir) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await gallery(pilot, "v")
        path = "~/runs/2026-11-23-1000-dog/samples/000050-0.png"
        assert path in screen_text(app)
        await pilot.press("y")
        await pilot.pause()
        assert app.clipboard == path
        assert f"sent to the clipboard: {path}" in screen_text(app)


async def test_a_click_moves_the_cursor_and_a_second_one_opens(run: RunDir) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await gallery(pilot, "w")
        cell = screen.query_one("#gallery-wall")._cells[1][0]
        await pilot.click(cell)
        assert (screen.place, screen.wall) == (cell.place, True)
        await pilot.click(cell)
        assert (screen.place, screen.wall) == (cell.place, False)


async def test_resizing_to_nothing_and_back_in_both_views(run: RunDir) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await gallery(pilot, "w")
        for key in ("w", "b"):
            for size in ((1, 1), (30, 8), (160, 50), (24, 5), (80, 24)):
                await pilot.resize_terminal(*size)
                await pilot.pause()
            await pilot.press(key)
        await seen(pilot, screen)
        assert "base model                                step 50" in screen_text(app)


async def test_few_colours_are_said_in_words(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "")
    monkeypatch.setenv("TERM", "xterm")
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await gallery(pilot, "v")
        assert "in 16 colours; where the terminal has more: export COLORTERM=truecolor" in screen_text(app)
        await pilot.press("w")
        wall = screen.query_one("#gallery-wall")
        await until(pilot, lambda: len(wall._cells) == 2)  # the line takes no row of pictures
    monkeypatch.setenv("NO_COLOR", "1")
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await gallery(pilot, "v")
        assert "in grey: NO_COLOR is set" in screen_text(app)
        drawn = screen.query_one("#gallery-now").region
        strip = screen._compositor.render_strips()[drawn.y + drawn.height // 2]
        colours = {one.style.color.triplet for one in strip if one.style and one.style.color and "▀" in one.text}
        assert len(colours) > 1  # shades, not one grey
        assert all(len(set(colour)) == 1 for colour in colours)


async def test_hostile_prompts_paths_and_pictures_are_inert(own_place: Path) -> None:
    outside = own_place / "secret.png"
    outside.write_bytes(b"\x89PNG\r\n\x1a\n")
    events = [
        *training(steps=5),
        sample(5, 0, HOSTILE),
        {
            "type": "sample",
            "step": 5,
            "index": 7,
            "prompt": HOSTILE,
            "path": "../../secret.png",
            "thumb": "../x\x1b[2J",
        },
    ]
    run = fake_run(own_place / "runs" / "x", events)
    run.samples.mkdir()
    (run.samples / "000005-0.jpg").write_bytes(b"\xff\xd8\xff" + b"\x1b[31m" * 100)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        for key in ("v", "down", "b", "y", "w", "up", "enter", "left"):
            await pilot.press(key)
            await pilot.pause()
            assert not set(screen_text(app)) & {"\x1b", "\x07", "\x9b"}, key
            assert not set(app.clipboard) & {"\x1b", "\x07", "\x9b"}
        assert "secret" not in screen_text(app) + app.clipboard
        assert app.is_running
