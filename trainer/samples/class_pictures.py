"""Class pictures for prior preservation: real photographs first, generated ones only where they are too few."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from trainer.contract.entries import make_private
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.taught import ClassSet, class_sets
from trainer.data.dataset import DataError, Item, read_class_items
from trainer.data.images import save_picture, to_pictures
from trainer.ground import draws
from trainer.model.parts import Parts
from trainer.model.prompts import Encoded, encode
from trainer.samples.drawing import make_pixels, negative_prompt
from trainer.step.beforehand import none_taken
from trainer.step.not_finite.cause import SHOWN
from trainer.step.not_finite.error import Cause
from trainer.step.not_finite.watch import is_finite


def real_class_pictures(config: TrainConfig) -> tuple[Item, ...]:
    """The photographs of all class folders; none where none are wanted. Raises DataError for each bad class folder."""
    found: list[Item] = []
    problems: list[str] = []
    for one in class_sets(config):
        try:
            found += read_class_items(one, config) if one.path else ()
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return tuple(found)


def class_pictures(
    config: TrainConfig, real: tuple[Item, ...], parts: Parts, folder: Path, progress: Callable[[int, int], None]
) -> tuple[Item, ...]:
    """The wanted number of pictures of each class. The `real` ones come first; the rest is generated into `folder`.

    Each generated picture has its own seed and file, so a killed run goes on where it was, and nothing is ever
    written into the person's folder, nor is anything but what was generated read from `folder`.
    """
    found: tuple[Item, ...] = ()
    for one in class_sets(config):
        own = tuple(item for item in real if item.concept == one.number - 1)
        found += _of_class(config, one, own, parts, folder, progress)
    return found


def _of_class(
    config: TrainConfig,
    classes: ClassSet,
    real: tuple[Item, ...],
    parts: Parts,
    folder: Path,
    progress: Callable[[int, int], None],
) -> tuple[Item, ...]:
    prompt, wanted = classes.prompt, config.prior.images
    missing = wanted - len(real)
    if missing <= 0:
        return real[:wanted]
    sample = config.sample
    decides = (prompt, parts.digests["unet"], config.train.resolution, config.train.seed, config.prior.batch)
    decides = (*decides, sample.steps, sample.guidance, config.model.clip_skip)
    decides = decides if parts.zero_empty else (*decides, "empty prompt encoded")
    decides = decides if config.model.quantize == "off" else (*decides, config.model.quantize)
    made = folder / f"class-{hashlib.sha256(repr(decides).encode()).hexdigest()[:12]}"
    make_private(made)
    _generate(config, parts, prompt, made, missing, progress)
    return real + read_class_items(replace(classes, path=str(made)), config)[:missing]


@torch.no_grad()
def _generate(
    config: TrainConfig, parts: Parts, prompt: str, folder: Path, number: int, progress: Callable[[int, int], None]
) -> None:
    """Make what is missing, in batches that are the same whenever they are made: a batch changes the last bits."""
    size, sample = config.prior.batch, config.sample
    encoded: Encoded | None = None
    negative: Encoded | None = None
    for first in range(0, number, size):
        paths = {place: folder / f"{place:06d}.png" for place in range(first, first + size)}
        if all(path.exists() for path in paths.values()):
            continue
        progress(first, number)
        if encoded is None:
            parts.place_unet()
            encoded = encode(parts, [prompt])
            negative = negative_prompt(parts, "", lambda words: encode(parts, [words]))
        seeds = [draws.below(2**31, config.train.seed, "sample", place) for place in paths]
        square = (config.train.resolution, config.train.resolution)
        made = make_pixels(parts, encoded, negative, square, sample.steps, sample.guidance, seeds).cpu()
        if not is_finite(made):  # as black pictures they would be kept, and trained on
            said = f"what the base model draws for '{prompt[:SHOWN]}', the class pictures, is not finite"
            raise none_taken(Cause("base", said), config)
        for picture, path in zip(to_pictures(made), paths.values(), strict=True):
            save_picture(picture, path)
    progress(number, number)
