"""The names that other programs give to the layers of SDXL."""

from __future__ import annotations

import re

_TEXT = re.compile(r"(text_encoder(?:_(2))?)\.(encoder\..+)")
_DOWN = re.compile(r"down_blocks\.(\d+)\.attentions\.(\d+)\.(.+)")
_UP = re.compile(r"up_blocks\.(\d+)\.attentions\.(\d+)\.(.+)")
_MID = re.compile(r"mid_block\.attentions\.0\.(.+)")


def diffusers_key(path: str, side: str) -> str:
    """`side` ("down" or "up") of a layer, as pytorch_lora_weights.safetensors has it.

    `path` is the unet's, or that of a text encoder with its name in front; their keys always have `text_model`.
    """
    if found := _TEXT.fullmatch(path):
        return f"{found[1]}.text_model.{found[3]}.lora_linear_layer.{side}.weight"
    return f"unet.{path}.lora.{side}.weight"


def diffusers_magnitude(path: str) -> str:
    """The trained row lengths of a DoRA along the output axis, as PEFT and diffusers name them."""
    return f"unet.{path}.lora_magnitude_vector"


def kohya_key(path: str, layers_per_block: int = 2) -> str:
    """The name of a layer as kohya, A1111, ComfyUI, Forge and SD.Next know it; te1 and te2 for the text encoders.

    They number blocks as the original SGM code does: with SDXL's two layers a block, down_blocks.i.attentions.j is
    input_blocks.{3i+j+1}.1, mid_block.attentions.0 is middle_block.1, up_blocks.i.attentions.j is
    output_blocks.{3i+j}.1. Raises ValueError for a path outside the transformers.
    """
    if found := _TEXT.fullmatch(path):
        return f"lora_te{found[2] or 1}_text_model_" + found[3].replace(".", "_")
    size = layers_per_block + 1
    if found := _DOWN.fullmatch(path):
        place = f"input_blocks.{size * int(found[1]) + int(found[2]) + 1}.1.{found[3]}"
    elif found := _UP.fullmatch(path):
        place = f"output_blocks.{size * int(found[1]) + int(found[2])}.1.{found[3]}"
    elif found := _MID.fullmatch(path):
        place = f"middle_block.1.{found[1]}"
    else:
        raise ValueError(f"no place in the SGM layout for '{path}'")
    return "lora_unet_" + place.replace(".", "_")


def stems_of(path: str, layers_per_block: int = 2) -> tuple[str, ...]:
    """Every name that a file may have for a layer, before what says down or up: kohya's, diffusers', PEFT's, old ones.

    kohya's scripts can also number blocks as diffusers does; diffusers before 0.22 named the attention's processors.
    """
    if found := _TEXT.fullmatch(path):
        inside = f"{found[1]}.text_model.{found[3]}"
        return kohya_key(path), inside, path, f"{found[1]}.base_model.model.text_model.{found[3]}"
    old = re.sub(r"\.(attn\d)\.(to_[a-z]+)(?:\.0)?$", r".\1.processor.\2", path)
    plain = f"lora_unet_{path.replace('.', '_')}"
    peft = (f"base_model.model.{path}", f"unet.base_model.model.{path}")
    return kohya_key(path, layers_per_block), plain, f"unet.{path}", *peft, f"unet.{old}"
