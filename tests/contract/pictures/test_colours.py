"""Whatever colours a file states, the trainer, the checks, the copies and the screen see the same sRGB pixels."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from loratui.curation.checks.files import open_picture
from loratui.curation.copies.pixels import remake
from loratui.widgets.thumbnail import decode
from trainer.contract.pictures import profiles
from trainer.contract.pictures.flatten import flatten, upright
from trainer.contract.pictures.opening import open_image
from trainer.data.images import open_rgb

NEAR = 3.0  # of 255: two roundings to 8 bits and a chart of saturated colours
SRGB_ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
P3 = profiles.matrix_profile("Display P3", profiles.DISPLAY_P3, None)
ADOBE = profiles.matrix_profile("Adobe RGB", profiles.ADOBE_RGB, profiles.ADOBE_GAMMA)
PROPHOTO = profiles.matrix_profile(
    "ProPhoto", profiles.Primaries((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), (0.3457, 0.3585)), 1.8
)


def chart() -> Image.Image:
    """Colours of all of sRGB, in patches so that JPEG keeps them."""
    small = np.random.default_rng(1).integers(20, 236, (12, 12, 3), np.uint8)
    return Image.fromarray(small).resize((192, 192), Image.Resampling.NEAREST)


def in_profile(icc: bytes) -> Image.Image:
    """The chart, in the numbers of another profile."""
    made = ImageCms.profileToProfile(
        chart(), ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(icc)), outputMode="RGB"
    )
    assert made is not None
    made.info.clear()
    return made


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures, in levels of 255."""
    return float(np.abs(np.asarray(one.convert("RGB"), float) - np.asarray(other.convert("RGB"), float)).mean())


def with_chunks(raw: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with further chunks behind its header."""
    packed = (
        struct.pack(">I", len(data)) + key + data + struct.pack(">I", zlib.crc32(key + data)) for key, data in chunks
    )
    return raw[:33] + b"".join(packed) + raw[33:]


def png(picture: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", **options)
    return out.getvalue()


def chrm(one: profiles.Primaries) -> bytes:
    numbers = [value for point in (one.white, one.red, one.green, one.blue) for value in point]
    return struct.pack(">8I", *(round(value * 100000) for value in numbers))


def seen_by_all(path: Path) -> dict[str, Image.Image]:
    """The picture as each part of the program sees it."""
    checked = open_picture(path.name, path).picture
    assert checked is not None
    pixels = decode(path, 192, 192)
    shown = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)
    fixed = Image.open(io.BytesIO(remake(path, "#ffffff").raw))
    assert "icc_profile" not in fixed.info
    return {"trained": open_rgb(path), "checked": checked, "shown": shown, "fixed": fixed}


@pytest.mark.parametrize("icc", [P3, ADOBE, PROPHOTO], ids=["p3", "adobe", "prophoto"])
def test_a_wide_profile_is_applied_for_the_screen_the_checks_the_copies_and_the_trainer(
    tmp_path: Path, icc: bytes
) -> None:
    wide = in_profile(icc)
    assert difference(wide, chart()) > 2 * NEAR  # unconverted, it is plainly wrong
    wide.save(tmp_path / "a.png", icc_profile=icc)
    wide.save(tmp_path / "b.jpg", icc_profile=icc, quality=98, subsampling=0)
    for name in ("a.png", "b.jpg"):
        for where, picture in seen_by_all(tmp_path / name).items():
            assert difference(picture, chart()) < NEAR, (name, where)


def test_srgb_stays_bit_for_bit_with_and_without_its_profile(tmp_path: Path) -> None:
    wanted = chart().tobytes()
    chart().save(tmp_path / "plain.png")
    chart().save(tmp_path / "tagged.png", icc_profile=SRGB_ICC)
    numbers = [(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", chrm(profiles.SRGB))]
    (tmp_path / "numbers.png").write_bytes(with_chunks(png(chart()), *numbers))
    (tmp_path / "coded.png").write_bytes(with_chunks(png(chart()), (b"cICP", bytes([1, 13, 0, 1]))))
    for path in sorted(tmp_path.glob("*.png")):
        found = open_picture(path.name, path)
        assert open_rgb(path).tobytes() == wanted and found.colours == "" and found.notes == (), path.name
        assert remake(path, "#ffffff").done == (), path.name


def test_what_png_says_in_numbers_is_applied(tmp_path: Path) -> None:
    p3, linear = in_profile(P3), in_profile(profiles.matrix_profile("linear", profiles.SRGB, 1.0))
    adobe = with_chunks(
        png(in_profile(ADOBE)), (b"gAMA", struct.pack(">I", 45488)), (b"cHRM", chrm(profiles.ADOBE_RGB))
    )
    files = {
        "coded": with_chunks(png(p3), (b"cICP", bytes([12, 13, 0, 1]))),
        "linear": with_chunks(png(linear), (b"gAMA", struct.pack(">I", 100000))),
        "adobe": adobe,
    }
    for name, raw in files.items():
        (tmp_path / f"{name}.png").write_bytes(raw)
        assert difference(open_rgb(tmp_path / f"{name}.png"), chart()) < NEAR, name


def test_the_order_of_png_s_statements_is_that_of_its_specification(tmp_path: Path) -> None:
    p3, gamma = in_profile(P3), (b"gAMA", struct.pack(">I", 100000))
    files = {
        "profile-before-gamma": with_chunks(png(p3, icc_profile=P3), gamma),
        "code-before-profile": with_chunks(png(p3, icc_profile=ADOBE), (b"cICP", bytes([12, 13, 0, 1])), gamma),
        "hdr-code-is-passed-over": with_chunks(png(p3, icc_profile=P3), (b"cICP", bytes([9, 16, 0, 1]))),
        "broken-profile-then-srgb": with_chunks(png(chart(), icc_profile=b"broken"), (b"sRGB", b"\0"), gamma),
    }
    for name, raw in files.items():
        (tmp_path / f"{name}.png").write_bytes(raw)
        assert difference(open_rgb(tmp_path / f"{name}.png"), chart()) < NEAR, name
    told = open_picture("a.png", tmp_path / "hdr-code-is-passed-over.png").notes
    assert [one.code for one in told] == ["broken-profile"] and "HDR (PQ)" in told[0].message


def test_a_camera_s_adobe_rgb_without_a_profile_is_told_by_its_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 0xFFFF, 0xA005: {1: "R03"}}
    in_profile(ADOBE).save(tmp_path / "a.jpg", quality=98, subsampling=0, exif=exif)
    assert difference(open_rgb(tmp_path / "a.jpg"), chart()) < NEAR
    assert open_picture("a.jpg", tmp_path / "a.jpg").colours == "Adobe RGB"


def test_grey_palette_and_transparent_pictures_have_profiles_too(tmp_path: Path) -> None:
    wide = in_profile(P3)
    clear = wide.copy()
    clear.putalpha(255)
    clear.paste((0, 0, 0, 0), (0, 0, 96, 192))
    clear.save(tmp_path / "clear.png", icc_profile=P3)
    half = chart()
    half.paste((0, 255, 0), (0, 0, 96, 192))
    assert difference(open_rgb(tmp_path / "clear.png", "#00ff00"), half) < NEAR
    palette = wide.quantize(144, dither=Image.Dither.NONE)
    palette.save(tmp_path / "palette.png", icc_profile=P3)
    assert difference(open_rgb(tmp_path / "palette.png"), chart()) < NEAR
    grey = chart().convert("L")
    linear = profiles.matrix_profile("linear", profiles.SRGB, 1.0)
    level = np.asarray(grey) / 255
    bright = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    Image.fromarray(np.uint8(np.round(bright * 255))).save(tmp_path / "grey.png", icc_profile=linear)
    assert difference(open_rgb(tmp_path / "grey.png"), grey) < NEAR


@pytest.mark.parametrize(
    "spoil",
    [lambda icc: icc[:200], lambda icc: b"\xff" * 300, lambda icc: icc.replace(b"RGB XYZ ", b"CMYKLab ")],
    ids=["cut", "noise", "of-cmyk"],
)
def test_a_broken_profile_is_passed_over_and_told(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    chart().save(tmp_path / "a.png", icc_profile=spoil(P3))
    found = open_picture("a.png", tmp_path / "a.png")
    assert [one.code for one in found.notes] == ["broken-profile"] and found.problem is None
    assert open_rgb(tmp_path / "a.png").tobytes() == chart().tobytes()


def deep(kind: type, white: float) -> Image.Image:
    values = np.asarray(chart().convert("L"), float) / 255 * white
    return Image.fromarray((values if kind is np.float32 else np.round(values)).astype(kind))


@pytest.mark.parametrize(
    ("name", "picture", "white"),
    [
        ("a.png", deep(np.uint16, 65535), 65535),
        ("a.tif", deep(np.uint16, 4095), 4095),
        ("b.tif", deep(np.uint16, 1023), 1023),
        ("c.tif", deep(np.float32, 1.0), 1),
        ("d.tif", deep(np.float32, 255.0), 255),
        ("e.tif", deep(np.int32, 255), 255),
        ("f.tif", deep(np.int32, 65535), 65535),
    ],
)
def test_deep_grey_is_read_in_its_own_depth_and_said(
    tmp_path: Path, name: str, picture: Image.Image, white: int
) -> None:
    picture.save(tmp_path / name)
    assert difference(open_rgb(tmp_path / name), chart().convert("L")) <= 1
    with (tmp_path / name).open("rb") as file, open_image(file) as opened:
        assert flatten(opened, "#ffffff").white == white
    assert "sixteen-bit" in [one.code for one in open_picture(name, tmp_path / name).notes]


def deep_tiff(path: Path, values: np.ndarray[Any, Any], big: bool = False, deflate: bool = False) -> None:
    """A TIFF of one strip with 16 bits a sample, which Pillow does not write in colour."""
    height, width, bands = values.shape
    order, raw = (">", b"MM") if big else ("<", b"II")
    body = values.astype(order + "u2").tobytes()
    body = zlib.compress(body) if deflate else body
    bits = struct.pack(f"{order}{bands}H", *[16] * bands)
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, bands, 8), (259, 3, 1, 8 if deflate else 1)]
    tags += [
        (262, 3, 1, 2),
        (273, 4, 1, 8 + len(bits)),
        (277, 3, 1, bands),
        (278, 4, 1, height),
        (279, 4, 1, len(body)),
    ]
    tags += [(338, 3, 1, 2)] if bands == 4 else []
    listing = struct.pack(order + "H", len(tags))
    for tag, kind, count, value in tags:
        short = kind == 3 and count == 1
        listing += struct.pack(order + ("HHIHH" if short else "HHII"), tag, kind, count, value, *([0] if short else []))
    at = 8 + len(bits) + len(body)
    path.write_bytes(raw + struct.pack(order + "HI", 42, at) + bits + body + listing + bytes(4))


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("white", [1023, 4095, 16383, 65535])
def test_deep_colours_are_read_in_their_own_depth_and_said(
    tmp_path: Path, white: int, big: bool, deflate: bool
) -> None:
    values = np.round(np.asarray(chart(), float) / 255 * white)
    deep_tiff(tmp_path / "a.tif", values, big, deflate)
    clear = np.dstack([values, np.full(values.shape[:2], white)])
    clear[:, :32, 3] = 0
    deep_tiff(tmp_path / "b.tif", clear, big, deflate)
    assert difference(open_rgb(tmp_path / "a.tif"), chart()) <= 1
    assert open_rgb(tmp_path / "b.tif", "#ff0000").getpixel((2, 2)) == (255, 0, 0)
    assert difference(open_rgb(tmp_path / "b.tif").crop((32, 0, 192, 192)), chart().crop((32, 0, 192, 192))) <= 1
    for where, picture in seen_by_all(tmp_path / "a.tif").items():
        assert difference(picture.resize(chart().size), chart()) <= NEAR, where
    shown = decode(tmp_path / "b.tif", 64, 64, "#ff0000")
    assert tuple(shown.data[:3]) == (255, 0, 0)
    (note,) = [one for one in open_picture("a.tif", tmp_path / "a.tif").notes if one.code == "sixteen-bit"]
    assert ("colours of 12 bits in a deeper file: 4,095 is read as white" in note.message) == (white == 4095)


def test_floats_that_are_no_numbers_and_highlights_leave_the_rest_as_it_is(tmp_path: Path) -> None:
    values = np.full((8, 8), 0.5, np.float32)
    values[0, :3] = (np.nan, np.inf, 7.5)
    Image.fromarray(values).save(tmp_path / "a.tif")
    seen = np.asarray(open_rgb(tmp_path / "a.tif"))
    assert seen[4, 4].tolist() == [128, 128, 128] and seen[0, 2].tolist() == [255, 255, 255]


def test_an_opaque_alpha_channel_is_not_called_transparent(tmp_path: Path) -> None:
    opaque = chart().convert("RGBA")
    opaque.save(tmp_path / "a.png")
    opaque.putpixel((3, 3), (0, 0, 0, 254))
    opaque.save(tmp_path / "b.png")
    assert open_picture("a.png", tmp_path / "a.png").notes == ()
    assert [one.code for one in open_picture("b.png", tmp_path / "b.png").notes] == ["transparent"]


def test_one_picture_in_many_containers_gives_the_same_pixels(tmp_path: Path) -> None:
    one, other = chart(), chart().rotate(90)
    frames = {"save_all": True, "append_images": [other]}
    one.save(tmp_path / "a.bmp")
    one.save(tmp_path / "lzw.tif", compression="tiff_lzw")
    one.save(tmp_path / "pages.tif", **frames)
    one.save(tmp_path / "moving.png", **frames)
    one.save(tmp_path / "moving.webp", lossless=True, **frames)
    one.convert("RGBA").save(tmp_path / "opaque.png")
    one.quantize(144, dither=Image.Dither.NONE).save(tmp_path / "moving.gif", save_all=True)
    one.save(tmp_path / "phone.jpg", "MPO", quality=98, subsampling=0, **frames)
    one.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=98, subsampling=0)
    one.convert("YCbCr").save(tmp_path / "ycbcr.tif")
    one.convert("LAB").save(tmp_path / "lab.tif")
    exact = {"a.bmp", "lzw.tif", "pages.tif", "moving.png", "moving.webp", "opaque.png", "moving.gif"}
    for path in sorted(tmp_path.iterdir()):
        seen = open_rgb(path)
        assert difference(seen, one) <= (0 if path.name in exact else NEAR), path.name


def test_long_texts_before_the_code_of_a_png_are_skipped(tmp_path: Path) -> None:
    raw = with_chunks(png(in_profile(P3)), (b"tEXt", b"note\0" + b"x" * 200_000), (b"cICP", bytes([12, 13, 0, 1])))
    (tmp_path / "a.png").write_bytes(raw)
    with (tmp_path / "a.png").open("rb") as file, open_image(file) as opened:
        assert opened.info["cicp"] == (12, 13)
        assert upright(opened, "#ffffff").colours == "Display P3"


def printing_profile() -> bytes:
    """An ICC profile (version 2, lut8) of four inks of which cyan prints a dull teal, black a dark grey."""
    inks = np.array([[88, 96, 128], [116, 190, 128], [230, 122, 200], [26, 128, 128]])  # Lab in 8 bits, Lab 0 is 128
    grid = bytearray()
    for number in range(16):
        printed = [inks[place] for place in range(4) if number >> (3 - place) & 1]
        grid += bytes(int(v) for v in (np.min(printed, axis=0) if printed else (255, 128, 128)))
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    ramp = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + bytes(grid) + ramp * 3
    tags = [(b"desc", b"desc\0\0\0\0" + struct.pack(">I", 6) + b"print\0" + b"\0" * 82), (b"A2B0", table)]
    tags += [(b"wtpt", b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in profiles.D50_XYZ)))]
    listing, body, start = b"", b"", 132 + 12 * len(tags)
    for key, data in tags:
        listing += key + struct.pack(">II", start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    head = struct.pack(">I4sI", start + len(body), b"\0" * 4, 0x02400000) + b"prtrCMYKLab " + b"\0" * 12 + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", *(round(v * 65536) for v in profiles.D50_XYZ))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + listing + body


def test_printing_colours_become_what_their_profile_says(tmp_path: Path) -> None:
    inks = Image.new("CMYK", (64, 64), (0, 0, 0, 0))
    inks.paste((255, 0, 0, 0), (0, 0, 32, 64))
    inks.save(tmp_path / "a.tif", icc_profile=printing_profile())
    seen = open_rgb(tmp_path / "a.tif")
    assert min(seen.getpixel((50, 30))) >= 253  # the paper
    red, green, blue = seen.getpixel((10, 30))  # Lab 34.5, -32, 0; without the profile it is 0, 255, 255
    assert red < 40 and 70 < green < 110 and 60 < blue < 100
    for where, picture in seen_by_all(tmp_path / "a.tif").items():
        assert difference(picture.resize((64, 64)), seen) < NEAR, where
