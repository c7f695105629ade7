"""The app without a terminal: pictures drawn on the spot, a home of its own, screens as readable text."""

from __future__ import annotations

import io
import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot

from loratui.app import LoratuiApp
from loratui.errors import Refusal
from loratui.planning.hardware import Machine
from loratui.screens.shared.session import Session
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from tests.warm.fixtures import WarmServers
from trainer.contract.run.rundir import RunDir

SNAPSHOTS = Path(__file__).with_name("snapshots")
SIZES = [(80, 24), (120, 36)]
HOSTILE = "\x1b]52;c;aGk=\x07\x1b[31m[@click=app.quit()]x[/] [b]y\x9b2J"


@pytest.fixture(autouse=True)
def own_starts(warm_servers: WarmServers) -> Iterator[None]:
    """No screen waits for a server that has to load torch; a test that trains asks for `warm_trainer`."""
    with warm_servers.active(lazy=("loratui",)):
        yield


def no_cluster() -> None:
    """Screens have no key for a cluster that the machine of the tests may belong to."""
    raise Refusal("--slurm: this is no login node")


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Nothing of the developer's home; a working folder of its own; one time zone."""
    monkeypatch.setenv("HOME", str(tmp_path))  # paths are then shown with ~, the same on every machine
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    # its library reads that once a process: else the plan names the folder of whichever test came first
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "xdg_cache_home/huggingface/hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # no hub answers, wherever the tests run
    for name, kept in (("_refused", {}), ("_silent", {}), ("_asked", set())):  # what this process was told before
        monkeypatch.setattr(f"loratui.basemodels.hub.{name}", kept)
    monkeypatch.setattr("loratui.runs.slurm_submit.refuse_without_slurm", no_cluster)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    monkeypatch.undo()
    time.tzset()


LOOKS = {  # seconds between two looks: nobody waits here for the next, which a person hardly notices
    "monitor.monitor.PULL": 0.1,
    "monitor.chart.LOOK": 0.1,
    "monitor.gallery.LOOK": 0.1,
    "monitor.queue.LOOK": 0.1,
    "results.runs.LOOK": 0.2,
}


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The screens look at their runs ten times as often."""
    for name, seconds in LOOKS.items():
        monkeypatch.setattr(f"loratui.screens.{name}", seconds)
    monkeypatch.setattr("loratui.widgets.queueline.LOOK", 0.2)
    monkeypatch.setattr("loratui.screens.shared.base_model.REST", 0.1)


_sheets: dict[tuple[Any, ...], Any] = {}
_parse = Stylesheet._parse_rules


@pytest.fixture(autouse=True)
def sheets_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same styles are read by the first app that has them, as in one app by the first widget of a kind."""

    def known(self: Stylesheet, css: str, *more: Any, **named: Any) -> Any:
        key = (css, more, *named.items(), *self._variables.items())
        if key not in _sheets:
            _sheets[key] = _parse(self, css, *more, **named)
        return _sheets[key]

    monkeypatch.setattr(Stylesheet, "_parse_rules", known)


@pytest.fixture(autouse=True)
def own_measures(one_measure: None) -> None:
    """Most screens show the same pictures."""


@pytest.fixture
def photos(own_place: Path) -> Path:
    """Five pictures: four with a caption, one without; relative, as a person would type it."""
    folder = Path("photos")
    folder.mkdir()
    for index in range(5):
        draw_photo(folder / f"dog_{index}.png", index)
        if index < 4:
            (folder / f"dog_{index}.txt").write_text(f"a TOK dog, picture {index}")
    return folder


@cache
def _drawn(number: int, size: tuple[int, int]) -> bytes:
    """Sharp shapes in colours of their own on a fine grain: nothing wrong with it, and like no other number."""
    from PIL import Image, ImageChops, ImageDraw

    draws = random.Random(number)
    picture = Image.new("RGB", size, tuple(draws.randrange(256) for _ in range(3)))
    pen = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y, reach = draws.randrange(size[0]), draws.randrange(size[1]), draws.randrange(20, 300)
        colour = tuple(draws.randrange(256) for _ in range(3))
        pen.regular_polygon((x, y, reach), draws.randrange(3, 8), draws.randrange(360), fill=colour)
    grain = Image.frombytes("L", (64, 64), draws.randbytes(64 * 64)).point(lambda value: value // 6)
    tiled = Image.new("L", size)
    for x in range(0, size[0], 64):
        for y in range(0, size[1], 64):
            tiled.paste(grain, (x, y))
    out = io.BytesIO()
    ImageChops.add(picture, Image.merge("RGB", [tiled] * 3)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def draw_photo(path: Path, number: int, size: tuple[int, int] | None = None) -> None:
    """Draw picture `number`, 1100 px or a little wider."""
    path.write_bytes(_drawn(number, size or (1100 + number, 1100)))


async def on_row(pilot: Pilot[Any], screen: Any, name: str | None) -> None:
    """Put the cursor on the row of a picture, of a kind of finding by its code, or with None of the whole set."""
    names = [None if row is None else getattr(row, "name", None) or row.code for row in screen.rows_shown()]
    screen.query_one("#table").move_cursor(row=names.index(name))
    await pilot.pause()


@pytest.fixture
def chosen(photos: Path) -> Draft:
    """A draft as it is after the Subject step."""
    values = {
        "dataset.path": "photos",
        "kind": "object",
        "dataset.trigger": "TOK",
        "dataset.class_word": "dog",
    }
    return Draft(step=3, values=values, images=5)


A_GPU = Machine("cuda", "NVIDIA GeForce RTX 4090", 25_757_220_864, 24_900_000_000)


@pytest.fixture
def wizard(own_place: Path) -> Callable[..., LoratuiApp]:
    """The app in wizard mode, on a draft if one is given, planning for a machine that is the same everywhere.

    The draft says its kind, or `kind`: a step with pictures asks for it first. With an empty one it is asked for.
    """

    def make(draft: Draft | None = None, machine: Machine = A_GPU, kind: str = "object") -> LoratuiApp:
        store = DraftStore(own_place / "state")
        if draft is not None:
            store.save(draft.with_settings({"kind": kind} if kind and "kind" not in draft.values else {}))
        return LoratuiApp(store=store, session=Session(look=lambda _: machine))

    return make


async def until(pilot: Pilot[Any], condition: Callable[[], bool], timeout: float = 20.0) -> None:
    """Wait for a condition; fails if it does not come. Looks often at first: what is brief comes soon."""
    end, pause = time.monotonic() + timeout, 0.02
    while not condition():
        assert time.monotonic() < end, "waited in vain; the screen shows:\n" + screen_text(pilot.app)
        await pilot.pause(pause)
        pause = min(pause * 1.2, 0.25)


async def at(pilot: Pilot[Any], name: str) -> Any:
    """Wait until the screen called `name` is on top, and give it."""
    await until(pilot, lambda: type(pilot.app.screen).__name__ == name and pilot.app.screen.is_mounted)
    await pilot.pause()
    return pilot.app.screen


def screen_text(app: App[Any]) -> str:
    """What the terminal would show, as lines of plain text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips) + "\n"


def assert_snapshot(app: App[Any], name: str) -> None:
    """The screen equals snapshots/NAME-WxH.txt; UPDATE_SNAPSHOTS=1 writes it anew. Free disk space is masked."""
    text = screen_text(app)
    text = re.sub(r"(free +)([\d.]+ [kMGT]?B +)", lambda found: f"{found[1]}{'*':<{len(found[2])}}", text)
    path = SNAPSHOTS / f"{name}-{app.size.width}x{app.size.height}.txt"
    for key in app.screen.query("KeyLine FooterKey"):  # no key is cut
        assert key.region.right <= app.size.width, key.render()
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def fake_run(folder: Path, events: list[dict[str, Any]]) -> RunDir:
    """A run directory that holds these events, a second apart, starting at 2026-11-23 10:00 UTC."""
    folder.mkdir(parents=True, exist_ok=True)
    run = RunDir(folder.absolute())
    lines = [json.dumps({"t": 1795428000 + at, **event}) for at, event in enumerate(events)]
    run.events.write_text("".join(line + "\n" for line in lines))
    return run


def training(steps: int = 40, of: int = 100, **own: Any) -> list[dict[str, Any]]:
    """The events of a run up to `steps`: two groups, a pivot in the middle, a checkpoint, a picture."""
    events: list[dict[str, Any]] = [
        {"type": "run", "v": 1, "pid": 1, "host": "h", "name": "dog", "steps": of, "resumed_from": None, **own},
        {"type": "phase", "name": "load", "done": 1, "total": 1},
        sample(0),
    ]
    for step in range(1, steps + 1):
        d = 1e-6 * min(100, 1.3**step)
        rates = {"unet": {"lr": 1.0, "d": d, "effective": d}}
        if step <= of // 2:
            rates["tokens"] = {"lr": 1.0, "d": 3 * d, "effective": 3 * d}
        loss = 0.3 - 0.002 * step + (0.05 if step % 2 else -0.05)
        events.append(
            {"type": "step", "step": step, "loss": loss, "grad_norm": 1.0, "rates": rates, "s": 0.5}
            | {"vram": 7.3e9, "epoch": step / 5, "views": step * 0.8}
        )
        if step == of // 2:
            events.append({"type": "pivot", "step": step})
        if step == 30:
            events.append({"type": "checkpoint", "step": 30, "path": "checkpoints/step-000030", "bytes": 93_000_000})
            events.append(sample(30))
    return events


def sample(step: int, index: int = 0, prompt: str = "a photo of a TOK dog") -> dict[str, Any]:
    """A sample event."""
    name = f"samples/{step:06d}-{index}"
    return {"type": "sample", "step": step, "index": index, "prompt": prompt, "seed": 0} | {
        "path": f"{name}.png",
        "thumb": f"{name}.jpg",
    }


async def opened(pilot: Pilot[Any]) -> Any:
    """The dataset step with its pictures checked."""
    await at(pilot, "WelcomeScreen")
    await pilot.press("enter")
    screen = await at(pilot, "PicturesScreen")
    await until(pilot, lambda: screen._report is not None)
    await pilot.pause()
    return screen


async def kind_chosen(pilot: Pilot[Any]) -> Any:
    """The pictures' step, once the question what they show was answered with the line that it begins with."""
    await until(pilot, lambda: "What do your pictures show?" in screen_text(pilot.app))
    await pilot.press("enter")
    return await at(pilot, "PicturesScreen")


async def step(pilot: Pilot[Any], name: str) -> Any:
    """Go on with the draft at the step called `name`."""
    await at(pilot, "WelcomeScreen")
    await pilot.press("enter")
    return await at(pilot, name)
