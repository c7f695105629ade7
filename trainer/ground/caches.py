"""Where a run keeps what later runs could use: with those of all runs, or where that cannot be, in its own folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from trainer.contract.entries import make_private, names_in, sweep
from trainer.contract.paths import os_words
from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.run.rundir import RunDir, cache_folder

ENOUGH = 1 << 16  # bytes that must go in: on a full disk a name can still be made


def caches_of(run: RunDir, log: EventLog | SilentLog) -> Path:
    """The folder for latents, prompts and class pictures; where it is the run's own, `log` is told why."""
    common = cache_folder()
    why = _refusal(common)
    if not why:
        for name, kind in names_in(common):
            if kind == "folder":
                sweep(common / name)
        return common
    message = f"{common} cannot be written ({why}): what later runs could use again is kept in the run's folder"
    advice = "nothing needs to be done; XDG_CACHE_HOME can name another place"
    log.emit("warn", code="cache-elsewhere", message=message, advice=advice)
    return run.cache


def _refusal(folder: Path) -> str:
    try:
        make_private(folder)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ENOUGH))
            file.flush()
            os.fsync(file.fileno())  # some disks say only now that they are full
    except OSError as error:
        return os_words(error) or type(error).__name__
    return ""
