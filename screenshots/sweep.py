"""Makes the pictures of a sweep: 2 x 3 on the small SDXL, as table and wall on the screen, and the wall as a PNG.

Run it from anywhere: `python screenshots/sweep.py`; six runs on the CPU, some minutes. It writes sweep-table and
sweep-wall (SVG, and PNG where chromium is installed) and sweep.png into screenshots/pictures.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from make import CONCEPT, PICTURES, ROOT, SIZES, picture, settle_in

NAME = "mascot-rank-optimizer"
LORATUI = [sys.executable, "-m", "loratui"]
ASKED = ["--grid", "train.rank=2,16", "--grid", "train.optimizer=prodigy,adamw,lion", "--name", NAME, "--yes", "--wait"]
PATIENCE = 60.0  # seconds that the screen may take to read and draw


def main() -> None:
    """The runs in a home of their own, then the pictures of them."""
    with tempfile.TemporaryDirectory() as home:
        settle_in(Path(home))
        folder = Path(home) / "photos" / CONCEPT
        (folder / "half-copied.png").unlink()  # what the tour shows of the check
        for one in folder.glob("*.txt"):
            if "TOK" not in one.read_text():
                one.write_text("a TOK\n")
        answers = ["--preset", "demo", "--name", CONCEPT, "--set", "train.steps=120", "--set", "dataset.hold_out=2"]
        subprocess.run([*LORATUI, "init", str(folder), *answers], check=True)
        subprocess.run([*LORATUI, "sweep", "answers.toml", *ASKED], check=True)
        subprocess.run([*LORATUI, "sweep", NAME, "--wall"], check=True)
        shutil.copy(Path("sweeps") / NAME / "wall.png", PICTURES / "sweep.png")
        asyncio.run(screens())


async def screens() -> None:
    """The table, and the wall."""
    from loratui.app import LoratuiApp
    from loratui.sweeps.files import read_sweep

    app = LoratuiApp(sweep=read_sweep(NAME))
    async with app.run_test(size=SIZES[0]) as pilot:
        await _until(pilot, lambda: getattr(app.screen, "cell", None) is not None)
        _take(app, "sweep-table")
        await pilot.press("w")
        await _until(pilot, lambda: all(one.shown for one in app.screen.query("WallPicture")))
        _take(app, "sweep-wall")


async def _until(pilot: Any, condition: Any) -> None:
    for _ in range(round(PATIENCE / 0.2)):
        await pilot.pause(0.2)
        if condition():
            return
    raise SystemExit("the screen did not come")


def _take(app: Any, name: str) -> None:
    path = PICTURES / f"{name}.svg"
    picture(app, path)
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
