"""The tensors that the configuration of each part asks for, by diffusers' names: what a file must hold."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from trainer.contract.basemodel.headers import Shapes

Tensor = tuple[str, tuple[int, ...]]
MOST = 50_000  # tensors of a part that are counted; SDXL's unet has 1,680, and a layer count may be any number

# with another value of one of these the unet has other layers than are counted here
_PLAIN: dict[str, tuple[Any, ...]] = {
    "class_embed_type": (None,),
    "encoder_hid_dim_type": (None,),
    "addition_embed_type": ("text_time",),
    "resnet_time_scale_shift": ("default",),
    "attention_type": ("default",),
    "dual_cross_attention": (False,),
    "only_cross_attention": (False,),
    "conv_in_kernel": (3,),
    "conv_out_kernel": (3,),
    "mid_block_type": ("UNetMidBlock2DCrossAttn", "UNetMidBlock2D", None),
}
# names that attention had in a VAE before diffusers 0.18; its loader still takes them
OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def wanted_tensors(part: str, config: dict[str, Any]) -> Shapes | None:
    """Name and shape of all tensors of a part; None for a configuration of a kind that is not counted here."""
    try:
        if part == "unet":
            return dict(islice(_unet(config), MOST)) if _is_plain(config) else None
        return dict(islice(_vae(config) if part == "vae" else _clip(config, part == "text_encoder_2"), MOST))
    except (KeyError, TypeError, IndexError, ValueError, OverflowError):
        return None


def usual_names(part: str, shapes: Shapes) -> Shapes:
    """The same tensors by the names that `wanted_tensors` has: without an outer name, and none of the old ones."""
    if part == "vae":
        return {_new_name(name): shape for name, shape in shapes.items()}
    return {name.removeprefix("text_model."): shape for name, shape in shapes.items()}


def each(value: Any, count: int) -> list[Any]:
    """A setting of all levels, as one of each level."""
    return list(value) if isinstance(value, list | tuple) else [value] * count


def depths(value: Any, count: int) -> list[int]:
    """Transformer layers of each attention of a level: one number for all of them, or one for each (SSD-1B)."""
    return [int(one) for one in each(value, count)]


def _is_plain(config: dict[str, Any]) -> bool:
    kinds = {*config["down_block_types"], *config["up_block_types"]}
    known = {"DownBlock2D", "UpBlock2D", "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"}
    return kinds <= known and all(config.get(key, values[0]) in values for key, values in _PLAIN.items())


def _new_name(name: str) -> str:
    head, _, kind = name.rpartition(".")
    before, _, last = head.rpartition(".")
    return f"{before}.{OLD_NAMES[last]}.{kind}" if last in OLD_NAMES else name


def _layer(name: str, *shape: int, bias: bool = True) -> Iterator[Tensor]:
    """A linear layer, a convolution (with its kernel) or a norm."""
    yield f"{name}.weight", shape
    if bias:
        yield f"{name}.bias", shape[:1]


def _resnet(name: str, start: int, end: int, time: int = 0) -> Iterator[Tensor]:
    yield from _layer(f"{name}.norm1", start)
    yield from _layer(f"{name}.conv1", end, start, 3, 3)
    if time:
        yield from _layer(f"{name}.time_emb_proj", end, time)
    yield from _layer(f"{name}.norm2", end)
    yield from _layer(f"{name}.conv2", end, end, 3, 3)
    if start != end:
        yield from _layer(f"{name}.conv_shortcut", end, start, 1, 1)


def _transformer(name: str, width: int, depth: int, config: dict[str, Any]) -> Iterator[Tensor]:
    words, kernel = int(config["cross_attention_dim"]), () if config.get("use_linear_projection") else (1, 1)
    yield from _layer(f"{name}.norm", width)
    yield from _layer(f"{name}.proj_in", width, width, *kernel)
    yield from _layer(f"{name}.proj_out", width, width, *kernel)
    for layer in range(depth):
        inside = f"{name}.transformer_blocks.{layer}"
        for norm in ("norm1", "norm2", "norm3"):
            yield from _layer(f"{inside}.{norm}", width)
        for attention, read in (("attn1", width), ("attn2", words)):
            yield from _layer(f"{inside}.{attention}.to_q", width, width, bias=False)
            yield from _layer(f"{inside}.{attention}.to_k", width, read, bias=False)
            yield from _layer(f"{inside}.{attention}.to_v", width, read, bias=False)
            yield from _layer(f"{inside}.{attention}.to_out.0", width, width)
        yield from _layer(f"{inside}.ff.net.0.proj", 8 * width, width)
        yield from _layer(f"{inside}.ff.net.2", width, 4 * width)


def _unet(config: dict[str, Any]) -> Iterator[Tensor]:
    widths, down, up = config["block_out_channels"], config["down_block_types"], config["up_block_types"]
    time, levels = int(config.get("time_embedding_dim") or 4 * widths[0]), len(widths)
    layers = each(config["layers_per_block"], levels)
    falling = each(config["transformer_layers_per_block"], levels)
    rising = config.get("reverse_transformer_layers_per_block") or falling[::-1]
    yield from _ends(config, widths[0], time)
    before = widths[0]
    for block, kind in enumerate(down):
        name, width = f"down_blocks.{block}", widths[block]
        for one in range(layers[block]):
            yield from _resnet(f"{name}.resnets.{one}", before, width, time)
            before = width
            if "Cross" in kind:
                depth = depths(falling[block], layers[block])[one]
                yield from _transformer(f"{name}.attentions.{one}", width, depth, config)
        if block < levels - 1:
            yield from _layer(f"{name}.downsamplers.0.conv", width, width, 3, 3)
    yield from _unet_middle(config, widths[-1], time, depths(falling[-1], 1)[0])
    back = widths[::-1]
    for block, kind in enumerate(up):
        name, width, count = f"up_blocks.{block}", back[block], layers[::-1][block] + 1
        last = back[min(block + 1, levels - 1)]
        for one in range(count):
            skipped, start = last if one == count - 1 else width, back[max(block - 1, 0)] if one == 0 else width
            yield from _resnet(f"{name}.resnets.{one}", start + skipped, width, time)
            if "Cross" in kind:
                depth = depths(rising[block], count)[one]
                yield from _transformer(f"{name}.attentions.{one}", width, depth, config)
        if block < levels - 1:
            yield from _layer(f"{name}.upsamplers.0.conv", width, width, 3, 3)


def _ends(config: dict[str, Any], width: int, time: int) -> Iterator[Tensor]:
    yield from _layer("conv_in", width, config["in_channels"], 3, 3)
    yield from _layer("time_embedding.linear_1", time, width)
    if sides := config.get("time_cond_proj_dim"):  # of a distilled one that is told the guidance
        yield from _layer("time_embedding.cond_proj", width, sides, bias=False)
    yield from _layer("time_embedding.linear_2", time, time)
    yield from _layer("add_embedding.linear_1", time, config["projection_class_embeddings_input_dim"])
    yield from _layer("add_embedding.linear_2", time, time)
    yield from _layer("conv_norm_out", width)
    yield from _layer("conv_out", config["out_channels"], width, 3, 3)


def _unet_middle(config: dict[str, Any], width: int, time: int, depth: int) -> Iterator[Tensor]:
    kind = config.get("mid_block_type", "UNetMidBlock2DCrossAttn")
    if kind is None:
        return
    yield from _resnet("mid_block.resnets.0", width, width, time)
    if "Cross" in kind:
        yield from _transformer("mid_block.attentions.0", width, depth, config)
        yield from _resnet("mid_block.resnets.1", width, width, time)


def _vae(config: dict[str, Any]) -> Iterator[Tensor]:
    widths, layers, latent = config["block_out_channels"], config["layers_per_block"], config["latent_channels"]
    levels = len(widths)
    yield from _layer("encoder.conv_in", widths[0], config["in_channels"], 3, 3)
    yield from _layer("encoder.conv_norm_out", widths[-1])
    yield from _layer("encoder.conv_out", 2 * latent, widths[-1], 3, 3)
    yield from _layer("decoder.conv_in", widths[-1], latent, 3, 3)
    yield from _layer("decoder.conv_norm_out", widths[0])
    yield from _layer("decoder.conv_out", config["out_channels"], widths[0], 3, 3)
    for side, order, count, move in (
        ("encoder.down_blocks", widths, layers, "downsamplers"),
        ("decoder.up_blocks", widths[::-1], layers + 1, "upsamplers"),
    ):
        before = order[0]
        for block, width in enumerate(order):
            for one in range(count):
                yield from _resnet(f"{side}.{block}.resnets.{one}", before, width)
                before = width
            if block < levels - 1:
                yield from _layer(f"{side}.{block}.{move}.0.conv", width, width, 3, 3)
    for side in ("encoder", "decoder"):
        yield from _vae_middle(f"{side}.mid_block", widths[-1], config.get("mid_block_add_attention", True))
    if config.get("use_quant_conv", True):
        yield from _layer("quant_conv", 2 * latent, 2 * latent, 1, 1)
    if config.get("use_post_quant_conv", True):
        yield from _layer("post_quant_conv", latent, latent, 1, 1)


def _vae_middle(name: str, width: int, attention: bool) -> Iterator[Tensor]:
    yield from _resnet(f"{name}.resnets.0", width, width)
    yield from _resnet(f"{name}.resnets.1", width, width)
    if attention:
        yield from _layer(f"{name}.attentions.0.group_norm", width)
        for one in ("to_q", "to_k", "to_v", "to_out.0"):
            yield from _layer(f"{name}.attentions.0.{one}", width, width)


def _clip(config: dict[str, Any], projected: bool) -> Iterator[Tensor]:
    width, inner = config["hidden_size"], config["intermediate_size"]
    yield "embeddings.token_embedding.weight", (config["vocab_size"], width)
    yield "embeddings.position_embedding.weight", (config.get("max_position_embeddings", 77), width)
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layers.{layer}"
        for one in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _layer(f"{name}.self_attn.{one}", width, width)
        yield from _layer(f"{name}.layer_norm1", width)
        yield from _layer(f"{name}.layer_norm2", width)
        yield from _layer(f"{name}.mlp.fc1", inner, width)
        yield from _layer(f"{name}.mlp.fc2", width, inner)
    yield from _layer("final_layer_norm", width)
    if projected:
        yield "text_projection.weight", (config["projection_dim"], width)
