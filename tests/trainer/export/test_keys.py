"""Names in the files, against the full list of SDXL's modules: 722 of the unet, 264 of the text encoders."""

from __future__ import annotations

import json

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.lora_conversion_utils import (
    _convert_non_diffusers_lora_to_diffusers,
    _maybe_map_sgm_blocks_to_diffusers,
)
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from trainer.contract.basemodel.unet_names import SDXL_UNET
from trainer.contract.loras.keys import diffusers_key, kohya_key
from trainer.model.adapters import target_paths

# depth of the transformers at each level of the SGM unet, as its configuration for SDXL says: channel_mult [1, 2, 4],
# num_res_blocks 2, attention_resolutions [4, 2], transformer_depth [1, 2, 10]
DEPTHS, RES_BLOCKS = (0, 2, 10), 2
IN_A_BLOCK = [f"{one}_{name}" for one in ("attn1", "attn2") for name in ("to_q", "to_k", "to_v", "to_out_0")]
IN_A_BLOCK += ["ff_net_0_proj", "ff_net_2"]
IN_A_LAYER = [*(f"self_attn_{one}_proj" for one in ("q", "k", "v", "out")), "mlp_fc1", "mlp_fc2"]


def sgm_modules() -> set[str]:
    """Every Linear of the transformers under its name in the SGM unet, built as that code builds its lists."""
    places = []
    count = 1  # input_blocks.0 is the first convolution
    for level, depth in enumerate(DEPTHS):
        for _ in range(RES_BLOCKS):
            places += [(f"input_blocks_{count}_1", depth)] if depth else []
            count += 1
        count += level != len(DEPTHS) - 1  # the convolution that halves
    places.append(("middle_block_1", DEPTHS[-1]))
    count = 0
    for depth in reversed(DEPTHS):
        for _ in range(RES_BLOCKS + 1):
            places += [(f"output_blocks_{count}_1", depth)] if depth else []
            count += 1
    found = {f"lora_unet_{place}_{name}" for place, _ in places for name in ("proj_in", "proj_out")}
    for place, depth in places:
        found |= {f"lora_unet_{place}_transformer_blocks_{i}_{name}" for i in range(depth) for name in IN_A_BLOCK}
    return found


@pytest.fixture(scope="module")
def unet() -> nn.Module:
    """SDXL's unet without weights."""
    with torch.device("meta"):
        return UNet2DConditionModel.from_config(json.loads(SDXL_UNET.read_text()))


def test_kohya_keys_are_all_722_modules_of_the_sgm_unet(unet: nn.Module) -> None:
    keys = [kohya_key(path) for path in target_paths(unet, "all-linear")]
    assert len(keys) == len(set(keys)) == 722
    assert set(keys) == sgm_modules()
    attention = {kohya_key(path) for path in target_paths(unet, "attention")}
    assert len(attention) == 560
    assert attention < set(keys)


def test_diffusers_reads_each_of_them_as_the_module_it_was_written_from(unet: nn.Module) -> None:
    paths = target_paths(unet, "all-linear")
    file = {}
    for place, path in enumerate(paths):
        for part in ("lora_down.weight", "lora_up.weight"):
            file[f"{kohya_key(path)}.{part}"] = torch.tensor(float(place))
        file[f"{kohya_key(path)}.alpha"] = torch.tensor(1.0)
    read, _ = _convert_non_diffusers_lora_to_diffusers(_maybe_map_sgm_blocks_to_diffusers(file, unet.config))
    plain = {
        name.replace(".processor.to_out_lora.", ".to_out.0.lora.")
        .replace(".processor.to_", ".to_")
        .replace("_lora.", ".lora."): one
        for name, one in read.items()
    }
    assert set(plain) == {diffusers_key(path, side) for path in paths for side in ("down", "up")}
    for place, path in enumerate(paths):
        assert float(plain[diffusers_key(path, "down")]) == place


def test_kohya_keys_are_all_264_modules_of_the_text_encoders() -> None:
    keys = []
    for name, family in (("text_encoder", CLIPTextModel), ("text_encoder_2", CLIPTextModelWithProjection)):
        with torch.device("meta"):
            encoder = family(CLIPTextConfig(**json.loads((SDXL_UNET.parent / f"{name}.json").read_text())))
        linear = [path for path, one in encoder.named_modules() if isinstance(one, nn.Linear) and "layers" in path]
        keys += [kohya_key(f"{name}.{path.removeprefix('text_model.')}") for path in linear]
    expected = {
        f"lora_te{which}_text_model_encoder_layers_{i}_{name}"
        for which, layers in ((1, 12), (2, 32))
        for i in range(layers)
        for name in IN_A_LAYER
    }
    assert len(keys) == 264
    assert set(keys) == expected
