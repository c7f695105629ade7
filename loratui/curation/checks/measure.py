"""Everything that the pixels of one picture tell, measured in one pass, whatever the settings: what the cache keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.curation.checks.blur import blur_effect, blur_effects, face_part
from loratui.curation.checks.colours import SIDE as COLOURS
from loratui.curation.checks.colours import look_of, parts_of, small_lab
from loratui.curation.checks.damage import BLOCK, bars_of, blocks_of, corners_of, is_noisy, noise_of, specks_of
from loratui.curation.checks.damage import SMALL as BARS
from loratui.curation.checks.enlarged import is_enlarged
from loratui.curation.checks.files import OpenedPicture, open_picture
from loratui.curation.checks.overdone import bands_of, chroma_of, clipped_of, has_few_colours, is_pixelated, tone_of
from loratui.curation.compared.detail import Detail, detail_of
from loratui.curation.compared.levels import Levels, depth_of, ends_of, hues_of
from loratui.curation.overlays.lettering import SIDE as LETTERS
from loratui.curation.overlays.lettering import letters_of
from loratui.curation.overlays.repeats import repeat_of
from loratui.curation.overlays.seams import pieces_of
from loratui.curation.people.faces import SIDE as FACES
from loratui.curation.people.faces import TURNED_SIDE, Face, find_faces, turned, turns_upright
from loratui.curation.people.identity import with_features
from loratui.curation.people.poses import cheeks_of
from loratui.curation.pixels import missing, opencv
from loratui.curation.report import Box, Finding
from loratui.curation.sizes import Sizes, histogram, median, percentiles

if TYPE_CHECKING:
    from numpy import ndarray
    from PIL.Image import Image

SMALLEST = 128  # px of the shorter side; less than that is not judged
FEW, DRAWN_LEVELS, DRAWN_STILL = 8, 0.9, 0.85  # of 72 photographs the flattest have 0.63 and 0.77
LIT = 64  # grey levels of the lightest pixel: what has hardly any light has few levels too
SOFT_GROUND = 0.07  # by which the sharpest parts of a sharp picture may be sharper than the whole; of 68 none fails
COARSE = 140.0  # mean of the table: JPEG quality 19; 58 is quality 50
HASHED = 32  # px of the square that phash makes its 64 bits of
# of a WebP, whose filter leaves no blocks: quality 5 or less. 25 photographs of ../shared/photos have 66 to 78 there,
# and have lost more than in a JPEG of quality 19; at quality 10 they have 53 to 64
COARSE_WEBP = 65.0
BLOCKS, BLOCKS_IN_FINE, FINE = 2.8, 2.0, 30.0  # a fine JPEG or a PNG has no blocks of its own: they were there before


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
    best_blur: float | None = None  # of its sharpest parts: what stands before a soft ground
    face_blur: float | None = None
    enlarged: bool | None = None
    light: tuple[int, int, int] | None = None  # the 5th, 50th and 95th percentile of the luminance
    face_light: int | None = None  # the median in the largest face
    faces: tuple[Face, ...] | None = None
    hashes: tuple[int, int] | None = None  # perceptual, 64 bits: of the picture and of its mirror image
    look: bytes = b""  # a histogram of its colours
    clothes: bytes = b""  # the same of what is below the largest face
    ground: bytes = b""  # and of what is beside the person
    cheeks: tuple[int, int] | None = None  # of the largest face: their grey levels, the left one in the picture first
    colours: str = ""  # the colour space that it was converted from; "" where that is sRGB
    grey: bytes = b""  # as PNG, at most 512 px: what shots are compared by
    size: int = 0  # bytes of the file
    noise: float | None = None  # grey levels
    specks: float = 0.0  # share of the pixels that are specks
    blocks: float | None = None  # steps at every eighth line over the others
    quantiser: float | None = None  # of a JPEG: the mean of its table
    webp: float | None = None  # of a lossy WebP: as a JPEG's
    damage: str = ""  # what libjpeg says of a JPEG's data
    bars: float = 0.0  # share of the picture that is bars or a frame
    corners: float = 0.0  # share of the picture that corners of one colour take
    pieces: tuple[Box, ...] = ()  # the pictures that straight edges part it into; empty where there are none
    repeated: float = 0.0  # share of its width or height that stands in it twice, mirrored or not
    letters: int = 0  # the most that stand in one line
    turns: int = 0  # quarter turns to the left that bring its face upright
    bands: float = 0.0  # how much its levels stand in even steps
    few_colours: bool = False  # as a palette has that was made for it
    clipped: float = 0.0  # share of the pixels whose colours were pushed to their end
    chroma: float = 0.0  # the strength of its colours
    face_chroma: float | None = None  # and of those of the largest face
    face_tone: tuple[float, float] | None = None  # LAB's a and b of the same
    depth: float = 0.0  # bits: how much of the light's range it uses
    ends: float = 0.0  # share of the pixels at the ends of the light that it has
    hues: float = 0.0  # how far colours lie from the mean of their lightness
    fine: tuple[float, ...] = ()  # as compared.detail measures it
    pixelated: bool = False  # it stands in square blocks

    @property
    def subject_blur(self) -> float | None:
        """The face alone where one was measured: the ground may be soft. Else the whole, or its sharpest parts."""
        if self.face_blur is not None or self.blur is None:
            return self.face_blur
        return self.blur if self.best_blur is None else min(self.blur, self.best_blur + SOFT_GROUND)

    @property
    def coding(self) -> float:
        """How coarsely it was saved, beside a copy of it: 0 where nothing is lost, or it is not told."""
        return self.quantiser or self.webp or 0.0

    @property
    def coarse(self) -> bool:
        """Whether it was saved so coarsely, now or before, that blocks show, or in a WebP that details are gone."""
        if self.coding > (COARSE_WEBP if self.quantiser is None else COARSE):
            return True
        fine = self.quantiser is None or self.quantiser < FINE
        return self.blocks is not None and self.blocks > (BLOCKS_IN_FINE if fine else BLOCKS)

    @property
    def levels(self) -> Levels:
        """What copies are compared by."""
        noise = self.noise or 0.0
        return Levels(self.bands, self.clipped, self.chroma, self.depth, noise, self.ends, self.hues, self.face_tone)

    @property
    def detail(self) -> Detail | None:
        """What copies' sharpness is compared by; None where it is too small."""
        if not self.fine:
            return None
        across, along, fine_across, fine_along = self.fine
        return Detail((across, along), (fine_across, fine_along), self.noise or 0.0, self.width, self.height)

    @property
    def on_blocks(self) -> bool:
        """Whether a JPEG's straight edge lies where its blocks meet, as where damage shifted what follows."""
        x, y, w, h = self.pieces[0] if self.pieces else (0.0, 0.0, 0.0, 0.0)
        at = (x + w) * self.width if w < 1 else (y + h) * self.height
        return self.quantiser is not None and bool(self.pieces) and round(at) % BLOCK == 0

    @property
    def noisy(self) -> bool:
        """Whether noise covers its details."""
        return is_noisy(self.noise, self.specks)


def measure(name: str, path: Path, background: str, with_grey: bool) -> PictureMeasure:
    """Open, decode and measure a picture. Raises nothing that a file can cause."""
    opened = open_picture(name, path, background)
    plain = _plain(opened)
    if opened.shorter < SMALLEST or missing().get("blurry") or (pixels := opened.pixels) is None:
        return plain
    sizes, whole = Sizes(pixels), opened.whole
    del opened, pixels  # of a large picture each copy counts: two are looked at at once
    found = _pixels(plain, sizes, whole)
    return replace(found, grey=_packed(sizes.shot)) if with_grey and not found.drawn else found


def _plain(opened: OpenedPicture) -> PictureMeasure:
    return PictureMeasure(
        opened.width,
        opened.height,
        opened.sha256,
        opened.problem,
        opened.notes,
        opened.turned,
        colours=opened.colours,
        size=opened.size,
        quantiser=opened.quantiser,
        webp=opened.webp,
        damage=opened.damage,
    )


def _pixels(plain: PictureMeasure, sizes: Sizes, whole: bool) -> PictureMeasure:
    rgb, levels, grey = sizes.rgb, sizes.levels, sizes.normal
    plain = replace(plain, noise=noise_of(grey), blocks=blocks_of(levels) if whole else None, specks=specks_of(levels))
    pixelated = not plain.coarse and is_pixelated(levels)
    # blocks without any detail in them look like flat colours
    drawn = not plain.coarse and not pixelated and is_drawn(levels, sizes.counts)
    low, middle, high = (int(value) for value in percentiles(grey, (5, 50, 95)))
    blur, best = (None, None) if drawn else blur_effects(grey)
    enlarged = None if drawn else is_enlarged(levels)
    bars = 0.0 if drawn else bars_of(sizes.within(BARS))
    own_edges = bool(drawn or bars or enlarged or plain.damage)
    found = replace(
        plain,
        drawn=drawn,
        blur=blur,
        best_blur=best,
        enlarged=enlarged,
        light=(low, middle, high),
        hashes=_hashes(sizes.shot),
        look=look_of(small_lab(sizes.within(COLOURS))),
        bars=bars,
        corners=0.0 if drawn else corners_of(sizes.within(BARS)),
        pieces=() if own_edges else pieces_of(levels, sizes.small_levels),
        repeated=0.0 if drawn else repeat_of(sizes.small_levels),
        letters=0 if drawn else letters_of(sizes.within(LETTERS)),
        bands=bands_of(rgb),
        few_colours=has_few_colours(rgb),
        clipped=clipped_of(rgb),
        chroma=chroma_of(sizes.within(COLOURS)),
        depth=depth_of(levels),
        ends=ends_of(levels, sizes.counts),
        hues=hues_of(sizes.within(COLOURS)),
        fine=detail_of(levels),
        pixelated=pixelated,
    )
    return _faces(found, sizes)


def _faces(plain: PictureMeasure, sizes: Sizes) -> PictureMeasure:
    """With the faces: who one is, how it is lit and what is below it can only be told of one that stands."""
    faces = find_faces(sizes.within(FACES))
    turns = 0 if plain.drawn else turns_upright(sizes.within(TURNED_SIDE), faces or ())
    if turns:
        sizes = sizes.turned(turns)
        faces = find_faces(sizes.within(FACES))
    if not faces:
        return replace(plain, faces=faces, turns=turns)
    box, grey = faces[0].box, sizes.normal
    face = face_part(grey, box)
    clothes, ground = parts_of(small_lab(sizes.within(COLOURS)), box)
    return replace(
        plain,
        faces=tuple(turned(one, -turns) for one in with_features(sizes.rgb, faces)),
        turns=turns,
        face_blur=None if face is None else blur_effect(face),
        face_light=None if face is None else int(median(face)),
        face_chroma=chroma_of(sizes.within(FACES), box),
        face_tone=tone_of(sizes.within(FACES), box),
        cheeks=cheeks_of(grey, faces[0]),
        clothes=clothes,
        ground=ground,
    )


def is_drawn(grey: ndarray, counts: ndarray | None = None) -> bool:
    """Whether a picture is mostly of one level beside the same level, or of a few levels: no photograph is.

    `counts`: of each of its levels, where they are known.
    """
    import numpy as np

    if not grey.size:
        return False
    counts = histogram(grey) if counts is None else counts
    if not counts[LIT:].any():
        return False
    if np.sort(counts)[-FEW:].sum() > DRAWN_LEVELS * grey.size:
        return True
    cv2 = opencv()
    here, above, before = grey[1:, 1:], grey[:-1, 1:], grey[1:, :-1]
    still = cv2.bitwise_and(cv2.compare(here, above, cv2.CMP_EQ), cv2.compare(here, before, cv2.CMP_EQ))
    return bool(cv2.countNonZero(still) / max(still.size, 1) > DRAWN_STILL)


def _hashes(grey: Image) -> tuple[int, int] | None:
    if missing().get("near-duplicates"):
        return None
    from imagehash import phash
    from PIL import Image as Pillow
    from PIL import ImageOps

    small = grey.resize((HASHED, HASHED), Pillow.Resampling.LANCZOS)  # as phash does, for both
    return int(str(phash(small)), 16), int(str(phash(ImageOps.mirror(small))), 16)


def _packed(grey: Image) -> bytes:
    import numpy as np

    _, packed = opencv().imencode(".png", np.asarray(grey))
    return bytes(packed)
