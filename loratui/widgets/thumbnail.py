"""A picture as half blocks, two pixels a cell: decoded in a thread, once per file and size."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import ClassVar

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual import on, work
from textual.events import Resize
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from loratui.terminal.text import os_words
from trainer.contract.pictures.flatten import upright
from trainer.contract.pictures.inside import NotInside, open_inside
from trainer.contract.pictures.opening import MAX_BYTES, MAX_PIXELS, open_image

Key = tuple[str, int, int, int, int, str]  # path, time, bytes, width and height in px, background
WHITE = "#ffffff"


@dataclass(frozen=True)
class Pixels:
    """A decoded picture: RGB bytes, row by row."""

    width: int
    height: int
    data: bytes


class NotShown(Exception):
    """The picture cannot be shown; the text says why."""


def decode(path: Path, width: int, height: int, background: str = WHITE) -> Pixels:
    """The picture at `path` as training sees it, inside `width` x `height` pixels. Raises NotShown with a sentence.

    Transparency is laid on `background`, dataset.background of the run.
    """
    from PIL import Image, ImageOps  # here: the first screen must not load it

    try:
        if path.stat().st_size > MAX_BYTES:
            raise NotShown("too large to preview")
        with open_inside(path) as file, open_image(file) as image:
            if image.width * image.height > MAX_PIXELS:
                raise NotShown("too many pixels to preview")
            image.draft(None, (width * 2, height * 2))
            seen = upright(image, background, 2 * max(width, height)).picture
            small = ImageOps.contain(seen, (width, height), Image.Resampling.LANCZOS)
    except NotShown:
        raise
    except FileNotFoundError:
        raise NotShown("the file is gone") from None
    except NotInside as error:
        raise NotShown(os_words(error)) from None
    except Exception as error:  # Pillow raises many kinds for a damaged file: none may reach the screen
        raise NotShown(f"cannot be decoded ({type(error).__name__})") from None
    return Pixels(small.width, small.height, small.tobytes())


class Thumbnail(Widget):
    """Shows one picture, or a short text where there is none."""

    DEFAULT_CSS = "Thumbnail { width: 1fr; height: 1fr; }"

    class Decoded(Message):
        """A picture came out of the thread."""

        def __init__(self, key: Key, found: Pixels | str) -> None:
            super().__init__()
            self.key = key
            self.found = found

    CACHED: ClassVar[int] = 64
    _cache: ClassVar[OrderedDict[Key, Pixels | str]] = OrderedDict()

    def __init__(self, empty: str = "no picture", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._empty = empty
        self._path: Path | None = None
        self._shown: Pixels | str = empty
        self._background = WHITE
        self._asked = (0, 0)  # the box that was last asked for

    @property
    def path(self) -> Path | None:
        """The picture that is shown or on its way."""
        return self._path

    @property
    def shown(self) -> bool:
        """Whether pixels are on the screen, not words."""
        return isinstance(self._shown, Pixels)

    def show(self, path: Path | None, empty: str | None = None, background: str = WHITE) -> None:
        """Show the picture at `path`, or the empty text, which may be another one from now on."""
        self._path, self._background = path, background
        self._empty = self._empty if empty is None else empty
        self._request()

    @on(Resize)
    def _resized(self) -> None:
        self._request()

    def _request(self) -> None:
        width, height = self._asked = self._pixels()
        if self._path is None or width < 1 or height < 1:
            self._put(self._empty)
            return
        try:
            info = self._path.stat()
            key = (str(self._path), info.st_mtime_ns, info.st_size, width, height, self._background)
        except OSError:
            self._put("the file is gone")
            return
        known = self._cache.get(key)
        if known is None:
            self._decode(key)
        else:
            self._cache.move_to_end(key)
            if self._shown is not known:  # the same picture again sends nothing over the wire
                self._put(known)

    def _pixels(self) -> tuple[int, int]:
        """The box that a picture is decoded for: two pixels a cell, one over the other."""
        return self.size.width, self.size.height * 2

    def _put(self, found: Pixels | str) -> None:
        """Show these pixels, or these words."""
        self._shown = found
        self.refresh()

    @work(thread=True, exclusive=True, group="decode")
    def _decode(self, key: Key) -> None:
        found: Pixels | str
        try:
            found = decode(Path(key[0]), *key[3:])
        except NotShown as error:
            found = str(error)
        self.post_message(self.Decoded(key, found))

    @on(Decoded)
    def _arrived(self, message: Decoded) -> None:
        message.stop()
        self._cache[message.key] = message.found
        while len(self._cache) > self.CACHED:
            self._cache.popitem(last=False)
        if self._path is not None and message.key[0] == str(self._path):
            self._put(message.found)

    def render_line(self, y: int) -> Strip:
        width, height = self.size.width, self.size.height
        if self._path is not None and self._asked != self._pixels():
            self.call_later(self._request)  # a widget that is mounted during a layout may be told of no size
        if isinstance(self._shown, str):
            lines = wrap(self._shown, max(1, width))[:height]
            row = y - max(0, height // 2 - (len(lines) - 1) // 2)
            text = lines[row] if 0 <= row < len(lines) else ""
            return Strip([Segment(f"{text[:width]:^{width}}", self.rich_style)])
        pixels = self._shown
        top = (height - (pixels.height + 1) // 2) // 2
        row = (y - top) * 2
        if row < 0 or row >= pixels.height:
            return Strip.blank(width, self.rich_style)
        left = (width - pixels.width) // 2
        cells = [self._cell(pixels, x, row) for x in range(pixels.width)]
        pad = Segment(" " * max(0, left), self.rich_style)
        return Strip([pad, *cells]).adjust_cell_length(width, self.rich_style)

    def _cell(self, pixels: Pixels, x: int, row: int) -> Segment:
        upper = _colour(pixels, x, row)
        if row + 1 >= pixels.height:
            return Segment("▀", self.rich_style + Style(color=upper))
        return Segment("▀", Style(color=upper, bgcolor=_colour(pixels, x, row + 1)))


def _colour(pixels: Pixels, x: int, y: int) -> Color:
    start = (y * pixels.width + x) * 3
    return Color.from_rgb(*pixels.data[start : start + 3])
