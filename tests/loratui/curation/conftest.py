"""Pictures with the statistics of photographs, drawn here; real ones from ../shared/photos where they are at hand."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from loratui.curation.report import Finding, PictureReport, Report
from loratui.curation.scan import ScanSettings, scan

PHOTOS = Path(__file__).parents[4] / "shared" / "photos"
needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason="../shared/photos is not on this machine")


def scene(number: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """A picture that no other number gives: clouds of all scales, shapes with edges, grain."""
    return _scene(number, size).copy()


@cache
def _scene(number: int, size: tuple[int, int]) -> Image.Image:
    random = np.random.default_rng(number)
    width, height = size
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :]
    fall = 1 / np.maximum(np.hypot(fx, fy), 1 / max(size))
    wave = np.fft.ifft2(fall * np.fft.fft2(random.normal(size=(height, width)))).real
    cloud = np.uint8(np.clip(128 + 45 * wave / wave.std(), 0, 255))
    tint = np.random.default_rng(number).integers(60, 200, 3)
    picture = Image.merge("RGB", [Image.fromarray(np.uint8(np.clip(cloud * (int(t) / 128), 0, 255))) for t in tint])
    pen = ImageDraw.Draw(picture)
    for _ in range(40):
        x, y = (int(value) for value in random.integers(0, (width, height)))
        w, h = (int(value) for value in random.integers(8, max(9, min(size) // 5), 2))
        pen.ellipse((x, y, x + w, y + h), fill=tuple(int(v) for v in random.integers(0, 256, 3)))
    grain = random.normal(0, 4, (height, width, 3))
    return Image.fromarray(np.uint8(np.clip(np.asarray(picture) + grain, 0, 255)))


def write_scene(path: Path, number: int) -> None:
    """That picture as a PNG file."""
    path.write_bytes(_png(number))


@cache
def _png(number: int) -> bytes:
    out = io.BytesIO()
    scene(number).save(out, "PNG", compress_level=1)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for pictures."""
    place = tmp_path / "set"
    place.mkdir()
    return place


def look(folder: Path, **settings: object) -> Report:
    """Scan with a training resolution that no drawn picture is too small for."""
    return scan(folder, ScanSettings(**{"resolution": 256, **settings}))  # type: ignore[arg-type]


def codes(report: Report, name: str) -> list[str]:
    """The codes of one picture's findings, without the caption that it lacks."""
    return [one.code for one in picture(report, name).findings if one.code != "no-caption"]


def picture(report: Report, name: str) -> PictureReport:
    (found,) = (one for one in report.pictures if one.name == name)
    return found


def of_set(report: Report) -> dict[str, Finding]:
    return {one.code: one for one in report.findings}
