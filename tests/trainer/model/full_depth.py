"""An SDXL unet of full depth and tiny width: as many operations as the real one's, on a processor in a second."""

from __future__ import annotations

import json
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch.utils._python_dispatch import TorchDispatchMode

from trainer.contract.basemodel.single_file import CONFIGS

WIDTHS = (32, 64, 128)
WORDS, POOLED, SIDE = 64, 32, 16  # the conditioning's widths; the latents' side
# what moves no number: the shape of a tensor that is there, or one that is not filled yet
SHAPES = frozenset(
    (
        "view",
        "_unsafe_view",
        "t",
        "transpose",
        "permute",
        "expand",
        "slice",
        "select",
        "unsqueeze",
        "squeeze",
        "alias",
        "detach",
        "as_strided",
        "split",
        "chunk",
        "unbind",
        "reshape",
        "_reshape_alias",
        "lift",
        "lift_fresh",
        "empty",
        "empty_like",
        "empty_strided",
        "resize_",
        "set_",
        "split_with_sizes",
        "new_empty",
        "new_empty_strided",
    )
)


class Operations(TorchDispatchMode):
    """Counts the operations that compute or move something: on a GPU, launches."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ not in SHAPES:
            self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))

    @property
    def count(self) -> int:
        return len(self.names)


def full_depth_unet(dtype: torch.dtype) -> UNet2DConditionModel:
    """The layers of SDXL's, each a tenth as wide."""
    own = {key: value for key, value in json.loads((CONFIGS / "unet.json").read_text()).items() if key[0] != "_"}
    own |= {
        "block_out_channels": list(WIDTHS),
        "attention_head_dim": [1, 2, 4],
        "cross_attention_dim": WORDS,
        "projection_class_embeddings_input_dim": POOLED + 6 * own["addition_time_embed_dim"],
        "sample_size": SIDE,
    }
    torch.manual_seed(0)
    unet: UNet2DConditionModel = UNet2DConditionModel.from_config(own)
    return unet.to(dtype).requires_grad_(False)


def full_depth_inputs(dtype: torch.dtype, batch: int = 1) -> dict[str, Any]:
    """What such a unet is asked."""
    start = torch.Generator().manual_seed(1)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(batch, *shape, generator=start).to(dtype)

    return {
        "sample": noise(4, SIDE, SIDE),
        "timestep": torch.full((batch,), 500),
        "encoder_hidden_states": noise(77, WORDS),
        "added_cond_kwargs": {"text_embeds": noise(POOLED), "time_ids": torch.full((batch, 6), 64.0).to(dtype)},
        "return_dict": False,
    }
