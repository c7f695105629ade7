"""How alike the person in a run's pictures is to the training pictures: a figure by step, from faces alone.

Features are compared in memory and kept nowhere; they are those of curation.people.identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.curation.checks.files import open_picture
from loratui.curation.likeness import of_length_one
from loratui.curation.people.faces import find_faces
from loratui.curation.people.identity import with_features
from loratui.curation.pixels import missing
from loratui.events.history import History
from trainer.contract.pictures.folder import NoDataset, list_pictures
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, load_config

if TYPE_CHECKING:
    from numpy import ndarray

LEAST = 2  # training pictures with a face: below that the set has no spread of its own
LISTED = 12  # steps, the last
Progress = Callable[[int, int], None]  # pictures looked at, of how many


@dataclass(frozen=True)
class Identity:
    """Cosines, 1 is the same: by step of the samples' faces to the mean of the training pictures', and their own."""

    by_step: dict[int, float]  # the mean over the step's pictures that show a face
    own: tuple[float, ...]  # each training picture to the mean of the others

    @property
    def sentence(self) -> str:
        """What the figures are, beside what the set itself has."""
        best = max(self.by_step, key=lambda step: (self.by_step[step], -step))
        steps = ", ".join(f"{step}: {value:.2f}" for step, value in sorted(self.by_step.items())[-LISTED:])
        middle = sum(self.own) / len(self.own)
        return (
            f"The face in the samples is most like the training pictures at step {best}. Cosine to their mean, by step:"
            f" {steps}. The training pictures among themselves: {middle:.2f} ({min(self.own):.2f} to "
            f"{max(self.own):.2f})."
        )


def identity_of(run: RunDir, history: History, told: Progress = lambda done, total: None) -> Identity | None:
    """Looks at every sample and training picture of a run that taught a face; None where there is nothing to say.

    That is: another kind, no package for it (the extra `identity`), the pictures gone, or no face in either.
    """
    config = _config(run)
    if config is None or config.kind != "face" or missing().keys() & {"faces", "identity"}:
        return None
    samples = [(one.step, path) for one in history.samples if (path := _inside(run.path, one.path)) is not None]
    training = _training(config)
    if len(training) < LEAST or not samples:
        return None
    total, mine = len(training) + len(samples), []
    for place, path in enumerate(training):
        told(place, total)
        mine.append(_feature(path, config))
    found: dict[int, list[bytes]] = {}
    for place, (step, path) in enumerate(samples, len(training)):
        told(place, total)
        found.setdefault(step, []).append(_feature(path, config))
    told(total, total)
    return compared([one for one in mine if one], {step: [one for one in each if one] for step, each in found.items()})


def compared(training: Sequence[bytes], samples: dict[int, list[bytes]]) -> Identity | None:
    """The figures of features; None where the training pictures have fewer than LEAST, or no sample has any."""
    steps = {step: each for step, each in samples.items() if each}
    if len(training) < LEAST or not steps:
        return None
    rows = of_length_one(list(training), "int8")
    whole = rows.sum(axis=0)
    own = tuple(float(row @ _unit(whole - row)) for row in rows)
    middle = _unit(whole)
    return Identity({step: float((of_length_one(each, "int8") @ middle).mean()) for step, each in steps.items()}, own)


def _unit(row: ndarray) -> ndarray:
    import numpy as np

    found: ndarray = row / max(float(np.linalg.norm(row)), 1e-6)
    return found


def _feature(path: Path, config: TrainConfig) -> bytes:
    """Of the largest face that is sure; empty where there is none."""
    rgb = open_picture(path.name, path, config.dataset.background).pixels
    if rgb is None:
        return b""
    return next((one.feature for one in with_features(rgb, find_faces(rgb) or ()) if one.feature), b"")


def _inside(run: Path, name: str) -> Path | None:
    """A picture that the log names; None where that leads out of the run."""
    path = run / name
    return path if name and path.resolve().is_relative_to(run.resolve()) else None


def _training(config: TrainConfig) -> list[Path]:
    """The pictures that were chosen for it, held-out ones among them: they are of the same person."""
    data = config.dataset
    try:
        listing = list_pictures(Path(data.path), data.caption_column, data.skip)
    except NoDataset:
        return []
    return [one.path for one in listing.pictures]


def _config(run: RunDir) -> TrainConfig | None:
    try:
        return load_config(run.config)
    except (OSError, ValueError):
        return None
