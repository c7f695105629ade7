"""Puts the adapter of the settings into a unet, whatever its kind."""

from __future__ import annotations

from torch import nn

from trainer.contract.settings.config import TrainConfig
from trainer.model.adapters import AdaptedLayer, add_lora, target_paths
from trainer.model.convolutions import add_convolutions, convolution_paths
from trainer.model.lycoris import make_layer


def add_adapter(unet: nn.Module, config: TrainConfig) -> dict[str, AdaptedLayer]:
    """Every layer that is trained, by the path of what it stands for: Linears first, in the unet's order.

    Raises UnknownBlock for a name in train.blocks that matches nothing.
    """
    if config.adapter.kind == "lora":
        return {**add_lora(unet, config), **add_convolutions(unet, config)}
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
