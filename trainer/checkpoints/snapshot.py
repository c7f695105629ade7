"""Checkpoints that are whole or not there: written aside, hashed, flushed, renamed; and the newest whole one found."""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from trainer.checkpoints.hashed import hash_of, hash_of_pieces, write_hashed
from trainer.contract.basemodel.headers import BadHeader, read_header
from trainer.contract.entries import folder_aside, make_private, opened_folder, remove, write_atomic
from trainer.contract.paths import os_words
from trainer.contract.run.changes import is_free, plain
from trainer.contract.run.checkpoint_files import (
    EMBEDDINGS,
    LORA,
    MANIFEST,
    OPTIMIZER,
    STATE,
    read_manifest,
    read_state,
)
from trainer.contract.run.disk import is_full, keep_room
from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.run.replacement import replace_folder
from trainer.contract.run.rundir import RunDir, checkpoint_folders
from trainer.contract.settings.config import BY_KEY, as_begun
from trainer.contract.units import in_bytes
from trainer.ground.tensor_files import load_tensors, pieces

VERSION = 1
FILES = (LORA, EMBEDDINGS, OPTIMIZER, STATE)

CANNOT_PROMISE = (errno.ENOSYS, errno.EOPNOTSUPP)  # a file system, or a system, that keeps no room

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class LossScale:
    """What the loss of fp16 is multiplied with, and the steps since it last overflowed: both decide later steps."""

    scale: float
    calm: int


@dataclass(frozen=True)
class Snapshot:
    """All that an exact resume needs, copied off the live tensors. Draws need nothing: they are pure."""

    step: int
    lora: Tensors
    embeddings: Tensors
    # what only training needs, the trained numbers too where LoRA and embeddings are their average; None in an older
    # checkpoint: it can be exported, but not resumed from
    optimizer: Tensors | None
    identity: dict[str, Any]  # what must be the same for the resumed run to be the same run
    loss_scale: LossScale | None = None  # of fp16; checkpoints of before have none either
    held: tuple[tuple[int, float], ...] = ()  # the loss on held-out pictures by step, up to this one


def best_of(held: Mapping[int, float]) -> int:
    """The first step of the lowest loss on held-out pictures, by step; 0 where none is known."""
    return min(held, key=lambda step: (held[step], step), default=0)


def falls_no_more(held: Mapping[int, float], patience: int) -> bool:
    """Whether so many checkpoints came after the best one as `stop.patience` waits for."""
    return bool(patience) and sum(step > best_of(held) for step in held) >= patience


class CannotSave(RuntimeError):
    """No checkpoint of this run can be written: told at its start, not hours later."""

    def __init__(self, run: RunDir, error: OSError, size: int) -> None:
        why = "the disk is full" if is_full(error) else f"{run.checkpoints.name}/ cannot be written ({os_words(error)})"
        super().__init__(f"{why}: there is no place for a checkpoint of about {in_bytes(size)}")


class Damaged(ValueError):
    """A checkpoint whose files do not match their hashes."""


class OtherRun(ValueError):
    """A checkpoint of another run; `differences` names each field with its old and new value."""

    def __init__(self, differences: list[str]) -> None:
        super().__init__("the checkpoint belongs to another run:\n" + "\n".join(differences))
        self.differences = differences


def copy_tensors(tensors: Tensors) -> Tensors:
    """CPU copies that later steps do not touch."""
    return {name: one.detach().to("cpu", copy=True).contiguous() for name, one in tensors.items()}


def snapshot_bytes(snapshot: Snapshot) -> int:
    """What its tensors take on disk; the rest is a few kB."""
    tensors = (*snapshot.lora.values(), *snapshot.embeddings.values(), *(snapshot.optimizer or {}).values())
    return sum(one.numel() * one.element_size() for one in tensors)


def try_room(run: RunDir, size: int) -> None:
    """Have the disk take `size` bytes where checkpoints will lie, and give them back. Raises CannotSave.

    A file system that cannot promise room is not asked for it.
    """
    try:
        make_private(run.checkpoints, run.path)
        with tempfile.TemporaryFile(dir=run.checkpoints) as file:
            keep_room(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in CANNOT_PROMISE:
            raise CannotSave(run, error, size) from None


def save_checkpoint(run: RunDir, snapshot: Snapshot) -> tuple[Path, int]:
    """Write a snapshot durably; returns its folder and size in bytes. Raises OSError and leaves nothing behind.

    Raises ValueError for a snapshot without the optimizer's state: it was read from a checkpoint that exists.
    """
    if snapshot.optimizer is None:
        raise ValueError(f"the snapshot of step {snapshot.step} has no optimizer state to be written")
    final = run.checkpoint(snapshot.step)
    if not _holds(final, snapshot):
        with folder_aside(final, run.path) as aside:
            _write_all(aside, snapshot, run.path)
            replace_folder(aside, final, run.path)
    return final, sum((final / name).stat().st_size for name in FILES)


def _content(snapshot: Snapshot, name: str) -> Iterator[bytes | memoryview]:
    """The bytes of one file of a checkpoint."""
    assert snapshot.optimizer is not None
    tensors = {LORA: snapshot.lora, EMBEDDINGS: snapshot.embeddings, OPTIMIZER: snapshot.optimizer}
    if name in tensors:
        yield from pieces(tensors[name])
        return
    state = {"version": VERSION, "step": snapshot.step, "identity": snapshot.identity}
    if snapshot.loss_scale is not None:
        state["loss_scale"] = asdict(snapshot.loss_scale)
    if snapshot.held:
        state["held"] = snapshot.held
    yield json.dumps(state, indent=1).encode()


def _holds(folder: Path, snapshot: Snapshot) -> bool:
    """Whether that very checkpoint is there, whole: saved again at the same step, it stays as it is."""
    hashes = read_manifest(folder).value or {}
    return set(hashes) == set(FILES) and all(_is_there(folder, name, snapshot, hashes[name]) for name in FILES)


def _is_there(folder: Path, name: str, snapshot: Snapshot, digest: str) -> bool:
    try:
        return hash_of_pieces(_content(snapshot, name)) == digest == hash_of(folder / name)
    except OSError:
        return False


def _write_all(folder: Path, snapshot: Snapshot, root: Path) -> None:
    """The files one after the other, and last the manifest of their hashes, all on disk."""
    hashes = {name: write_hashed(folder / name, _content(snapshot, name), root) for name in FILES}
    write_hashed(folder / MANIFEST, [json.dumps(hashes, indent=1).encode()], root)
    with opened_folder(folder, root) as opened:
        os.fsync(opened)


def drop_old(run: RunDir, keep: int, written: int) -> None:
    """Remove the optimizer's state of all but the `keep` newest checkpoints; LoRA and embeddings of every one stay.

    To be called when that of step `written` is durable. Later ones are damaged, or the run would have gone on from
    them: they do not count, and are written over in time.
    """
    for path in [one for one in list_checkpoints(run) if step_of(one) <= written][keep:]:
        _lighten(path, run.path)


def _lighten(folder: Path, root: Path) -> None:
    """Take the optimizer's state away: out of the manifest first, so that a kill leaves a checkpoint that is valid."""
    try:
        hashes = _manifest(folder)
        if OPTIMIZER in hashes:
            del hashes[OPTIMIZER]
            write_atomic(folder / "manifest.json", json.dumps(hashes, indent=1), root=root)
        remove(folder / OPTIMIZER, root)
    except (Damaged, OSError):
        return  # what is damaged, or on a disk that refuses, stays as it is: this only saves room


def _manifest(folder: Path) -> dict[str, str]:
    """The hash of each file. Raises Damaged."""
    found = read_manifest(folder)
    if found.value is None:
        raise Damaged(f"{folder.name}/manifest.json is missing or broken: {found.reason}")
    return found.value


def list_checkpoints(run: RunDir) -> list[Path]:
    """The folders of all checkpoints, newest first."""
    return list(checkpoint_folders(run).values())


def step_of(folder: Path) -> int:
    """The step of a checkpoint's folder, step-000300, or .loratui-step-000300.old."""
    return int(re.sub(r"\D", "", folder.name))


def load_checkpoint(folder: Path, optimizer: bool = True) -> Snapshot:
    """Read a checkpoint, with the optimizer's state if it has one and is wanted, and check every hash. Raises Damaged.

    A state that is there and not wanted is empty.
    """
    hashes = _manifest(folder)
    whole = OPTIMIZER in hashes
    for name in FILES:
        if name == OPTIMIZER and not whole:
            continue
        try:
            digest = hash_of(folder / name)
        except FileNotFoundError:
            raise Damaged(f"{folder.name}/{name} is missing") from None
        except OSError as error:
            raise Damaged(f"{folder.name}/{name}: {os_words(error)}") from None
        if digest != hashes.get(name):
            raise Damaged(f"{folder.name}/{name} does not match its hash")
    found = read_state(folder)
    if found.value is None:
        raise Damaged(f"{folder.name}/{STATE}: {found.reason}")
    state = found.value
    if state["version"] != VERSION:
        raise Damaged(f"{folder.name} was written by another version of loratui ({state['version']})")
    lora, embeddings = (_tensors(folder / name) for name in FILES[:2])
    state_of = (_tensors(folder / OPTIMIZER) if optimizer else {}) if whole else None
    identity = state["identity"]
    identity["settings"] = as_begun(identity["settings"], "train.")
    scale = LossScale(**state["loss_scale"]) if "loss_scale" in state else None
    held = tuple((int(step), float(loss)) for step, loss in state.get("held", ()))
    return Snapshot(state["step"], lora, embeddings, state_of, identity, scale, held)


def _tensors(path: Path) -> Tensors:
    """The tensors of a file of a checkpoint; a hash tells only that it is what its writer wrote. Raises Damaged."""
    try:
        read_header(path)
        return load_tensors(path)
    except (BadHeader, SafetensorError, OSError) as error:
        raise Damaged(f"{path.parent.name}/{path.name}: {os_words(error)}") from None


@dataclass(frozen=True)
class FoundCheckpoint:
    """The newest checkpoint that is whole, if any, and a sentence for every damaged one that was passed over."""

    snapshot: Snapshot | None
    damaged: tuple[str, ...] = ()

    @property
    def step(self) -> int | None:
        """The step that a run goes on from; None from the start."""
        return None if self.snapshot is None else self.snapshot.step

    def tell(self, log: EventLog | SilentLog) -> None:
        """Name the damaged ones in the log."""
        for sentence in self.damaged:
            log.emit("warn", code="checkpoint-damaged", message=sentence, advice="the checkpoint before it is used")


def newest_checkpoint(run: RunDir, optimizer: bool = True) -> FoundCheckpoint:
    """Look for the newest whole checkpoint, from the newest backwards: one that a run can go on from.

    Without `optimizer` its state is not read.
    """
    damaged = []
    for folder in list_checkpoints(run):
        try:
            snapshot = load_checkpoint(folder, optimizer)
        except Damaged as error:
            damaged.append(str(error))
            continue
        if snapshot.optimizer is not None:
            return FoundCheckpoint(snapshot, tuple(damaged))
        damaged.append(f"{folder.name} is kept without the optimizer's state: it can be exported, not resumed from")
    return FoundCheckpoint(None, tuple(damaged))


def check_identity(snapshot: Snapshot, identity: dict[str, Any], only: tuple[str, ...] = ()) -> None:
    """Raises OtherRun with a field-by-field difference unless the checkpoint is of this very run.

    `only` names the tables or fields that are compared, for when the rest is not known yet. A scheduler's digest, as
    older checkpoints have it, is not compared: it was another in each process. A setting that was declared after the
    checkpoint was written counts as its default there: a default does what was done before there was one.
    """
    new = _flat(json.loads(json.dumps(identity)))
    saved = _flat(snapshot.identity)  # less what older ones held and is compared no more
    old = _declared(new) | {name: one for name, one in saved.items() if not is_free(name.removeprefix("settings."))}
    within = tuple(f"{one}." for one in only)
    names = [one for one in sorted(set(old) | set(new)) if not only or one in only or one.startswith(within)]
    differences = [
        f"{name}: was {old.get(name, 'nothing')!r}, is {new.get(name, 'nothing')!r}"
        for name in names
        if old.get(name) != new.get(name) and not _unsteady(name, old.get(name))
    ]
    if differences:
        raise OtherRun(differences)


def _unsteady(name: str, before: Any) -> bool:
    """Whether a value is of the form that told each process something else of the same scheduler."""
    return name == "base.scheduler" and isinstance(before, str) and re.fullmatch("[0-9a-f]{32}", before) is not None


def _declared(names: Iterable[str]) -> dict[str, Any]:
    """The default of each setting among the fields of an identity."""
    found = {name: BY_KEY.get(name.removeprefix("settings.")) for name in names if name.startswith("settings.")}
    return {name: plain(one.default) for name, one in found.items() if one is not None}


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
