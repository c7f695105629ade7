"""Everything that the pixels of one picture tell, measured in one pass, whatever the settings: what the cache keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.curation.checks.blur import blur_effect, face_part, normal_grey
from loratui.curation.checks.colours import look_of
from loratui.curation.checks.enlarged import is_enlarged
from loratui.curation.checks.faces import Face, find_faces
from loratui.curation.checks.files import OpenedPicture, open_picture
from loratui.curation.pixels import missing, opencv
from loratui.curation.report import Finding

if TYPE_CHECKING:
    from numpy import ndarray
    from PIL.Image import Image

SMALLEST = 128  # px of the shorter side; less than that is not judged
FEW, DRAWN_LEVELS, DRAWN_STILL = 8, 0.9, 0.85  # of 72 photographs the flattest have 0.63 and 0.77
SHOT_SIDE = 512  # px of the longer side that shots are compared at


@dataclass(frozen=True)
class PictureMeasure:
    """One picture. None: not measured, because it is too small, cannot be read, or a package is missing."""

    width: int = 0
    height: int = 0
    sha256: str = ""
    problem: Finding | None = None
    notes: tuple[Finding, ...] = ()
    turned: bool = False  # by a mark in the EXIF
    drawn: bool = False  # flat colours: what is asked of photographs cannot be asked of it
    blur: float | None = None
    face_blur: float | None = None
    enlarged: bool | None = None
    light: tuple[int, int, int] | None = None  # the 5th, 50th and 95th percentile of the luminance
    face_light: int | None = None  # the median in the largest face
    faces: tuple[Face, ...] | None = None
    hashes: tuple[int, int] | None = None  # perceptual, 64 bits: of the picture and of its mirror image
    look: bytes = b""  # a histogram of its colours
    colours: str = ""  # the colour space that it was converted from; "" where that is sRGB
    grey: bytes = b""  # as PNG, at most 512 px: what shots are compared by

    @property
    def worst_blur(self) -> float | None:
        """The larger of the whole and the face: a sharp wall behind a blurred face does not help."""
        known = [one for one in (self.blur, self.face_blur) if one is not None]
        return max(known, default=None)


def measure(name: str, path: Path, background: str, with_grey: bool) -> PictureMeasure:
    """Open, decode and measure a picture. Raises nothing that a file can cause."""
    opened = open_picture(name, path, background)
    plain = _plain(opened)
    picture = opened.picture
    if picture is None or min(picture.size) < SMALLEST or missing().get("blurry"):
        return plain
    found = _pixels(plain, picture)
    return replace(found, grey=_shot_grey(picture)) if with_grey and not found.drawn else found


def _plain(opened: OpenedPicture) -> PictureMeasure:
    return PictureMeasure(
        opened.width, opened.height, opened.sha256, opened.problem, opened.notes, opened.turned, colours=opened.colours
    )


def _pixels(plain: PictureMeasure, picture: Image) -> PictureMeasure:
    import numpy as np

    rgb = np.asarray(picture)
    grey = normal_grey(picture)
    faces = find_faces(rgb)
    face = face_part(grey, faces[0].box) if faces else None
    low, middle, high = (int(value) for value in np.percentile(grey, (5, 50, 95)))
    plain_grey = picture.convert("L")
    drawn = is_drawn(np.asarray(plain_grey))
    return replace(
        plain,
        drawn=drawn,
        blur=None if drawn else blur_effect(grey),
        face_blur=None if face is None else blur_effect(face),
        enlarged=None if drawn else is_enlarged(np.asarray(plain_grey)),
        light=(low, middle, high),
        face_light=None if face is None else int(np.median(face)),
        faces=faces,
        hashes=_hashes(plain_grey),
        look=look_of(rgb),
    )


def is_drawn(grey: ndarray) -> bool:
    """Whether a picture is mostly of one level beside the same level, or of a few levels: no photograph is."""
    import numpy as np

    levels = np.sort(np.bincount(grey.ravel(), minlength=256))[::-1]
    if levels[:FEW].sum() > DRAWN_LEVELS * grey.size:
        return True
    still = (grey[1:, 1:] == grey[:-1, 1:]) & (grey[1:, 1:] == grey[1:, :-1])
    return bool(still.mean() > DRAWN_STILL)


def _hashes(grey: Image) -> tuple[int, int] | None:
    if missing().get("near-duplicates"):
        return None
    from imagehash import phash
    from PIL import ImageOps

    return int(str(phash(grey)), 16), int(str(phash(ImageOps.mirror(grey))), 16)


def _shot_grey(picture: Image) -> bytes:
    import numpy as np
    from PIL import Image as Pillow

    grey = picture.convert("L")
    grey.thumbnail((SHOT_SIDE, SHOT_SIDE), Pillow.Resampling.LANCZOS)
    _, packed = opencv().imencode(".png", np.asarray(grey))
    return bytes(packed)
