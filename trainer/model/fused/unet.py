"""Which blocks of a unet are computed as one node, and how the unet is brought to it, and back."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import Any

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import nn

from trainer.contract.basemodel.layers import STACKED
from trainer.contract.settings.training import Checkpointing
from trainer.model.adapters import AdaptedLayer, LoraLinear
from trainer.model.fused.block import FusedBlock
from trainer.model.fused.projections import Stack
from trainer.model.fused.words import Products, WordProjections
from trainer.model.parts import Parts, checkpoint_activations

KNOWN = "word_products"  # among a pass's added conditions: the frozen part of the words' keys and values
_LAYERS = ("to_q", "to_k", "to_v", "to_out.0")
ATTENTION = tuple(f"{attention}.{name}" for attention in ("attn1", "attn2") for name in _LAYERS)
_BLOCKS = ".transformer_blocks."
_WORDS = re.compile(r"^(?P<block>.+)\.attn2\.to_[kv]$")


def stacking_order(layers: Mapping[str, AdaptedLayer]) -> list[str]:
    """The paths of `layers` in the order in which their numbers lie side by side.

    First keys and values of the words of all whole blocks, those of one width together, then the rest as it comes; of
    a self-attention query, key and value follow each other anyway. It depends on names and shapes alone.
    """
    words = dict.fromkeys(_word_layers(layers))
    return [*words, *(path for path in layers if path not in words)]


def _word_layers(layers: Mapping[str, AdaptedLayer]) -> list[str]:
    words = [path for path in layers if (found := _WORDS.match(path)) and is_whole(found["block"], layers)]
    words = [path for path in words if isinstance(layers[path], LoraLinear)]
    widths = list(dict.fromkeys(len(layers[path].up) for path in words))
    words.sort(key=lambda path: widths.index(len(layers[path].up)))  # stable: block by block within a width
    return words


def is_whole(block: str, layers: Mapping[str, AdaptedLayer]) -> bool:
    """Whether each Linear of the attentions of a block has a LoRA."""
    return all(f"{block}.{name}" in layers for name in ATTENTION)


class FusedUnet:
    """Computes the blocks of one unet whose layers are all plain LoRA as one node each; all others stay as they are.

    Nothing of diffusers' classes is changed: the blocks of this unet alone are given a `forward` of their own, which
    `undo` takes away. A pass that asks for what the node does not compute (a mask, other words for one block) goes
    through diffusers' block, whose layers read the same numbers.
    """

    def __init__(self, unet: Any, layers: Mapping[str, AdaptedLayer], stack: Stack | None) -> None:
        # autograd knows nothing of the LoRA's numbers: this one says that a gradient is wanted
        self._anchor = torch.zeros((), requires_grad=True)
        self._seen: torch.Tensor | None = None
        self._plain = False
        self._blocks = {} if stack is None else _fusible(unet, layers)
        self.fused: dict[str, FusedBlock] = {}
        self._words: list[tuple[list[str], WordProjections]] = []  # of which blocks, in their order
        self._others = _others(unet, layers, self._blocks)
        self._hook: Any = None
        if stack is None or not self._blocks:
            return
        self.fused |= {path: FusedBlock(block, path, stack) for path, block in self._blocks.items()}
        for run in _runs(layers, self._blocks):
            groups = []
            for _, same in groupby(run, key=lambda path: self._blocks[path].attn2.to_q.base.out_features):
                paths = list(same)
                names = [f"{path}.attn2.to_{one}" for path in paths for one in "kv"]
                groups.append((self._blocks[paths[0]].attn2.heads, [layers[name] for name in names], names))
            self._words.append((run, WordProjections(groups, stack)))
        for path, block in self._blocks.items():
            # weakly: a unet that is let go of frees its memory at once
            block.forward = partial(self._forward, self.fused[path], weakref.ref(block))
        self._hook = unet.register_forward_pre_hook(self._read, with_kwargs=True)

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def products(self) -> int:
        """How many `frozen` makes: one for each width of the unet, and more where blocks are of several ranks."""
        return sum(len(each.widths) for _, each in self._words)

    def make_again(self, what: Checkpointing) -> None:
        """What the backward pass of each block makes again in place of keeping it; not for "blocks"."""
        for one in self.fused.values():
            one.again = what
        if what != "off":  # a block that is no node keeps all, or is made again as a whole, with those beside it
            for transformer in self._others:
                transformer.enable_gradient_checkpointing()
                transformer.train()  # as diffusers asks for; SDXL has no dropout

    @torch.no_grad()
    def frozen(self, words: torch.Tensor) -> Products:
        """What the frozen keys and values make of one caption's words (tokens, width), to be given to a pass as KNOWN.

        (tokens, out) for each of its `products`; nothing where no block is a node.
        """
        return tuple(one for _, each in self._words for one in each.frozen(words))

    @contextmanager
    def layer_by_layer(self) -> Iterator[None]:
        """For as long as it lasts every block goes through diffusers', whose layers read the same numbers."""
        self._plain = True
        try:
            yield
        finally:
            self._plain = False

    def undo(self) -> None:
        """Give the unet back as it was, but for weights that lie side by side now; the layers keep their LoRA."""
        for block in self._blocks.values():
            del block.forward
        if self._hook is not None:
            self._hook.remove()
        self._blocks, self._words = {}, []

    def _read(self, _: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Before each pass: keys and values of all blocks from the words that it is given."""
        if self._plain:
            self._seen = None
            return
        words = named["encoder_hidden_states"] if "encoder_hidden_states" in named else args[2]
        self._seen = words
        known: Products = (named.get("added_cond_kwargs") or {}).get(KNOWN, ())
        for paths, each in self._words:
            own, known = known[: len(each.widths)], known[len(each.widths) :]
            for path, keys in zip(paths, each.of(words, self._anchor, own), strict=True):
                self.fused[path].keys = keys

    def _forward(
        self,
        fused: FusedBlock,
        block: weakref.ref[Any],
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        timestep: torch.Tensor | None = None,
        cross_attention_kwargs: dict[str, Any] | None = None,
        class_labels: torch.Tensor | None = None,
        added_cond_kwargs: dict[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        plain = attention_mask is None and encoder_attention_mask is None and not cross_attention_kwargs
        if plain and encoder_hidden_states is self._seen:
            return fused.apply(hidden_states, self._anchor)
        own = block()
        assert own is not None
        answer: torch.Tensor = type(own).forward(
            own,
            hidden_states,
            attention_mask,
            encoder_hidden_states,
            encoder_attention_mask,
            timestep,
            cross_attention_kwargs,
            class_labels,
            added_cond_kwargs,
        )
        return answer


def checkpoint(parts: Parts, fused: FusedUnet, what: Checkpointing) -> None:
    """Have the backward pass make `what` again; blocks that are no nodes know only all of it, or nothing."""
    if what == "blocks" or (what != "off" and not fused):
        checkpoint_activations(parts)
    else:
        fused.make_again(what)


def _fusible(unet: Any, layers: Mapping[str, AdaptedLayer]) -> dict[str, BasicTransformerBlock]:
    """The blocks that can be nodes, by their paths; none where the unet makes other words of those it is given."""
    if getattr(unet, "encoder_hid_proj", None) is not None:
        return {}
    return {
        path: block
        for path, block in unet.named_modules()
        if isinstance(block, BasicTransformerBlock)
        and is_whole(path, layers)
        and _is_plain(path, layers)
        and _is_sdxls(block)
    }


def _is_plain(block: str, layers: Mapping[str, AdaptedLayer]) -> bool:
    """Whether all adapted layers of a block are what its node computes: plain LoRA, stacked where it stacks them."""
    inside = [one for path, one in layers.items() if path.startswith(f"{block}.")]
    if not all(type(one) is LoraLinear and not one.dropout for one in inside):
        return False
    stacked = ([layers[f"{block}.{name}"] for name in names] for names in STACKED)
    return all(len(set(map(_kind, each))) == 1 for each in stacked)


def _kind(layer: AdaptedLayer) -> tuple[int, float]:
    """Rank and scale, which layers share that are multiplied at once."""
    assert isinstance(layer, LoraLinear)
    return len(layer.down), layer.scale


def _runs(layers: Mapping[str, AdaptedLayer], blocks: Mapping[str, Any]) -> Iterator[list[str]]:
    """The blocks whose keys and values of the words lie side by side and are of one rank and scale, run by run."""
    order = [found["block"] for path in _word_layers(layers) if (found := _WORDS.match(path))]

    def key(block: str) -> tuple[int, float] | None:
        return _kind(layers[f"{block}.attn2.to_k"]) if block in blocks else None

    for kind, run in groupby(dict.fromkeys(order), key):
        if kind is not None:
            yield list(run)


def _others(unet: Any, layers: Mapping[str, AdaptedLayer], nodes: Mapping[str, Any]) -> list[Any]:
    """The transformers with a block that has a LoRA and is no node."""
    plain = [
        path
        for path, one in unet.named_modules()
        if isinstance(one, BasicTransformerBlock)
        and path not in nodes
        and any(name.startswith(f"{path}.") for name in layers)
    ]
    return [unet.get_submodule(path) for path in dict.fromkeys(path.partition(_BLOCKS)[0] for path in plain)]


def _is_sdxls(block: BasicTransformerBlock) -> bool:
    """Whether a block computes what the node does: SDXL's, in diffusers' usual arithmetic."""
    norms = (block.norm1, block.norm2, block.norm3)
    attentions = (block.attn1, block.attn2)
    return (
        type(block) is BasicTransformerBlock
        and block.norm_type == "layer_norm"
        and all(type(norm) is nn.LayerNorm and norm.weight is not None for norm in norms)
        and block.pos_embed is None
        and block._chunk_size is None
        and not block.only_cross_attention
        and all(_is_usual(one) for one in attentions)
        and [type(one) for one in block.ff.net[:2]] == [GEGLU, nn.Dropout]
        and len(block.ff.net) == 3
        and _drops_nothing(block)
    )


def _is_usual(attention: Any) -> bool:
    missing = ("spatial_norm", "group_norm", "norm_q", "norm_k", "norm_cross")
    return (
        isinstance(attention.processor, AttnProcessor2_0)
        and not any(getattr(attention, name, None) for name in missing)
        and attention.rescale_output_factor == 1.0
        and not attention.residual_connection
        and not attention.upcast_attention
        and all(getattr(attention, f"to_{one}").base.bias is None for one in "qkv")
        and attention.scale == (attention.inner_dim // attention.heads) ** -0.5
    )


def _drops_nothing(block: nn.Module) -> bool:
    return not any(isinstance(one, nn.Dropout) and one.p for one in block.modules())
