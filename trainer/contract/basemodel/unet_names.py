"""The names of the layers that a LoRA can be put on, read from a unet's configuration: no weights, no torch."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trainer.contract.basemodel.inspect import base_of
from trainer.contract.documents.files import shipped_json
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.model import SDXL, Model

SDXL_UNET = Path(__file__).parents[2] / "configs" / "unet.json"


def unet_config(config: TrainConfig) -> dict[str, Any] | None:
    """The unet's configuration of the base model, as `unet_of` finds it. Raises NotSDXL."""
    return unet_of(config.model)


def unet_of(model: Model) -> dict[str, Any] | None:
    """The unet's configuration of a base model; None for one on the hub other than SDXL itself. Raises NotSDXL."""
    base = base_of(model)
    if base.source is not None:
        return base.config("unet")
    if model.base != SDXL:
        return None
    return shipped_json(SDXL_UNET)


def within(path: str, block: str) -> bool:
    """Whether a layer lies in a block: by whole names, never by a part of one."""
    return path == block or path.startswith(block + ".")


def unknown_blocks(blocks: Iterable[str], paths: list[str]) -> list[str]:
    """A sentence for each of `blocks` that holds none of `paths`."""
    missing = [block for block in blocks if not any(within(path, block) for path in paths)]
    if not missing:
        return []
    attentions = {path.rpartition(".transformer_blocks")[0] for path in paths if ".transformer_blocks" in path}
    known = sorted(attentions | {one.rpartition(".attentions")[0] for one in attentions})
    return [f"train.blocks: the unet has no block '{block}'; {_hint(block, known)}" for block in missing]


def _hint(block: str, known: list[str]) -> str:
    near = difflib.get_close_matches(block, known, n=1)
    return f"did you mean '{near[0]}'?" if near else "known: " + ", ".join(known)
