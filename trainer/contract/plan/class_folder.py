"""What is wrong with a folder of class pictures, told before torch is loaded: the plan and the trainer say the same."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from trainer.contract.pictures.decoding import BadPicture, usable
from trainer.contract.pictures.folder import NoDataset, Picture, list_pictures
from trainer.contract.pictures.inside import open_inside
from trainer.contract.settings.config import TrainConfig

SMALL = (64, 64)  # px; a JPEG is decoded no larger, which still reads all of it


def class_refusals(config: TrainConfig) -> list[str]:
    """A sentence for each thing that keeps the pictures of prior.path from being those of the class."""
    folder = Path(config.prior.path).expanduser()
    if not (config.prior.enabled and config.prior.path):
        return []
    if not folder.is_dir():
        return [f"prior.path: there is no folder '{config.prior.path}'"]
    try:
        found = list_pictures(folder).pictures
    except NoDataset as error:
        return [f"class pictures: {error}"]
    bad = [f"class pictures: {one.name}: {why}; repair it, or take it away" for one in found if (why := _unusable(one))]
    return bad + _shared(found, config)


def same_picture(name: str, other: str) -> str:
    """A picture of the concept among those of the class would be trained as both."""
    return (
        f"class pictures: {name} is the same picture as {other} of the dataset; class pictures show others of the class"
    )


def _shared(found: tuple[Picture, ...], config: TrainConfig) -> list[str]:
    try:
        data = list_pictures(Path(config.dataset.path).expanduser(), skip=config.dataset.skip).pictures
        sizes = {one.path.stat().st_size for one in data}
        alike = [one for one in found if one.path.stat().st_size in sizes]
        own = {_digest(one.path): one.name for one in data} if alike else {}
        return [same_picture(one.name, own[digest]) for one in alike if (digest := _digest(one.path)) in own]
    except (NoDataset, OSError):
        return []  # the pictures of the dataset are judged elsewhere


def _digest(path: Path) -> bytes:
    with open_inside(path) as file:
        return hashlib.file_digest(file, "sha256").digest()


def _unusable(picture: Picture) -> str:
    try:
        info = picture.path.stat()
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return _looked(picture.path, info.st_size, info.st_mtime_ns)


@lru_cache(maxsize=4096)
def _looked(path: Path, _size: int, _changed: int) -> str:
    """Why a picture cannot be used; empty if it can. A plan asks many times, and is answered from before."""
    try:
        with usable(path) as opened:
            opened.draft("RGB", SMALL)
            opened.load()
    except BadPicture as error:
        return str(error)
    return ""
