"""Class pictures for prior preservation: real photographs first, generated ones only where they are too few."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch

from trainer import draws
from trainer.contract.config import TrainConfig
from trainer.contract.rundir import make_private
from trainer.dataset import Item, read_class_items
from trainer.model import Parts
from trainer.prompts import encode
from trainer.sampling import make_picture


def class_prompt(config: TrainConfig) -> str:
    """What the class pictures show: prior.prompt, or "a photo of a" and the class word."""
    return config.prior.prompt or f"a photo of a {config.dataset.class_word or config.kind}"


def class_pictures(
    config: TrainConfig, parts: Parts, folder: Path, progress: Callable[[int, int], None]
) -> tuple[Item, ...]:
    """The wanted number of class pictures. Those of prior.path come first; the rest is generated into `folder`.

    Each generated picture has its own seed and file, so a killed run goes on where it was, and nothing is ever
    written into the person's folder. Raises DataError for a bad class folder.
    """
    if not config.prior.enabled:
        return ()
    prompt, wanted = class_prompt(config), config.prior.images
    real = read_class_items(Path(config.prior.path).expanduser(), prompt, config) if config.prior.path else ()
    missing = wanted - len(real)
    if missing <= 0:
        return real[:wanted]
    kind = hashlib.sha256(repr((prompt, config.model.base, config.train.resolution)).encode()).hexdigest()[:12]
    made = folder / f"class-{kind}"
    make_private(made)
    _generate(config, parts, prompt, made, missing, progress)
    return real + read_class_items(made, prompt, config)[:missing]


@torch.no_grad()
def _generate(
    config: TrainConfig, parts: Parts, prompt: str, folder: Path, number: int, progress: Callable[[int, int], None]
) -> None:
    encoded = None
    for place in range(number):
        path = folder / f"{place:06d}.png"
        if path.exists():
            continue
        progress(place, number)
        encoded = encoded or encode(parts, [prompt])
        seed = draws.below(2**31, config.train.seed, "sample", place)
        side, sample = config.train.resolution, config.sample
        picture = make_picture(parts, encoded, side, sample.steps, sample.guidance, seed)
        aside = folder / f".{path.name}.part"
        picture.save(aside, format="PNG")
        aside.rename(path)
    progress(number, number)
