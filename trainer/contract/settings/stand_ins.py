"""What a value of 0 stands for, where it means another setting's value or the optimizer's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from trainer.contract.settings.optimizers import OPTIMIZERS

RATES = ("train.learning_rate", "train.embedding_learning_rate", "train.text_encoder_learning_rate")
"""In the order of an optimizer's own rates."""


def stands_for(key: str, values: Mapping[str, Any]) -> str:
    """What 0 as the value of `key` comes to beside `values`, such as "32, the rank"; empty where 0 is just 0."""
    if values.get(key) != 0 or isinstance(values.get(key), bool):
        return ""
    if key in RATES and values.get("train.optimizer") in OPTIMIZERS:
        optimizer = OPTIMIZERS[values["train.optimizer"]]
        return f"{optimizer.rates[RATES.index(key)]:g}, {optimizer.name}'s"
    if key == "train.alpha":
        return f"{values.get('train.rank')}, the rank"
    if key == "prodigy.beta3" and isinstance(beta2 := values.get("prodigy.beta2"), int | float) and 0 <= beta2 < 1:
        return f"{math.sqrt(beta2):.3g}, by beta2"
    return ""
