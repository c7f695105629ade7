"""LoRA on the unet: our own Linear, fewer operations than PEFT's and equal to it, with PEFT's names in the files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional

from trainer.contract.basemodel.layers import ATTENTION
from trainer.contract.basemodel.unet_names import unknown_blocks, within
from trainer.contract.settings.config import TrainConfig
from trainer.ground import draws

TEXT = ("q_proj", "k_proj", "v_proj", "out_proj")
ENCODER_NAMES = ("text_encoder", "text_encoder_2")


class UnknownBlock(ValueError):
    """A block of train.blocks that the unet does not have."""


class LoraLinear(nn.Module):
    """A frozen Linear plus alpha / rank * up @ down.

    down (rank, in) starts as randn / rank, up (out, rank) as zeros: PEFT's "gaussian". Both stay fp32; the products
    run in the input's precision. forward: (..., in) -> (..., out).
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float, start: torch.Generator, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.base = base.requires_grad_(False)
        self.scale = alpha / rank
        where = base.weight.device
        down = torch.randn((rank, base.in_features), generator=start) / rank
        self.down = nn.Parameter(down.to(where))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=where))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The base product plus the two small ones."""
        seen = functional.dropout(x, self.dropout) if self.dropout and torch.is_grad_enabled() else x
        small = functional.linear(seen, self.down.to(x.dtype))
        if self.scale != 1.0:
            small = small * self.scale
        return self.base(x) + functional.linear(small, self.up.to(x.dtype))

    def trained(self) -> dict[str, nn.Parameter]:
        """What is trained, by the name it has in a checkpoint."""
        return {"down": self.down, "up": self.up}

    def change(self) -> torch.Tensor:
        """The change of the weight (out, in) in fp32: scale * up @ down."""
        return self.scale * (self.up.detach().float() @ self.down.detach().float())


class DoraLinear(LoraLinear):
    """DoRA: the changed weight W + scale * up @ down with each row brought to a trained length, `magnitude` (out,).

    The row lengths of the changed weight are taken as constants in the gradient (section 4.3 of the paper), as PEFT
    does. It starts as the length of W's rows, so that nothing is changed at first.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float, start: torch.Generator, dropout: float = 0.0) -> None:
        super().__init__(base, rank, alpha, start, dropout)
        self.magnitude = nn.Parameter(base.weight.detach().float().norm(dim=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out)."""
        changed = super().forward(x)
        with torch.no_grad():
            length = self._changed_weight().norm(dim=1)
        stretch = (self.magnitude / length).to(x.dtype)
        bias = self.base.bias
        return changed * stretch if bias is None else (changed - bias) * stretch + bias

    def trained(self) -> dict[str, nn.Parameter]:
        """What is trained, by the name it has in a checkpoint."""
        return {**super().trained(), "magnitude": self.magnitude}

    def change(self) -> torch.Tensor:
        """The change of the weight (out, in) in fp32: magnitude * row / length of row - W."""
        weight = self._changed_weight()
        stretch = (self.magnitude.detach() / weight.norm(dim=1)).unsqueeze(1)
        return weight * stretch - self.base.weight.float()

    def _changed_weight(self) -> torch.Tensor:
        return self.base.weight.float() + super().change()


def add_lora(unet: nn.Module, config: TrainConfig) -> dict[str, LoraLinear]:
    """Put a LoRA on every target; returns them by the path of the Linear, in the unet's order.

    Raises UnknownBlock for a name in train.blocks that matches nothing.
    """
    train = config.train
    paths = target_paths(unet, train.targets, train.blocks)
    layers: dict[str, LoraLinear] = {}
    for place, path in enumerate(paths):
        parent, _, name = path.rpartition(".")
        holder = unet.get_submodule(parent)
        start = draws.generator(train.seed, "lora", place)
        family = DoraLinear if train.dora else LoraLinear
        layers[path] = family(getattr(holder, name), train.rank, train.alpha or train.rank, start, train.dropout)
        setattr(holder, name, layers[path])
    return layers


def add_text_lora(text_encoders: tuple[nn.Module, nn.Module], config: TrainConfig) -> dict[str, LoraLinear]:
    """Put a LoRA on q, k, v and out of both text encoders; returns them by encoder and path.

    The names are those of every version of transformers: "text_encoder.encoder.layers.0.self_attn.q_proj", without
    the "text_model." that some classes have.
    """
    train = config.train
    layers: dict[str, LoraLinear] = {}
    for which, (encoder, name) in enumerate(zip(text_encoders, ENCODER_NAMES, strict=True), 1):
        paths = [path for path, one in encoder.named_modules() if isinstance(one, nn.Linear) and path.endswith(TEXT)]
        for place, path in enumerate(paths):
            parent, _, last = path.rpartition(".")
            holder = encoder.get_submodule(parent)
            start = draws.generator(train.seed, "lora", which, place)
            layer = LoraLinear(getattr(holder, last), train.rank, train.alpha or train.rank, start, train.dropout)
            setattr(holder, last, layer)
            layers[f"{name}.{path.removeprefix('text_model.')}"] = layer
    return layers


def target_paths(unet: nn.Module, targets: str, blocks: tuple[str, ...] = ()) -> list[str]:
    """Paths of the Linear layers of the transformers that get a LoRA (SDXL: 560 attention, 722 all-linear)."""
    inside = [name for name, one in unet.named_modules() if isinstance(one, nn.Linear) and ".attentions." in f".{name}"]
    wanted = [
        name for name in inside if targets == "all-linear" or name.endswith(tuple(f".{one}" for one in ATTENTION))
    ]
    if missing := unknown_blocks(blocks, wanted):
        raise UnknownBlock("\n".join(missing))
    return [name for name in wanted if not blocks or any(within(name, block) for block in blocks)]


@contextmanager
def rounded_to(layers: dict[str, LoraLinear], dtype: torch.dtype) -> Iterator[None]:
    """Run with the LoRA as a file of `dtype` will hold it: what is seen is what is exported."""
    kept = [(one, one.detach().clone()) for layer in layers.values() for one in layer.trained().values()]
    with torch.no_grad():
        for parameter, _ in kept:
            parameter.copy_(parameter.to(dtype))
        try:
            yield
        finally:
            for parameter, value in kept:
                parameter.copy_(value)
