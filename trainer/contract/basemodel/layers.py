"""The transformers of a unet and the Linears in them, by their paths, read from its configuration alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from trainer.contract.basemodel.tensors import depths, each

CONVOLUTION = re.compile(r"resnets\.\d+\.(?:conv1|conv2|conv_shortcut)$|(?:down|up)samplers\.0\.conv$")
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
# what a transformer block multiplies at once where it is one node: its own tokens' three, and the words' two
STACKED = (("attn1.to_q", "attn1.to_k", "attn1.to_v"), ("attn2.to_k", "attn2.to_v"))
_OTHER = ("ff.net.0.proj", "ff.net.2")


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


def conv_paths(names: Iterable[str]) -> list[str]:
    """Those of a unet's layers that are convolutions of its residual blocks, or go to another size.

    An upsampler without attentions beside it, of which SDXL has none, is left out: its name in files is another.
    """
    names = list(names)
    beside = {name.partition(".attentions.")[0] for name in names if ".attentions." in name}
    return [
        name
        for name in names
        if CONVOLUTION.search(name) and (".upsamplers." not in name or name.partition(".upsamplers.")[0] in beside)
    ]


def _transformers(unet: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Path and depth of each transformer; the depths are those of the way down, the way up has them reversed."""
    down, up = unet["down_block_types"], unet["up_block_types"]
    falling = each(unet["transformer_layers_per_block"], len(down))
    layers = each(unet["layers_per_block"], len(down))
    rising = unet.get("reverse_transformer_layers_per_block") or falling[::-1]
    for block, kind in enumerate(down):
        if "CrossAttn" in kind:
            for one, depth in enumerate(depths(falling[block], layers[block])):
                yield f"down_blocks.{block}.attentions.{one}", depth
    if "CrossAttn" in (unet.get("mid_block_type", "UNetMidBlock2DCrossAttn") or ""):
        yield "mid_block.attentions.0", depths(falling[-1], 1)[0]
    for block, kind in enumerate(up):
        if "CrossAttn" in kind:
            for one, depth in enumerate(depths(rising[block], layers[::-1][block] + 1)):
                yield f"up_blocks.{block}.attentions.{one}", depth
