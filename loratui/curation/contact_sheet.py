"""All pictures of a report on one PNG: a frame in the colour of the gravest finding, name and codes below each."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loratui.curation.groups import GLYPHS, grouped
from loratui.curation.report import PictureReport, Report
from loratui.errors import Refusal
from loratui.terminal.text import not_written, plural, safe_text, show_path, speakable
from trainer.contract.entries import write_swept
from trainer.contract.paths import can_see
from trainer.contract.pictures.flatten import upright
from trainer.contract.pictures.inside import open_inside
from trainer.contract.pictures.opening import MAX_BYTES, MAX_PIXELS, open_image

if TYPE_CHECKING:
    from PIL.Image import Image

TILE, FRAME, GAP, LINE = 220, 6, 16, 18  # px
CODES = 4  # at most so many lines of codes below a picture
MOST = 400  # pictures; beyond, a sheet is no overview
MADE_BY = "loratui contact sheet"  # in the PNG: only such a file is ever replaced
COLOURS = {"block": "#c0392b", "warn": "#d79a1f", "hint": "#5b8db8", None: "#9aa3ad"}
PAPER, INK, PALE = "#f7f6f2", "#22262e", "#6b7280"

Progress = Callable[[int, int, str], None]


def refuse_place(path: Path, folder: Path) -> None:
    """Raise Refusal where a sheet must not be written: among the pictures, or over a file that is no sheet."""
    if path.suffix.lower() != ".png":
        raise Refusal(f"--contact-sheet {show_path(path)}: name a file that ends in .png")
    if folder.resolve() in path.resolve().parents:
        raise Refusal(f"--contact-sheet {show_path(path)}: it would become one of the pictures; name another folder")
    if can_see(path) and not _is_sheet(path):
        raise Refusal(f"--contact-sheet {show_path(path)}: this file is there and is not a contact sheet; name another")


def write_contact_sheet(report: Report, path: Path, progress: Progress | None = None) -> None:
    """Draw the sheet and put it at `path`. Raises Refusal with a sentence."""
    from PIL.PngImagePlugin import PngInfo

    sheet = draw_contact_sheet(report, progress)
    noted, out = PngInfo(), io.BytesIO()
    noted.add_text("Software", MADE_BY)
    sheet.save(out, "PNG", pnginfo=noted)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_swept(path, out.getvalue(), 0o644)
    except OSError as error:
        raise Refusal(not_written(path, error)) from None


def draw_contact_sheet(report: Report, progress: Progress | None = None) -> Image:
    """The sheet: a row of heading, then tiles from left to right in the report's order."""
    from PIL import Image, ImageDraw

    shown = report.pictures[:MOST]
    across = min(8, max(3, math.ceil(math.sqrt(len(shown) * 1.4))))
    lines = 2 + max((min(CODES, len(one.findings)) for one in shown), default=0)
    width, height = TILE + 2 * FRAME + GAP, TILE + 2 * FRAME + GAP + lines * LINE
    top = 3 * LINE
    sheet = Image.new("RGB", (across * width + GAP, top + math.ceil(len(shown) / across) * height + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw_words(draw, (GAP, LINE), _heading(report), INK, sheet.width - 2 * GAP)
    for number, one in enumerate(shown):
        if progress is not None:
            progress(number, len(shown), one.name)
        corner = (GAP + number % across * width, top + number // across * height)
        _tile(sheet, draw, one, corner)
    return sheet


def _heading(report: Report) -> str:
    left = len(report.pictures) - MOST
    more = f", the first {MOST} shown" if left > 0 else ""
    return f"{report.folder.name or report.folder}: {plural(len(report.pictures), 'picture')}{more}, as {report.kind}"


def _tile(sheet: Image, draw: Any, one: PictureReport, corner: tuple[int, int]) -> None:
    left, top = corner
    side = TILE + 2 * FRAME
    groups = grouped(one.findings)
    frame = COLOURS[groups[0].severity if groups else None]
    draw.rectangle((left, top, left + side - 1, top + side - 1), outline=frame, width=FRAME - 2)
    small = _small(one)
    if small is None:
        draw_words(draw, (left + 2 * FRAME, top + side // 2), "cannot be shown", PALE)
    else:
        sheet.paste(small, (left + (side - small.width) // 2, top + (side - small.height) // 2))
    below = top + side + 4
    draw_words(draw, (left, below), one.name, INK)
    size = f"{one.width} x {one.height}" if one.width else ""
    found = f"{len(one.findings)} found" if one.findings else "nothing found"
    draw_words(draw, (left, below + LINE), "   ".join(part for part in (size, found) if part), PALE)
    for line, finding in enumerate(one.findings[:CODES]):
        said = f"{speakable(GLYPHS[finding.severity], 'latin-1')} {finding.code}"  # never colour alone
        if line == CODES - 1 and len(one.findings) > CODES:
            said = f"and {len(one.findings) - CODES + 1} more"
        draw_words(draw, (left, below + (line + 2) * LINE), said, COLOURS[finding.severity])


def draw_words(draw: Any, corner: tuple[int, int], words: str, colour: str, room: int = TILE + FRAME) -> None:
    """One line of at most `room` pixels; letters that the font lacks are shown as boxes."""
    from PIL import ImageFont

    font = ImageFont.load_default(13)
    shown = safe_text(words)
    while len(shown) > 1 and draw.textlength(shown, font=font) > room:
        shown = shown[: max(1, int(len(shown) * 0.9) - 1)] + "…"
    draw.text(corner, shown, fill=colour, font=font)


def _small(one: PictureReport) -> Image | None:
    from PIL import Image, ImageOps

    if not one.opens:
        return None
    try:
        if one.path.stat().st_size > MAX_BYTES:
            return None
        with open_inside(one.path) as file, open_image(file) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            picture.draft(None, (2 * TILE, 2 * TILE))
            seen = upright(picture, "#ffffff", 2 * TILE).picture
            return ImageOps.contain(seen, (TILE, TILE), Image.Resampling.LANCZOS)
    except Exception:  # Pillow raises many kinds for a damaged file; the tile says that it cannot be shown
        return None


def _is_sheet(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG",)) as picture:
            return picture.info.get("Software") == MADE_BY
    except Exception:  # as above
        return False
