"""The optimizers: what each is called, its own rates, the memory that it takes, and its own settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from trainer.contract.settings.fields import POST, Section, setting

Optimizer = Literal["prodigy", "adamw", "adamw-8bit"]  # `train.optimizer`


@dataclass(frozen=True)
class OptimizerFacts:
    """What plan, advice and trainer need to know of one; its arithmetic is in trainer/step/optimizer.py.

    `rates` are its own for unet, embeddings and text encoders, taken where a setting is 0. `state` are the bytes that
    it holds for a trainable fp32 number beside the number and its gradient (8); `scratch` are those that a step needs
    beside that, for a moment and when the activations are gone: counted by tests/bench/activations.py.
    """

    name: str  # as sentences call it
    says: str  # what tells it from the others
    rates: tuple[float, float, float]
    state: float
    scratch: float
    package: str = ""  # what must be installed beside loratui
    remedy: str = ""  # how to install it, or what to take in its place


# rates: the post's 1.0 for Prodigy; AdamW as in cog-sdxl, text encoders 5e-5
# state: in total AdamW 16 bytes, 8-bit AdamW about 10, Prodigy 24 (trainer.md); scratch: Prodigy's are its dot
# product in float64, AdamW's kernel has none. What Prodigy saves with slice_p is in trainer/contract/plan/estimate.py.
OPTIMIZERS: dict[Optimizer, OptimizerFacts] = {
    "prodigy": OptimizerFacts(
        "Prodigy",
        "Prodigy finds its own learning rate, times the rates given here",
        (1.0, 1.0, 1.0),
        state=16,
        scratch=20,
    ),
    "adamw": OptimizerFacts("AdamW", "AdamW takes the rates given here", (1e-4, 3e-4, 5e-5), state=8, scratch=0),
    "adamw-8bit": OptimizerFacts(
        "AdamW",
        "adamw-8bit keeps its state in bytes",
        (1e-4, 3e-4, 5e-5),
        state=2,
        scratch=0,
        package="bitsandbytes",
        remedy="pip install 'loratui[8bit]', or take adamw",
    ),
}


def own_rates(place: int) -> str:
    """The optimizers' own rates, such as "1.0 with Prodigy and 1e-4 with AdamW"; `place` is that of `rates`."""
    names: dict[float, list[str]] = {}
    for one in OPTIMIZERS.values():
        if one.name not in names.setdefault(one.rates[place], []):
            names[one.rates[place]].append(one.name)
    words = [f"{_rate(rate)} with {' or '.join(found)}" for rate, found in names.items()]
    return " and ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} and {words[-1]}"


def _rate(rate: float) -> str:
    return str(rate) if rate >= 0.01 else f"{rate:.0e}".replace("e-0", "e-")


class Prodigy(Section):
    """Arguments of the Prodigy optimizer (prodigyopt)."""

    TITLE: ClassVar[str] = "Prodigy"

    beta1: float = setting(0.9, "beta1", "Decay of the gradient's mean.", source=POST, ge=0, lt=1)
    beta2: float = setting(
        0.99, "beta2", "Decay of the squared gradient's mean.", source="an earlier draft of the post", ge=0, lt=1
    )
    beta3: float = setting(
        0.0, "beta3", "Decay of the estimate's own averages; 0: the root of beta2.", source="prodigyopt", ge=0, lt=1
    )
    d0: float = setting(
        1e-6,
        "d0",
        "The first estimate of the learning rate.",
        source="prodigyopt",
        up="Starts sooner; too high and the estimate cannot come down.",
        gt=0,
        le=1,
    )
    d_coef: float = setting(
        1.0, "d_coef", "Factor on the estimate.", source="prodigyopt", up="A bolder rate: 2.", gt=0, le=100
    )
    growth_rate: float = setting(
        float("inf"), "growth rate", "The most that d may grow in one step; inf: any.", source="prodigyopt", gt=1
    )
    slice_p: int = setting(
        1,
        "slice_p",
        "Estimate from every n-th parameter only: 11 saves about a third of the optimizer's memory.",
        source="prodigyopt",
        ge=1,
        le=1000,
    )
    safeguard_warmup: bool = setting(
        True, "safeguard warm-up", "Keeps a warm-up from inflating the estimate.", source="an earlier draft of the post"
    )
    bias_correction: bool = setting(
        True, "bias correction", "Adam's correction of the first steps.", source="an earlier draft of the post"
    )
    decouple: bool = setting(True, "decoupled decay", "Weight decay as AdamW does it.", source=POST)


class AdamW(Section):
    """Arguments of the AdamW optimizer."""

    TITLE: ClassVar[str] = "AdamW"

    beta1: float = setting(0.9, "beta1", "Decay of the gradient's mean.", source="torch", ge=0, lt=1)
    beta2: float = setting(0.999, "beta2", "Decay of the squared gradient's mean.", source="torch", ge=0, lt=1)
    epsilon: float = setting(1e-8, "epsilon", "Keeps a division from zero.", source="torch", gt=0, le=1e-2)
