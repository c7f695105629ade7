"""The pictures of a run as its folder lists them, without torch: what stops a run is said before that is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.contract.pictures.folder import Listing, NoDataset, list_pictures
from trainer.contract.pictures.problems import stopping
from trainer.contract.settings.config import TrainConfig


class DataError(ValueError):
    """The dataset cannot be trained on; `problems` has a sentence for every file that is at fault.

    `files` are the pictures without which it could be, as `dataset.skip` names them.
    """

    def __init__(self, problems: list[str], files: Sequence[str] = ()) -> None:
        super().__init__("\n".join(problems))
        self.problems, self.files = problems, tuple(files)


def listed(config: TrainConfig) -> tuple[Listing, list[str]]:
    """The pictures with their captions, and a sentence for all that nobody accepted. Raises DataError for no folder."""
    data = config.dataset
    try:
        listing = list_pictures(Path(data.path).expanduser(), data.caption_column, data.skip)
    except NoDataset as error:
        raise DataError([str(error)]) from None
    stopped = stopping(listing.problems, data.accept)
    return listing, [f"{one.file or data.path}: {one.message}; {one.remedy}" for one in stopped]


def refuse_early(config: TrainConfig) -> None:
    """Raise DataError for a folder that no run starts with, whatever its pictures look like."""
    _, problems = listed(config)
    if problems:
        raise DataError(problems)
