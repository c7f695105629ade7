"""LoKr and LoHa by PEFT's layers, and OFT along the outputs: what LyCORIS made, as the user interfaces read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from trainer.contract.settings.adapter import oft_block
from trainer.contract.settings.arithmetic import alpha_of, rank_of
from trainer.contract.settings.config import TrainConfig
from trainer.ground import draws
from trainer.model.adapters import AdaptedLayer
from trainer.model.quantized import place_of, weight_of

NAME = "default"  # of the one adapter in a layer of PEFT
UNBOUND = 1e4  # OFT's "alpha" in files is a limit of the rotation, which none of ours comes near


class LycorisLayer(AdaptedLayer):
    """A layer whose files have LyCORIS' names. `alpha` is the number that stands beside them."""

    alpha: float

    def rounded(self) -> dict[str, nn.Parameter]:
        """All of it."""
        return self.trained()


class WeightLayer(LycorisLayer):
    """A frozen Linear or Conv2d plus the change of its weight that a layer of PEFT makes of its numbers.

    The numbers are fp32, the change is made in fp32 and multiplied in the input's precision.
    """

    def __init__(self, base: nn.Linear | nn.Conv2d, tuner: Any, rank: int, alpha: float, rests: bool) -> None:
        """`rests`: whether the scale is 1 whatever alpha is, as LyCORIS has it where nothing is of a low rank."""
        super().__init__()
        self.base, self.tuner = base.requires_grad_(False), tuner
        self.scale = 1.0 if rests else alpha / rank
        self.alpha = self.scale * rank
        where = place_of(base)
        for one in self.trained().values():
            one.data = one.detach().float().to(where)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The base's answer, plus that of the change."""
        change, own = self._change().to(x.dtype), self.base
        if isinstance(own, nn.Conv2d):
            return own(x) + functional.conv2d(x, change, None, own.stride, own.padding, own.dilation)
        return own(x) + functional.linear(x, change)

    def trained(self) -> dict[str, nn.Parameter]:
        """Lists of LyCORIS: lokr_w1, lokr_w2 (or lokr_w2_a, lokr_w2_b); hada_w1_a, hada_w1_b, hada_w2_a, hada_w2_b."""
        own = ((name, getattr(self.tuner, name)) for name in self.tuner.adapter_layer_names)
        return {name: found[NAME] for name, found in own if NAME in found}

    def change(self) -> torch.Tensor:
        """The change of the weight in fp32, (out, in * ...)."""
        return self._change().detach().flatten(1)

    def _change(self) -> torch.Tensor:
        found: torch.Tensor = self.tuner.get_delta_weight(NAME)
        return found * self.scale


class OutputRotation(LycorisLayer):
    """OFT: the outputs, in groups of `block`, are turned by orthogonal matrices R: W' = R^T W of each group.

    R = (I + Q)(I - Q)^-1 of the skew Q = blocks - blocks^T (Cayley). blocks (groups, block, block) start as zeros.
    PEFT's own OFT turns the inputs, which no user interface reads; these turn the outputs. `scale` goes from I to R.
    """

    def __init__(self, base: nn.Linear | nn.Conv2d, block: int) -> None:
        super().__init__()
        self.base, self.scale, self.alpha = base.requires_grad_(False), 1.0, UNBOUND
        outputs = base.out_channels if isinstance(base, nn.Conv2d) else base.out_features
        self.blocks = nn.Parameter(torch.zeros(outputs // block, block, block, device=place_of(base)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The base's answer, turned; its bias is not."""
        answer, bias = self.base(x), self.base.bias
        if isinstance(self.base, nn.Conv2d):
            answer = answer.movedim(1, -1)
        turned = self._turned(answer if bias is None else answer - bias)
        turned = turned if bias is None else turned + bias
        return turned.movedim(-1, 1) if isinstance(self.base, nn.Conv2d) else turned

    def trained(self) -> dict[str, nn.Parameter]:
        """As kohya's scripts and LyCORIS call it."""
        return {"oft_blocks": self.blocks}

    def change(self) -> torch.Tensor:
        """The change of the weight in fp32, (out, in * ...)."""
        own = self.base
        weight = (own.weight if isinstance(own, nn.Conv2d) else weight_of(own)).detach().float().flatten(1)
        return self._turned(weight.t()).t().detach() - weight

    def _turned(self, y: torch.Tensor) -> torch.Tensor:
        """y (..., out): each group of outputs times its R."""
        groups, block, _ = self.blocks.shape
        skew = self.blocks - self.blocks.transpose(1, 2)
        one = torch.eye(block, device=skew.device)
        turn = torch.linalg.solve(one - skew, one + skew, left=False)
        turn = (one + self.scale * (turn - one) if self.scale != 1.0 else turn).to(y.dtype)
        return torch.einsum("...kn,knm->...km", y.unflatten(-1, (groups, block)), turn).flatten(-2)


def make_layer(base: nn.Linear | nn.Conv2d, path: str, config: TrainConfig, *place: int) -> LycorisLayer:
    """The layer of `adapter.kind` over `base`; what it draws depends on the seed and `place`."""
    kind, convolution = config.adapter.kind, isinstance(base, nn.Conv2d)
    if kind == "oft":
        outputs = base.out_channels if isinstance(base, nn.Conv2d) else base.out_features
        return OutputRotation(base, oft_block(outputs, config.adapter.block))
    rank, alpha = rank_of(config, path, convolution), alpha_of(config, path, convolution)
    with _seeded(config.train.seed, *place):
        tuner = _lokr(base, rank, config) if kind == "lokr" else _loha(base, rank)
    return WeightLayer(base, tuner, rank, alpha, rests=kind == "lokr" and NAME in tuner.lokr_w2)


def _lokr(base: nn.Linear | nn.Conv2d, rank: int, config: TrainConfig) -> Any:
    from peft.tuners.lokr.config import LoKrConfig
    from peft.tuners.lokr.layer import Conv2d, Linear

    kind = Conv2d if isinstance(base, nn.Conv2d) else Linear
    own = LoKrConfig(r=rank, alpha=rank, decompose_factor=config.adapter.factor, init_weights="lycoris")
    return kind(_shell(base), NAME, own, r=rank, alpha=rank)


def _loha(base: nn.Linear | nn.Conv2d, rank: int) -> Any:
    from peft.tuners.loha.config import LoHaConfig
    from peft.tuners.loha.layer import Conv2d, Linear

    kind = Conv2d if isinstance(base, nn.Conv2d) else Linear
    return kind(_shell(base), NAME, LoHaConfig(r=rank, alpha=rank), r=rank, alpha=rank)


def _shell(base: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """A layer of the same shape without weights of its own: PEFT asks for shapes and a place, the base stays ours."""
    made: nn.Linear | nn.Conv2d
    if isinstance(base, nn.Conv2d):
        made = nn.Conv2d(base.in_channels, base.out_channels, base.kernel_size, device="meta", bias=False)  # type: ignore[arg-type]
    else:
        made = nn.Linear(base.in_features, base.out_features, device="meta", bias=False)
    made.weight = nn.Parameter(torch.zeros(1).expand(made.weight.shape), requires_grad=False)
    return made


@contextmanager
def _seeded(seed: int, *place: int) -> Iterator[None]:
    """PEFT draws from torch's generator of the CPU: here from one of its own place, and all others as before."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(draws.below(2**63, seed, "lora", *place))  # no other device's
        yield
