"""What a run reads before any weight is loaded, and everything that is wrong with it, told at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.checkpoints.snapshot import Snapshot
from trainer.contract.paths import expanded
from trainer.contract.pictures.folder import METADATA
from trainer.contract.pictures.sources import NOTE, written_folder
from trainer.contract.plan.class_folder import class_listing, numbered_folders, same_picture
from trainer.contract.run.changes import SettingChange
from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.taught import class_sets
from trainer.data.dataset import DataError, Item, hold_out, read_dataset
from trainer.data.listing import Listed, listed
from trainer.resumption import check_inputs
from trainer.samples.class_pictures import real_class_pictures


class SettingsError(ValueError):
    """Settings that cannot be trained with on this machine; a sentence for each."""


@dataclass(frozen=True)
class Inputs:
    """The pictures of a run and the photographs of its class, read and found good."""

    items: tuple[Item, ...]
    held: tuple[Item, ...]  # pictures that are not trained on
    class_photographs: tuple[Item, ...]

    def tell(self, config: TrainConfig, log: EventLog | SilentLog) -> None:
        """Name in the log what lies in the class folder and is no picture."""
        if names := other_files(config, self.class_photographs):
            shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            message = f"the class folder holds files that are not pictures; they are left alone: {shown}"
            log.emit("warn", code="class-other-files", message=message, advice="nothing needs to be done")


def read_inputs(
    config: TrainConfig,
    snapshot: Snapshot | None,
    record: Sequence[SettingChange] = (),
    found: Listed | None = None,
) -> Inputs:
    """Read the pictures, look at the base model, and compare both with the checkpoint that is to be resumed.

    `record` is what a person changed since the run began; `found` what was seen of the inputs before, where it was.

    Raises DataError or SettingsError with every problem there is, or OtherRun with every difference.
    """
    problems: list[str] = []
    files: list[str] = []
    found = found or listed(config)
    items = _read(lambda: read_dataset(config, found), problems, files)
    photographs = _read(lambda: real_class_pictures(config), problems, [])
    problems += _same(items, photographs)
    held: tuple[Item, ...] = ()
    if items:
        try:
            items, held = hold_out(items, config)
        except DataError as error:
            problems += error.problems
    told = tuple(_about(one) for one in problems)
    forbidden = [one for one in found.refused if _about(one) not in told]
    if not problems and not forbidden and snapshot is not None:
        check_inputs(snapshot, config, items, record)
    if problems:
        curable = len(problems + forbidden) == len(files)  # nothing else is wrong than these pictures
        raise DataError(problems + forbidden, files if curable else ())
    if forbidden:
        raise SettingsError("\n".join(forbidden))
    return Inputs(items, held, photographs)


def _read(read: Callable[[], tuple[Item, ...]], problems: list[str], files: list[str]) -> tuple[Item, ...]:
    try:
        return read()
    except DataError as error:
        problems += error.problems
        files += error.files
        return ()


def _about(problem: str) -> str:
    """What of the class folder a sentence is about: each thing is said once."""
    return ":".join(problem.split(":")[:2]) if problem.startswith("class pictures:") else problem


def _same(items: tuple[Item, ...], photographs: tuple[Item, ...]) -> list[str]:
    own = {item.digest: item.name for item in items}
    return [same_picture(one.name, own[one.digest]) for one in photographs if one.digest in own]


def other_files(config: TrainConfig, photographs: tuple[Item, ...]) -> list[str]:
    """Names in the class folder that are no pictures and are left alone, sorted; hidden ones do not count."""
    used = {item.path for item in photographs}
    found: list[str] = []
    for one in class_sets(config):
        if not one.path:
            continue
        folder = expanded(one.path)
        inside = numbered_folders(folder)
        captions = (
            {each.picture.text_file for each in class_listing(one, config)} if config.prior.caption_column else set()
        )
        for place in (folder, *(folder / name for name in inside)):
            left = [each for each in place.iterdir() if each not in used | captions and not each.name.startswith(".")]
            found += [str(each.relative_to(folder)) for each in left if not _is_read(each, inside, config)]
    return sorted(found)


def _is_read(path: Path, inside: Collection[str], config: TrainConfig) -> bool:
    """Whether it is a table of captions that are wanted, what a data set was written from, or a folder of kohya's."""
    if path.name in METADATA:
        return bool(config.prior.caption_column)
    return path.name in inside or (path.name == NOTE and path.parent.parent == written_folder())
