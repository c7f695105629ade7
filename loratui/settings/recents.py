"""The folders and data sets used last, remembered for this person alone and offered when new pictures are asked for."""

from __future__ import annotations

import json
from pathlib import Path

from loratui.settings.drafts.store import state_dir
from trainer.contract.documents.files import read_json
from trainer.contract.entries import make_private, write_swept
from trainer.contract.paths import expanded, is_folder
from trainer.contract.pictures.sources import is_hub_source

FILE = "recent-pictures.json"
KEPT = 12
MAX_BYTES = 1 << 18


def recent_sources(folder: Path | None = None) -> tuple[str, ...]:
    """What `dataset.path` was last, the newest first; folders that are gone are left out.

    A file that cannot be read counts as empty: nothing depends on it. Looks at each folder, and so may wait for a
    network disk: not for the paint path.
    """
    return tuple(one for one in _read(folder or state_dir()) if is_there(one))


def remember(source: str, folder: Path | None = None) -> None:
    """Put `source`, as it was typed, first; what is gone by now is dropped. A disk that cannot be written is no error.

    A relative path is kept absolute: the next start may be in another folder.
    """
    where = folder or state_dir()
    kept = _lasting(source)
    if not kept.isprintable():
        return  # it could not be typed again
    others = [one for one in _read(where) if one != kept and is_there(one)]
    try:
        make_private(where)
        write_swept(where / FILE, json.dumps([kept, *others][:KEPT], indent=1))
    except OSError:
        return


def is_there(source: str) -> bool:
    """Whether the folder is there; a data set of the hub always counts as there."""
    return is_folder(expanded(source)) or is_hub_source(source)


def _lasting(source: str) -> str:
    path = Path(source)
    if source.startswith("~") or path.is_absolute() or (is_hub_source(source) and not is_folder(path)):
        return source
    return str(path.absolute())


def _read(folder: Path) -> list[str]:
    found = read_json(folder / FILE, list, MAX_BYTES).value or []
    return [one for one in found if isinstance(one, str) and one.isprintable()]
