"""Folders as kohya's trainers name them: "10_ohwx woman" says repeats, trigger and class word; a tree holds several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from loratui.settings.names import COPIES
from loratui.terminal.text import safe_text, shell_path, show_path
from trainer.contract.paths import expanded, is_folder
from trainer.contract.pictures.folder import NoDataset, list_pictures
from trainer.contract.pictures.numbered import numbered_folders

TAUGHT = re.compile(r"(?P<repeats>\d{1,3})_(?P<word>[^\s_]+)(?:[\s_]+(?P<of>.+))?")  # "10_ohwx woman"


PEOPLE = frozenset(["woman", "man", "girl", "boy", "person", "lady", "guy", "male", "female", "face"])
CLASS_FOLDERS = frozenset(["reg", "regs", "reg_data", "regularization", "regularisation", "class", "classes"])


def kind_named(class_words: Iterable[str]) -> str:
    """What the class words of all concepts are about alike, "face" or "style"; empty where they do not say it."""
    each = [set(one.lower().split()) for one in class_words]
    about = {"face" if one & PEOPLE else "style" if "style" in one else "" for one in each}
    return about.pop() if len(about) == 1 else ""


def kind_said(values: Mapping[str, Any]) -> tuple[str, str]:
    """The kind that the class words of an answer file's concepts are about, and the line that says so; or nothing."""
    words = [str(one.get("class_word", "")) for one in values.get("concepts", ())]
    words.insert(0, str(values.get("dataset.class_word", "")))
    kind = kind_named(words)
    named = ", ".join(f"'{safe_text(one, 30)}'" for one in dict.fromkeys(words))
    return kind, f"kind {kind}, as the class word {named} says; for another: --kind" if kind else ""


def class_tokens(text: str) -> dict[str, Any]:
    """What "ohwx woman" says: the trigger, then the class word."""
    words = text.split()
    if not words:
        return {}
    return {"dataset.trigger": words[0], **({"dataset.class_word": " ".join(words[1:])} if words[1:] else {})}


def taught_by_folder(name: str) -> dict[str, Any]:
    """What a folder's name says as kohya reads it: "10_ohwx woman" is repeats, trigger and class word."""
    found = TAUGHT.fullmatch(_original(name))
    if found is None or int(found["repeats"]) < 1:
        return {}
    of = (found["of"] or "").strip()
    values = {"dataset.repeats": int(found["repeats"]), "dataset.trigger": found["word"]}
    return {**values, **({"dataset.class_word": of} if of else {})}


def folders_of_tree(folder: str) -> tuple[str, ...]:
    """The folders of a kohya tree, sorted, written as `folder` is; none where it holds pictures itself.

    They are named "10_ohwx woman" and hold pictures. Of the folder around a tree (img beside reg, log and model) they
    are those of the tree, without the class pictures; where it holds two trees, nobody knows which is meant.
    """
    place, typed = expanded(folder), folder.rstrip("/")
    if _has_pictures(place):
        return ()
    if found := _of_tree(place):
        return tuple(f"{typed}/{name}" for name in found)
    trees = [one.name for one in _folders(place) if one.name.casefold() not in CLASS_FOLDERS and _of_tree(one)]
    if len(trees) != 1:
        return ()
    return tuple(f"{typed}/{trees[0]}/{name}" for name in _of_tree(place / trees[0]))


def class_words_of(folder: str) -> str:
    """What is to be said of the class pictures beside a tree in `folder`; empty where there are none."""
    place, typed = expanded(folder), folder.rstrip("/")
    if _has_pictures(place) or _of_tree(place):
        return ""
    found = [one.name for one in _folders(place) if one.name.casefold() in CLASS_FOLDERS and numbered_folders(one)]
    if not found:
        return ""
    at = f"{typed}/{found[0]}"
    said = f"{show_path(at)}: class pictures, no subject to learn; a run that is to have them takes them by"
    return f"{said}\n  --set prior.enabled=true --set prior.path={shell_path(at)}"


def _of_tree(place: Path) -> list[str]:
    """Copies that were made of a folder are no other concept, while it is there itself."""
    found = [one.name for one in named_folders(place) if _has_pictures(one)]
    return [one for one in found if _original(one) == one or _original(one) not in found]


def _original(name: str) -> str:
    """The name of the folder that `name`, as the wizard names copies, was copied from; else itself."""
    stem, _, ending = name.rpartition("-")
    return stem if ending in COPIES else name


def _folders(place: Path) -> list[Path]:
    try:
        return sorted(one for one in place.iterdir() if is_folder(one) and not one.name.startswith("."))
    except OSError:
        return []


def named_folders(place: Path) -> list[Path]:
    """The folders in `place` whose names kohya reads, sorted; none where it cannot be looked into."""
    return [one for one in _folders(place) if taught_by_folder(one.name)]


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
