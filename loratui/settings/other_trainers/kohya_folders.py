"""Folders as kohya's trainers name them: "10_ohwx woman" says repeats, trigger and class word; a tree holds several."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trainer.contract.paths import expanded, is_folder
from trainer.contract.pictures.folder import NoDataset, list_pictures
from trainer.contract.pictures.numbered import numbered_folders

TAUGHT = re.compile(r"(?P<repeats>\d{1,3})_(?P<word>[^\s_]+)(?:[\s_]+(?P<of>.+))?")  # "10_ohwx woman"


def class_tokens(text: str) -> dict[str, Any]:
    """What "ohwx woman" says: the trigger, then the class word."""
    words = text.split()
    if not words:
        return {}
    return {"dataset.trigger": words[0], **({"dataset.class_word": " ".join(words[1:])} if words[1:] else {})}


def taught_by_folder(name: str) -> dict[str, Any]:
    """What a folder's name says as kohya reads it: "10_ohwx woman" is repeats, trigger and class word."""
    found = TAUGHT.fullmatch(name)
    if found is None or int(found["repeats"]) < 1:
        return {}
    of = (found["of"] or "").strip()
    values = {"dataset.repeats": int(found["repeats"]), "dataset.trigger": found["word"]}
    return {**values, **({"dataset.class_word": of} if of else {})}


def folders_of_tree(folder: str) -> tuple[str, ...]:
    """The folders of a kohya tree, sorted, written as `folder` is; none where it holds pictures itself.

    They are named "10_ohwx woman" and hold pictures.
    """
    place = expanded(folder)
    if _has_pictures(place):
        return ()
    found = (one.name for one in named_folders(place) if _has_pictures(one))
    return tuple(f"{folder.rstrip('/')}/{name}" for name in found)


def named_folders(place: Path) -> list[Path]:
    """The folders in `place` whose names kohya reads, sorted; none where it cannot be looked into."""
    try:
        return sorted(one for one in place.iterdir() if is_folder(one) and taught_by_folder(one.name))
    except OSError:
        return []


def taught_by_tree(folders: Iterable[str]) -> dict[str, Any]:
    """Settings by dotted key for several folders: the first is that of [dataset], the others are [[concepts]]."""
    first, *others = folders
    values = {"dataset.path": first, **taught_by_folder(Path(first).name)}
    return {**values, **({"concepts": tuple(map(concept_of, others))} if others else {})}


def concept_of(folder: str) -> dict[str, Any]:
    """A concept for one folder, with what its name says."""
    said = taught_by_folder(Path(folder.replace("\\", "/")).name)
    table = {"path": folder, **{key.removeprefix("dataset."): value for key, value in said.items()}}
    return table if table.get("repeats") != 1 else {key: one for key, one in table.items() if key != "repeats"}


def with_classes(values: dict[str, Any], folder: str) -> list[str]:
    """Give each concept its folder of class pictures out of kohya's tree of them, by the class word; sentences.

    One without such a folder has none.
    """
    place = expanded(folder)
    classes = {shows.casefold(): str(place / name) for name, shows in numbered_folders(place).items()}
    if not classes:
        return []
    word = str(values.get("dataset.class_word", ""))
    concepts = []
    for one in values.get("concepts", ()):
        there = classes.get(str(one.get("class_word", "")).casefold())
        concepts.append({**one, **({"class_path": there} if there else {"prior": False})})
    if concepts:
        values["concepts"] = tuple(concepts)
    own = classes.get(word.casefold())
    values["prior.path"] = own or next(iter(classes.values()))
    used = {values["prior.path"], *(one.get("class_path") for one in concepts)}
    notes = [f"reg_data_dir: no folder is called '{word}'; used is {Path(values['prior.path']).name}"]
    left = [Path(one).name for one in classes.values() if one not in used]
    notes = [] if own or len(classes) == 1 else notes
    return notes + ([f"reg_data_dir: folders of no concept's class, not taken over: {', '.join(left)}"] if left else [])


def _has_pictures(folder: Path) -> bool:
    try:
        return bool(list_pictures(folder).pictures)
    except NoDataset:
        return False
