"""The colours of a copy: sRGB, 8 bit, three channels, as the trainer and every model expect them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from trainer.contract.pictures.flatten import ALPHA

if TYPE_CHECKING:
    from PIL.Image import Image

NEAR = 3  # of 255: two profiles that differ by less are the same to the eye


def to_srgb(picture: Image) -> tuple[Image, str]:
    """The picture with its own colour profile applied, and that profile's name; unchanged and "" if it is sRGB."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "CMYK", "L"):
        return picture, ""
    try:
        from PIL import ImageCms

        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        if picture.mode == "RGB" and _same(ImageCms, own, srgb):
            return picture, ""
        made = ImageCms.profileToProfile(picture, own, srgb, outputMode="RGB")
        name = ImageCms.getProfileDescription(own).strip()
    except (ImportError, OSError, ValueError, TypeError):  # PyCMSError is a ValueError; a broken profile says nothing
        return picture, ""
    except Exception as error:
        if type(error).__name__ != "PyCMSError":
            raise
        return picture, ""
    return (made, name or "its own profile") if made is not None else (picture, "")


def _same(cms: Any, own: Any, srgb: Any) -> bool:
    """Whether a profile changes none of 64 colours by more than NEAR."""
    from PIL import Image

    levels = (0, 85, 170, 255)
    colours = bytes(value for r in levels for g in levels for b in levels for value in (r, g, b))
    chart = Image.frombytes("RGB", (8, 8), colours)
    shown = cms.profileToProfile(chart, own, srgb, outputMode="RGB").tobytes()
    return all(abs(one - other) <= NEAR for one, other in zip(colours, shown, strict=True))


def has_transparency(picture: Image) -> bool:
    """Whether any pixel lets the background through."""
    if picture.mode in ALPHA or "transparency" in picture.info:
        return picture.convert("RGBA").getchannel("A").tobytes().strip(b"\xff") != b""
    return False
