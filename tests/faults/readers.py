"""Every reader of what others could have written, with a good file for each: what the mutations begin with."""

from __future__ import annotations

import io
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults import good_files, mutation
from tests.faults.good_files import Files

Mutate = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Reader:
    """What is read, how it is spoiled, and what counts as a refusal; `read` may return False for one as well."""

    name: str
    files: Callable[[], Files]
    spoil: tuple[tuple[str, Mutate], ...]  # which files are spoiled, and how
    read: Callable[[Path], Any]
    refusals: tuple[type[Exception], ...] = ()

    def warm(self, work: Path) -> None:
        """Read the good files once: what is imported on the way is not the input's doing."""
        folder = work / "good"
        folder.mkdir(exist_ok=True)
        _write(folder, self.files())
        assert self.read(folder) is not False
        shutil.rmtree(folder)

    def place(self, folder: Path, rng: random.Random) -> None:
        """The files, one of them spoiled."""
        files = dict(self.files())
        name, spoil = rng.choice(self.spoil)
        files[name] = spoil(files[name], rng)
        _write(folder, files)


def _write(folder: Path, files: Files) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _run_in(folder: Path) -> Any:
    from trainer.contract.run.rundir import RunDir

    return RunDir(folder)


def _read_events(folder: Path) -> None:
    from loratui.events.history import History
    from loratui.events.lines import EventLines
    from loratui.events.long_log import LongLogTail
    from loratui.runs.find import run_info
    from loratui.terminal.line_sink import Lines

    run = _run_in(folder)
    history, lines = History(), EventLines(Lines(io.StringIO()))
    found = LongLogTail(run.events).read()
    history.absorb(found)
    for event in found:
        lines.show(event)
    history.eta, history.doing, history.seconds_per_step, history.prompts  # noqa: B018
    run_info(run)


def _read_run(folder: Path) -> None:
    from loratui.runs.listing import each_run
    from loratui.runs.past_run import draft_of_run
    from trainer.contract.run.added_prompts import read_added
    from trainer.contract.run.changes import read_changes

    run = _run_in(folder / "r")
    list(each_run(folder))
    read_changes(run)
    read_added(run, 3)
    draft_of_run(run)


def _read_queue(folder: Path) -> None:
    from loratui.runs.queue import queue_lines
    from trainer.contract.run import queue

    queue.entries(folder)
    queue_lines(folder)


def _read_inbox(folder: Path) -> None:
    from trainer.contract.run.control import Inbox

    inbox = Inbox(_run_in(folder))
    inbox.waiting()
    inbox.take()


def _read_checkpoint(folder: Path) -> bool:
    from trainer.checkpoints.snapshot import newest_checkpoint

    return newest_checkpoint(_run_in(folder)).snapshot is not None


def _read_tensors(folder: Path) -> None:
    from trainer.contract.basemodel.headers import read_header

    read_header(folder / "a.safetensors")


def _look_for_leaks(folder: Path) -> None:
    from loratui.results.leaks import looked_through

    looked_through(folder / "a.safetensors")


def _base_configs() -> tuple[tuple[str, Mutate], ...]:
    names = [name for name in good_files.base_files() if name.endswith("config.json") or name == "model_index.json"]
    return tuple((name, mutation.json_mutated) for name in names)


def _read_base(folder: Path) -> None:
    from trainer.contract.basemodel.inspect import inspect_base

    found = inspect_base(str(folder))
    found.config("unet")


def _read_pictures(folder: Path) -> bool:
    from trainer.contract.pictures.decoding import BadPicture, usable

    refused = 0
    for path in sorted(folder.iterdir()):
        try:
            with usable(path) as picture:
                picture.load()
        except BadPicture as error:
            assert str(error).strip()
            refused += 1
    return not refused


def _read_captions(folder: Path) -> None:
    from trainer.contract.pictures.folder import list_pictures

    list_pictures(folder)


def _read_own(folder: Path) -> None:
    from loratui.settings.drafts.store import DraftStore
    from loratui.settings.preferences import shade
    from loratui.settings.recent_bases import recent_bases
    from loratui.settings.recents import recent_sources

    os.environ["XDG_STATE_HOME"] = str(folder)
    store = DraftStore()
    store.all()
    store.load()
    recent_sources()
    recent_bases()
    shade()


def _read_preset(folder: Path) -> bool:
    from loratui.settings.own_presets import read_own

    return not isinstance(read_own(folder / "mine.toml"), str)


def _read_answers(folder: Path) -> None:
    from loratui.settings.answers import check_answers, read_answers

    check_answers(read_answers(folder / "answers.toml"))


def _read_set(folder: Path) -> None:
    from loratui.settings.answers import parse_set

    parse_set((folder / "set").read_bytes().decode("utf-8", "surrogateescape"))


def _read_config(folder: Path) -> None:
    from trainer.contract.settings.config import load_config

    load_config(folder / "config.toml")


def _all_readers() -> tuple[Reader, ...]:
    from loratui.errors import Refusal
    from trainer.contract.basemodel.headers import BadHeader
    from trainer.contract.basemodel.inspect import NotSDXL
    from trainer.contract.pictures.folder import NoDataset

    toml, lines, document, tensors, blind = (
        mutation.toml_mutated,
        mutation.lines_mutated,
        mutation.json_mutated,
        mutation.tensors_mutated,
        mutation.mutated,
    )
    headers = (("a.safetensors", tensors),)

    def each(files: Callable[[], Files], spoil: Mutate) -> tuple[tuple[str, Mutate], ...]:
        return tuple((name, spoil) for name in files())

    whole_run = good_files.in_folder(good_files.run_files, "r")
    return (
        Reader("answers", good_files.answers_files, (("answers.toml", toml),), _read_answers, (Refusal,)),
        Reader("--set", lambda: {"set": b"train.rank=8"}, (("set", blind),), _read_set, (Refusal,)),
        Reader("config", good_files.config_files, (("config.toml", toml),), _read_config, (OSError, ValueError)),
        Reader("preset", good_files.preset_files, (("mine.toml", toml),), _read_preset),
        Reader("events", good_files.run_files, (("events.jsonl", lines),), _read_events),
        Reader(
            "run folder",
            whole_run,
            (
                ("r/changes.json", document),
                ("r/prompts.json", document),
                ("r/events.jsonl", lines),
                ("r/answers.toml", toml),
                ("r/config.toml", toml),
            ),
            _read_run,
            (Refusal, ValueError),  # of the added prompts: a sentence that the trainer passes on
        ),
        Reader("queue", good_files.queue_files, (("r/queued.json", document), ("r/config.toml", toml)), _read_queue),
        Reader("inbox", good_files.command_files, ((next(iter(good_files.command_files())), document),), _read_inbox),
        Reader(
            "checkpoint",
            good_files.checkpoint_files,
            tuple(
                (name, tensors if name.endswith("safetensors") else document) for name in good_files.checkpoint_files()
            ),
            _read_checkpoint,
        ),
        Reader(
            "safetensors header",
            good_files.tensors_files,
            (("a.safetensors", tensors),),
            _read_tensors,
            (BadHeader, OSError),
        ),
        Reader("what is pushed", good_files.tensors_files, headers, _look_for_leaks),
        Reader("base model", good_files.base_files, _base_configs(), _read_base, (NotSDXL,)),
        Reader(
            "pictures",
            good_files.picture_files,
            tuple((name, blind) for name in good_files.picture_files()),
            _read_pictures,
        ),
        Reader(
            "captions",
            good_files.captioned_files,
            (
                ("metadata.jsonl", lines),
                ("captions.csv", blind),
                ("3.txt", blind),
                ("0.caption", blind),
                ("1.json", document),
            ),
            _read_captions,
            (NoDataset,),
        ),
        Reader(
            "drafts and recents",
            good_files.own_files,
            tuple((name, document) for name in good_files.own_files()),
            _read_own,
        ),
    )


READERS = _all_readers()
