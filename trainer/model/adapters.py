"""LoRA on the unet: our own Linear, fewer operations than PEFT's and equal to it, with PEFT's names in the files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from trainer.contract.basemodel.layers import ATTENTION
from trainer.contract.basemodel.unet_names import unknown_blocks, within
from trainer.contract.loras.lora_file import CLIP_LINEARS
from trainer.contract.settings.arithmetic import alpha_of, rank_of, text_alpha
from trainer.contract.settings.config import TrainConfig
from trainer.ground import draws
from trainer.model.quantized import place_of

ENCODER_NAMES = ("text_encoder", "text_encoder_2")


class UnknownBlock(ValueError):
    """A block of train.blocks that the unet does not have."""


class AdaptedLayer(nn.Module):
    """A frozen layer with something trained beside it."""

    base: nn.Linear
    scale: float  # how strongly the change counts
    held: tuple[torch.Tensor, torch.Tensor] | None = None  # down and up of a file, where they count in place of its own
    folded = 1.0  # what `up` is multiplied with in the user interfaces' file; 1: the scale stands beside it, as alpha

    def trained(self) -> dict[str, nn.Parameter]:
        """What is trained, by the name it has in a checkpoint."""
        raise NotImplementedError

    def fixed(self) -> dict[str, torch.Tensor]:
        """What a checkpoint holds beside it, of which nothing is trained; for most kinds nothing."""
        return {}

    def rounded(self) -> dict[str, nn.Parameter]:
        """What of it a file holds in its own precision; the rest is fp32 there too."""
        raise NotImplementedError

    def hold(self, dtype: torch.dtype) -> None:
        """Count as a file of `dtype` has it, where that is more than its own numbers `rounded`."""

    def change(self) -> torch.Tensor:
        """The change of the weight in fp32, (out, in) or a convolution's (out, in * height * width)."""
        raise NotImplementedError


def started(shape: tuple[int, ...], rank: int, start: torch.Generator) -> torch.Tensor:
    """What `down` begins as, fp32: randn / rank, on numbers of bf16, of which Prodigy keeps the start in 2 bytes."""
    return (torch.randn(shape, generator=start) / rank).bfloat16().float()


class LoraLinear(AdaptedLayer):
    """A frozen Linear plus alpha / rank * up @ down.

    down (rank, in) starts as randn / rank, rounded by `started`, up (out, rank) as zeros: PEFT's "gaussian". Both stay
    fp32; the products run in the input's precision. forward: (..., in) -> (..., out).
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float, start: torch.Generator, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        # down and up in the input's precision, cast for all layers at once; without them each is cast at its use
        self.working: tuple[torch.Tensor, ...] | None = None
        self.base = base.requires_grad_(False)
        self.scale = alpha / rank
        where = place_of(base)
        down = started((rank, base.in_features), rank, start)
        self.down = nn.Parameter(down.to(where))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=where))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The base product plus the two small ones."""
        seen = functional.dropout(x, self.dropout) if self.dropout and torch.is_grad_enabled() else x
        down, up = self.working or (self.down.to(x.dtype), self.up.to(x.dtype))
        small = functional.linear(seen, down)
        if self.scale != 1.0:
            small = small * self.scale
        return self.base(x) + functional.linear(small, up)

    def trained(self) -> dict[str, nn.Parameter]:
        """What is trained, by the name it has in a checkpoint."""
        return {"down": self.down, "up": self.up}

    def rounded(self) -> dict[str, nn.Parameter]:
        """Both matrices; the lengths of a DoRA are not."""
        return {"down": self.down, "up": self.up}

    def factors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """down and up as a file has them."""
        return self.down, self.up

    def filled(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What those of a file are put into."""
        return self.down, self.up

    def change(self) -> torch.Tensor:
        """scale * up @ down."""
        down, up = (one.detach().float().flatten(1) for one in self.factors())
        return self.scale * (up @ down)


class DoraLinear(LoraLinear):
    """DoRA: V = W + scale * up @ down, of which each column or each row is brought to a trained length, `magnitude`.

    Along the input axis it has a length for each column, (1, in): LyCORIS's and OneTrainer's, which the user interfaces
    compute. Along the output axis it has one for each row, (out,): PEFT's. The lengths of V are taken as constants in
    the gradient (section 4.3 of the paper), as PEFT does. It starts as the lengths of W, so that nothing is changed.
    """

    def __init__(
        self,
        base: nn.Linear,
        rank: int,
        alpha: float,
        start: torch.Generator,
        dropout: float = 0.0,
        axis: Literal["input", "output"] = "input",
    ) -> None:
        super().__init__(base, rank, alpha, start, dropout)
        self.axis = axis
        self.magnitude = nn.Parameter(self._lengths(base.weight.detach().float()))

    @property
    def folded(self) -> float:
        """The scale: SD.Next scales after the lengths are set."""
        return self.scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out)."""
        with torch.no_grad():
            length = self._lengths(self._changed_weight())
        stretch = (self.magnitude / length).to(x.dtype)
        if self.axis == "input":  # V with its columns stretched sees x as V sees x stretched
            return super().forward(x * stretch[0])
        changed, bias = super().forward(x), self.base.bias
        return changed * stretch if bias is None else (changed - bias) * stretch + bias

    def trained(self) -> dict[str, nn.Parameter]:
        """What is trained, by the name it has in a checkpoint."""
        return {**super().trained(), "magnitude": self.magnitude}

    def change(self) -> torch.Tensor:
        """The change of the weight (out, in) in fp32: V with its columns or rows at their lengths, less W."""
        weight = self._changed_weight()
        stretch = self.magnitude.detach() / self._lengths(weight)
        return weight * (stretch if self.axis == "input" else stretch.unsqueeze(1)) - self.base.weight.float()

    def settle(self) -> None:
        """Take the lengths that the changed weight has: the change is up @ down alone."""
        with torch.no_grad():
            self.magnitude.copy_(self._lengths(self._changed_weight()))

    def _changed_weight(self) -> torch.Tensor:
        return self.base.weight.float() + super().change()

    def _lengths(self, weight: torch.Tensor) -> torch.Tensor:
        """Of the columns, (1, in), or of the rows, (out,); never 0, by which nothing can be divided."""
        found = weight.norm(dim=0, keepdim=True) if self.axis == "input" else weight.norm(dim=1)
        return found.clamp(min=torch.finfo(torch.float32).tiny)


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
        linear, rank, alpha = getattr(holder, name), rank_of(config, path), alpha_of(config, path)
        layers[path] = (
            DoraLinear(linear, rank, alpha, start, train.dropout, train.dora_axis)
            if train.dora
            else LoraLinear(linear, rank, alpha, start, train.dropout)
        )
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
        paths = [
            path for path, one in encoder.named_modules() if isinstance(one, nn.Linear) and path.endswith(CLIP_LINEARS)
        ]
        for place, path in enumerate(paths):
            parent, _, last = path.rpartition(".")
            holder = encoder.get_submodule(parent)
            start = draws.generator(train.seed, "lora", which, place)
            layer = LoraLinear(getattr(holder, last), train.rank, text_alpha(config), start, train.dropout)
            setattr(holder, last, layer)
            layers[f"{name}.{path.removeprefix('text_model.')}"] = layer
    return layers


@torch.no_grad()
def copy_text_lora(
    text_encoders: tuple[nn.Module, nn.Module], config: TrainConfig, trained: dict[str, LoraLinear]
) -> None:
    """Put the LoRA of `trained`, as `add_text_lora` returned it, into encoders that were loaded again."""
    for name, layer in add_text_lora(text_encoders, config).items():
        layer.down.copy_(trained[name].down)
        layer.up.copy_(trained[name].up)


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
def rounded_to(layers: Mapping[str, AdaptedLayer], dtype: torch.dtype) -> Iterator[None]:
    """Run with the LoRA as a file of `dtype` will hold it: what is seen is what is exported.

    A DoRA's lengths are in fp32 there too.
    """
    kept = [
        (one, one.detach().clone(), layer.folded if part == "up" else 1.0)
        for layer in layers.values()
        for part, one in layer.rounded().items()
    ]
    before = [(layer, layer.held) for layer in layers.values()]
    for layer, _ in before:
        layer.hold(dtype)
    with torch.no_grad():
        for parameter, value, folded in kept:
            parameter.copy_((value * folded).to(dtype).float() / folded)
        try:
            yield
        finally:
            for parameter, value, _ in kept:
                parameter.copy_(value)
            for layer, held in before:
                layer.held = held
