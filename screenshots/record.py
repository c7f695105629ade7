"""Makes the README's recording: the tour of make.py, a real run on the small SDXL included, as an animated GIF.

Run it from anywhere: `python screenshots/record.py`. It needs chromium, and writes screenshots/pictures/tour.gif.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import make
from PIL import Image

SIZE = (100, 30)
WIDTH = 1000  # pixels
COLOURS = 255
STILL = 2.2  # seconds that a screen stands


class Film(make.Camera):
    """Keeps every look as a frame."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.frames: list[tuple[Path, float]] = []  # PNG, seconds

    def take(self, app: Any, name: str) -> None:
        """A screen that the tour stops at."""
        self.look(app, STILL)

    def look(self, app: Any, seconds: float = 0.0) -> None:
        """One frame."""
        path = self._folder / f"{len(self.frames):03d}.svg"
        make.picture(app, path)
        self.frames.append((path.with_suffix(".png"), seconds))
        print(f"frame {len(self.frames)}")


def main() -> None:
    """One tour, one GIF."""
    make.PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
        make.settle_in(Path(home))
        film = Film(Path(folder))
        asyncio.run(make.tour(SIZE, film))
        pictures = [_frame(path) for path, _ in film.frames]
        times = [round(1000 * seconds) for _, seconds in film.frames]
        target = make.PICTURES / "tour.gif"
        first, *rest = pictures
        first.save(target, save_all=True, append_images=rest, duration=times, loop=0, optimize=True, disposal=1)
        print(f"{target.relative_to(make.ROOT)}: {len(pictures)} frames, {target.stat().st_size / 1e6:.1f} MB")


def _frame(path: Path) -> Image.Image:
    with Image.open(path) as image:
        flat = Image.new("RGB", image.size, "#15181e")
        flat.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    height = round(flat.height * WIDTH / flat.width)
    small = flat.resize((WIDTH, height), Image.Resampling.LANCZOS)
    return small.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


if __name__ == "__main__":
    main()
