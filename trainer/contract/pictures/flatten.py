"""What becomes of transparency and of deep grey: one rule for the trainer, the checks and the copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")


def flatten(picture: Image, background: str) -> Image:
    """Three channels of 8 bit: transparency laid on `background` ("#ffffff"), deep grey scaled and not clipped."""
    from PIL import Image

    if picture.mode.startswith(("I", "F")):
        return _from_deep_grey(picture)
    if picture.mode in ALPHA or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, background)
        return Image.alpha_composite(ground, rgba).convert("RGB")
    return picture.convert("RGB")


def _from_deep_grey(picture: Image) -> Image:
    # convert("RGB") would clip 16-bit grey to white
    import numpy as np
    from PIL import Image

    values = np.asarray(picture, dtype=np.float32)
    top = 65535.0 if values.max(initial=0) > 255 else 255.0
    grey = np.clip(values / top * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
