"""A run's folder as others left it: refused where a name of the run's own is a link, freed of what the dead left."""

from __future__ import annotations

import re
from contextlib import suppress

from trainer.contract.entries import LINK, BadEntry, link_below, names_in, sweep
from trainer.contract.run.rundir import RunDir

FOLDERS = ("cache", "checkpoints", "control", "export", "generated", "samples", "slurm", "trackers")
FILES = (
    *("changes.json", "claim", "events.jsonl", "lock", "note.txt", "prompts.json", "queued.json", "slurm.json"),
    "trainer.log",
)
NO_FOLDER = "is a file and not a folder: remove it, or move it away"
OWN = re.compile("|".join(map(re.escape, FOLDERS + FILES)) + r"|(answers|config)(\.\d+)?\.toml")  # config.1.toml: kept
DEEP = tuple(name for name in FOLDERS if name != "trackers")  # in its own folder there wandb makes links


def refuse_links(run: RunDir, deep: bool = True) -> None:
    """Raise BadEntry with a sentence if a name of the run's own is a link: what is written there lands elsewhere.

    `deep`: or a file in the place of a folder, and names in its folders too. The run's folder itself may be reached
    through links: they are the person's. Raises OSError where nobody may look.
    """
    with suppress(FileNotFoundError):
        for name, kind in names_in(run.path, run.path):
            if kind == "link" and OWN.fullmatch(name):
                raise BadEntry(run.path / name, LINK, run.path)
    for name in FOLDERS if deep else ():
        found = link_below(run.path / name, run.path, deep=name in DEEP)
        if found is not None:
            raise BadEntry(found, LINK if found.is_symlink() else NO_FOLDER, run.path)


def sweep_strays(run: RunDir) -> None:
    """Remove what killed processes left half-written in the run's folder. For the one who holds the run's lock."""
    for folder in (run.path, *(run.path / name for name in FOLDERS)):
        sweep(folder, run.path)
    with suppress(OSError):
        for name, kind in names_in(run.checkpoints, run.path):
            if kind == "folder":  # its manifest is written anew when the optimizer's state goes
                sweep(run.checkpoints / name, run.path)
