"""The names that other programs give to the layers of SDXL."""

from __future__ import annotations

import re

_TEXT = re.compile(r"(text_encoder(?:_(2))?)\.(encoder\..+)")
_DOWN = re.compile(r"down_blocks\.(\d+)\.attentions\.(\d+)\.(.+)")
_UP = re.compile(r"up_blocks\.(\d+)\.attentions\.(\d+)\.(.+)")
_MID = re.compile(r"mid_block\.attentions\.0\.(.+)")
_RESNET = re.compile(r"(down_blocks|up_blocks|mid_block)\.(?:(\d+)\.)?resnets\.(\d+)\.(conv1|conv2|conv_shortcut)")
_SAMPLER = re.compile(r"(down|up)_blocks\.(\d+)\.(?:down|up)samplers\.0\.conv")
_CONVOLUTIONS = {"conv1": "in_layers.2", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}


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
    output_blocks.{3i+j}.1. The convolutions beside them have .0 in that place, and what goes to another size
    stands behind a level. Raises ValueError for any other path.
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
    elif inner := _convolution(path, size):
        place = inner
    else:
        raise ValueError(f"no place in the SGM layout for '{path}'")
    return "lora_unet_" + place.replace(".", "_")


def _convolution(path: str, size: int) -> str:
    """The place of a convolution; empty for what is none. Upsamplers are those beside attentions."""
    if found := _RESNET.fullmatch(path):
        side, level, place, name = found[1], int(found[2] or 0), int(found[3]), _CONVOLUTIONS[found[4]]
        if side == "mid_block":
            return f"middle_block.{2 * place}.{name}"
        return (
            f"input_blocks.{size * level + place + 1}.0.{name}"
            if side == "down_blocks"
            else f"output_blocks.{size * level + place}.0.{name}"
        )
    if found := _SAMPLER.fullmatch(path):
        level = int(found[2])
        return (
            f"input_blocks.{size * (level + 1)}.0.op"
            if found[1] == "down"
            else (f"output_blocks.{size * level + size - 1}.2.conv")
        )
    return ""


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
