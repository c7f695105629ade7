"""What is wrong with a folder of class pictures, told before torch is loaded: the plan and the trainer say the same."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from trainer.contract.paths import expanded, is_folder
from trainer.contract.pictures.decoding import why_unusable
from trainer.contract.pictures.folder import NoDataset, Picture, list_pictures
from trainer.contract.pictures.inside import open_inside
from trainer.contract.settings.concepts import prefix_of, title_of
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.taught import ClassSet, class_sets, taught

REMEDY = "repair it, or take it away"  # nothing skips a picture of the class


def class_refusals(config: TrainConfig) -> list[str]:
    """A sentence for each thing that keeps the pictures of a class folder from being those of the class."""
    return [said for one in class_sets(config) if one.path for said in _refusals(one, config)]


def _refusals(classes: ClassSet, config: TrainConfig) -> list[str]:
    folder = expanded(classes.path)
    if not is_folder(folder):
        key = f"concepts: {title}: class_path" if (title := title_of(classes.number)) else "prior.path"
        return [f"{key}: there is no folder '{classes.path}'"]
    try:
        found = tuple(replace(one, name=prefix_of(classes.number) + one.name) for one in list_pictures(folder).pictures)
    except NoDataset as error:
        return [f"class pictures: {error}"]
    bad = [f"class pictures: {one.name}: {why}; {REMEDY}" for one in found if (why := why_unusable(one.path))]
    return bad + _shared(found, config)


def same_picture(name: str, other: str) -> str:
    """A picture of the concept among those of the class would be trained as both."""
    return (
        f"class pictures: {name} is the same picture as {other} of the dataset; class pictures show others of the class"
    )


def _shared(found: tuple[Picture, ...], config: TrainConfig) -> list[str]:
    try:
        data = {
            picture.path: one.prefix + picture.name
            for one in taught(config)
            for picture in list_pictures(expanded(one.path), skip=one.skip).pictures
        }
        sizes = {path.stat().st_size for path in data}
        alike = [one for one in found if one.path.stat().st_size in sizes]
        own = {_digest(path): name for path, name in data.items()} if alike else {}
        return [same_picture(one.name, own[digest]) for one in alike if (digest := _digest(one.path)) in own]
    except (NoDataset, OSError):
        return []  # the pictures of the dataset are judged elsewhere


def _digest(path: Path) -> bytes:
    with open_inside(path) as file:
        return hashlib.file_digest(file, "sha256").digest()
