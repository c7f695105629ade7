"""A run taken up again without training: its modules as its files or one of its checkpoints have them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError

from trainer.checkpoints.snapshot import Snapshot, load_checkpoint, newest_checkpoint
from trainer.contract.basemodel.headers import BadHeader, read_header
from trainer.contract.loras.keys import diffusers_key, diffusers_magnitude, kohya_key
from trainer.contract.loras.lora_file import ENCODERS
from trainer.contract.paths import os_words
from trainer.contract.run.exports import FOR_DIFFUSERS, KOHYA, ExportFile, embedding_names
from trainer.contract.run.rundir import RunDir, checkpoint_folders
from trainer.contract.settings.config import TrainConfig, load_config
from trainer.ground.tensor_files import OtherTensors, fill, load_tensors
from trainer.model.adapters import DoraLinear
from trainer.model.download import bring
from trainer.model.lycoris import LycorisLayer
from trainer.model.parts import Parts, fix_pooling, load_parts, pick_device
from trainer.step.trainee import Trainee, make_trainee

AGAIN = "'loratui export' makes the files again"


class NothingTrained(ValueError):
    """The run has no files and no checkpoint yet."""


@dataclass(frozen=True)
class Trained:
    """A base model with what a run trained on top of it."""

    config: TrainConfig
    parts: Parts
    trainee: Trainee


def open_run(run: RunDir) -> Trained:
    """The base model of a run with untrained LoRA and rows in place."""
    config = load_config(run.config)
    torch.set_num_threads(config.train.cpu_threads)
    bring(config, lambda done, total: None)
    parts = load_parts(config, pick_device(config))
    assert parts.text_encoders is not None
    fix_pooling(parts.text_encoders, parts.tokenizers)
    return Trained(config, parts, make_trainee(parts, config, begins=False, trains=False))


def find_checkpoint(run: RunDir, step: int | None) -> Snapshot:
    """The checkpoint at `step`, or the newest whole one, without what only training needs.

    Raises NothingTrained or Damaged.
    """
    if step is not None:
        folders = checkpoint_folders(run)
        if step not in folders:
            kept = [run.checkpoint(one).name for one in sorted(folders)]
            raise NothingTrained(f"there is no checkpoint of step {step}; there are: {', '.join(kept) or 'none'}")
        return replace(load_checkpoint(folders[step], optimizer=False), optimizer=None)
    found = newest_checkpoint(run, optimizer=False)
    if found.snapshot is None:
        raise NothingTrained("; ".join(found.damaged) or f"'{run.path.name}' has no checkpoint yet")
    return replace(found.snapshot, optimizer=None)


@torch.no_grad()
def load_exported(run: RunDir, trained: Trained) -> None:
    """Fill the modules from the run's exported files. Raises NothingTrained where there are none that fit.

    From that of the user interfaces where it is written: its numbers are those that the run's own pictures were drawn
    with (`rounded_to`), while diffusers' has the scale folded in before it is rounded.
    """
    file, path = _written(run, trained.config)
    theirs = file is FOR_DIFFUSERS
    tensors, size = _read(path), trained.parts.unet.config.layers_per_block
    live: dict[str, torch.Tensor] = {}
    for name, layer in trained.trainee.layers.items():
        if isinstance(layer, LycorisLayer):
            key = kohya_key(name, size)
            live |= {f"{key}.{part}": one for part, one in layer.trained().items()}
            continue
        down, up, magnitude = _keys(name, theirs, size)
        live |= dict(zip((down, up), layer.filled(), strict=True))
        if theirs and down in tensors and up in tensors:  # filled up with zeros where ranks differ
            rank = len(live[down])
            tensors |= {down: tensors[down][:rank], up: tensors[up][:, :rank]}
        if isinstance(layer, DoraLinear):
            live[magnitude] = layer.magnitude
        if up in tensors:
            tensors[up] = tensors[up].float() / (layer.scale if theirs else layer.folded)
    _fill(path, live, tensors)
    _load_rows(run.export, trained)


def _written(run: RunDir, config: TrainConfig) -> tuple[ExportFile, Path]:
    for file in (KOHYA, FOR_DIFFUSERS):
        for name in (file.called(config.name), file.formerly):
            if file.is_written(config) and name and (path := run.export / name).is_file():
                return file, path
    if not checkpoint_folders(run):
        raise NothingTrained(f"'{run.path.name}' has neither exported files nor a checkpoint: it must be trained first")
    raise NothingTrained(f"'{run.path.name}' has no exported files yet; 'loratui export' makes them")


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        read_header(path)
        return load_tensors(path)
    except (BadHeader, SafetensorError, OSError) as error:
        raise NothingTrained(f"'{path.name}' cannot be read: {os_words(error)}; {AGAIN}") from None


def _fill(path: Path, live: dict[str, torch.Tensor], saved: dict[str, torch.Tensor]) -> None:
    try:
        fill(live, saved)
    except OtherTensors as error:
        raise NothingTrained(f"'{path.name}' is not this run's: {error}; {AGAIN}") from None


def _keys(name: str, diffusers: bool, layers_per_block: int) -> tuple[str, str, str]:
    """Of a layer's down, up and lengths, in diffusers' file or in the one of the user interfaces."""
    if diffusers:
        return diffusers_key(name, "down"), diffusers_key(name, "up"), diffusers_magnitude(name)
    key = kohya_key(name, layers_per_block)
    return f"{key}.lora_down.weight", f"{key}.lora_up.weight", f"{key}.dora_scale"


def _load_rows(folder: Path, trained: Trained) -> None:
    vocabulary = trained.trainee.vocabulary
    for word, name in embedding_names(trained.config).items():
        path = folder / f"{name}.safetensors"
        own = [vocabulary.tokens.index(token) for token in vocabulary.words[word]]
        tables = dict(zip(ENCODERS, trained.trainee.tables, strict=True))
        rows = {key: table.rows[own] for key, table in tables.items()}
        _fill(path, rows, _read(path))
        for key, table in tables.items():
            table.rows[own] = rows[key]


def set_scale(trainee: Trainee, scale: float) -> None:
    """Make the LoRA count `scale` times."""
    for layer in trainee.layers.values():
        layer.scale *= scale
