"""Puts the LoRA and the rows that a run begins from into new ones: the same change of every weight, to rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from trainer.contract.loras.lora_file import FileLayer
from trainer.contract.loras.start import NoStart, Start, find_start
from trainer.contract.settings.config import TrainConfig
from trainer.ground.tensor_files import opened_tensors
from trainer.model.adapters import DoraLinear, LoraLinear
from trainer.model.tokens import TokenTable, Vocabulary


def begin_from(
    config: TrainConfig, layers: Mapping[str, LoraLinear], tables: Sequence[TokenTable], vocabulary: Vocabulary
) -> None:
    """Fill `layers` and the rows of `tables` from what `train.start_from` names; nothing where it names nothing.

    A layer of lower rank fills the first rows of `down` and columns of `up`: the others change nothing yet. A scale
    that differs from the file's is folded into `up`. What the file does not have stays as it began.

    Raises NoStart, OSError, SafetensorError.
    """
    if not config.train.start_from:
        return
    start = find_start(config.train.start_from, config.model, config.every_trigger)
    _fill_layers(start, layers)
    _fill_rows(start, tables, vocabulary)


@torch.no_grad()
def _fill_layers(start: Start, layers: Mapping[str, LoraLinear]) -> None:
    with opened_tensors(start.lora.path) as file:
        for path, told in start.lora.layers.items():
            if path in layers:
                _fill(layers[path], told, file)


def _fill(layer: LoraLinear, told: FileLayer, file: Any) -> None:
    down, up = (_sound(file, name).flatten(1) for name in (told.down, told.up))
    layer.down[: told.rank].copy_(down)
    scaled = up * (told.scale / layer.scale)
    if not bool(scaled.isfinite().all()):
        raise NoStart(f"train.start_from: '{told.up}' times its alpha is more than fp32 holds: the file is damaged")
    layer.up[:, : told.rank].copy_(scaled)
    if not isinstance(layer, DoraLinear):
        return
    if told.magnitude:
        layer.magnitude.copy_(_sound(file, told.magnitude).reshape(layer.magnitude.shape))
    else:
        layer.settle()


def _sound(file: Any, name: str) -> torch.Tensor:
    """A tensor in fp32. Raises NoStart where a number of it is not finite: no picture of the run would be at fault."""
    found: torch.Tensor = file.get_tensor(name).float()
    if not bool(found.isfinite().all()):
        raise NoStart(f"train.start_from: '{name}' in its file holds numbers that are not finite: the file is damaged")
    return found


@torch.no_grad()
def _fill_rows(start: Start, tables: Sequence[TokenTable], vocabulary: Vocabulary) -> None:
    tokens = vocabulary.tokens
    for word, told in start.rows.items():
        if word not in vocabulary.words:
            continue
        own = [tokens.index(token) for token in vocabulary.words[word]]
        with opened_tensors(told.path) as file:
            for name, table in zip(told.names, tables, strict=True):
                table.rows[own] = _sound(file, name).to(table.rows)
