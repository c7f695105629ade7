"""The pictures of a run as its folder lists them, without torch: what stops a run is said before that is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainer.contract.paths import expanded
from trainer.contract.pictures.decoding import why_unusable
from trainer.contract.pictures.folder import NoDataset, Picture, list_pictures
from trainer.contract.pictures.problems import stopping
from trainer.contract.plan.advice import refusals
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.taught import Taught, taught

REMEDY = "put a sound copy in its place, or add it to skip"


class DataError(ValueError):
    """The dataset cannot be trained on; `problems` has a sentence for every file that is at fault.

    `files` are the pictures without which it could be, as `dataset.skip` names them.
    """

    def __init__(self, problems: list[str], files: Sequence[str] = ()) -> None:
        super().__init__("\n".join(problems))
        self.problems, self.files = problems, tuple(files)


@dataclass(frozen=True)
class Listed:
    """What is known of a run before torch is loaded: its pictures, and a sentence for all that keeps it from starting.

    `pictures` stand with the concept that they are of, by the names that a run calls them.
    `refused` is of the settings and what they name, `problems` of the folders of pictures; `bad` are the pictures that
    cannot be used, of whose problems skipping them is a cure.
    """

    pictures: tuple[tuple[Taught, Picture], ...]
    problems: tuple[str, ...]
    refused: tuple[str, ...]
    bad: tuple[str, ...] = ()

    @property
    def curable(self) -> tuple[str, ...]:
        """The pictures without which the run could start: none where something else is wrong as well."""
        return self.bad if len(self.bad) == len(self.problems) and not self.refused else ()


def listed(config: TrainConfig, begun: bool = False) -> Listed:
    """The pictures with their captions, all that nobody accepted, and all that the plan refuses.

    `begun`: there are checkpoints of the run, and what it began from is not needed any more.
    """
    refused = tuple(refusals(config, begun))
    pictures: list[tuple[Taught, Picture]] = []
    problems: list[str] = []
    bad: list[str] = []
    for one in taught(config):
        try:
            found = _of(one)
        except NoDataset as error:
            problems.append(one.said(str(error)))
        else:
            pictures += [(one, picture) for picture in found.pictures]
            problems += found.problems
            bad += found.bad
    return Listed(tuple(pictures), tuple(problems), refused, tuple(bad))


@dataclass(frozen=True)
class _Folder:
    pictures: tuple[Picture, ...]
    problems: list[str]
    bad: list[str]


def _of(concept: Taught) -> _Folder:
    """One concept's pictures, called as they are in a run. Raises NoDataset."""
    listing = list_pictures(expanded(concept.path), concept.caption_column, concept.skip)
    stopped, before = stopping(listing.problems, concept.accept), concept.prefix
    said = [f"{before + one.file if one.file else concept.path}: {one.message}; {one.remedy}" for one in stopped]
    pictures = tuple(replace(one, name=before + one.name) for one in listing.pictures)
    bad = {one.name: why for one in pictures if (why := why_unusable(one.path))}
    said += [f"{name}: {why}; {REMEDY}" for name, why in bad.items()]
    if not pictures:
        said.append(f"'{concept.path}' has no picture left: all of them are skipped")
    return _Folder(pictures, said, list(bad))
