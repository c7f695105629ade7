"""How long a step takes before any run here has told: its arithmetic at what cards are made for and trainers reach.

A range, and marked as an estimate: the fast end is the best part of a card's peak that is published for training a
LoRA on SDXL, the slow end the time of a pass that starts one kernel after another, whatever the card.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.contract.plan.estimate import Estimate
from trainer.contract.settings.config import TrainConfig

# dense TFLOP/s of a bf16 product summed in fp32, by the maker's papers; a longer name goes before a shorter one
WHITEPAPER_AMPERE, WHITEPAPER_ADA = "NVIDIA's GA102 whitepaper", "NVIDIA's Ada whitepaper"
CARDS = {
    "RTX 3080": (59.5, WHITEPAPER_AMPERE),
    "RTX 3090": (71.0, WHITEPAPER_AMPERE),
    "RTX 4080": (97.5, WHITEPAPER_ADA),
    "RTX 4090": (165.2, WHITEPAPER_ADA),
    "A40": (149.7, "NVIDIA's A40 data sheet"),
    "A100": (312.0, "NVIDIA's A100 data sheet"),
    "L40S": (362.0, "NVIDIA's L40S data sheet"),
    "H100 PCIe": (800.0, "NVIDIA's Hopper article"),
    "H100": (989.0, "NVIDIA's H100 data sheet"),
    "H200": (989.0, "NVIDIA's H200 data sheet"),
}
BEST_PART = 0.31  # an RTX 4090 with kohya, batch 8, checkpointing: 2.67 pictures/s x 19.5 TFLOP of its 165.2
SLOWEST_PASS = 0.61  # seconds, launches alone: SimpleTuner, batch 1: 0.606 on an H100, 0.585 on an L40S
PUBLISHED = "kohya on an RTX 4090, SimpleTuner on an H100"


@dataclass(frozen=True)
class StepTime:
    """Seconds of a step between two ends, and where they come from."""

    fast: float
    slow: float
    source: str


def step_time(config: TrainConfig, need: Estimate, gpu: str) -> StepTime | None:
    """The step of `config` on the card called `gpu`; None where the card is not in the table, or trains in fp32."""
    card = next((name for name in sorted(CARDS, key=len, reverse=True) if _is(name, gpu)), "")
    if not card or config.train.precision == "fp32":
        return None
    peak, source = CARDS[card]
    fast = need.step_flop / (BEST_PART * peak * 1e12)
    return StepTime(fast, max(fast, SLOWEST_PASS * config.train.accumulation), f"{source}; {PUBLISHED}")


def _is(name: str, gpu: str) -> bool:
    """Whether every word of `name` is one of `gpu`: "A40" is not "A4000"; an "RTX 4080 SUPER" counts as an RTX 4080."""
    return set(name.split()) <= set(gpu.replace("-", " ").split())
