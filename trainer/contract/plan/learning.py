"""Whether a run can learn anything from its pictures: what weighs nothing teaches nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trainer.contract.paths import expanded, is_folder
from trainer.contract.plan.masks import is_black, masked_pictures
from trainer.contract.settings.concepts import number_of
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.taught import taught
from trainer.contract.units import plural

INVERTED = "white is what counts: they may be the wrong way round"


def learning_refusals(config: TrainConfig) -> list[str]:
    """Why nothing at all would be learned of any concept; class pictures alone are not what a run is for."""
    return _refused(config, *_seen(config))


def _refused(config: TrainConfig, pictures: list[str], black: list[str]) -> list[str]:
    concepts = taught(config)
    if all(one.loss_weight == 0 for one in concepts):
        of = "loss_weight of every concept" if len(concepts) > 1 else "dataset.loss_weight"
        return [f"{of} is 0: nothing would be learned; set it to 1, or to what this concept counts beside others"]
    if config.mask.outside == 0 and pictures and len(black) == len(pictures):
        return [
            f"mask.outside is 0, and the mask of every picture is black, such as {black[0]}'s: nothing would be "
            f"learned; {INVERTED}"
        ]
    return []


def folder_refusals(config: TrainConfig) -> list[str]:
    """Concepts that lie in one folder by two paths, a sentence each: its pictures would be learned as two things."""
    found, first = [], dict[Path, str]()
    for one in taught(config):
        folder, title = expanded(one.path), one.title or "[dataset]"
        if is_folder(folder) and (other := first.setdefault(folder.resolve(), title)) != title:
            found.append(f"concepts: {title}: its folder is that of {other} already, by another path: {one.path}")
    return found


def trigger_notes(config: TrainConfig) -> list[str]:
    """Each trigger that concepts share though their class words differ, a sentence each: one word learns one thing."""
    meant: dict[str, dict[str, str]] = {}
    for one in taught(config):
        if word := one.class_word.strip():
            where = f"'{word}' in {one.title or '[dataset]'}"
            meant.setdefault(one.trigger, {}).setdefault(word.casefold(), where)
    return [
        f"the trigger '{trigger}' stands for {plural(len(things), 'thing')}, {' and '.join(things.values())}: all "
        "of them are learned as one; give each concept a trigger of its own, or all the same class word"
        for trigger, things in meant.items()
        if len(things) > 1
    ]


def learning_notes(config: TrainConfig) -> list[str]:
    """What of a run teaches nothing, where the rest does."""
    pictures, black = _seen(config)
    if _refused(config, pictures, black):
        return []
    concepts = taught(config)
    found = [
        f"{one.title or 'the concept of [dataset]'} ('{one.trigger}') has a loss_weight of 0: it is shown, not learned"
        for one in concepts
        if one.loss_weight == 0
    ]
    if black:
        outside = config.mask.outside
        counts = "nothing of it is learned" if outside == 0 else f"all of it counts {outside:g}"
        have = f"a black mask for {plural(len(black), 'picture')}"
        found.append(f"mask.enabled: {have}, such as {black[0]}: {counts}; {INVERTED}")
    return found


def _seen(config: TrainConfig) -> tuple[list[str], list[str]]:
    """Names of the pictures of concepts that count, and of those whose mask is black."""
    found = masked_pictures(config)
    if found is None:
        return [], []
    pictures, masks = found
    counted = _counted(config, pictures)
    return counted, [name for name in counted if name in masks and is_black(masks[name])]


def _counted(config: TrainConfig, names: Iterable[str]) -> list[str]:
    dead = {one.number for one in taught(config) if one.loss_weight == 0}
    return [name for name in names if number_of(name) not in dead]
