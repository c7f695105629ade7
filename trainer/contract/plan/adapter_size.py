"""How many numbers the adapter of a configuration has in a unet, and what of it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainer.contract.basemodel.headers import Shapes
from trainer.contract.basemodel.layers import ATTENTION, STACKED, conv_paths, lora_paths
from trainer.contract.basemodel.tensors import wanted_tensors
from trainer.contract.basemodel.unet_names import within
from trainer.contract.settings.adapter import factors, is_in, oft_block, pattern
from trainer.contract.settings.arithmetic import alpha_of, rank_of
from trainer.contract.settings.config import TrainConfig
from trainer.contract.units import plural

START_MORE = 8  # directions that a PiSSA start looks for beyond the rank: the last ones come out exact sooner
_INSIDE = (".transformer_blocks.", ".proj_in.weight", ".proj_out.weight")


@dataclass(frozen=True)
class AdapterSize:
    """Numbers that are trained, and numbers in a file of it."""

    trained: int
    file: int  # for the user interfaces
    diffusers: int  # there all layers are filled up to the largest rank
    fixed: int = 0  # numbers kept beside them, where it begins from a part of the weights
    start_flop: float = 0.0  # of taking that part from the weights


def adapter_size(config: TrainConfig, shapes: Shapes) -> AdapterSize:
    """Of the unet whose tensors have these shapes."""
    layers = list(_layers(config, shapes))
    if config.adapter.kind != "lora":
        whole = sum(_other(config, path, shape) for path, shape in layers)
        return AdapterSize(whole, whole, 0)
    ranks = [rank_of(config, path, len(shape) == 4) for path, shape in layers]
    trained = sum(_lora(shape, rank) for (_, shape), rank in zip(layers, ranks, strict=True))
    begun = [
        (shape, rank)
        for (_, shape), rank in zip(layers, ranks, strict=True)
        if config.adapter.start != "default" and len(shape) == 2
    ]
    fixed = sum(_lora(shape, rank) for shape, rank in begun)
    most = max([*ranks, *(2 * rank for _, rank in begun)], default=0)  # a start is in the file as well
    flop = sum(flop_of_start(config, shape, rank) for shape, rank in begun)
    return AdapterSize(trained, trained + fixed, sum(_lora(shape, most) for _, shape in layers), fixed, flop)


def is_plain(config: TrainConfig) -> bool:
    """Whether it is a LoRA, and all layers are Linears of one rank."""
    own = config.adapter
    return own.kind == "lora" and own.start == "default" and not own.ranks and not own.conv_rank


def by_layer(config: TrainConfig) -> bool:
    """Whether all layers are computed one by one, because a block as one node knows only plain LoRA.

    Layers that it multiplies at once have one rank and scale. Other ranks or alphas for some layers of one block alone
    leave the others as they are, and take less than is counted then.
    """
    own, train = config.adapter, config.train
    parted = any(len({(rank_of(config, one), alpha_of(config, one)) for one in each}) > 1 for each in STACKED)
    return bool(own.kind != "lora" or own.start != "default" or train.dora or train.dropout or parted)


def adapter_refusals(config: TrainConfig, unet: dict[str, Any] | None) -> list[str]:
    """What of the adapter's settings does not go together, or means nothing in this unet: a sentence each."""
    own, train = config.adapter, config.train
    found = []
    if own.conv_rank and train.dora:
        found.append(
            "adapter.conv_rank is on, and train.dora too: a DoRA has only Linears; set one of them to 0 or false"
        )
    if train.start_from and not is_plain(config):
        found.append(
            "train.start_from takes ranks and layers from what it names: leave adapter.ranks empty and "
            "adapter.conv_rank 0, adapter.kind lora and adapter.start default"
        )
    if own.start != "default" and train.dora:
        found.append(
            f"adapter.start is {own.start}, and train.dora is on: a DoRA begins from the lengths of the weights, and "
            "nothing is known of both at once; set one of them back"
        )
    found += _unsuited(config)
    if unet is None:
        return found
    found += _no_start(config, wanted_tensors("unet", unet) or {})
    paths = lora_paths(unet, train.targets)
    if own.conv_rank:
        paths += conv_paths(name.removesuffix(".weight") for name in wanted_tensors("unet", unet) or {})
    for key in ("ranks", "alphas"):
        for name in pattern(getattr(own, key)):
            if not any(is_in(name, path) for path in paths):
                found.append(
                    f"adapter.{key}: no layer that is trained has '{name}' in its path; whole names are meant, such as "
                    "up_blocks.0, up_blocks.0.attentions.1 or attn2"
                )
    return found


def _layers(config: TrainConfig, shapes: Shapes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Path and weight's shape of each layer that has an adapter."""
    train = config.train
    names = {name.removesuffix(".weight"): shape for name, shape in shapes.items() if name.endswith(".weight")}
    convolutions = set(conv_paths(names)) if config.adapter.conv_rank else set()
    for path, shape in names.items():
        if train.blocks and not any(within(path, block) for block in train.blocks):
            continue
        linear = len(shape) == 2 and any(one in f"{path}.weight" for one in _INSIDE)
        if train.targets == "attention":
            linear = linear and path.endswith(tuple(f".{one}" for one in ATTENTION))
        if linear or path in convolutions:
            yield path, shape


def _unsuited(config: TrainConfig) -> list[str]:
    """Settings that only a LoRA has."""
    own, train = config.adapter, config.train
    if own.kind == "lora":
        return []
    found = []
    if own.start != "default":
        found.append(
            f"adapter.kind is {own.kind}, and adapter.start is {own.start}: that is a LoRA's; set one of them back"
        )
    if train.dora:
        found.append(
            f"adapter.kind is {own.kind}, and train.dora is on: only a LoRA has its lengths; set one of them back"
        )
    if train.dropout:
        found.append(f"adapter.kind is {own.kind}, which has no train.dropout: set it to 0, or the kind to lora")
    if own.kind == "oft" and (own.rslora or own.ranks or own.alphas):
        found.append(
            "adapter.kind is oft, which has groups of outputs (adapter.block) in place of a rank: adapter.rslora, "
            "adapter.ranks and adapter.alphas mean nothing there; take them away"
        )
    return found


def _no_start(config: TrainConfig, shapes: Shapes) -> list[str]:
    """A Linear that has fewer directions than its rank, from which a start cannot be taken."""
    if config.adapter.start == "default":
        return []
    for path, shape in _layers(config, shapes):
        if len(shape) == 2 and (rank := rank_of(config, path)) > min(shape):
            return [
                f"adapter.start is {config.adapter.start}, and the rank is {rank}: {path} has "
                f"{plural(min(shape), 'direction')} to begin from; set the rank to {min(shape)} or less"
            ]
    return []


def _other(config: TrainConfig, path: str, shape: tuple[int, ...]) -> int:
    """Numbers of a layer of LoKr, LoHa or OFT."""
    own, pixels = config.adapter, shape[2] * shape[3] if len(shape) == 4 else 1
    if own.kind == "oft":
        return shape[0] * oft_block(shape[0], own.block)
    rank = rank_of(config, path, len(shape) == 4)
    if own.kind == "loha":
        return 2 * rank * (shape[0] + shape[1] * pixels)
    (first_out, out), (first_in, inner) = factors(shape[0], own.factor), factors(shape[1], own.factor)
    whole = 2 * rank >= max(out, inner)
    return first_out * first_in + (out * inner * pixels if whole else rank * (out + inner * pixels))


def flop_of_start(config: TrainConfig, shape: tuple[int, ...], rank: int) -> float:
    """What trainer/model/started.py computes for one Linear: its products with the weight, which are nearly all of it.

    The whole decomposition: R-SVD with both sides (Golub and Van Loan 2013, figure 8.6.1).
    """
    own, less, more = config.adapter, min(shape), max(shape)
    product = 2.0 * less * more
    if own.start == "olora":
        return product * rank
    if not own.start_rounds:
        return 6.0 * more * less**2 + 20.0 * less**3
    return product * min(rank + START_MORE, less) * (2 * own.start_rounds + 2)


def _lora(shape: tuple[int, ...], rank: int) -> int:
    inner = shape[1] * (shape[2] * shape[3] if len(shape) == 4 else 1)
    return rank * (shape[0] + inner)
