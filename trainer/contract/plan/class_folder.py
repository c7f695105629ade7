"""What is wrong with a folder of class pictures, told before torch is loaded: the plan and the trainer say the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.contract.paths import expanded, is_folder
from trainer.contract.pictures.decoding import why_unusable
from trainer.contract.pictures.folder import NoDataset, Picture, list_pictures
from trainer.contract.pictures.inside import open_inside
from trainer.contract.pictures.numbered import numbered_folders
from trainer.contract.pictures.problems import severity_of
from trainer.contract.pictures.sources import origin_of
from trainer.contract.settings.concepts import prefix_of, title_of
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.taught import ClassSet, class_sets, class_words, taught
from trainer.contract.settings.triggers import holds_word

REMEDY = "repair it, or take it away"  # nothing skips a picture of the class


@dataclass(frozen=True)
class ClassPicture:
    """A picture of a class, and the words that it is trained with."""

    picture: Picture
    words: str


def class_refusals(config: TrainConfig) -> list[str]:
    """A sentence for each thing that keeps the pictures of a class folder from being those of the class."""
    return [said for one in class_sets(config) if one.path for said in _refusals(one, config)]


def _refusals(classes: ClassSet, config: TrainConfig) -> list[str]:
    if origin_of(classes.path) != "pictures":
        return []  # a data set is written out and looked at when the run starts
    if not is_folder(expanded(classes.path)):
        key = f"concepts: {title}: class_path" if (title := title_of(classes.number)) else "prior.path"
        return [f"{key}: there is no folder '{classes.path}'"]
    try:
        found = class_listing(classes, config)
    except NoDataset as error:
        return [f"class pictures: {error}"]
    pictures = tuple(one.picture for one in found)
    bad = [f"class pictures: {one.name}: {why}; {REMEDY}" for one in pictures if (why := why_unusable(one.path))]
    return bad + trigger_refusals(found, config) + _shared(pictures, config)


def class_listing(classes: ClassSet, config: TrainConfig) -> tuple[ClassPicture, ...]:
    """The pictures of a class folder with their words, by the names that a run calls them. Raises NoDataset.

    A folder without pictures may hold kohya's, such as 1_woman: all of them are read, and how often is not. Where they
    are several, each says what its own pictures show.
    """
    folder, column = expanded(classes.path), config.prior.caption_column
    inside = numbered_folders(folder)
    if not inside:
        return _listed(folder, "", classes, classes.prompt, column)
    found: tuple[ClassPicture, ...] = ()
    for name, word in inside.items():
        words = class_words("", word) if len(inside) > 1 else classes.prompt
        found += _listed(folder / name, f"{name}/", classes, words, column)
    return found


def _listed(folder: Path, inside: str, classes: ClassSet, words: str, column: str) -> tuple[ClassPicture, ...]:
    listing = list_pictures(folder, column or "prompt")
    if column and (wrong := [one for one in listing.problems if severity_of(one) == "block"]):
        raise NoDataset("; ".join(f"{one.message}; {one.remedy}" for one in wrong[:3]))
    prefix = prefix_of(classes.number) + inside
    return tuple(
        ClassPicture(replace(one, name=prefix + one.name), ((one.caption or "") if column else "") or words)
        for one in listing.pictures
    )


def trigger_refusals(found: Sequence[ClassPicture], config: TrainConfig) -> list[str]:
    """A caption of the class that names the concept would teach it what the concept is not."""
    odd = [(one, word) for one in found for word in config.triggers if holds_word(one.words, word)]
    return [
        f"class pictures: {one.picture.name}: its caption holds the trigger '{word}', which is for pictures of the "
        "concept alone; take it out"
        for one, word in odd
    ]


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
