"""Colours of 10, 12 or 14 bits in a TIFF's samples of 16: read with their own white, as deep grey is."""

from __future__ import annotations

import io
import sys
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from trainer.contract.pictures.flatten import WHITE, white_of

READ = ("RGB;16", "RGBX;16", "RGBA;16")  # Pillow keeps the upper byte of each sample of these
FULL = 64  # an upper byte from here on is of more than 14 bits
SWAPPED = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


class DeepColourTiff(TiffImageFile):
    """A TIFF as Pillow reads it, but with samples of 16 bits that are filled in part brought to the whole 8 bits.

    Pillow drops the lower byte of each sample, which would leave next to nothing of 12 bits. Read a second time with
    the two bytes for each other, the file gives the lower ones. `info[WHITE]` has the level that is taken for white.
    """

    def load(self) -> Any:
        """Decode the pixels, as Pillow does; raises what it raises."""
        if not (self.tile and _rawmode(self.tile[0]).startswith(READ)):
            return super().load()
        source, frame = self.fp, self.tell()
        super().load()
        if any(self.getchannel(band).histogram()[FULL:] != [0] * (256 - FULL) for band in "RGB"):
            return super().load()
        import numpy as np

        upper = np.asarray(self)
        lower = np.asarray(_lower_bytes(source, frame))
        values = upper.astype(np.uint16) * 256 + lower
        white = white_of(float(values[..., :3].max(initial=0)), whole=True)
        made = np.clip(values / white * 255.0 + 0.5, 0, 255).astype(np.uint8)
        self.im = Image.fromarray(made).im
        self.info[WHITE] = white
        return super().load()


def _lower_bytes(source: Any, frame: int) -> Image.Image:
    source.seek(0)
    with TiffImageFile(io.BytesIO(source.read())) as other:
        other.seek(frame)
        other.tile = [_swapped(one) for one in other.tile]
        other.load()
        return other.copy()


def _rawmode(tile: Any) -> str:
    return str(tile.args[0] if isinstance(tile.args, tuple) else tile.args)


def _swapped(tile: Any) -> Any:
    """The tile of pixels with each sample's two bytes for each other."""
    rawmode = _rawmode(tile)
    return tile._replace(args=(rawmode[:-1] + SWAPPED[rawmode[-1]], *tile.args[1:]))
