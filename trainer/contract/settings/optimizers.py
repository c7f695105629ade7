"""The optimizers: what each is called, its own rates, the memory that it takes, and its own settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from trainer.contract.settings.fields import POST, Section, setting

Optimizer = Literal[  # `train.optimizer`
    "prodigy", "adamw", "adamw-8bit", "prodigy-plus-schedule-free", "adamw-schedule-free", "lion", "adafactor", "came"
]  # fmt: skip
BITS, GET_BITS = "bitsandbytes", "pip install 'loratui[8bit]'"
EXTRA = "pip install 'loratui[optimizers]', or take"


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
    package: str = ""  # the module that must be installed beside loratui
    remedy: str = ""  # how to install it, or what to take in its place
    made_by: str = ""  # the class in it
    finds_rate: bool = False  # the rates of the settings are factors on an estimate of its own
    table: str = "adamw"  # where its own settings stand; empty: it has none
    averages: bool = False  # it keeps an average of its own and wants no schedule: train.ema is not used
    lacks: tuple[str, ...] = ()  # settings of its table that it does not have: they must be as they are declared


# rates: the post's 1.0 for Prodigy; AdamW as in cog-sdxl, text encoders 5e-5
# state: in total AdamW 16 bytes, 8-bit AdamW about 10, Prodigy 24 (trainer.md; 21 where a LoRA is new:
# state_bytes of trainer/contract/plan/memory.py); scratch: Prodigy's are its dot
# product in float64, AdamW's kernel has none; of the packaged ones both were counted on a LoRA of rank 32.
# Lion's rate is a fifth of AdamW's (3 to 10 times less: Chen et al. 2023, section 5), Adafactor's is torch's own;
# CAME and schedule-free AdamW take AdamW's (Luo et al. 2023; 1 to 10 times it: Defazio et al. 2024).
# What Prodigy saves with slice_p is in trainer/contract/plan/estimate.py.
OPTIMIZERS: dict[Optimizer, OptimizerFacts] = {
    "prodigy": OptimizerFacts(
        "Prodigy",
        "Prodigy finds its own learning rate, times the rates given here",
        (1.0, 1.0, 1.0),
        state=16,
        scratch=20,
        finds_rate=True,
        table="prodigy",
    ),
    "adamw": OptimizerFacts("AdamW", "AdamW takes the rates given here", (1e-4, 3e-4, 5e-5), state=8, scratch=0),
    "adamw-8bit": OptimizerFacts(
        "AdamW",
        "adamw-8bit keeps its state in bytes",
        (1e-4, 3e-4, 5e-5),
        state=2,
        scratch=0,
        package=BITS,
        remedy=f"{GET_BITS}, or take adamw",
    ),
    "prodigy-plus-schedule-free": OptimizerFacts(
        "Prodigy+",
        "prodigy-plus-schedule-free finds its rate, averages by itself and keeps less",
        (1.0, 1.0, 1.0),
        state=4.4,
        scratch=4,
        package="prodigyplus",
        remedy=f"{EXTRA} prodigy",
        made_by="ProdigyPlusScheduleFree",
        finds_rate=True,
        table="prodigy",
        averages=True,
        lacks=("growth_rate", "slice_p", "decouple", "safeguard_warmup", "bias_correction"),
    ),
    "adamw-schedule-free": OptimizerFacts(
        "AdamW",
        "adamw-schedule-free averages by itself",
        (1e-4, 3e-4, 5e-5),
        state=8,
        scratch=4,
        package="schedulefree",
        remedy=f"{EXTRA} adamw",
        made_by="AdamWScheduleFree",
        averages=True,
    ),
    "lion": OptimizerFacts(
        "Lion",
        "lion moves every number alike, by the sign alone",
        (2e-5, 6e-5, 1e-5),
        state=4,
        scratch=8,
        package="lion_pytorch",
        remedy=f"{EXTRA} adamw",
        made_by="Lion",
        table="lion",
    ),
    "adafactor": OptimizerFacts(
        "Adafactor",
        "adafactor keeps next to nothing, its rate is relative to the size of the numbers",
        (1e-2, 1e-2, 1e-2),
        state=0.13,
        scratch=8,
        table="",
    ),
    "came": OptimizerFacts(
        "CAME",
        "came keeps a mean and next to nothing else",
        (1e-4, 3e-4, 5e-5),
        state=4.26,
        scratch=10,
        package="came_pytorch",
        remedy=f"{EXTRA} adamw",
        made_by="CAME",
        table="",
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
    split_groups: bool = setting(
        False,
        "an estimate each",
        "The unet and the words each have a d of their own, where otherwise the few numbers of the words share that of "
        "the many of the unet.",
        source="asked for in konstmish/prodigy#3, #16 and #20; the name is prodigy-plus-schedule-free's",
    )


class AdamW(Section):
    """Arguments of the AdamW optimizer."""

    TITLE: ClassVar[str] = "AdamW"

    beta1: float = setting(0.9, "beta1", "Decay of the gradient's mean.", source="torch", ge=0, lt=1)
    beta2: float = setting(0.999, "beta2", "Decay of the squared gradient's mean.", source="torch", ge=0, lt=1)
    epsilon: float = setting(1e-8, "epsilon", "Keeps a division from zero.", source="torch", ge=1e-30, le=1e-2)


class Lion(Section):
    """Arguments of the Lion optimizer."""

    TITLE: ClassVar[str] = "Lion"

    beta1: float = setting(0.9, "beta1", "Weight of the mean in the step.", source="Chen et al. 2023", ge=0, lt=1)
    beta2: float = setting(0.99, "beta2", "Decay of the gradient's mean.", source="Chen et al. 2023", ge=0, lt=1)
