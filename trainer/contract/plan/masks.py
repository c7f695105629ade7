"""The masks of a folder of pictures: which belongs to which, and what is wrong with them before any is used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.contract.paths import expanded
from trainer.contract.pictures.companions import find_masks
from trainer.contract.pictures.decoding import BadPicture, usable, why_unusable
from trainer.contract.pictures.flatten import ORIENTATION, has_transparency, may_be_transparent, upright
from trainer.contract.pictures.folder import NoDataset, list_pictures
from trainer.contract.pictures.inside import open_inside
from trainer.contract.settings.concepts import number_of, prefix_of
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.taught import taught
from trainer.contract.units import plural

if TYPE_CHECKING:
    from PIL.Image import Image

ASPECT = 0.02  # by which the proportions of a mask may differ from its picture's: a pixel of a small one
TURNED = range(5, 9)  # values of ORIENTATION that turn a picture by 90 degrees
BLACK = 8  # of 255
REMEDY = "take it away, or make it again from the picture"
NONE = (
    "mask.enabled is on, and no picture has a mask: put a-masklabel.png or mask/a.png beside a.jpg, or use pictures "
    "with transparent parts"
)


@dataclass(frozen=True)
class MaskFile:
    """Where the mask of a picture stands: a file of its own, or the picture, whose transparency it is then."""

    path: Path
    own: bool

    def digest(self) -> str:
        """The sha256 of the file. Raises OSError."""
        with open_inside(self.path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def masks_of(folder: Path, pictures: Iterable[Path]) -> dict[str, MaskFile]:
    """The masks of those of these pictures of `folder` that have one, by the pictures' names."""
    paths = {one.name: one for one in pictures}
    found = {name: MaskFile(path, own=False) for name, path in find_masks(folder, paths).items()}
    return found | {
        name: MaskFile(path, own=True) for name, path in paths.items() if name not in found and _is_transparent(path)
    }


def mask_refusals(config: TrainConfig) -> list[str]:
    """What keeps a run from its masks: a sentence each; nothing where the loss is not masked."""
    if (found := masked_pictures(config)) is None:
        return []
    pictures, masks = found
    if not masks:
        return [NONE]
    files = {name: mask.path for name, mask in masks.items() if not mask.own}
    said = ((name, _unlike(files[name], path)) for name, path in pictures.items() if name in files)
    return [f"{_called(name, files[name])}: {words}; {REMEDY}" for name, words in said if words]


def _called(picture: str, mask: Path) -> str:
    """What a sentence calls a mask: as its picture, by its concept, and where both have one name by its folder."""
    before, name = prefix_of(number_of(picture)), mask.name
    return before + (f"{mask.parent.name}/{name}" if before + name == picture else name)


def masked_pictures(config: TrainConfig) -> tuple[dict[str, Path], dict[str, MaskFile]] | None:
    """The pictures by name, and their masks; None where no loss is masked or there is no folder, which is said."""
    if not config.mask.enabled:
        return None
    pictures: dict[str, Path] = {}
    masks: dict[str, MaskFile] = {}
    for one in taught(config):
        folder = expanded(one.path)
        try:
            paths = [each.path for each in list_pictures(folder, one.caption_column, one.skip).pictures]
        except NoDataset:
            return None
        pictures |= {one.prefix + path.name: path for path in paths}
        masks |= {one.prefix + name: mask for name, mask in masks_of(folder, paths).items()}
    return pictures, masks


def mask_notes(config: TrainConfig) -> list[str]:
    """How many pictures have no mask, where the loss is masked and some have one."""
    if (found := masked_pictures(config)) is None:
        return []
    pictures, masks = found
    bare = [name for name in pictures if name not in masks]
    if not masks or not bare:
        return []
    said = f"no mask for {len(bare)} of {plural(len(pictures), 'picture')}, such as {bare[0]}"
    return [f"mask.enabled: {said}: all of it counts"]


def _unlike(mask: Path, picture: Path) -> str:
    """What is wrong with a mask: it cannot be read, or has other proportions than its picture; empty if nothing."""
    if bad := why_unusable(mask):
        return bad
    width, height = _size(mask)
    try:
        whole = _size(picture)
    except BadPicture:
        return ""  # said of the picture
    if abs(width / height - whole[0] / whole[1]) <= ASPECT * whole[0] / whole[1]:
        return ""
    return f"the mask has {width} x {height} px, and its picture {whole[0]} x {whole[1]}: it is cropped differently"


def _size(path: Path) -> tuple[int, int]:
    """Width and height when upright. Raises BadPicture."""
    with usable(path, header=True) as opened:
        width, height = opened.size
        return (height, width) if opened.getexif().get(ORIENTATION) in TURNED else (width, height)


def _is_transparent(path: Path) -> bool:
    try:
        info = path.stat()
    except OSError:
        return False
    return _looked_at(path, info.st_size, info.st_mtime_ns)


@lru_cache(maxsize=4096)
def _looked_at(path: Path, _size: int, _changed: int) -> bool:
    """Whether a picture has transparent parts; only of one that can have any are the pixels read."""
    try:
        with usable(path) as opened:
            if not may_be_transparent(opened):
                return False
            opened.load()
            return has_transparency(opened)
    except BadPicture:
        return False  # said of the picture


def is_black(mask: MaskFile) -> bool:
    """Whether nothing of a mask is white enough to count: a black one may have a compression's noise in it."""
    try:
        info = mask.path.stat()
    except OSError:
        return False
    return _brightest(mask, info.st_size, info.st_mtime_ns) <= BLACK


@lru_cache(maxsize=4096)
def _brightest(mask: MaskFile, _size: int, _changed: int) -> int:
    """The largest value of a mask, 0 to 255; that where it cannot be read, which is said."""
    try:
        return int(mask_plane(mask).getextrema()[1])  # type: ignore[arg-type]
    except BadPicture:
        return 255


def mask_plane(mask: MaskFile) -> Image:
    """A mask as L, upright: white is inside. Raises BadPicture."""
    with usable(mask.path) as opened:
        if not mask.own:
            return upright(opened, "#000000").picture.convert("L")
        from PIL import ImageOps

        opened.load()
        return ImageOps.exif_transpose(opened).convert("RGBA").getchannel("A")
