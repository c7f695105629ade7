"""Takes the metadata out of a JPEG without decoding it: the compressed picture stays as it is, to the byte."""

from __future__ import annotations

from dataclasses import dataclass

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
ADOBE, JFIF, ICC = 0xEE, 0xE0, 0xE2  # APP14 tells how the colours are coded
COMMENT = 0xFE
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length


@dataclass(frozen=True)
class StrippedJpeg:
    """A JPEG without metadata, and whether there was any; the colour profile stays."""

    raw: bytes
    removed: bool


class NotPlain(ValueError):
    """The file's structure is not that of a plain JPEG."""


def strip_jpeg(raw: bytes) -> StrippedJpeg:
    """Drop EXIF, XMP, IPTC, comments, embedded previews and whatever follows the picture. Raises NotPlain."""
    if raw[:2] != bytes((0xFF, SOI)):
        raise NotPlain("no JPEG")
    kept, at, removed = [raw[:2]], 2, False
    while True:
        marker, start = _marker(raw, at)
        if marker == EOI:
            kept.append(bytes((0xFF, EOI)))
            return StrippedJpeg(b"".join(kept), removed or bool(raw[start + 2 :].strip(b"\0")))
        end = start + 2
        if marker not in _ALONE:
            end += _length(raw, end)
        if _is_metadata(marker, raw[start:end]):
            removed = True
        else:
            kept.append(raw[start:end])
        if marker == SOS:
            data_end = _scan_end(raw, end)
            kept.append(raw[end:data_end])
            end = data_end
        at = end


def _marker(raw: bytes, at: int) -> tuple[int, int]:
    """The next marker and where it starts; FF bytes may stand before one as padding."""
    if at >= len(raw) or raw[at] != 0xFF:
        raise NotPlain(f"no marker at byte {at}")
    while at + 1 < len(raw) and raw[at + 1] == 0xFF:
        at += 1
    if at + 1 >= len(raw):
        raise NotPlain("the end is missing")
    return raw[at + 1], at


def _length(raw: bytes, at: int) -> int:
    length = int.from_bytes(raw[at : at + 2], "big")
    if length < 2 or at + length > len(raw):
        raise NotPlain(f"a segment at byte {at} is longer than the file")
    return length


def _scan_end(raw: bytes, at: int) -> int:
    """Where the compressed data ends: at the first marker that is neither an escaped FF nor a restart."""
    while True:
        at = raw.find(b"\xff", at)
        if at < 0 or at + 1 >= len(raw):
            raise NotPlain("the end is missing")
        if raw[at + 1] not in (0x00, 0xFF, *range(0xD0, 0xD8)):
            return at
        at += 1 if raw[at + 1] == 0xFF else 2


def _is_metadata(marker: int, segment: bytes) -> bool:
    if marker == COMMENT:
        return True
    if not 0xE0 <= marker <= 0xEF or marker == ADOBE:
        return False
    body = segment[4:]
    return not (
        (marker == JFIF and body.startswith(b"JFIF\0")) or (marker == ICC and body.startswith(b"ICC_PROFILE\0"))
    )
