"""Which schedulers of a base model can be trained with: told by name, without loading the library that has them."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from trainer.contract.basemodel.loss import PREDICTIONS


def scheduler_trouble(family: str, prediction: str) -> str:
    """Why a model with this scheduler cannot be trained; empty if it can."""
    if family.startswith("FlowMatch") or prediction == "flow_prediction":
        return "was trained with flow matching, which loratui does not do; it trains epsilon, v-prediction and EDM"
    if prediction not in PREDICTIONS:
        return f"predicts '{prediction}'; epsilon and v_prediction can be trained"
    if not family.endswith("Scheduler") or not is_known(family):
        return f"asks for a scheduler that diffusers does not have: {family}"
    return ""


def is_known(family: str) -> bool:
    """Whether the installed diffusers names a class so; True where it is not installed."""
    return not _named() or f'"{family}"' in _named()


@cache
def _named() -> str:
    found = importlib.util.find_spec("diffusers")
    try:
        return Path(str(found.origin)).read_text(encoding="utf-8") if found is not None else ""
    except OSError:
        return ""
