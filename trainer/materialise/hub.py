"""Brings the files of a data set from the hub onto this disk, pinned to one revision; nothing of them is run."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainer.contract.pictures.folder import METADATA, NoDataset
from trainer.contract.pictures.formats import endings as picture_endings
from trainer.contract.pictures.sources import DATA_ENDINGS, HUB_SOURCE, SAVED
from trainer.ground.error_line import first_line

# data, pictures and what describes them: no code, no pickle, no archive of another kind
FILES = ("README.md", "dataset_info.json", "dataset_infos.json", *SAVED, *METADATA)

Progress = Callable[[int, int], None]  # bytes done, bytes in all as far as known


def fetch(source: str, progress: Progress) -> tuple[Path, str]:
    """Download owner/name or owner/name@revision into the hub's own cache, going on where an earlier start was cut.

    Returns the folder and the source pinned to the commit. The token, if any, is the hub's own business
    (environment or `hf auth login`). Raises NoDataset with a sentence.
    """
    from huggingface_hub import errors, snapshot_download

    found = HUB_SOURCE.fullmatch(source)
    assert found is not None
    endings = sorted(picture_endings() | DATA_ENDINGS | {".txt"})
    patterns = [f"*{one}" for ending in endings for one in (ending, ending.upper())]
    patterns += [pattern for name in FILES for pattern in (name, f"*/{name}")]
    try:
        folder = snapshot_download(
            found["name"],
            repo_type="dataset",
            revision=found["revision"],
            allow_patterns=patterns,
            tqdm_class=_bar(progress),
        )
    except errors.GatedRepoError:
        said = f"the data set '{source}' wants its terms accepted: do so on its page of the hub, then 'hf auth login'"
        raise NoDataset(said) from None
    except errors.RevisionNotFoundError:
        raise NoDataset(f"the data set '{found['name']}' has no revision '{found['revision']}'") from None
    except errors.RepositoryNotFoundError:
        said = f"'{source}' is neither a folder here nor a data set on the hub; if it is private: 'hf auth login'"
        raise NoDataset(said) from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, ConnectionError):
        said = (
            f"'{source}' is not a folder here, and the hub cannot be reached to look for it: connect this machine to "
        )
        raise NoDataset(f"{said}the internet and try again, or name a folder that is here") from None
    except Exception as error:  # whatever the network does
        raise NoDataset(f"the data set '{source}' cannot be fetched from the hub: {first_line(error)}") from None
    return Path(folder), f"{found['name']}@{Path(folder).name}"


def _bar(progress: Progress) -> Any:
    """A progress bar that draws nothing and tells the bytes."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        def __init__(self, *values: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*values, **{**options, "file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> bool | None:
            drawn = super().update(n)
            if self.unit == "B":
                progress(int(self.n), int(self.total or 0))
            return drawn

    return Bar
