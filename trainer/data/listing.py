"""The pictures of a run as its folder lists them, without torch: what stops a run is said before that is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.contract.paths import expanded
from trainer.contract.pictures.decoding import why_unusable
from trainer.contract.pictures.folder import NoDataset, Picture, list_pictures
from trainer.contract.pictures.problems import stopping
from trainer.contract.plan.advice import refusals
from trainer.contract.settings.config import TrainConfig

REMEDY = "repair it, or add it to skip"


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

    `refused` is of the settings and what they name, `problems` of the folder of pictures; `bad` are the pictures that
    cannot be used, of whose problems skipping them is a cure.
    """

    pictures: tuple[Picture, ...]
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
    data, refused = config.dataset, tuple(refusals(config, begun))
    try:
        listing = list_pictures(expanded(data.path), data.caption_column, data.skip)
    except NoDataset as error:
        return Listed((), (str(error),), refused)
    stopped = stopping(listing.problems, data.accept)
    said = [f"{one.file or data.path}: {one.message}; {one.remedy}" for one in stopped]
    bad = {one.name: why for one in listing.pictures if (why := why_unusable(one.path))}
    said += [f"{name}: {why}; {REMEDY}" for name, why in bad.items()]
    if not listing.pictures:
        said.append(f"'{data.path}' has no picture left: all of them are skipped")
    return Listed(listing.pictures, tuple(said), refused, tuple(bad))
