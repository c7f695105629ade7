"""Makes the pictures of the README: drives the real program, without a terminal, through a real run on the small SDXL.

Run it from anywhere: `python screenshots/make.py`. It writes SVG, and PNG where chromium is installed, into
screenshots/pictures. Everything happens in a home of its own, so that no path and no name of this machine is seen.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PICTURES = Path(__file__).resolve().parent / "pictures"
SIZES = ((120, 36), (80, 24))
FONT = '"Fira Code", "DejaVu Sans Mono", "Noto Sans Mono", monospace'
CELL = 12.2  # the width of a cell in Textual's SVG
CONCEPT = "mascot"
TRAINING = 300.0  # seconds that the run may take
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

sys.path.insert(0, str(ROOT))


def main() -> None:
    """Both sizes, in a temporary home."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        settle_in(Path(home))
        for size in SIZES:
            asyncio.run(tour(size, Camera()))


class Camera:
    """Takes the stills; screenshots/record.py takes a film with its own."""

    def take(self, app: Any, name: str) -> None:
        """A still, and its place in a film."""
        _take(app, name)

    def look(self, app: Any, seconds: float = 0.0) -> None:
        """What only a film shows, for so long."""


def settle_in(home: Path) -> None:
    """A home with the pictures of a concept in ~/photos; the working folder is the home."""
    from loratui.settings.demo import concepts

    known = concepts()
    name = CONCEPT if CONCEPT in known else next(iter(known))
    folder = home / "photos" / name
    shutil.copytree(known[name], folder)
    first, second, *_ = sorted(folder.glob("*.png"))  # two things for the check to find
    (folder / "half-copied.png").write_bytes(second.read_bytes()[:200])
    first.with_suffix(".txt").write_text(f"a {name} without its word\n")
    os.environ.update(HOME=str(home), TEXTUAL_ANIMATIONS="none", COLORTERM="truecolor", OMP_NUM_THREADS="1")
    for variable in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "NO_COLOR"):
        os.environ.pop(variable, None)
    os.chdir(home)


async def tour(size: tuple[int, int], camera: Camera) -> None:
    """The whole wizard, the run, the result."""
    from loratui.app import LoratuiApp

    app = LoratuiApp()
    async with app.run_test(size=size) as pilot:
        await _reach(pilot, lambda: "Start new" in _text(app) and "esc Leave" in _text(app))  # its keys come last
        camera.take(app, "welcome")
        await pilot.press("enter")
        await _pictures(pilot, camera)
        await _choices(pilot, camera)
        await _reach(pilot, lambda: bool(app.screen.query("#rates")))
        history = app.screen.history
        for share in range(5, 65, 6):
            goal = share / 100
            await _reach(pilot, lambda goal=goal: history.steps > 0 and history.step > goal * history.steps, TRAINING)
            await pilot.pause(1.2)  # the monitor looks once a second
            camera.look(app, 0.5)
        await _reach(pilot, lambda: app.screen.query_one("#now").shown)
        await pilot.pause(0.3)
        camera.take(app, "monitor")
        for share in range(70, 100, 6):
            goal = share / 100
            await _reach(pilot, lambda goal=goal: history.step > goal * history.steps, TRAINING)
            await pilot.pause(1.2)
            camera.look(app, 0.5)
        await _reach(pilot, lambda: history.end is not None, TRAINING)
        await pilot.pause(1.5)
        camera.look(app, 1.5)
        await pilot.press("enter")
        await _reach(pilot, lambda: bool(app.screen.query("#wall")) and app.screen.query_one("#wall-0").shown)
        await pilot.pause(1.0)
        camera.take(app, "result")
        await pilot.press("q")


async def _pictures(pilot: Any, camera: Camera) -> None:
    """The folder, the small model's preset, and back: the check then measures against its 64 px."""
    app = pilot.app
    await _reach(pilot, lambda: bool(app.screen.query("#folder")))
    (folder,) = Path("photos").iterdir()
    app.screen.query_one("#folder").value = f"~/photos/{folder.name}"
    await pilot.press("enter")
    camera.look(app, 1.0)
    await _reach(pilot, lambda: "What do your pictures show?" in _text(app))
    camera.look(app, 1.5)
    await pilot.press("enter")
    await _reach(pilot, lambda: "to train on" in _text(app))
    camera.look(app, 1.5)
    await pilot.press("f2")
    await _reach(pilot, lambda: "Skip them?" in _text(app))
    camera.look(app, 1.5)
    await pilot.press("enter")
    await _step(pilot, "Subject")
    app.screen.query_one("#class-word").value = folder.name
    await _past_subject(pilot)
    await pilot.press("end", "f2")
    for title in ("Settings", "Preset", "Subject"):
        await _step(pilot, title)
        await pilot.press("escape")
    await _step(pilot, "Pictures")
    await _reach(pilot, lambda: "u takes it back" in _text(app) and "to train on" in _text(app))
    shown = [getattr(one, "name", "") for one in app.screen.rows_shown()]
    app.screen.query_one("#table").move_cursor(row=shown.index("mascot-1.png"))  # whose caption lacks its word
    await _reach(pilot, lambda: app.screen.query_one("#thumb").shown)
    await pilot.pause(0.3)
    camera.take(app, "dataset")


async def _choices(pilot: Any, camera: Camera) -> None:
    """Accept the caption, then subject, preset, settings, review, start."""
    app = pilot.app
    await pilot.press("a", "f2")
    await _step(pilot, "Subject")
    camera.take(app, "subject")
    await _past_subject(pilot)
    await pilot.press("home")
    await pilot.pause(0.2)
    camera.take(app, "preset")
    await pilot.press("end", "f2")
    await _step(pilot, "Settings")
    await pilot.press("down", "down", "down", "enter")
    await pilot.pause(0.2)
    await pilot.press(*"12", "enter")
    await pilot.pause(0.2)
    camera.take(app, "advanced")
    await pilot.press("f2")
    await _step(pilot, "Review")
    await _reach(pilot, lambda: "Ready: F2 starts" in _text(app))
    camera.take(app, "review")
    await pilot.press("f2")


async def _past_subject(pilot: Any) -> None:
    """On to the preset, whatever the words have brought to light."""
    await pilot.press("f2")
    await _reach(pilot, lambda: "● Preset" in _text(pilot.app) or "New findings" in _text(pilot.app))
    if "New findings" in _text(pilot.app):
        await pilot.press("n")
    await _step(pilot, "Preset")


async def _step(pilot: Any, title: str) -> None:
    await _reach(pilot, lambda: f"● {title}" in _text(pilot.app))
    await pilot.pause(0.2)


async def _reach(pilot: Any, condition: Callable[[], bool], patience: float = 30.0) -> None:
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            sys.exit("the program did not get there; it shows:\n" + _text(pilot.app))
        await pilot.pause(0.05)


def _text(app: Any) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def _take(app: Any, name: str) -> None:
    width, height = app.size
    path = PICTURES / (f"{name}.svg" if (width, height) == SIZES[0] else f"{name}-{width}x{height}.svg")
    picture(app, path)
    print(path.relative_to(ROOT))


def picture(app: Any, path: Path) -> None:
    """The screen as SVG at `path`, and as PNG beside it."""
    svg = app.export_screenshot(title="loratui")
    svg = re.sub(r"@font-face *{.*?}", "", svg, flags=re.DOTALL)  # no font is fetched from the network
    svg = re.sub(r'font-family: *"?Fira Code"?[^;]*;', f"font-family: {FONT};", svg)
    path.write_text(_placed(svg), encoding="utf-8")
    _draw(path, svg)


def _placed(svg: str) -> str:
    """Every glyph at its own x: a braille glyph of another font must not push its neighbours."""

    def place(found: re.Match[str]) -> str:
        cells = re.findall(r"&#?\w+;|.", found["text"])
        xs = " ".join(f"{float(found['x']) + CELL * index:.1f}" for index in range(len(cells)))
        return (
            f'<text class="{found["cls"]}" x="{xs}" y="{found["y"]}" clip-path="{found["clip"]}">{found["text"]}</text>'
        )

    pattern = r'<text class="(?P<cls>[^"]+)" x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" textLength="[\d.]+" '
    pattern += r'clip-path="(?P<clip>[^"]+)">(?P<text>[^<]*[⠀-⣿][^<]*)</text>'
    return re.sub(pattern, place, svg)


def _draw(path: Path, svg: str) -> None:
    """The PNG beside the SVG, by a browser: other converters misplace braille."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    if browser is None or size is None:
        return
    width, height = (round(float(part)) for part in size.groups())
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    picture = path.with_suffix(".png")
    command = [browser, *flags.split(), "--default-background-color=00000000", "--hide-scrollbars"]
    command += [f"--screenshot={picture}", f"--window-size={width},{height}", path.as_uri()]
    subprocess.run(command, check=False, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()
