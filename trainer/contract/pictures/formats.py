"""Which files are pictures: told by their first bytes, whatever their names say; some formats need a package more."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePath

from trainer.contract.paths import is_file
from trainer.contract.pictures.inside import open_inside

# by content, whatever the name says: Pillow would start ghostscript for EPS; JPEG holds the MPO of phones
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"}  # all are looked at
)
EXTRA = "pip install 'loratui[formats]'"
SNIFFED = 300  # first bytes that tell what a file is
# of files that are no pictures, or that belong to other programs: not opened to see whether they hold one
# fmt: off
NEVER = frozenset([
    ".txt", ".caption", ".json", ".jsonl", ".csv", ".tsv", ".parquet", ".arrow", ".tar", ".zip", ".npz", ".npy", ".pt",
    ".safetensors", ".toml", ".yaml", ".yml", ".xml", ".xmp", ".aae", ".md", ".py", ".ipynb", ".log", ".db", ".ini",
])
RAW = frozenset([".raw", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw"])
VIDEO = frozenset([".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm"])
DRAWN = frozenset([".psd", ".psb", ".xcf", ".kra", ".clip", ".svg", ".eps", ".ai", ".exr", ".hdr", ".tga", ".jp2"])
# fmt: on


@dataclass(frozen=True)
class OptionalFormat:
    """A format that Pillow reads with another package: its name for people, its endings, the package's module."""

    words: str
    endings: frozenset[str]
    module: str


OPTIONAL = {  # by Pillow's name
    "HEIF": OptionalFormat("HEIC", frozenset({".heic", ".heif", ".hif"}), "pillow_heif"),
    "JXL": OptionalFormat("JPEG XL", frozenset({".jxl"}), "pillow_jxl"),
}
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1")
_START = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\xff\x0a": "JXL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JXL",
}
_OTHER_START = {
    b"PK\x03\x04": "a zip archive",
    b"Rar!\x1a\x07": "a rar archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF",
    b"8BPS": "a Photoshop file",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself ('git lfs pull' fetches it)",
}
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes; "BM" alone begins many a text


def kind_of(head: bytes) -> str:
    """Pillow's name of the format that a file begins with; "" where it is no picture known here."""
    for magic, name in _START.items():
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head[4:8] == b"ftyp":
        length = min(int.from_bytes(head[:4], "big"), len(head))
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, length, 4))]
        if any(one in (b"avif", b"avis") for one in brands):
            return "AVIF"
        return "HEIF" if any(one in _HEIF_BRANDS for one in brands) else ""
    return ""


def what_is(head: bytes) -> str:
    """What the first bytes are, for people, with its article: "a zip archive", "HEIC"; "" where nobody knows."""
    kind = kind_of(head)
    if kind:
        return OPTIONAL[kind].words if kind in OPTIONAL else kind
    if head[257:262] == b"ustar":
        return "a tar archive"
    if head[4:8] == b"ftyp":
        return "a video"
    return next((words for magic, words in _OTHER_START.items() if head.startswith(magic)), "")


def first_bytes(path: Path) -> bytes:
    """The first bytes of a file; b"" where it is not read."""
    try:
        with open_inside(path) as file:
            return file.read(SNIFFED)
    except OSError:
        return b""


@cache
def can_read(kind: str) -> bool:
    """Whether this installation reads the format: always, but for those of a package that may be missing."""
    return kind not in OPTIONAL or find_spec(OPTIONAL[kind].module) is not None


@cache
def endings() -> frozenset[str]:
    """The endings of all pictures that this installation reads."""
    return ENDINGS.union(*(one.endings for kind, one in OPTIONAL.items() if can_read(kind)))


def is_other(name: str) -> bool:
    """Whether the ending is that of a picture or film that is not read here."""
    ending = PurePath(name).suffix.lower()
    known = RAW | VIDEO | DRAWN
    return ending in known or any(ending in one.endings and not can_read(kind) for kind, one in OPTIONAL.items())


def is_picture(path: Path) -> bool:
    """Whether a visible file is taken for a picture: by its ending, or where that tells nothing by its content.

    What has a picture's ending and holds none is one too, so that the checks can name it.
    """
    name, ending = path.name, path.suffix.lower()
    if name.startswith("."):
        return False
    if ending in endings():
        return is_file(path)
    if ending in NEVER or is_other(name) or not is_file(path):
        return False
    kind = kind_of(first_bytes(path))
    return bool(kind) and can_read(kind)


def unreadable_words(head: bytes) -> tuple[str, str]:
    """What a file is that Pillow does not open, and what to do; both "" where its first bytes tell nothing."""
    kind = kind_of(head)
    if kind in OPTIONAL and not can_read(kind):
        return f"its content is {OPTIONAL[kind].words}", f"to have it read: {EXTRA}"
    what = what_is(head)
    return (f"it is {what}", "") if what and not kind else ("", "")
