"""From the colours that a file states to sRGB, the one colour space that is shown, checked, fixed and trained.

What counts as a statement, the first that can be used: PNG's cICP, an ICC profile, PNG's sRGB, PNG's gAMA and cHRM
(the order of the PNG specification, third edition, 4.3), the mark of cameras for Adobe RGB in the EXIF.

The intent is relative colorimetric with black point compensation: what sRGB can show keeps its colour exactly, and the
black of a printing profile becomes black. The perceptual intent would move every colour, and for the profiles of
phones and cameras, which have no table for it, it is the same.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from trainer.contract.pictures import profiles
from trainer.contract.pictures.profiles import NotUnderstood

if TYPE_CHECKING:
    from PIL.Image import Image

NEAR = 3  # of 255: a profile that moves no colour of the chart by more is sRGB, and nothing is converted
LEVELS = (0, 32, 64, 96, 128, 170, 212, 255)  # of each channel of the chart
PNG_SRGB_GAMMA, PNG_GAMMA_NEAR = 2.2, 0.05  # what programs write for sRGB; libpng calls less than 5 % no difference
INTEROP, ADOBE_MARK = 0xA005, "R03"  # EXIF's folder of interoperability; DCF 2.0's index for Adobe RGB
WHAT = {"RGB ": "RGB", "GRAY": "grey", "CMYK": "CMYK"}
SUITS = {"RGB": ("RGB ",), "L": ("GRAY", "RGB "), "CMYK": ("CMYK",)}


@dataclass(frozen=True)
class SrgbPicture:
    """A picture in sRGB: what it was converted from ("" if nothing was), and what statement could not be used."""

    picture: Image
    name: str = ""
    problem: str = ""


@dataclass(frozen=True)
class _Stated:
    name: str  # "" where the profile has a name of its own
    profile: bytes  # b"": it is sRGB


def to_srgb(picture: Image) -> SrgbPicture:
    """The picture in sRGB; the same object where it is so already. Modes L, LA, RGB, RGBA and CMYK are converted.

    A statement that is broken or unknown is passed over, and told in `problem`. Transparency stays.
    """
    problems: list[str] = []
    for stated in _statements(picture, problems):
        if not stated.profile:
            break
        try:
            made, name = _converted(picture, stated)
        except NotUnderstood as error:
            problems.append(str(error))
            continue
        return SrgbPicture(made, name, "; ".join(problems))
    return SrgbPicture(picture, "", "; ".join(problems))


def _statements(picture: Image, problems: list[str]) -> Iterator[_Stated]:
    info = picture.info
    if coded := info.get("cicp"):
        try:
            yield _Stated(*profiles.coded_profile(*coded))
        except NotUnderstood as error:
            problems.append(str(error))
    if isinstance(icc := info.get("icc_profile"), bytes) and icc:
        yield _Stated("", icc)
    if "srgb" in info:
        yield _Stated("sRGB", b"")
    elif "gamma" in info or "chromaticity" in info:
        try:
            yield _png_numbers(info)
        except NotUnderstood as error:
            problems.append(str(error))
    elif _marked_adobe(picture):
        yield _Stated("Adobe RGB", profiles.matrix_profile("Adobe RGB", profiles.ADOBE_RGB, profiles.ADOBE_GAMMA))


def _png_numbers(info: dict[Any, Any]) -> _Stated:
    """What gAMA and cHRM say; either may be missing."""
    encoded = info.get("gamma")
    if encoded is not None and encoded <= 0:
        raise NotUnderstood("its gamma (PNG's gAMA) is 0")
    gamma = None if encoded is None else 1 / encoded
    if gamma is not None and abs(gamma / PNG_SRGB_GAMMA - 1) < PNG_GAMMA_NEAR:
        gamma = None
    primaries, words = profiles.SRGB, []
    if (numbers := info.get("chromaticity")) is not None:
        white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
        primaries = profiles.Primaries(red, green, blue, white)
        words.append("primaries (cHRM)")
    if gamma is not None:
        words.append(f"gamma {gamma:.2f} (gAMA)")
    name = " and ".join(words)
    return _Stated(name, profiles.matrix_profile(name, primaries, gamma) if name else b"")


def _marked_adobe(picture: Image) -> bool:
    if "exif" not in picture.info:
        return False
    try:
        return str(picture.getexif().get_ifd(INTEROP).get(1, "")).strip("\0 ") == ADOBE_MARK
    except Exception:  # Pillow raises many kinds for damaged EXIF; it is no statement then
        return False


def _converted(picture: Image, stated: _Stated) -> tuple[Image, str]:
    from PIL import ImageCms

    alpha = picture.getchannel("A") if picture.mode in ("RGBA", "LA") else None
    opaque = picture.convert(picture.mode[:-1]) if alpha is not None else picture
    if opaque.mode not in SUITS:
        return picture, ""
    kind, own_name, plain = _profile(stated.profile)
    if kind not in SUITS[opaque.mode]:
        has = WHAT["GRAY" if opaque.mode == "L" else opaque.mode.ljust(4)]
        raise NotUnderstood(f"its colour profile is for {WHAT.get(kind, 'other')} colours, the picture has {has}")
    if plain:
        return picture, ""
    if opaque.mode == "L" and kind == "RGB ":
        opaque = opaque.convert("RGB")
    try:
        own, srgb = _opened(stated.profile), ImageCms.createProfile("sRGB")
        made = _transform(opaque, own, srgb)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        raise NotUnderstood("its colour profile is broken") from None
    made.info.pop("icc_profile", None)
    if alpha is not None:
        made.putalpha(alpha)
    return made, stated.name or own_name or "its own profile"


def _transform(picture: Image, own: Any, srgb: Any) -> Image:
    from PIL import ImageCms

    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    made = ImageCms.profileToProfile(picture, own, srgb, renderingIntent=intent, outputMode="RGB", flags=flags)
    assert made is not None  # only in-place conversions return nothing
    return made


def _opened(profile: bytes) -> Any:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


@lru_cache(maxsize=16)
def _profile(profile: bytes) -> tuple[str, str, bool]:
    """The kind of colours ("RGB ", "GRAY", "CMYK"), the name, and whether it is sRGB. Raises NotUnderstood."""
    from PIL import Image, ImageCms

    try:
        own = _opened(profile)
        kind = str(own.profile.xcolor_space)
        name = ImageCms.getProfileDescription(own).strip()
        if kind not in ("RGB ", "GRAY"):
            return kind, name, False
        if kind == "RGB ":
            colours = bytes(value for r in LEVELS for g in LEVELS for b in LEVELS for value in (r, g, b))
            chart = Image.frombytes("RGB", (len(LEVELS), len(LEVELS) ** 2), colours)
        else:
            chart = Image.frombytes("L", (256, 1), bytes(range(256)))
        shown = _transform(chart, own, ImageCms.createProfile("sRGB")).tobytes()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        raise NotUnderstood("its colour profile is broken") from None
    wanted = chart.convert("RGB").tobytes()
    return kind, name, all(abs(one - other) <= NEAR for one, other in zip(wanted, shown, strict=True))
