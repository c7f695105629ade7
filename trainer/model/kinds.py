"""Puts the adapter of the settings into a unet, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from trainer.contract.settings.arithmetic import alpha_of, rank_of
from trainer.contract.settings.config import TrainConfig
from trainer.ground import draws
from trainer.ground.world import agree
from trainer.model.adapters import AdaptedLayer, add_lora, target_paths
from trainer.model.convolutions import add_convolutions, convolution_paths
from trainer.model.errors import ModelError
from trainer.model.lycoris import make_layer
from trainer.model.started import StartedLinear

NO_START = "adapter.start cannot be made of its weight: the base model's own numbers there may not be finite"
Told = Callable[[int, int], None]  # done, total


def add_adapter(
    unet: nn.Module, config: TrainConfig, begins: bool = True, told: Told | None = None
) -> dict[str, AdaptedLayer]:
    """Every layer that is trained, by the path of what it stands for: Linears first, in the unet's order.

    What `begins`, and is not filled from a checkpoint or a file, has its start taken from the weights: `told` hears of
    how many layers of how many, as that takes minutes.

    Raises UnknownBlock for a name in train.blocks that matches nothing, ModelError where a weight gives no start.
    """
    if config.adapter.kind == "lora":
        plain = config.adapter.start == "default"
        linears = add_lora(unet, config) if plain else _add_started(unet, config, begins, told)
        return {**linears, **add_convolutions(unet, config)}
    train, layers = config.train, dict[str, AdaptedLayer]()
    linears = enumerate(target_paths(unet, train.targets, train.blocks))
    places = [((at,), path) for at, path in linears]
    places += [((3, at), path) for at, path in convolution_paths(unet, config)]  # type: ignore[misc]
    for place, path in places:
        parent, _, name = path.rpartition(".")
        holder = unet.get_submodule(parent)
        layers[path] = make_layer(getattr(holder, name), path, config, *place)
        setattr(holder, name, layers[path])
    return layers


def _add_started(unet: nn.Module, config: TrainConfig, begins: bool, told: Told | None) -> dict[str, StartedLinear]:
    """The Linears whose LoRA begins from a part of their weight: the first process's, where there are several."""
    train, layers = config.train, dict[str, StartedLinear]()
    paths = target_paths(unet, train.targets, train.blocks)
    for place, path in enumerate(paths):
        if begins and told is not None:
            told(place, len(paths))
        parent, _, name = path.rpartition(".")
        holder, start = unet.get_submodule(parent), draws.generator(train.seed, "start", place)
        rank, alpha = rank_of(config, path), alpha_of(config, path)
        layers[path] = StartedLinear(getattr(holder, name), rank, alpha, start, train.dropout)
        if begins:
            try:
                layers[path].begin(config.adapter, start)
            except torch.linalg.LinAlgError as error:
                raise ModelError(f"{path} of the U-Net: {NO_START}") from error
        setattr(holder, name, layers[path])
    if begins:
        if told is not None:
            told(len(paths), len(paths))
        agree(one for layer in layers.values() for one in layer.fixed().values())
    return layers
