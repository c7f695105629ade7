"""Opens each picture once: is it one, is it whole, is it safe to decode; gives its pixels as training sees them."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from loratui.curation.checks.damage import quantiser_of, read_jpeg
from loratui.curation.checks.modes import mode_findings, pixel_findings
from loratui.curation.compared.webp import webp_quantiser
from loratui.curation.pixels import opencv
from loratui.curation.report import Finding
from loratui.terminal.text import os_words, plural, safe_text
from loratui.terminal.units import in_bytes
from trainer.contract.pictures.decoding import CHUNK, PASSES, passes_in, stalling_words
from trainer.contract.pictures.flatten import ORIENTATION, FlatPicture, upright
from trainer.contract.pictures.formats import SNIFFED, unreadable_words
from trainer.contract.pictures.inside import MEND, NotInside, open_inside
from trainer.contract.pictures.opening import MAX_BYTES, MAX_PIXELS, open_image

if TYPE_CHECKING:
    from numpy import ndarray
    from PIL.Image import Image

SKIP = "skip it, or put an intact copy in its place"
LOOK = 1024  # px of the shorter side that looking needs; more is reduced, for speed and memory
LOOK_PIXELS = 30_000_000  # decoded at full size at most; larger JPEGs are decoded smaller, others not looked at
AT_ONCE = 8_000_000  # pixels above which only one picture is decoded at a time

_large = threading.Lock()


@dataclass(frozen=True)
class OpenedPicture:
    """A picture as far as it could be read; `problem` says what stopped that, `decoded` is upright sRGB."""

    width: int = 0
    height: int = 0
    sha256: str = ""
    problem: Finding | None = None
    notes: tuple[Finding, ...] = ()
    turned: bool = False
    decoded: Image | ndarray | None = None  # (height, width, 3) where nothing of Pillow's was needed
    colours: str = ""  # the colour space that it was converted from; "" where that is sRGB
    size: int = 0  # bytes
    quantiser: float | None = None  # of a JPEG: how coarse it is (checks.damage)
    webp: float | None = None  # of a WebP: the same (compared.webp)
    damage: str = ""  # what is wrong with a JPEG's data though it could be decoded
    whole: bool = False  # decoded at its full size, not turned: blocks of 8 px are where JPEG put them

    @property
    def shorter(self) -> int:
        """px of the shorter side, 0 where nothing was decoded: numpy is not loaded for it."""
        from PIL import Image

        if self.decoded is None:
            return 0
        return int(min(self.decoded.size if isinstance(self.decoded, Image.Image) else self.decoded.shape[:2]))

    @property
    def pixels(self) -> ndarray | None:
        """(height, width, 3) of 8 bits; read only."""
        if self.decoded is None:
            return None
        import numpy as np

        return np.asarray(self.decoded)

    @property
    def picture(self) -> Image | None:
        """The same as Pillow's."""
        if self.decoded is None:
            return None
        import numpy as np
        from PIL import Image

        return Image.fromarray(self.decoded) if isinstance(self.decoded, np.ndarray) else self.decoded


def open_picture(name: str, path: Path, background: str = "#ffffff") -> OpenedPicture:
    """Read the picture to its end. What is wrong with it comes back as a blocking finding, never as an exception."""
    try:
        with open_inside(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return OpenedPicture(problem=_block("empty-file", name, 0, "the file is empty (0 bytes)", SKIP))
            if size > MAX_BYTES:
                said = f"the file has {in_bytes(size)}; at most {in_bytes(MAX_BYTES)} are read"
                return OpenedPicture(problem=_block("too-large", name, size, said, "save a smaller copy, or skip it"))
            sha, passes = _read_through(file)
            return replace(_open(name, file, passes, background), sha256=sha, size=size)
    except NotInside as error:
        said = f"{os_words(error)}: it is not read"
        return OpenedPicture(problem=_block("picture-outside", name, None, said, f"skip it, or {MEND}"))
    except OSError as error:
        said = f"the file cannot be read: {os_words(error)}"
        return OpenedPicture(problem=_block("unreadable", name, None, said, SKIP))


def _open(name: str, file: IO[bytes], passes: int, background: str) -> OpenedPicture:
    from PIL import Image

    try:
        picture = open_image(file)
    except Image.DecompressionBombError as error:
        found = re.search(r"\((\d+) pixels\)", str(error))
        return OpenedPicture(problem=_bomb(name, int(found[1]) if found else None))
    except Exception:  # as below: of what a damaged file raises no list is whole
        file.seek(0)
        what, remedy = unreadable_words(file.read(SNIFFED))
        said = what or "this is not a picture that can be read (JPEG, PNG, WebP, BMP, TIFF, GIF or AVIF)"
        return OpenedPicture(problem=_block("unreadable", name, None, said, remedy or SKIP))
    with picture:
        width, height = picture.size
        if width * height > MAX_PIXELS:
            return OpenedPicture(width, height, problem=_bomb(name, width * height))
        if picture.format in ("JPEG", "MPO") and passes > PASSES:
            return OpenedPicture(width, height, problem=_block("stalling", name, passes, stalling_words(passes), SKIP))
        quantiser, webp = quantiser_of(picture), webp_quantiser(file) if picture.format == "WEBP" else None
        opened = _decode(name, picture, background, None if quantiser is None else file)
    return replace(opened, quantiser=quantiser, webp=webp) if opened.decoded is not None else opened


def _decode(name: str, picture: Image, background: str, jpeg: IO[bytes] | None) -> OpenedPicture:
    width, height = picture.size
    opened = OpenedPicture(width, height)
    try:
        if not _drafted(picture):
            turn = _turn(picture) if "exif" in picture.info else 1
            picture.verify()  # the checksums, as far as the format has any
            return replace(_turned(opened, turn), notes=(_unseen(name, width * height),))
        if width * height <= AT_ONCE:
            return _taken(name, picture, background, opened, jpeg)
        with _large:
            return _taken(name, picture, background, opened, jpeg)
    except Exception as error:  # Pillow's plugins raise many kinds on broken files
        return replace(opened, problem=_broken(name, error))


def _taken(name: str, picture: Image, background: str, opened: OpenedPicture, jpeg: IO[bytes] | None) -> OpenedPicture:
    notes = mode_findings(name, picture)  # before the load, which forgets how the file was
    whole = picture.size == (opened.width, opened.height)
    made, damage = (None, "") if jpeg is None else _read_jpeg(jpeg, picture, round(opened.width / picture.width))
    if made is None:
        picture.load()
    elif (sound := _as_it_is(made, picture, background)) is not None:
        told = pixel_findings(name, picture, sound)
        return replace(opened, notes=(*notes, *told), decoded=_in_colours(made), whole=whole)
    else:
        picture = _as_pillows(made, picture)
    opened = _turned(opened, _turn(picture))
    flat = upright(picture, background, LOOK)
    told = pixel_findings(name, picture, flat)
    # of what both tell the pixels know more than the header
    notes = (*(one for one in notes if one.code not in {later.code for later in told}), *told)
    whole = whole and flat.picture.size == (opened.width, opened.height)
    return replace(opened, notes=notes, decoded=flat.picture, colours=flat.colours, whole=whole, damage=damage)


def _read_jpeg(jpeg: IO[bytes], picture: Image, factor: int) -> tuple[ndarray | None, str]:
    jpeg.seek(0)
    return read_jpeg(jpeg.read(), picture.mode, picture.size, factor)


def _as_it_is(pixels: ndarray, picture: Image, background: str) -> FlatPicture | None:
    """What `upright` says of one pixel of it, where that leaves it as it is: then it does so with all of them."""
    if _turn(picture) != 1 or min(picture.size) >= 2 * LOOK:
        return None
    flat = upright(_as_pillows(pixels[:1, :1], picture), background)
    return None if flat.colours else flat


def _as_pillows(pixels: ndarray, picture: Image) -> Image:
    """With what the header says of its colours, and of how it is turned."""
    from PIL import Image

    made = Image.fromarray(pixels[..., 0] if picture.mode == "L" else pixels)
    made.info = picture.info.copy()
    return made


def _in_colours(pixels: ndarray) -> ndarray:
    """A grey one in three channels."""
    if pixels.shape[2] == 3:
        return pixels
    coloured: ndarray = opencv().cvtColor(pixels, opencv().COLOR_GRAY2RGB)
    return coloured


def _turn(picture: Image) -> int:
    """How the camera was held; asking a PNG for it decodes the picture."""
    return int(picture.getexif().get(ORIENTATION, 1))


def _turned(opened: OpenedPicture, turn: int) -> OpenedPicture:
    if turn in (5, 6, 7, 8):
        opened = replace(opened, width=opened.height, height=opened.width)
    return replace(opened, turned=turn in range(2, 9))


def _drafted(picture: Image) -> bool:
    """Ask a JPEG for a smaller decoding; whether what will be decoded is small enough to look at."""
    whole = picture.width * picture.height
    scale = LOOK / min(picture.size)
    if scale < 1:
        picture.draft(None, (int(picture.width * scale), int(picture.height * scale)))
    decoded = picture.width * picture.height
    buffered = whole if picture.info.get("progressive") else 0  # such a JPEG is kept whole while it is read
    return decoded <= LOOK_PIXELS and buffered <= 2 * LOOK_PIXELS


def _unseen(name: str, pixels: int) -> Finding:
    said = f"{plural(f'{pixels / 1e6:,.0f}', 'megapixel')}: so large that its quality was not looked at"
    return Finding("not-looked-at", "hint", name, pixels, said, "save a smaller copy: training does not need more")


def _broken(name: str, error: Exception) -> Finding:
    said = safe_text(error, 80)
    if "truncated" in said or isinstance(error, EOFError):
        return _block("truncated", name, None, f"the file ends before the picture does ({said})", SKIP)
    return _block("unreadable", name, None, f"the picture cannot be decoded ({said})", SKIP)


def _bomb(name: str, pixels: int | None) -> Finding:
    size = plural(f"{pixels / 1e6:,.0f}", "megapixel") if pixels else "too many megapixels"
    said = f"the picture has {size}; at most {MAX_PIXELS // 10**6} are decoded"
    return _block("too-large", name, pixels, said, "save a smaller copy, or skip it")


def _block(code: str, name: str, value: int | None, message: str, remedy: str) -> Finding:
    return Finding(code, "block", name, value, message, remedy, acceptable=False)


def _read_through(file: IO[bytes]) -> tuple[str, int]:
    """The hash of the content, and how many passes it has if it is a JPEG."""
    digest, passes, before = hashlib.sha256(), 0, b""
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        passes += passes_in(before, chunk)
        before = chunk[-1:]
    file.seek(0)
    return digest.hexdigest(), passes
