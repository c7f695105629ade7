"""What takes the room on a full disk: the folders of a run, the caches of loratui and of the hub, by size."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from loratui.terminal.text import show_path
from loratui.terminal.units import in_bytes
from trainer.contract.basemodel.hub_cache import hub_cache
from trainer.contract.paths import is_folder
from trainer.contract.run.rundir import RunDir, cache_folder

MAY_GO = {
    "cache": "made again by the next start",
    "samples": "pictures on the way; no run needs them",
    "generated": "pictures that were asked for",
    "export": "the files to use",
    "checkpoints": "the newest is what the run resumes from",
}


def room_lines(run: RunDir) -> list[str]:
    """One line a folder, the largest first, with what hangs on it; then what is free."""
    found = [(folder, MAY_GO.get(folder.name, "")) for folder in _folders(run.path)]
    others = [one for one in _folders(run.path.parent) if one != run.path]
    rest = sum(size_of(one) for one in others)
    rows = [(size_of(folder), show_path(folder), words) for folder, words in found]
    rows.append((rest, f"{show_path(run.path.parent)}, other runs", "loratui runs lists them"))
    rows.append((size_of(cache_folder()), show_path(cache_folder()), "made again where it is needed"))
    rows.append((size_of(hub_cache()), show_path(hub_cache()), "models of the hub: hf cache delete"))
    lines = [
        f"{in_bytes(size):>9}  {path}" + (f"\n           {words}" if words else "")
        for size, path, words in sorted(rows, reverse=True)
        if size
    ]
    free = in_bytes(shutil.disk_usage(run.path).free)
    return [f"{free:>9}  free in {show_path(run.path)}", "", *lines, "", "Nothing is removed from here."]


def size_of(folder: Path) -> int:
    """Bytes that the files below `folder` hold; links are not followed, what cannot be read counts nothing."""
    found = 0
    for root, _, files in os.walk(folder):
        for name in files:
            try:
                found += Path(root, name).lstat().st_size
            except OSError:
                continue
    return found


def _folders(path: Path) -> list[Path]:
    try:
        return [one for one in path.iterdir() if is_folder(one) and not one.is_symlink()]
    except OSError:
        return []
