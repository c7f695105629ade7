"""How pictures are drawn: half blocks everywhere, or sharp (Kitty, Sixel) where that was asked for and can be had.

Sharp pictures are drawn by textual-image. Its import would ask the terminal itself, with a patience of 0.1 s: over a
slow ssh the answer came later, as letters typed into the app. So the terminal is asked here, once, before the app
starts, and the library is imported in silence.
"""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import time
import tty
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from typing import TYPE_CHECKING, Literal, get_args

from loratui.errors import Refusal
from loratui.terminal.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Iterator

Mode = Literal["blocks", "auto", "kitty", "sixel"]
Protocol = Literal["", "kitty", "sixel"]  # "": half blocks
MODES: tuple[str, ...] = get_args(Mode)
PATIENCE = 2.0  # seconds; every terminal answers the last of the questions
# a one-pixel picture as a question (Kitty), the size of a cell in pixels, and what all terminals answer: attributes
QUESTIONS = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[c"
EXTRA = "pip install 'loratui[images]'"


@dataclass(frozen=True)
class ImageMode:
    """How pictures are drawn full screen; `words` say why it is not as asked for, `cell` is in pixels."""

    protocol: Protocol = ""
    words: str = ""
    cell: tuple[int, int] = (10, 20)


@dataclass(frozen=True)
class Answer:
    """What the terminal said of itself; `cell` is None where it did not say, width and height in pixels otherwise."""

    heard: bool
    kitty: bool
    sixel: bool
    cell: tuple[int, int] | None


_drawing = ImageMode()


def drawing() -> ImageMode:
    """What `prepare` found; half blocks before."""
    return _drawing


def prepare(mode: str) -> ImageMode:
    """Find out how to draw, before the app starts. Raises Refusal for a mode that there is not."""
    global _drawing
    if mode not in MODES:
        raise Refusal(f"--images {safe_text(mode, 20)}: one of {', '.join(MODES)}")
    _drawing = ImageMode() if mode == "blocks" else _found(mode)
    return _drawing


def _found(mode: str) -> ImageMode:
    if "NO_COLOR" in os.environ:
        return ImageMode(words="half blocks in grey: NO_COLOR is set")
    if find_spec("textual_image") is None:
        return ImageMode(words=f"half blocks: sharp pictures need textual-image; {EXTRA}")
    if not _has_size():
        return ImageMode(words="half blocks: the terminal reports no size")
    answer = ask_terminal()
    wanted: tuple[Protocol, ...] = (
        ("kitty", "sixel") if mode == "auto" else ("kitty",) if mode == "kitty" else ("sixel",)
    )
    chosen = next((one for one in wanted if (answer.kitty if one == "kitty" else answer.sixel)), None)
    if chosen is None:
        named = " or ".join(one.capitalize() for one in wanted)
        why = f"it draws no {named} pictures" if answer.heard else "it did not answer"
        return ImageMode(words=f"half blocks: the terminal was asked, {why}")
    cell = answer.cell or ImageMode.cell
    try:
        with _silence(cell):
            import textual_image.widget  # noqa: F401
    except Exception as error:  # a library that is optional: whatever it raises, pictures are still drawn as blocks
        return ImageMode(words=f"half blocks: textual-image cannot be used here ({type(error).__name__})")
    if chosen == "kitty":
        # the number of a picture travels as a 24-bit colour, and a terminal that draws pictures has those
        os.environ["COLORTERM"] = "truecolor"
    return ImageMode(chosen, "", cell)


def _has_size() -> bool:
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return False
    return size.columns > 0 and size.lines > 0


def ask_terminal() -> Answer:
    """Ask the terminal what it draws; waits for its answer, or PATIENCE. Nobody else may read stdin meanwhile."""
    source, target = sys.stdin.fileno(), sys.stdout.fileno()
    before = termios.tcgetattr(source)
    heard = b""
    try:
        tty.setcbreak(source, termios.TCSANOW)
        os.write(target, QUESTIONS)
        end = time.monotonic() + PATIENCE
        while not re.search(rb"\x1b\[\?[\d;]*c", heard):
            ready, _, _ = select.select([source], [], [], max(0.0, end - time.monotonic()))
            data = os.read(source, 1024) if ready else b""
            if not data:
                break
            heard += data
    finally:
        termios.tcsetattr(source, termios.TCSANOW, before)
    return read_answer(heard)


def read_answer(heard: bytes) -> Answer:
    """The terminal's answers to QUESTIONS, in whatever else was typed."""
    attributes = re.search(rb"\x1b\[\?([\d;]*)c", heard)
    size = re.search(rb"\x1b\[6;(\d{1,3});(\d{1,3})t", heard)
    cell = (int(size[2]), int(size[1])) if size and int(size[1]) and int(size[2]) else None
    return Answer(
        heard=attributes is not None,
        kitty=re.search(rb"\x1b_Gi=31;OK\x1b\\", heard) is not None,
        sixel=attributes is not None and b"4" in attributes[1].split(b";"),
        cell=cell,
    )


@contextmanager
def _silence(cell: tuple[int, int]) -> Iterator[None]:
    """Import textual-image without a terminal, the size of a cell given by the variables that it reads then."""
    names = dict(zip(("TEXTUAL_CELL_WIDTH", "TEXTUAL_CELL_HEIGHT"), map(str, cell), strict=True))
    before = {name: os.environ.get(name) for name in names}
    stdout = sys.__stdout__
    try:
        os.environ.update(names)
        sys.__stdout__ = StringIO()  # type: ignore[assignment, misc]
        yield
    finally:
        sys.__stdout__ = stdout  # type: ignore[misc]
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
