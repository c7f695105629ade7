"""Every file is told what it is, none stops the scan, and training sees what the checks saw."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loratui.curation.checks import files
from loratui.curation.checks.files import open_picture
from loratui.curation.contact_sheet import write_contact_sheet
from loratui.widgets.thumbnail import NotShown, decode
from tests.loratui.curation.conftest import codes, look, of_set, picture, scene
from trainer.contract.pictures.profiles import DISPLAY_P3, matrix_profile


def raw_png(width: int, height: int, depth: int, colour: int, body: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(body)), (b"IEND", b""))
    packed = (struct.pack(">I", len(b)) + t + b + struct.pack(">I", zlib.crc32(t + b)) for t, b in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.slow
def test_a_wrong_ending_an_animation_and_odd_modes_are_told(folder: Path) -> None:
    one, other = scene(1), scene(2)
    one.save(folder / "named.jpg", "PNG")
    one.save(folder / "moving.gif", save_all=True, append_images=[other])
    one.convert("CMYK").save(folder / "print.jpg")
    one.quantize(64).save(folder / "palette.png")
    clear = one.copy()
    clear.putalpha(Image.new("L", one.size, 120))
    clear.save(folder / "clear.png")
    report = look(folder)
    expected = {"named.jpg": "wrong-ending", "moving.gif": "animated", "print.jpg": "cmyk"}
    for name, code in {**expected, "palette.png": "palette", "clear.png": "transparent"}.items():
        assert code in codes(report, name), name
    assert [one.severity for one in picture(report, "moving.gif").findings if one.code == "animated"] == ["warn"]


def test_sixteen_bits_are_told_and_do_not_turn_white(folder: Path) -> None:
    grey = np.asarray(scene(1).convert("L")).astype(np.uint16)
    Image.fromarray(grey * 257).save(folder / "grey.png")
    colours = np.asarray(scene(2, (200, 150))).astype(">u2") * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)
    (folder / "colour.png").write_bytes(raw_png(200, 150, 16, 2, rows))
    report = look(folder)
    assert "sixteen-bit" in codes(report, "grey.png") and "sixteen-bit" in codes(report, "colour.png")
    opened = open_picture("grey.png", folder / "grey.png").picture
    assert opened is not None
    assert abs(np.asarray(opened.convert("L")).astype(int) - grey).max() <= 1


def test_a_phone_s_jpeg_with_a_second_picture_is_no_animation(folder: Path) -> None:
    scene(1).save(folder / "phone.jpg", "MPO", save_all=True, append_images=[scene(2)])
    assert codes(look(folder), "phone.jpg") == []


def test_what_lies_under_transparency_is_not_seen(folder: Path) -> None:
    pixels = np.zeros((300, 300, 4), np.uint8)
    pixels[..., 0] = 255  # red, where nothing is opaque
    Image.fromarray(pixels).save(folder / "a.png")
    opened = open_picture("a.png", folder / "a.png", "#0000ff").picture
    assert opened is not None and opened.getpixel((5, 5)) == (0, 0, 255)


def test_the_turn_mark_is_applied_also_to_what_is_reduced(folder: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    wide = Image.new("RGB", (2400, 2200))
    wide.paste((255, 0, 0), (0, 0, 2400, 100))
    for name in ("a.jpg", "b.png"):
        wide.save(folder / name, exif=exif)
        opened = open_picture(name, folder / name)
        assert opened.turned and (opened.width, opened.height) == (2200, 2400) and opened.picture is not None
        small = opened.picture
        assert small.height > small.width and small.getpixel((small.width - 3, 50))[0] > 200, (
            name
        )  # red is at the right
    assert of_set(look(folder))["turned"].value == 2


def test_a_jpeg_of_very_many_passes_is_not_read(folder: Path) -> None:
    buffer = io.BytesIO()
    scene(1).save(buffer, "JPEG", progressive=True)
    raw = buffer.getvalue()
    (folder / "fine.jpg").write_bytes(raw)
    last = raw.rindex(b"\xff\xda")
    (folder / "stalls.jpg").write_bytes(raw[:last] + raw[last:-2] * 300 + raw[-2:])
    report = look(folder)
    assert picture(report, "fine.jpg").opens and codes(report, "stalls.jpg")[0] == "stalling"


def test_what_is_too_large_to_look_at_is_said_and_can_still_be_trained(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LOOK_PIXELS", 100_000)
    scene(1).save(folder / "a.png")
    whole = (folder / "a.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    report = look(folder)
    assert codes(report, "a.png") == ["not-looked-at"] and picture(report, "a.png").blurry is None
    assert not picture(report, "cut.png").opens


def test_nothing_of_a_large_jpeg_is_decoded_that_looking_does_not_need(folder: Path) -> None:
    scene(1).resize((4096, 3072)).save(folder / "a.jpg", quality=60)
    opened = open_picture("a.jpg", folder / "a.jpg")
    assert (opened.width, opened.height) == (4096, 3072) and opened.picture is not None
    assert opened.picture.size == (2048, 1536)


def test_the_folder_itself_is_looked_at(folder: Path) -> None:
    scene(1).save(folder / "a.jpg")
    scene(2).save(folder / "a.png")
    scene(3).save(folder / ".hidden.jpg")
    (folder / "._a.jpg").write_bytes(b"litter")
    (folder / "film.mov").write_bytes(b"x")
    (folder / "sub" / "deep").mkdir(parents=True)
    scene(4).save(folder / "sub" / "deep" / "b.jpg")
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    (folder / "self.jpg").symlink_to("self.jpg")
    (folder / "sub" / "self.jpg").symlink_to("self.jpg")
    (folder / "circle").symlink_to(folder)
    for name in ("more.zip", "more.rar", "more.tar", "more.7z"):
        (folder / name).write_bytes(b"x")
    (folder / "broken.jpg").write_bytes(b"no picture")
    assert codes(look(folder), "broken.jpg") == ["unreadable"]  # and nothing of its caption
    found = of_set(look(folder))
    assert found["same-name"].value == ["a.jpg", "a.png"]
    assert found["hidden-files"].value == [".hidden.jpg"]
    assert found["other-formats"].value == ["film.mov"]
    assert found["in-subfolder"].value == ["sub/deep"]
    assert found["links"].value == ["gone.jpg", "self.jpg"]
    assert found["archives"].value == ["more.7z", "more.rar", "more.tar", "more.zip"]


def test_each_link_that_leaves_the_folder_is_named_once(folder: Path, tmp_path: Path) -> None:
    scene(1).save(tmp_path / "private.jpg")
    scene(2).save(folder / "a.jpg")
    (tmp_path / "netrc").write_text("machine git.example password hunter2 TOK")
    (tmp_path / "home").mkdir()
    for name, target in {"b.jpg": "private.jpg", "a.txt": "netrc", "x.csv": "netrc", "c.raw.dat": "netrc"}.items():
        (folder / name).symlink_to(f"../{target}")
    (folder / "more").symlink_to("../home")
    for _ in range(2):  # measured, then remembered
        report = look(folder)
        assert codes(report, "b.jpg") == ["picture-outside"] and codes(report, "a.jpg") == ["caption-outside"]
        assert of_set(report)["links"].value == ["c.raw.dat", "more", "x.csv"]
        assert "hunter2" not in str(report)
    sheet = tmp_path / "sheet.png"
    write_contact_sheet(report, sheet)
    with pytest.raises(NotShown, match="leads out of the folder"):
        decode(folder / "b.jpg", 10, 10)


def test_sub_folders_are_looked_into_when_asked_with_their_captions(folder: Path) -> None:
    (folder / "sub").mkdir()
    scene(1).save(folder / "sub" / "b.jpg")
    (folder / "sub" / "b.txt").write_text("a TOK")
    report = look(folder, subfolders=True)
    assert [(one.name, one.caption) for one in report.pictures] == [("sub/b.jpg", "a TOK")]


def test_odd_names_go_through(folder: Path) -> None:
    names = ["with space.jpg", "new\nline.jpg", "esc\x1b[31m.jpg", "😀.jpg", "-dash.jpg", "[b].jpg", "a" * 240 + ".jpg"]
    for name in names:
        scene(1, (160, 160)).save(folder / name)
    scene(1, (160, 160)).save(os.fsencode(folder) + b"/latin\xe9.jpg", "JPEG")
    for report in (look(folder), look(folder)):  # measured, then remembered
        assert len(report.pictures) == 8 and all(one.opens for one in report.pictures)


def test_a_changed_picture_of_the_same_size_and_time_is_measured_again(folder: Path) -> None:
    def draw(number: int) -> None:
        scene(number).save(folder / "a.bmp")
        os.utime(folder / "a.bmp", (1_700_000_000, 1_700_000_000))

    draw(1)
    first = picture(look(folder), "a.bmp").sha256
    draw(2)
    assert picture(look(folder), "a.bmp").sha256 not in ("", first)


@pytest.mark.slow
def test_colours_that_are_brought_to_srgb_are_told_once_for_the_set(folder: Path) -> None:
    icc = matrix_profile("Display P3", DISPLAY_P3, None)
    for number in range(3):
        scene(number).save(folder / f"{number}.jpg", icc_profile=icc)
    scene(4).save(folder / "4.jpg")
    for report in (look(folder), look(folder)):  # measured, then remembered
        found = of_set(report)["colour-profile"]
        assert found.value == 3 and "Display P3" in found.message and found.severity == "hint"
