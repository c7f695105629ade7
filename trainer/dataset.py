"""The pictures of a run: which view of which picture, with which words, stands at each place of the training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from trainer import draws, images
from trainer.contract.config import TrainConfig
from trainer.contract.pictures import NoDataset, list_pictures

CROPS = 8  # places that a random crop chooses from, so that their latents can be cached


class DataError(ValueError):
    """The dataset cannot be trained on; `problems` has a sentence for every file that is at fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Item:
    """One picture with the words that go with it; `size` is (width, height) when upright."""

    name: str
    path: Path
    prompt: str
    size: tuple[int, int]
    digest: str  # sha256 of the file


@dataclass(frozen=True)
class View:
    """A picture as one sample of one step sees it."""

    item: Item
    geometry: images.Geometry
    step: int
    sample: int  # within the step, over all micro-batches
    prior: bool = False


@dataclass(frozen=True)
class Plan:
    """What every step sees; a pure function of the configuration and the pictures."""

    items: tuple[Item, ...]
    class_items: tuple[Item, ...]
    config: TrainConfig

    def micro_batch(self, step: int, micro: int, part: slice = slice(None)) -> tuple[View, ...]:
        """The views of one forward pass: `batch` pictures, then as many class pictures if there are any.

        `step` counts from 1, `micro` from 0; `part` takes some of the samples, for one of several processes. Four
        micro-batches of one see what one of four sees.
        """
        size, passes = self.config.train.batch, self.config.train.accumulation
        samples = range(micro * size, (micro + 1) * size)[part]
        first = (step - 1) * size * passes
        mine = [self._view(self.items, "order", first + one, step, one) for one in samples]
        other = [self._view(self.class_items, "class-order", first + one, step, one) for one in samples]
        return tuple(view for view in mine + other if view is not None)

    def distinct_views(self) -> list[View]:
        """Every square that some step may see, each once: what there is to encode.

        A short run is walked through; of a long one every variant is taken, without counting its steps.
        """
        train, data = self.config.train, self.config.dataset
        crops = range(CROPS) if data.crop == "random" else (None,)
        flips = (False, True) if data.flip else (False,)
        everything = self.items + self.class_items
        if train.steps * train.accumulation * train.batch < len(everything) * len(crops) * len(flips):
            steps, passes = range(1, train.steps + 1), range(train.accumulation)
            views = [view for step in steps for micro in passes for view in self.micro_batch(step, micro)]
        else:
            shapes = [(item, crop, flip) for item in everything for crop in crops for flip in flips]
            views = [View(item, geometry(item, self.config, crop, flip), 0, 0) for item, crop, flip in shapes]
        return list({(view.item.digest, view.geometry): view for view in views}.values())

    def _view(self, items: tuple[Item, ...], stream: draws.Stream, place: int, step: int, sample: int) -> View | None:
        if not items:
            return None
        seed, prior = self.config.train.seed, stream == "class-order"
        repeats = 1 if prior else self.config.dataset.repeats
        item = items[draws.item_at(place, len(items), repeats, seed, stream)]
        key = (step, sample, int(prior))
        flip = self.config.dataset.flip and draws.uniform(seed, "flip", *key) < 0.5
        crop = draws.below(CROPS, seed, "crop", *key) if self.config.dataset.crop == "random" else None
        return View(item, geometry(item, self.config, crop, flip), step, sample, prior)


def geometry(item: Item, config: TrainConfig, crop: int | None, flip: bool) -> images.Geometry:
    """The square of `item`: the centre, or place `crop` of CROPS along its longer side."""
    place = 0.5 if crop is None else crop / (CROPS - 1)
    return images.fit(*item.size, config.train.resolution, (place, place), flip)


def read_dataset(config: TrainConfig) -> tuple[Item, ...]:
    """The pictures to train on, in sorted order, all opened once. Raises DataError naming every bad file at once."""
    data = config.dataset
    try:
        listing = list_pictures(Path(data.path).expanduser(), data.caption_column, data.skip)
    except NoDataset as error:
        raise DataError([str(error)]) from None
    problems = [f"{one.file}: {one.message}; {one.remedy}" for one in listing.problems]
    items = []
    for picture in listing.pictures:
        prompt = picture.caption or data.instance_prompt
        item = _read_item(picture.name, picture.path, prompt, data.background, problems)
        items += [item] if item else []
    if problems:
        raise DataError(problems)
    if not items:
        raise DataError([f"'{data.path}' has no picture left: all of them are skipped"])
    return tuple(items)


def read_class_items(folder: Path, prompt: str, config: TrainConfig) -> tuple[Item, ...]:
    """The class pictures of one folder under the class prompt; captions beside them are not used."""
    try:
        listing = list_pictures(folder)
    except NoDataset as error:
        raise DataError([f"class pictures: {error}"]) from None
    problems: list[str] = []
    found = [_read_item(one.name, one.path, prompt, config.dataset.background, problems) for one in listing.pictures]
    if problems:
        raise DataError([f"class pictures: {problem}" for problem in problems])
    return tuple(item for item in found if item is not None)


def _read_item(name: str, path: Path, prompt: str, background: str, problems: list[str]) -> Item | None:
    try:
        size = images.open_rgb(path, background).size
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (images.BadPicture, OSError) as error:
        problems.append(f"{name}: {error}; repair it, or add it to skip")
        return None
    return Item(name, path, prompt, size, digest)


def identity(items: tuple[Item, ...]) -> dict[str, str]:
    """What a checkpoint remembers of the pictures: a digest of content and words under each name."""
    return {item.name: hashlib.sha256(f"{item.digest}\n{item.prompt}".encode()).hexdigest()[:16] for item in items}
