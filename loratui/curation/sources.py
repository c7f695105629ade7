"""Turns what `dataset.path` names into a folder of pictures: data sets are written out by a process of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loratui.children.events import child_events
from loratui.children.start import start_child
from loratui.errors import Refusal
from loratui.terminal.text import safe_text
from loratui.terminal.units import bytes_of
from trainer.contract.documents.files import read_json
from trainer.contract.paths import expanded, is_folder
from trainer.contract.pictures.folder import NoDataset
from trainer.contract.pictures.sources import NOTE, NoColumn, origin_of, written_folder
from trainer.contract.run.trainer_start import trainer_environment
from trainer.contract.settings.concepts import KEY as CONCEPTS

if TYPE_CHECKING:
    from loratui.curation.scan import ScanSettings
    from loratui.settings.answers import Answers
    from loratui.settings.resolve import Resolved
    from trainer.contract.run.rundir import RunDir

QUIET = 2.0  # seconds before the first word on progress, and between two
PHASES = {"read": "reading", "download": "downloading", "write": "writing the pictures of"}

Progress = Callable[[str, int, int], None]  # phase, done, total (0: nobody knows)


class Cancelled(Exception):
    """The caller no longer wants the pictures."""


def as_folder(
    source: str,
    settings: ScanSettings,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """The folder of pictures that `source` comes to, with the caption column, subset and split of `settings`.

    Raises NoColumn with the columns that hold text, NoDataset with a sentence, or Cancelled.
    """
    if origin_of(source) == "pictures":
        return expanded(source)
    options = [f"--column={settings.caption_column}", f"--subset={settings.subset}", f"--split={settings.split}"]
    command = [sys.executable, "-m", "trainer.materialise", *options, "--", source]
    try:
        child = start_child(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=trainer_environment())
    except Refusal as refusal:
        raise NoDataset(str(refusal)) from None
    last: dict[str, Any] = {}
    try:
        assert child.stdout is not None
        for event in child_events(child.stdout):
            if cancelled is not None and cancelled():
                raise Cancelled
            last = event
            if event["type"] == "phase" and progress is not None:
                progress(str(event.get("name")), int(event.get("done") or 0), int(event.get("total") or 0))
        child.wait()
    finally:
        child.kill()
        child.wait()
    if last.get("type") == "end":
        return Path(last["folder"])
    if last.get("columns"):
        raise NoColumn(str(last["message"]), tuple(map(str, last["columns"])))
    raise NoDataset(str(last.get("message") or f"'{source}' cannot be read; it ended with code {child.returncode}"))


def said_on_stderr(source: str) -> Progress:
    """A progress that prints a line now and then, once it takes longer than a moment."""
    last = time.monotonic()

    def progress(phase: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last < QUIET:
            return
        last = time.monotonic()
        print(progress_words(source, phase, done, total), file=sys.stderr, flush=True)

    return progress


def progress_words(source: str, phase: str, done: int, total: int) -> str:
    """Such as "downloading owner/name: 12 of 100 MB"."""
    many = bytes_of(done, total) if phase == "download" else f"{done:,}{f' of {total:,}' if total else ''}"
    count = f": {many}" if done else " ..."
    return f"{PHASES.get(phase, 'reading')} {safe_text(source, 80)}{count}"


def in_folder(
    resolved: Resolved, answers: Answers, folder: Path, beside: Sequence[Path] = ()
) -> tuple[Resolved, Answers]:
    """A run on `folder`, where its pictures were checked; `beside`: those of its further concepts.

    The configuration names the folder, for the trainer reads nothing else; the answers name the data set, pinned to
    the revision that was read, so that they replay elsewhere. A plain folder changes nothing.
    """
    config, values = resolved.config, dict(answers.values)
    if folder.parent == written_folder():
        config = config.model_copy(update={"dataset": config.dataset.model_copy(update={"path": str(folder)})})
        values["dataset.path"] = _pinned(folder) or values.get("dataset.path", str(folder))
    if any(one.parent == written_folder() for one in beside) and len(beside) == len(config.concepts):
        settled, told = list(config.concepts), [dict(one) for one in values.get(CONCEPTS, ())]
        for place, one in enumerate(beside):
            if one.parent == written_folder():
                settled[place] = settled[place].model_copy(update={"path": str(one)})
                told[place]["path"] = _pinned(one) or told[place]["path"]
        config, values[CONCEPTS] = config.model_copy(update={"concepts": tuple(settled)}), tuple(told)
    return replace(resolved, config=config), replace(answers, values=values)


def bring_back(run: RunDir) -> None:
    """Write a run's data sets out again, if the cache that held them was cleared. Raises NoDataset or AnswersError."""
    from loratui.curation.concepts import settings_of
    from loratui.curation.scan import ScanSettings
    from loratui.settings.answers import read_answers
    from trainer.contract.settings.config import load_config
    from trainer.contract.settings.taught import taught

    try:
        config = load_config(run.config)
    except (OSError, ValueError):
        return  # the trainer says it better
    settings = ScanSettings.of(config)
    for place, one in enumerate(taught(config)):
        folder = Path(one.path)
        if folder.parent != written_folder() or is_folder(folder):
            continue
        values = read_answers(run.answers).values
        told = values.get(CONCEPTS, ())[place - 1 : place] if place else ({"path": values.get("dataset.path", "")},)
        source = str(told[0].get("path", "")) if told else ""
        own = settings_of(one, settings) if place else settings
        if as_folder(source, own, said_on_stderr(source)) != folder:
            raise NoDataset(one.said(f"'{source}' is no longer the data set that this run began with; start a new run"))


def _pinned(folder: Path) -> str:
    return str((read_json(folder / NOTE, dict).value or {}).get("source", ""))
