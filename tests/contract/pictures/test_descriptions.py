"""Descriptions in the pictures' own files: found wherever programs write them, said, and read only where asked."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from trainer.contract.pictures.descriptions import words_inside
from trainer.contract.pictures.folder import list_pictures
from trainer.contract.pictures.problems import severity_of

WORDS = "a TOK with a camera, in café light"
DRAWN = f"{WORDS}\nNegative prompt: blurry, ugly\nSteps: 20, Sampler: Euler a, Seed: 1"
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<r:Description xmlns:dc="http://purl.org/dc/elements/1.1/"{}</r:Description></r:RDF></x:xmpmeta>'
)
LISTED = XMP.format(
    f'><dc:description><r:Alt><r:li xml:lang="de">ein TOK</r:li><r:li xml:lang="x-default">{WORDS}</r:li>'
    "</r:Alt></dc:description>"
).encode()
SHORT = XMP.format(f' dc:description="{WORDS}">').encode()
Write = Callable[[Path], object]


def picture() -> Image.Image:
    return Image.new("RGB", (8, 8), "red")


def png(key: str, text: str, wide: bool = False) -> Write:
    info = PngInfo()
    (info.add_itxt if wide else info.add_text)(key, text)
    return lambda path: picture().save(path, "PNG", pnginfo=info)


def exif(tag: int, value: str | bytes, inner: bool = False, kind: str = "JPEG") -> Write:
    found = Image.Exif()
    (found.get_ifd(0x8769) if inner else found)[tag] = value
    return lambda path: picture().save(path, kind, exif=found)


def iptc(text: bytes) -> Write:
    def write(path: Path) -> None:
        picture().save(path, "JPEG")
        record = b"\x1c\x02\x78" + struct.pack(">H", len(text)) + text
        block = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(record)) + record
        block += b"\0" * (len(record) % 2)
        raw = path.read_bytes()
        path.write_bytes(raw[:2] + b"\xff\xed" + struct.pack(">H", len(block) + 2) + block + raw[2:])

    return write


def saved(kind: str, **options: object) -> Write:
    return lambda path: picture().save(path, kind, **options)


PLACES: dict[str, Write] = {
    "AUTOMATIC1111's PNG": png("parameters", DRAWN),
    "PNG description": png("Description", WORDS),
    "PNG comment, international": png("Comment", WORDS, wide=True),
    "XMP in PNG": png("XML:com.adobe.xmp", LISTED.decode(), wide=True),
    "XMP in JPEG": saved("JPEG", xmp=LISTED),
    "XMP in short": saved("JPEG", xmp=SHORT),
    "XMP in WebP": saved("WEBP", xmp=LISTED),
    "EXIF description": exif(0x010E, WORDS.encode()),
    "EXIF description in TIFF": exif(0x010E, WORDS.encode(), kind="TIFF"),
    "AUTOMATIC1111's JPEG": exif(0x9286, b"UNICODE\0" + DRAWN.encode("utf-16-be"), inner=True),
    "AUTOMATIC1111's WebP": exif(0x9286, b"UNICODE\0" + DRAWN.encode("utf-16-be"), inner=True, kind="WEBP"),
    "little end first": exif(0x9286, b"UNICODE\0" + WORDS.encode("utf-16-le"), inner=True),
    "plain comment": exif(0x9286, b"ASCII\0\0\0" + WORDS.encode(), inner=True),
    "Windows comment": exif(0x9C9C, WORDS.encode("utf-16-le") + b"\0\0"),
    "IPTC": iptc(WORDS.encode()),
    "JPEG comment": saved("JPEG", comment=WORDS.encode()),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_description_is_found_wherever_programs_write_it(tmp_path: Path, place: str) -> None:
    PLACES[place](tmp_path / "a")
    assert words_inside(tmp_path / "a") == WORDS


NOTHING: dict[str, Write] = {
    "a camera's mark": exif(0x010E, "OLYMPUS DIGITAL CAMERA"),
    "a program's mark": saved("JPEG", comment=b"Created with GIMP"),
    "one word": png("Description", "IMG_2041"),
    "settings": png("Comment", '{"steps": 28, "prompt": "a TOK"}'),
    "settings alone": png("parameters", "Steps: 20, Sampler: Euler a"),
    "growing XMP": saved("JPEG", xmp=b'<!DOCTYPE a [<!ENTITY b "c">]>' + LISTED),
    "broken XMP": saved("JPEG", xmp=LISTED[:90]),
    "broken IPTC": lambda path: iptc(b"x" * 40)(path) or path.write_bytes(path.read_bytes()[:30]),
    "no picture": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"),
    "a link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("case", NOTHING)
def test_what_is_no_description_is_none(tmp_path: Path, case: str) -> None:
    NOTHING[case](tmp_path / "a")
    assert words_inside(tmp_path / "a") == ""


@pytest.mark.parametrize(("count", "severity"), [(1, "hint"), (3, "warn")])
def test_descriptions_are_said_and_read_only_where_asked(tmp_path: Path, count: int, severity: str) -> None:
    for number in range(4):
        text = f"{WORDS}, {number}" if number < count else "x"
        png("parameters", f"{text}\nSteps: 20")(tmp_path / f"{number}.png")
    found = list_pictures(tmp_path)
    assert {one.caption for one in found.pictures} == {None}
    (said,) = found.problems
    assert (said.code, severity_of(said), said.value) == ("captions-unread", severity, ("inside",))
    assert said.message.startswith(f"{count} picture") and WORDS in said.message
    assert "set dataset.caption_column to inside" in said.remedy
    (tmp_path / "0.txt").write_text("my own")
    read = list_pictures(tmp_path, "inside").pictures
    assert [one.caption for one in read[:count]] == ["my own", f"{WORDS}, 1", f"{WORDS}, 2"][:count]
    assert read[3].caption is None


def test_the_same_words_in_all_pictures_are_a_programs(tmp_path: Path) -> None:
    for number in range(3):
        png("Description", WORDS)(tmp_path / f"{number}.png")
    assert list_pictures(tmp_path).problems == ()
