"""The pictures of a run: which view of which picture, with which words, stands at each place of the training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from trainer.contract.paths import expanded, os_words
from trainer.contract.pictures.decoding import BadPicture
from trainer.contract.pictures.folder import NoDataset, Picture
from trainer.contract.pictures.inside import open_inside
from trainer.contract.plan.class_folder import REMEDY as CLASS_REMEDY
from trainer.contract.plan.class_folder import class_listing, trigger_refusals
from trainer.contract.plan.masks import MaskFile, masks_of
from trainer.contract.settings.buckets import Size, bucket_of
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.taught import ClassSet, Taught, taught
from trainer.contract.units import plural
from trainer.data import images
from trainer.data.listing import REMEDY, Listed, listed
from trainer.data.listing import DataError as DataError
from trainer.ground import draws

CROPS = 8  # places that a random crop chooses from, so that their latents can be cached


@dataclass(frozen=True)
class Item:
    """One picture with the words that go with it; `size` is (width, height) when upright."""

    name: str
    path: Path
    prompt: str
    size: tuple[int, int]
    digest: str  # sha256 of the file
    mask: MaskFile | None = None  # what of it counts
    mask_digest: str = ""  # sha256 of that file
    concept: int = 0  # its place among the concepts of the run


@dataclass(frozen=True)
class View:
    """A picture as one sample of one step sees it."""

    item: Item
    geometry: images.Geometry
    step: int
    sample: int  # within the step, over all micro-batches
    prior: bool = False
    level: float | None = None  # how noisy it is seen, from 0 to below 1; None: drawn for it alone
    weight: float = 1.0  # how much its error counts


@dataclass(frozen=True)
class ViewPlan:
    """What every step sees; a pure function of the configuration and the pictures."""

    items: tuple[Item, ...]
    class_items: tuple[Item, ...]
    config: TrainConfig

    def micro_batch(self, step: int, micro: int, part: slice = slice(None)) -> tuple[View, ...]:
        """The views of one forward pass: `batch` pictures, then as many class pictures if there are any.

        `step` counts from 1, `micro` from 0; `part` takes some of the samples, for one of several processes. Four
        micro-batches of one see what one of four sees. With buckets all views of a step have one size; the class
        pictures are cut to it.
        """
        size, passes = self.config.train.batch, self.config.train.accumulation
        samples = range(micro * size, (micro + 1) * size)[part]
        turn = self._turn(step)
        whole = size * passes
        views = self._views(self._buckets[turn.size], "order", turn.number * whole, step, samples, turn.size)
        if self.class_items:
            views += self._views(self._classes, "class-order", (step - 1) * whole, step, samples, turn.size)
        return tuple(views)

    @property
    def places(self) -> int:
        """How many views one epoch has."""
        return len(self._epoch.places)

    @property
    def captions(self) -> int:
        """How many captions the steps read, none at all counted as one where some are dropped."""
        dropped = bool(self.config.dataset.caption_dropout)
        return len({one.prompt for one in self.items + self.class_items}) + dropped

    def distinct_views(self) -> list[View]:
        """Everything that some step may see, each once: what there is to encode.

        A short run is walked through; of a long one every variant is taken, without counting its steps.
        """
        train, data = self.config.train, self.config.dataset
        crops = range(CROPS) if data.crop == "random" else (None,)
        flips = (False, True) if data.flip else (False,)
        cuts = [(item, size, False) for item, size in zip(self.items, self._sizes, strict=True)]
        cuts += [(item, size, True) for item in self.class_items for size in sorted(set(self._sizes))]
        if train.steps * train.accumulation * train.batch < len(cuts) * len(crops) * len(flips):
            steps, passes = range(1, train.steps + 1), range(train.accumulation)
            views = [view for step in steps for micro in passes for view in self.micro_batch(step, micro)]
        else:
            ways = [(crop, flip) for crop in crops for flip in flips]
            views = [View(item, geometry(item, size, *way), 0, 0, prior) for item, size, prior in cuts for way in ways]
        return list({(view.item.digest, view.geometry): view for view in views}.values())

    @cached_property
    def _sizes(self) -> tuple[Size, ...]:
        """What each of the items is cut to."""
        return tuple(size_of(item, self.config) for item in self.items)

    @cached_property
    def _taught(self) -> tuple[Taught, ...]:
        return taught(self.config)

    @cached_property
    def _epoch(self) -> draws.Epoch:
        return self._pool(self.items).epoch

    @cached_property
    def _buckets(self) -> dict[Size, _Pool]:
        found: dict[Size, tuple[Item, ...]] = {}
        for item, size in zip(self.items, self._sizes, strict=True):
            found[size] = (*found.get(size, ()), item)
        return {size: self._pool(items) for size, items in found.items()}

    @cached_property
    def _classes(self) -> _Pool:
        return _Pool(self.class_items, draws.Epoch((1,) * len(self.class_items)))

    def _pool(self, items: tuple[Item, ...]) -> _Pool:
        return _Pool(items, draws.Epoch(tuple(self._taught[item.concept].repeats for item in items)))

    def _turn(self, step: int) -> draws.BucketTurn:
        """Whose turn it is: with buckets one of them, else all pictures at the one size."""
        train, data = self.config.train, self.config.dataset
        if not data.buckets:
            return draws.BucketTurn((train.resolution, train.resolution), step - 1)
        return draws.turn(step - 1, self._sizes, self._epoch, train.seed)

    def _views(
        self, pool: _Pool, stream: draws.Stream, first: int, step: int, samples: range, size: Size
    ) -> list[View]:
        """The views of some samples of a step, whose first is at place `first` of the order of `pool`."""
        train, prior, items = self.config.train, stream == "class-order", pool.items
        spread = train.timesteps == "stratified"
        # where each has its level stands in what all of the step are, in whichever process or pass
        places = range(train.batch * train.accumulation) if spread else samples
        seen = {one: draws.item_at(first + one, pool.epoch, train.seed, stream) for one in places}
        levels = draws.levels(step, tuple(seen.values()), len(items), train.seed, stream) if spread else ()
        return [
            self._view(items[seen[one].item], step, one, size, prior, levels[one] if spread else None)
            for one in samples
        ]

    def _view(self, item: Item, step: int, sample: int, size: Size, prior: bool, level: float | None) -> View:
        seed, key = self.config.train.seed, (step, sample, int(prior))
        flip = self.config.dataset.flip and draws.uniform(seed, "flip", *key) < 0.5
        crop = draws.below(CROPS, seed, "crop", *key) if self.config.dataset.crop == "random" else None
        weight = 1.0 if prior else self._taught[item.concept].loss_weight
        return View(item, geometry(item, size, crop, flip), step, sample, prior, level, weight)


@dataclass(frozen=True)
class _Pool:
    """Pictures that one order is drawn of."""

    items: tuple[Item, ...]
    epoch: draws.Epoch


def size_of(item: Item, config: TrainConfig) -> Size:
    """What `item` is cut to, (height, width): its bucket, or the square."""
    side = config.train.resolution
    return bucket_of(*item.size, side) if config.dataset.buckets else (side, side)


def hold_out(items: tuple[Item, ...], config: TrainConfig) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """The pictures that are trained on, and those that never are, of each concept; a pure draw.

    Raises DataError if none of a concept is left.
    """
    count = config.dataset.hold_out
    if not count:
        return items, ()
    held: set[int] = set()
    problems = []
    for concept, one in enumerate(taught(config)):
        own = [place for place, item in enumerate(items) if item.concept == concept]
        if count >= len(own):
            said = f"dataset.hold_out is {count} of {plural(len(own), 'picture')}: none is left to train on"
            problems.append(one.said(said))
        else:
            order = draws.permutation(len(own), config.train.seed, "hold-out", concept)
            held |= {own[place] for place in order[:count]}
    if problems:
        raise DataError(problems)
    kept = tuple(item for place, item in enumerate(items) if place not in held)
    return kept, tuple(items[place] for place in sorted(held))


def geometry(item: Item, size: Size, crop: int | None, flip: bool) -> images.Geometry:
    """The cut of `item` to `size` (height, width): the centre, or place `crop` of CROPS along its longer side."""
    place = 0.5 if crop is None else crop / (CROPS - 1)
    return images.fit(*item.size, size, (place, place), flip)


def read_dataset(config: TrainConfig, found: Listed | None = None) -> tuple[Item, ...]:
    """The pictures to train on, in sorted order, concept by concept, all opened once.

    Raises DataError naming every bad file at once.

    `found` is what was listed before, where it was.
    """
    data = config.dataset
    found = found or listed(config)
    problems = list(found.problems)
    skippable = len(found.problems) == len(found.bad)  # no caption is mended by leaving its picture out
    items, bad = [], list(found.bad)
    for concept, picture in found.pictures:
        if picture.name in found.bad:
            continue
        prompt = picture.caption or concept.prompt
        item = _read_item(picture, prompt, data.background, problems, REMEDY)
        if item is None:
            bad.append(picture.name)
        else:
            items.append(replace(item, concept=concept.number - 1))
    if problems:
        raise DataError(problems, bad if skippable else ())
    if not config.mask.enabled:
        return tuple(items)
    folders = [
        masks_of(expanded(one.path), [item.path for item in items if item.concept == one.number - 1])
        for one in taught(config)
    ]
    return tuple(_masked(item, folders[item.concept].get(item.path.name)) for item in items)


def _masked(item: Item, mask: MaskFile | None) -> Item:
    return item if mask is None else replace(item, mask=mask, mask_digest=mask.digest())


def read_class_items(classes: ClassSet, config: TrainConfig) -> tuple[Item, ...]:
    """The class pictures of `classes.path`, each with its words. Raises DataError naming every bad one."""
    try:
        listing = class_listing(classes, config)
    except NoDataset as error:
        raise DataError([f"class pictures: {error}"]) from None
    problems: list[str] = []
    background = config.dataset.background
    found = [_read_item(one.picture, one.words, background, problems, CLASS_REMEDY) for one in listing]
    problems = [f"class pictures: {problem}" for problem in problems] + trigger_refusals(listing, config)
    if problems:
        raise DataError(problems)
    return tuple(replace(item, concept=classes.number - 1) for item in found if item is not None)


def _read_item(picture: Picture, prompt: str, background: str, problems: list[str], remedy: str) -> Item | None:
    try:
        size = images.open_rgb(picture.path, background).size
        with open_inside(picture.path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (BadPicture, OSError) as error:
        problems.append(f"{picture.name}: {os_words(error)}; {remedy}")
        return None
    return Item(picture.name, picture.path, prompt, size, digest)


def identity(items: tuple[Item, ...]) -> dict[str, str]:
    """What a checkpoint remembers of the pictures: a digest of content and words under each name."""
    told = {item.name: f"{item.digest}\n{item.prompt}" for item in items}
    told |= {item.name: f"{told[item.name]}\n{item.mask_digest}" for item in items if item.mask_digest}
    return {name: hashlib.sha256(words.encode()).hexdigest()[:16] for name, words in told.items()}
