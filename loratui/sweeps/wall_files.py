"""Writes the wall of a sweep: as one PNG, and as one HTML file that needs nothing beside it and runs no script."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.curation.contact_sheet import INK, PALE, PAPER, draw_words
from loratui.errors import Refusal
from loratui.sweeps.table import MARKS
from loratui.sweeps.wall import SweepWall, WallBlock, WallCell
from loratui.terminal.text import not_written
from trainer.contract.entries import write_swept
from trainer.contract.pictures.flatten import upright
from trainer.contract.pictures.inside import open_inside
from trainer.contract.pictures.opening import MAX_BYTES, MAX_PIXELS, open_image

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

TILE, GAP, LINE, SIDE = 224, 12, 20, 170  # px
MOST_PIXELS = 40_000_000  # of a PNG; beyond it the tiles are made smaller
SMALLEST = 48
MARKED = "#2e7d32"  # the lowest, and what is level with it
STYLE = """
body { margin: 0; padding: 1.5rem; background: #15181e; color: #d3d7de; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.1rem; } h2 { font-size: 1rem; font-weight: normal; overflow-wrap: anywhere; }
h3 { font-size: 1rem; font-weight: normal; color: #8d97a6; }
table { border-collapse: collapse; } th { font-weight: normal; padding: .3rem .6rem; text-align: left; }
thead th { text-align: center; } td { padding: .3rem; text-align: center; vertical-align: top; }
td img { display: block; width: 14rem; height: auto; } td span { color: #8d97a6; }
td.marked { outline: 2px solid #93bf85; } td.marked span { color: #93bf85; } .none { padding: 4rem 2rem; }
pre { overflow-x: auto; }
"""


def write_png(wall: SweepWall, path: Path) -> None:
    """Draw the wall of one prompt. Raises Refusal."""
    out = io.BytesIO()
    draw_wall(wall).save(out, "PNG")
    _write(path, out.getvalue())


def write_page(walls: Sequence[SweepWall], table: Sequence[str], path: Path) -> None:
    """Write the page: the table, then the wall of each prompt. Raises Refusal."""
    _write(path, page(walls, table))


def draw_wall(wall: SweepWall) -> Image:
    """The blocks below each other, labels above and beside them."""
    from PIL import Image, ImageDraw

    tile = _tile(wall)
    wide = SIDE + max(len(block.columns) for block in wall.blocks) * (tile + GAP) + GAP
    high = sum(_height(block, tile) for block in wall.blocks)
    sheet = Image.new("RGB", (wide, 4 * LINE + high), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw_words(draw, (GAP, LINE // 2), wall.title, INK, wide - 2 * GAP)
    draw_words(draw, (GAP, LINE // 2 + LINE), wall.words, PALE, wide - 2 * GAP)
    top = 3 * LINE
    for block in wall.blocks:
        _draw_block(sheet, draw, block, top, tile)
        top += _height(block, tile)
    return sheet


def page(walls: Sequence[SweepWall], table: Sequence[str]) -> str:
    """The whole page; what a person wrote stands there as words and nothing else."""
    title = html.escape(walls[0].title if walls else "sweep")
    body = "\n".join(_section(wall) for wall in walls)
    lines = html.escape("\n".join(table))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer"><title>{title}</title><style>{STYLE}</style></head>
<body><h1>{title}</h1>
<pre>{lines}</pre>
{body}
</body></html>
"""


def _section(wall: SweepWall) -> str:
    base = ""
    if wall.base is not None and (image := _data(wall.base)):
        base = f'<p><img src="{image}" alt="base model" width="112"><br><span>base model</span></p>\n'
    tables = "\n".join(_block(block) for block in wall.blocks)
    return f"<h2>{html.escape(wall.words)}</h2>\n{base}{tables}"


def _block(block: WallBlock) -> str:
    heads = "".join(f"<th>{html.escape(one)}</th>" for one in block.columns)
    rows = "\n".join(
        f"<tr><th>{html.escape(label)}</th>{''.join(map(_html_cell, cells))}</tr>"
        for label, cells in zip(block.rows, block.cells, strict=True)
    )
    title = f"<h3>{html.escape(block.title)}</h3>\n" if block.title else ""
    return f"{title}<table><thead><tr><th></th>{heads}</tr></thead>\n<tbody>{rows}</tbody></table>"


def _html_cell(cell: WallCell) -> str:
    image = _data(cell.small) if cell.small is not None else ""
    words = html.escape(_words(cell))
    alt = html.escape(cell.one.point.name)
    shown = f'<img src="{image}" alt="{alt}">' if image else '<div class="none">no picture</div>'
    marked = ' class="marked"' if cell.mark else ""
    return f'<td{marked} title="{alt}">{shown}<span>{words}</span></td>'


def _data(path: Path) -> str:
    """The small picture as a data URI, decoded and written anew; empty where it cannot be shown."""
    image = _decoded(path, 256)
    if image is None:
        return ""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def _draw_block(sheet: Image, draw: ImageDraw, block: WallBlock, top: int, tile: int) -> None:
    if block.title:
        draw_words(draw, (GAP, top), block.title, PALE, sheet.width - 2 * GAP)
        top += LINE
    for column, label in enumerate(block.columns):
        draw_words(draw, (SIDE + column * (tile + GAP), top), label, INK, tile)
    top += LINE + GAP // 2
    for row, (label, cells) in enumerate(zip(block.rows, block.cells, strict=True)):
        at = top + row * (tile + LINE + GAP)
        draw_words(draw, (GAP, at + tile // 2), label, INK, SIDE - 2 * GAP)
        for column, cell in enumerate(cells):
            left = SIDE + column * (tile + GAP)
            image = None if cell.small is None else _decoded(cell.large or cell.small, tile)
            if image is None:
                draw.rectangle((left, at, left + tile - 1, at + tile - 1), outline=PALE)
                draw_words(draw, (left + GAP, at + tile // 2), "no picture", PALE, tile - 2 * GAP)
            else:
                sheet.paste(image, (left + (tile - image.width) // 2, at + (tile - image.height) // 2))
            if cell.mark:
                draw.rectangle((left - 3, at - 3, left + tile + 2, at + tile + 2), outline=MARKED, width=3)
            draw_words(draw, (left, at + tile + 2), _words(cell), MARKED if cell.mark else PALE, tile)


def _words(cell: WallCell) -> str:
    """The loss, and what the table says of its row: never colour alone."""
    return f"{cell.words}  {MARKS[cell.mark].partition(' ')[2]}".rstrip()


def _height(block: WallBlock, tile: int) -> int:
    return (LINE if block.title else 0) + LINE + GAP + len(block.rows) * (tile + LINE + GAP)


def _tile(wall: SweepWall) -> int:
    """The side of a picture: smaller where there are so many that the whole would be too large."""
    count = sum(len(block.rows) * len(block.columns) for block in wall.blocks)
    return max(SMALLEST, min(TILE, int((MOST_PIXELS / max(1, count)) ** 0.5)))


def _decoded(path: Path, side: int) -> Image | None:
    from PIL import Image, ImageOps

    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        with open_inside(path) as file, open_image(file) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            picture.draft(None, (2 * side, 2 * side))
            seen = upright(picture, "#ffffff", 2 * side).picture
            how = Image.Resampling.NEAREST if max(seen.size) * 2 <= side else Image.Resampling.LANCZOS
            return ImageOps.contain(seen, (side, side), how)
    except Exception:  # Pillow raises many kinds for a damaged file; the cell says that it cannot be shown
        return None


def _write(path: Path, data: bytes | str) -> None:
    try:
        write_swept(path, data, 0o644)
    except OSError as error:
        raise Refusal(not_written(path, error, "free that name")) from None
