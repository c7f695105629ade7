"""Files that belong to another picture: masks, depth, poses and the like, which trainers lay beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath

from trainer.contract.paths import is_file
from trainer.contract.pictures.formats import is_picture
from trainer.contract.pictures.problems import Problem

# what programs append: OneTrainer's -masklabel and -condlabel, kohya's _mask, and the names of ControlNet's maps
WORDS = (
    "masklabel", "condlabel", "mask", "masks", "matte", "alpha", "depth", "depthmap", "normal", "normals", "pose",
    "openpose", "dwpose", "canny", "edge", "edges", "lineart", "softedge", "hed", "mlsd", "scribble", "seg",
    "segmentation", "cond", "conditioning", "control",
)  # fmt: skip
ALWAYS = frozenset({"masklabel", "condlabel", "mask", "masks", "matte"})  # also with a caption of its own
_TAIL = re.compile(rf"(?P<own>.+?)[-_. ](?P<word>{'|'.join(sorted(WORDS, key=len, reverse=True))})", re.IGNORECASE)
MASKS = ("masklabel", "mask", "masks", "matte", "alpha")  # those words that name a mask, OneTrainer's first
MASK_FOLDERS = ("mask", "masks")
FOLDERS = frozenset(
    {one for word in WORDS for one in (word, f"{word}s")} | {"conditioning_images", "control_images", "depth_maps"}
)


def is_companion_folder(name: str) -> bool:
    """Whether a folder of this name holds masks or maps of the pictures beside it, and no pictures to learn."""
    return name.casefold() in FOLDERS


def companions(folder: Path, names: Iterable[str]) -> frozenset[str]:
    """Those of `names` that are another's with a word for what they are: a-masklabel.png where there is a.jpg.

    A word that a picture's name may have as well (a_pose.jpg) is not enough where a text file describes it.
    """
    all_names = list(names)
    known = _known(all_names)
    return frozenset(one for one in all_names if _belongs(folder, PurePath(one).stem, known))


def _known(names: Iterable[str]) -> set[str]:
    """What a companion's name may begin with: the pictures' names, with and without their endings."""
    return {form.casefold() for one in names for form in (PurePath(one).stem, one)}


def _belongs(folder: Path, stem: str, known: set[str]) -> bool:
    found = _TAIL.fullmatch(stem)
    if found is None or found["own"].casefold() not in known:
        return False
    return found["word"].casefold() in ALWAYS or not is_file(folder / f"{stem}.txt")


def find_masks(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """The mask of each of these pictures that has one: a-masklabel.png or a_matte.png beside a.jpg, or mask/a.png.

    Beside it is whatever `companions` leaves out for a word of MASKS: a file is a mask, or a picture. It comes before
    one in a folder, whose name may have the picture's whole name in it.
    """
    wanted = list(names)
    beside = _marked(folder, wanted)
    inner = [_by_stem(folder / one) for one in MASK_FOLDERS]
    found = {}
    for name in wanted:
        places = (_of(name, each) for each in (*beside, *inner))
        own = next((one for one in places if one is not None), None)
        if own is not None:
            found[name] = own
    return found


def _marked(folder: Path, names: Iterable[str]) -> list[dict[str, Path]]:
    """For each word of MASKS the files beside the pictures that have it behind a picture's name, by that name."""
    known = _known(names)
    marked: list[dict[str, Path]] = [{} for _ in MASKS]
    for path in _by_stem(folder).values():
        found = _TAIL.fullmatch(path.stem)
        word = found["word"].casefold() if found else ""
        if found and word in MASKS and _belongs(folder, path.stem, known):
            marked[MASKS.index(word)].setdefault(found["own"].casefold(), path)
    return marked


def _of(name: str, masks: Mapping[str, Path]) -> Path | None:
    return masks.get(PurePath(name).stem.casefold()) or masks.get(name.casefold())


def _by_stem(folder: Path) -> dict[str, Path]:
    """The picture files of a folder by their names without ending; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            files = sorted(Path(one.path) for one in entries)
    except OSError:
        return {}
    return {one.stem.casefold(): one for one in files if is_picture(one)}


def companion_problem(left: Iterable[str]) -> Problem:
    """One sentence for all that is left out."""
    names = sorted(left)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    files = "file belongs to another picture" if len(names) == 1 else "files belong to other pictures"
    said = f"{len(names)} {files} (masks, depth, poses) and are left out: {shown}"
    return Problem("", "companions", said, "rename them, if they are pictures to learn from", True, tuple(names[:20]))
