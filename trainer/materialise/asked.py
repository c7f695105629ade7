"""Class pictures out of data sets, written as folders before a run looks at anything: by a process of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from trainer.contract.documents.json_lines import parse_line
from trainer.contract.pictures.folder import NoDataset
from trainer.contract.pictures.sources import origin_of
from trainer.contract.run.trainer_start import trainer_environment
from trainer.contract.settings.config import TrainConfig

Progress = Callable[[int, int], None]


def with_class_folders(config: TrainConfig, progress: Progress) -> TrainConfig:
    """The same settings with a folder in the place of each data set of class pictures. Raises NoDataset.

    A set that was written before is found again; one of the hub is pinned by the hub's own cache where it cannot be
    reached. `progress` hears how far it is.
    """
    if not config.prior.enabled:
        return config

    def folder(path: str) -> str:
        return path if not path or origin_of(path) == "pictures" else _written(path, config, progress)

    prior = config.prior.model_copy(update={"path": folder(config.prior.path)})
    concepts = tuple(one.model_copy(update={"class_path": folder(one.class_path)}) for one in config.concepts)
    return config.model_copy(update={"prior": prior, "concepts": concepts})


def _written(source: str, config: TrainConfig, progress: Progress) -> str:
    prior = config.prior
    options = [f"--column={prior.caption_column}", f"--subset={prior.subset}", f"--split={prior.split}"]
    command = [sys.executable, "-m", "trainer.materialise", *options, "--", source]
    last: dict[str, Any] = {}
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=trainer_environment()
    )
    try:
        assert child.stdout is not None
        for line in child.stdout:
            last = parse_line(line.strip()) or last
            if last.get("type") == "phase":
                progress(int(last.get("done") or 0), int(last.get("total") or 0))
        child.wait()
    finally:
        child.kill()
        child.wait()
    if last.get("type") == "end":
        return str(last["folder"])
    said = str(last.get("message") or f"'{source}' cannot be read; it ended with code {child.returncode}")
    raise NoDataset(said.replace("--caption-column or dataset.caption_column", "prior.caption_column"))
