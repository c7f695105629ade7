"""The names of the layers that a LoRA can be put on, read from a unet's configuration: no weights, no torch."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from trainer.contract.basemodel.inspect import inspect_base
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.sections import SDXL

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
_OTHER = ("ff.net.0.proj", "ff.net.2")
SDXL_UNET = Path(__file__).parents[2] / "configs" / "unet.json"


def unet_config(config: TrainConfig) -> dict[str, Any] | None:
    """The unet's configuration of the base model; None for one on the hub other than SDXL itself.

    Raises NotSDXL.
    """
    base = inspect_base(config.model.base)
    if base.source is not None:
        return base.config("unet")
    if config.model.base != SDXL:
        return None
    found: dict[str, Any] = json.loads(SDXL_UNET.read_bytes())
    return found


def lora_paths(unet: dict[str, Any], targets: str) -> list[str]:
    """Every Linear of the transformers (SDXL: 560 for attention, 722 for all-linear), by its path in the unet."""
    paths = []
    for place, depth in _transformers(unet):
        if targets == "all-linear":
            paths += [f"{place}.proj_in", f"{place}.proj_out"]
        for layer in range(depth):
            inside = f"{place}.transformer_blocks.{layer}"
            paths += [f"{inside}.{one}.{name}" for one in ("attn1", "attn2") for name in ATTENTION]
            if targets == "all-linear":
                paths += [f"{inside}.{name}" for name in _OTHER]
    return paths


def _transformers(unet: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Path and depth of each transformer; the depths are those of the way down, the way up has them reversed."""
    down, up = unet["down_block_types"], unet["up_block_types"]
    depths = _each(unet["transformer_layers_per_block"], len(down))
    layers = _each(unet["layers_per_block"], len(down))
    rising = unet.get("reverse_transformer_layers_per_block") or depths[::-1]
    for block, kind in enumerate(down):
        if "CrossAttn" in kind:
            yield from ((f"down_blocks.{block}.attentions.{one}", depths[block]) for one in range(layers[block]))
    if "CrossAttn" in (unet.get("mid_block_type") or ""):
        yield "mid_block.attentions.0", depths[-1]
    for block, kind in enumerate(up):
        if "CrossAttn" in kind:
            count = layers[::-1][block] + 1
            yield from ((f"up_blocks.{block}.attentions.{one}", rising[block]) for one in range(count))


def _each(value: Any, count: int) -> list[int]:
    return [int(value)] * count if isinstance(value, int) else [int(one) for one in value]


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
