"""From a picture file to what is trained on: opened safely, turned upright, composited, resized, cropped."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from trainer.contract.entries import write_atomic
from trainer.contract.pictures.decoding import usable
from trainer.contract.pictures.flatten import upright

if TYPE_CHECKING:
    from PIL.Image import Image


THUMB = 256  # px, longest side of a small copy


@dataclass(frozen=True)
class Geometry:
    """How a picture becomes what is trained on: sizes as (height, width), the crop's corner as (top, left)."""

    original: tuple[int, int]
    resized: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]
    flip: bool

    @property
    def conditioning(self) -> tuple[int, int, int, int, int, int]:
        """SDXL's six numbers: original height and width, crop top and left, target height and width."""
        top, left = self.corner
        if self.flip:
            left = self.resized[1] - self.size[1] - left
        return (*self.original, top, left, *self.size)


def open_rgb(path: Path, background: str = "#ffffff") -> Image:
    """The picture upright in 8-bit sRGB, transparency laid on `background`. Raises BadPicture."""
    with usable(path) as opened:
        return upright(opened, background).picture


def fit(
    width: int, height: int, size: tuple[int, int], where: tuple[float, float] = (0.5, 0.5), flip: bool = False
) -> Geometry:
    """Make the picture cover `size` (height, width), and cut that; `where` in [0, 1] places it (0.5: the centre)."""
    scale = max(size[0] / height, size[1] / width)
    resized = (max(size[0], round(height * scale)), max(size[1], round(width * scale)))
    corner = (round((resized[0] - size[0]) * where[0]), round((resized[1] - size[1]) * where[1]))
    return Geometry((height, width), resized, corner, size, flip)


def pixels(picture: Image, geometry: Geometry) -> torch.Tensor:
    """What is trained on as a (3, height, width) fp32 tensor in [-1, 1]."""
    from PIL import Image

    height, width = geometry.resized
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    top, left = geometry.corner
    cut = picture.crop((left, top, left + geometry.size[1], top + geometry.size[0]))
    values = np.asarray(cut, dtype=np.float32) / 127.5 - 1.0
    if geometry.flip:
        values = values[:, ::-1]
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))


def to_pictures(decoded: torch.Tensor) -> list[Image]:
    """(n, 3, h, w) in [-1, 1] as 8-bit pictures, rounded as diffusers' image processor does."""
    from PIL import Image

    values = (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).float().cpu().numpy()
    return [Image.fromarray((one * 255).round().astype(np.uint8)) for one in values]


def save_picture(picture: Image, final: Path, thumb: bool = False, root: Path | None = None) -> None:
    """Write a picture in one step; the format follows the name, nothing else is in the file.

    No name from `root` down may be a link. Raises BadEntry, OSError.
    """
    if thumb:
        picture = picture.copy()
        picture.thumbnail((THUMB, THUMB))
    raw = BytesIO()
    picture.save(raw, format="JPEG" if final.suffix == ".jpg" else "PNG")
    write_atomic(final, raw.getvalue(), root=root)
