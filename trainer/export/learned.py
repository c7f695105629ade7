"""What a run learned, without the base model under it: all that its files need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from trainer.checkpoints.snapshot import Snapshot
from trainer.contract.basemodel.inspect import loss_of
from trainer.contract.basemodel.unet_names import unet_config
from trainer.contract.loras.lora_file import ENCODERS
from trainer.contract.settings.arithmetic import alpha_of, text_alpha
from trainer.contract.settings.config import TrainConfig
from trainer.ground import draws
from trainer.model.adapters import ENCODER_NAMES, AdaptedLayer, LoraLinear
from trainer.model.convolutions import LoraConv
from trainer.model.started import StartedLinear
from trainer.model.tokens import Vocabulary


class Rows(Protocol):
    """The new rows of one text encoder."""

    rows: nn.Parameter


class Learned(Protocol):
    """A trainee, or what stands in its place where nothing is trained any more."""

    vocabulary: Vocabulary
    unet_layers: dict[str, AdaptedLayer]
    prediction: str

    @property
    def tables(self) -> tuple[Rows, ...]:
        """CLIP-L's and CLIP-G's; none without pivotal tuning."""

    @property
    def layers(self) -> dict[str, AdaptedLayer]:
        """All layers that have a LoRA."""


@dataclass(frozen=True)
class SavedRows:
    """Rows as a checkpoint has them."""

    rows: nn.Parameter


@dataclass(frozen=True)
class SavedLearned:
    """What a checkpoint holds of a LoRA; the frozen weights beside it are shapes alone."""

    vocabulary: Vocabulary
    unet_layers: dict[str, AdaptedLayer]
    text_layers: dict[str, AdaptedLayer]
    tables: tuple[SavedRows, ...]
    prediction: str
    layers_per_block: int

    @property
    def layers(self) -> dict[str, AdaptedLayer]:
        """All layers that have a LoRA."""
        return self.unet_layers | self.text_layers


def saved_learned(config: TrainConfig, snapshot: Snapshot) -> SavedLearned | None:
    """What `snapshot` holds. None where the base model itself is needed.

    That is with DoRA and other kinds than a LoRA, whose proof multiplies the base's weights or asks for its shapes, and
    where nothing is known yet of a model on the hub.
    """
    unet, loss = unet_config(config), loss_of(config.model)
    if config.train.dora or config.adapter.kind != "lora" or unet is None or loss is None:
        return None
    rows = snapshot.embeddings
    paths = dict.fromkeys(name.rpartition(".")[0] for name in snapshot.lora)
    layers = {path: _layer(config, path, snapshot.lora) for path in paths}
    text = {path: layer for path, layer in layers.items() if path.partition(".")[0] in ENCODER_NAMES}
    return SavedLearned(
        Vocabulary.counted(config.token_counts),
        {path: layer for path, layer in layers.items() if path not in text},
        text,
        tuple(SavedRows(nn.Parameter(rows[name], requires_grad=False)) for name in ENCODERS if name in rows),
        "edm" if loss.edm else loss.prediction,
        unet["layers_per_block"],
    )


def _layer(config: TrainConfig, path: str, saved: Mapping[str, torch.Tensor]) -> LoraLinear:
    down, up, start = saved[f"{path}.down"], saved[f"{path}.up"], draws.generator(0, "lora")
    layer: LoraLinear
    if down.dim() == 4:
        conv = nn.Conv2d(down.shape[1], up.shape[0], tuple(down.shape[2:]), bias=False, device="meta")
        layer = LoraConv(conv, len(down), alpha_of(config, path, True), start)
    else:
        base = nn.Linear(down.shape[1], up.shape[0], bias=False, device="meta")
        alpha = text_alpha(config) if path.partition(".")[0] in ENCODER_NAMES else alpha_of(config, path)
        layer = LoraLinear(base, len(down), alpha, start)
        if f"{path}.down0" in saved:
            layer = StartedLinear(base, len(down), alpha, start)
            layer.down0, layer.up0 = saved[f"{path}.down0"], saved[f"{path}.up0"]
    layer.down, layer.up = (nn.Parameter(one, requires_grad=False) for one in (down, up))
    return layer
