"""Whether a picture file can be used, and the sentence where it cannot: one answer for the plan and the trainer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from trainer.contract.pictures.formats import first_bytes, unreadable_words
from trainer.contract.pictures.inside import MEND, NotInside, open_inside
from trainer.contract.pictures.opening import MAX_BYTES, MAX_PIXELS, open_image
from trainer.contract.units import in_bytes

if TYPE_CHECKING:
    from PIL.Image import Image


class BadPicture(ValueError):
    """A picture cannot be used; the message has no file name, the caller knows it."""


@contextmanager
def usable(path: Path) -> Iterator[Image]:
    """The picture with its header read, not too large to be decoded; decode it inside.

    Raises BadPicture, also for what goes wrong while it is decoded.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with open_inside(path) as file, open_image(_bounded(file)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise BadPicture(f"{opened.width}x{opened.height} is more than {MAX_PIXELS // 10**6} megapixels")
            yield opened
    except BadPicture:
        raise
    except NotInside as error:
        raise BadPicture(f"{error.strerror}: it is not read; {MEND}") from None
    except UnidentifiedImageError:
        what, remedy = unreadable_words(first_bytes(path))
        raise BadPicture("; ".join(filter(None, (what or "no picture in any known format", remedy)))) from None
    except Image.DecompressionBombError:
        raise BadPicture(f"more than {MAX_PIXELS // 10**6} megapixels") from None
    except Exception as error:  # decoders raise many kinds for a damaged file: AVIF's a RuntimeError
        raise BadPicture(f"cannot be read: {error or type(error).__name__}") from None


def _bounded(file: IO[bytes]) -> IO[bytes]:
    if os.fstat(file.fileno()).st_size > MAX_BYTES:
        raise BadPicture(f"the file is larger than {in_bytes(MAX_BYTES)}")
    return file
