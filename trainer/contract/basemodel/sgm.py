"""The names inside a single SDXL checkpoint (the layout of Stability's SGM code), and what diffusers calls each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from trainer.contract.basemodel.headers import Shapes

Change = Literal["", "thirds", "turned", "flat"]

PREFIXES = {
    "unet": "model.diffusion_model.",
    "text_encoder": "conditioner.embedders.0.transformer.",
    "text_encoder_2": "conditioner.embedders.1.model.",
    "vae": "first_stage_model.",
}
# made anew by the libraries, or used only by what SDXL does not need
LEFT_OUT = ("position_ids", "logit_scale", "attn_mask")

_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_UNET = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
_OPEN_CLIP = {
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "text_projection.weight": "text_projection.weight",
}
_OPEN_CLIP_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_BLOCK = re.compile(r"(input|output)_blocks\.(\d+)\.(\d)\.(.+)")
_LAYER = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)\.(weight|bias)")
_LAYER_IN = re.compile(r"transformer\.resblocks\.(\d+)\.attn\.in_proj_(weight|bias)")
_VAE_BLOCK = re.compile(r"(encoder|decoder)\.(down|up)\.(\d+)\.(block\.(\d+)|downsample|upsample)\.(.+)")
_VAE_MIDDLE = re.compile(r"(encoder|decoder)\.mid\.(block|attn)_(\d)\.(.+)")


@dataclass(frozen=True)
class SgmName:
    """Where a tensor goes: its part, its name there, or three names for one that is cut into thirds along its rows.

    turned: rows become columns; flat: a convolution of one pixel becomes a matrix.
    """

    part: str
    names: tuple[str, ...]
    change: Change = ""


@dataclass(frozen=True)
class SgmNames:
    """Every tensor of the four parts by its name in the file, and the names that are none of theirs."""

    known: dict[str, SgmName]
    strange: tuple[str, ...]


def places(shapes: Shapes) -> SgmNames:
    """Where each tensor of a checkpoint goes; what lies outside the four parts (EMA, a v_pred mark) is passed over."""
    per_block, levels = _resnets_per_block(shapes), _vae_levels(shapes)
    known: dict[str, SgmName] = {}
    strange: list[str] = []
    for name, shape in shapes.items():
        part = next((part for part, prefix in PREFIXES.items() if name.startswith(prefix)), None)
        if part is None or name.endswith(LEFT_OUT):
            continue
        inner = name.removeprefix(PREFIXES[part])
        if part == "unet":
            found = _one(part, _unet(inner, per_block))
        elif part == "vae":
            found = _vae(inner, shape, levels)
        elif part == "text_encoder":
            found = SgmName(part, (inner,)) if inner.startswith("text_model.") else None
        else:
            found = _open_clip(inner)
        if found is None:
            strange.append(name)
        else:
            known[name] = found
    return SgmNames(known, tuple(strange))


def diffusers_shapes(shapes: Shapes) -> dict[str, Shapes]:
    """Name and shape of every tensor of each part, as diffusers' folders have them."""
    found: dict[str, Shapes] = {part: {} for part in PREFIXES}
    for name, place in places(shapes).known.items():
        found[place.part].update(changed_shapes(place, shapes[name]))
    return found


def changed_shapes(place: SgmName, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A tensor of a file as diffusers has it: name and shape, three of them for one that is cut into thirds."""
    match place.change:
        case "thirds":
            shape = (shape[0] // 3, *shape[1:])
        case "turned":
            shape = shape[::-1]
        case "flat":
            shape = shape[:2]
    yield from ((name, shape) for name in place.names)


def _resnets_per_block(shapes: Shapes) -> int:
    """How many residual layers a level of the unet has: those before its first halving convolution."""
    found = re.compile(re.escape(PREFIXES["unet"]) + r"input_blocks\.(\d+)\.0\.op\.weight")
    return min((int(one[1]) for name in shapes if (one := found.fullmatch(name))), default=3) - 1


def _vae_levels(shapes: Shapes) -> int:
    found = re.compile(re.escape(PREFIXES["vae"]) + r"decoder\.up\.(\d+)\.")
    return max((int(one[1]) for name in shapes if (one := found.match(name))), default=3) + 1


def _one(part: str, name: str | None) -> SgmName | None:
    return None if name is None else SgmName(part, (name,))


def _unet(name: str, per_block: int) -> str | None:
    head, _, kind = name.rpartition(".")
    if head in _UNET:
        return f"{_UNET[head]}.{kind}"
    size = per_block + 1
    if found := _BLOCK.fullmatch(name):
        down = found[1] == "input"
        block, layer = divmod(int(found[2]) - down, size)
        return _in_block(f"{'down' if down else 'up'}_blocks.{block}", layer, int(found[3]), found[4])
    if name.startswith("middle_block."):
        _, index, rest = name.split(".", 2)
        if index == "1":
            return f"mid_block.attentions.0.{rest}"
        return _resnet(f"mid_block.resnets.{int(index) // 2}", rest) if index in ("0", "2") else None
    return None


def _in_block(block: str, layer: int, place: int, rest: str) -> str | None:
    """`place` 0 is a residual layer or a halving, 1 its attention; a doubling stands behind the last of them."""
    if place == 0:
        if rest.startswith("op."):
            return f"{block}.downsamplers.0.conv.{rest.removeprefix('op.')}"
        return _resnet(f"{block}.resnets.{layer}", rest)
    if rest.startswith("conv."):
        return f"{block}.upsamplers.0.{rest}"
    return f"{block}.attentions.{layer}.{rest}" if place == 1 else None


def _resnet(place: str, rest: str) -> str | None:
    head, _, kind = rest.rpartition(".")
    return f"{place}.{_RESNET[head]}.{kind}" if head in _RESNET else None


def _vae(name: str, shape: tuple[int, ...], levels: int) -> SgmName | None:
    if found := _VAE_BLOCK.fullmatch(name):
        side, way, level, what, layer, rest = found.groups()
        place = f"{side}.{way}_blocks.{int(level) if way == 'down' else levels - 1 - int(level)}"
        if layer is None:
            return SgmName("vae", (f"{place}.{what}rs.0.{rest}",)) if rest.startswith("conv.") else None
        return SgmName("vae", (f"{place}.resnets.{layer}.{_shortcut(rest)}",))
    if found := _VAE_MIDDLE.fullmatch(name):
        side, what, number, rest = found.groups()
        if what == "block":
            return SgmName("vae", (f"{side}.mid_block.resnets.{int(number) - 1}.{_shortcut(rest)}",))
        head, _, kind = rest.rpartition(".")
        if head not in _ATTENTION:
            return None
        change: Change = "flat" if len(shape) == 4 else ""
        return SgmName("vae", (f"{side}.mid_block.attentions.0.{_ATTENTION[head]}.{kind}",), change)
    if name.startswith(("quant_conv.", "post_quant_conv.")):
        return SgmName("vae", (name,))
    if found := re.fullmatch(r"(encoder|decoder)\.(conv_in|conv_out|norm_out)\.(\w+)", name):
        return SgmName("vae", (f"{found[1]}.{found[2].replace('norm_out', 'conv_norm_out')}.{found[3]}",))
    return None


def _shortcut(rest: str) -> str:
    return rest.replace("nin_shortcut.", "conv_shortcut.")


def _open_clip(name: str) -> SgmName | None:
    part = "text_encoder_2"
    if name == "text_projection":
        return SgmName(part, ("text_projection.weight",), "turned")
    if name in _OPEN_CLIP:
        return SgmName(part, (_OPEN_CLIP[name],))
    if found := _LAYER_IN.fullmatch(name):
        place = f"text_model.encoder.layers.{found[1]}.self_attn"
        return SgmName(part, tuple(f"{place}.{one}_proj.{found[2]}" for one in "qkv"), "thirds")
    if (found := _LAYER.fullmatch(name)) and found[2] in _OPEN_CLIP_LAYER:
        return SgmName(part, (f"text_model.encoder.layers.{found[1]}.{_OPEN_CLIP_LAYER[found[2]]}.{found[3]}",))
    return None
