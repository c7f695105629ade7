"""Where pictures can come from: a folder of pictures, a data set on this disk, or one on the hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from trainer.contract.paths import can_see, expanded, is_file, is_folder
from trainer.contract.pictures.folder import NoDataset
from trainer.contract.pictures.formats import is_picture
from trainer.contract.run.rundir import cache_folder

Origin = Literal["pictures", "dataset", "hub"]

HUB_SOURCE = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w.-]+))?")
SAVED = ("state.json", "dataset_dict.json")  # what save_to_disk leaves beside its arrow files
DATA_ENDINGS = frozenset({".parquet", ".arrow", ".tar"})
NOTE = "source.json"  # beside the pictures of a data set that was written out: what they were written from
DEEPEST = 2  # folders below the data set's own that are looked into for data files


class NoColumn(NoDataset):
    """The data set has no such caption column; `columns` are those that hold text."""

    def __init__(self, message: str, columns: tuple[str, ...]) -> None:
        super().__init__(message)
        self.columns = columns


def written_folder() -> Path:
    """Where data sets stand that were written out as folders of pictures, each under its digest."""
    return cache_folder() / "datasets"


def origin_of(source: str) -> Origin:
    """What `dataset.path` names. Without a look at the hub: owner/name is one unless a folder says otherwise.

    What is neither a data set nor a hub id counts as a folder of pictures, whether or not there is one.
    """
    path = expanded(source)
    if is_folder(path):
        return "dataset" if not _has_pictures(path) and is_dataset_folder(path) else "pictures"
    return "hub" if is_hub_source(source) else "pictures"


def is_hub_source(source: str) -> bool:
    """Whether `source` is owner/name or owner/name@revision, and no path: its first part is no folder here."""
    return HUB_SOURCE.fullmatch(source) is not None and not can_see(Path(source.partition("/")[0]))


def is_dataset_folder(folder: Path) -> bool:
    """Whether save_to_disk wrote the folder, or it holds parquet, arrow or tar files (also in folders below)."""
    return any(is_file(folder / name) for name in SAVED) or _has_data(folder, DEEPEST)


def _has_pictures(folder: Path) -> bool:
    return any(is_picture(folder / name) for name in _names(folder))


def _has_data(folder: Path, deeper: int) -> bool:
    names = [folder / name for name in _names(folder) if not name.startswith(".")]
    if any(one.suffix.lower() in DATA_ENDINGS for one in names):
        return True
    return deeper > 0 and any(_has_data(one, deeper - 1) for one in names if is_folder(one) and not one.is_symlink())


def _names(folder: Path) -> list[str]:
    try:
        return [one.name for one in folder.iterdir()]
    except OSError:
        return []
