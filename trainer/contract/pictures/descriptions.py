"""Words in a picture's own file: a description in PNG's text, XMP, IPTC or EXIF, or the prompt it was drawn from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from trainer.contract.pictures.decoding import BadPicture, usable
from trainer.contract.pictures.inside import open_inside
from trainer.contract.pictures.regular import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

HEAD = 1 << 18  # bytes; what stands before the pixels begins there
PLACES = (b"Exif\0", b"eXIf", b"xap/1.0", b"Photoshop 3.0", b"tEXt", b"zTXt", b"iTXt", b"\xff\xfe")
INSIDE = "inside"  # the caption column that reads them
MOST = 64 * 1024  # characters of a caption; of XMP bytes, four times as many
FEWEST = 2  # words: a name or a mark is no description
PNG_TEXTS = ("parameters", "description", "comment", "caption")  # in any case of letters
IMAGE_DESCRIPTION, EXIF_FOLDER, USER_COMMENT, XP_COMMENT = 0x010E, 0x8769, 0x9286, 0x9C9C
TIFF_XMP, IPTC_CAPTION = 700, (2, 120)
ENCODINGS = {b"ASCII\0\0\0": "utf-8", b"UNICODE\0": "utf-16", b"\0" * 8: "utf-8"}  # what a comment of EXIF begins with
DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
# what AUTOMATIC1111 and those after it write behind the prompt: it was drawn from, and is no part of the words
SETTINGS = re.compile(r"(?:^|\n)\s*(?:Negative prompt:|Steps: \d)")
# what cameras and programs leave there by themselves, and what is no prose
MARKS = re.compile(
    r"(?i)(?:[\w -]* (?:digital camera|camera pictures?)|created (?:with|by) .*|creator: .*|(?:adobe|gimp|software)\b.*"
    r"|screenshot.{0,40}|(?:copyright|\(c\)|©).*|https?://\S+|\{\s*\".*|\[\s*[{\"].*|<[?x].*)"
)


def words_inside(path: Path) -> str:
    """The description in one line, of a drawing its prompt without the settings; empty where there is none.

    Only the head of the file is read: no pixel is decoded, and of a PNG nothing behind its pixels.
    """
    try:
        info = path.stat()
    except OSError:
        return ""
    return _words(path, (info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino))


@lru_cache(maxsize=4096)
def _words(path: Path, _seen: tuple[int, ...]) -> str:
    try:
        if not _may_hold_any(path):
            return ""
        with usable(path, header=True) as picture:
            return next((words for text in _texts(picture) if (words := _description(text))), "")
    except (BadPicture, OSError):
        return ""  # said of the picture itself


def _may_hold_any(path: Path) -> bool:
    """Whether the head of a JPEG or PNG has a place for words at all: most have none, and need not be opened."""
    with open_inside(path) as file:
        head = file.read(HEAD)
    return not head.startswith((b"\xff\xd8", b"\x89PNG")) or any(place in head for place in PLACES)


def _description(text: str) -> str:
    prompt = SETTINGS.split(text[:MOST], maxsplit=1)[0]
    words = one_line(prompt.replace("\0", " "))
    few = len(re.findall(r"[^\W\d_]+", words)) < FEWEST
    return "" if few or MARKS.fullmatch(words) else words


def _texts(picture: Image) -> Iterator[str]:
    """What is written in the file, the plainest first."""
    named = {str(key).lower(): value for key, value in picture.info.items()}
    if picture.format == "PNG":
        yield from (_as_utf8(named[key]) for key in PNG_TEXTS if isinstance(named.get(key), str))
    yield _of_xmp(picture)
    yield from _of_iptc(picture)
    yield from _of_exif(picture)
    if picture.format in ("JPEG", "GIF") and isinstance(comment := named.get("comment"), bytes):
        yield comment.decode("utf-8", "replace")


def _of_xmp(picture: Image) -> str:
    """dc:description, of several languages the default. Without document types, which could grow without end."""
    raw: Any = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp") or _tag(picture, TIFF_XMP)
    raw = raw.encode() if isinstance(raw, str) else raw
    if not isinstance(raw, bytes) or len(raw) > 4 * MOST or b"<!" in raw:
        return ""
    try:
        tree = ElementTree.fromstring(raw.strip(b"\0 \r\n\t"))
    except (ElementTree.ParseError, ValueError, LookupError):
        return ""
    short = next((one.attrib[DESCRIPTION] for one in tree.iter() if DESCRIPTION in one.attrib), "")
    found = tree.find(f".//{DESCRIPTION}")
    if found is None:
        return short
    texts = {one.get(LANGUAGE, ""): one.text for one in found.iter() if one is not found and one.text}
    return texts.get("x-default") or next(iter(texts.values()), found.text) or ""


def _of_iptc(picture: Image) -> Iterator[str]:
    from PIL import ImageFile, IptcImagePlugin

    if picture.format not in ("JPEG", "TIFF") or not isinstance(picture, ImageFile.ImageFile):
        return
    try:
        found = (IptcImagePlugin.getiptcinfo(picture) or {}).get(IPTC_CAPTION)
    except Exception:  # a block that is cut short raises whatever its bytes lead to
        return
    for raw in found if isinstance(found, list) else [found]:
        if isinstance(raw, bytes):
            yield raw.decode("utf-8", "replace")


def _of_exif(picture: Image) -> Iterator[str]:
    if picture.format == "PNG" and "exif" not in picture.info:
        return  # Pillow would decode the pixels to look behind them
    try:
        exif = picture.getexif()
        comment = exif.get_ifd(EXIF_FOLDER).get(USER_COMMENT)
        described, windows = exif.get(IMAGE_DESCRIPTION), exif.get(XP_COMMENT)
    except Exception:  # as of IPTC
        return
    if isinstance(comment, bytes):
        yield _decoded(comment[8:], ENCODINGS.get(comment[:8], ""))
    elif isinstance(comment, str):
        yield comment
    if isinstance(described, str):
        yield _as_utf8(described)
    if isinstance(windows, bytes):
        yield _decoded(windows, "utf-16-le")


def _as_utf8(text: str) -> str:
    """Text that Pillow read a byte a letter, as EXIF and PNG ask for, and that was UTF-8, as programs write it."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _decoded(raw: bytes, encoding: str) -> str:
    if encoding == "utf-16":  # no mark: as most write it, the high byte first
        encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-16-be"
        encoding = "utf-16-le" if encoding == "utf-16-be" and raw[1:2] == b"\0" else encoding
    return raw.decode(encoding, "replace") if encoding else ""


def _tag(picture: Image, number: int) -> object:
    return getattr(picture, "tag_v2", {}).get(number)
