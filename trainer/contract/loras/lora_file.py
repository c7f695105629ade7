"""A LoRA file by its header: which layers it changes, at which rank and scale, and what in it no LoRA is."""

from __future__ import annotations

import math
import os
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainer.contract.basemodel.headers import BadHeader, read_header
from trainer.contract.basemodel.layers import lora_paths
from trainer.contract.documents.files import read_json
from trainer.contract.documents.regular import open_regular
from trainer.contract.documents.tensor_header import read_tensor_header
from trainer.contract.loras.keys import stems_of
from trainer.contract.paths import is_file, os_words
from trainer.contract.settings.triggers import ENCODERS as ENCODERS  # of the rows in a file of embeddings

FORMER_ENCODERS = ("text_encoders_0", "text_encoders_1")  # as diffusers' script of before called them
BUNDLED = "bundle_emb."  # before rows that stand in a LoRA's own file, as OneTrainer has it
CLIP_LAYERS = (12, 32)  # of CLIP-L and of CLIP-G
CLIP_LINEARS = ("q_proj", "k_proj", "v_proj", "out_proj")
DOWN = ("lora_down.weight", "lora.down.weight", "lora_A.weight", "lora_A.default.weight")
UP = ("lora_up.weight", "lora.up.weight", "lora_B.weight", "lora_B.default.weight")
MAGNITUDE = ("dora_scale", "lora_magnitude_vector", "lora_magnitude_vector.weight")
_SIDES = {
    **dict.fromkeys((*(f".{one}" for one in DOWN), ".lora_linear_layer.down.weight", "_lora.down.weight"), "down"),
    **dict.fromkeys((*(f".{one}" for one in UP), ".lora_linear_layer.up.weight", "_lora.up.weight"), "up"),
    **dict.fromkeys((f".{one}" for one in MAGNITUDE), "magnitude"),
    ".alpha": "alpha",
}
# what other adapters are known by (LyCORIS' names), none of which is a product of two matrices
_OTHERS = {
    ".hada_w1_a": "LoHa",
    ".lokr_w1": "LoKr",
    ".lokr_w1_a": "LoKr",
    ".oft_blocks": "OFT",
    ".oft_diag": "OFT",
    ".a1.weight": "GLoRA",
    ".on_input": "IA3",
    ".diff": "whole differences of weights",
}
# the most numbers that one alpha can be: it is one
_NUMBERS = {"F64": ("<d", 8), "F32": ("<f", 4), "F16": ("<e", 2), "BF16": ("", 2)}
_ALPHA = re.compile(r'"(?:[\w.]+\.)?lora_alpha"\s*:\s*(\d+(?:\.\d+)?)')


class NotALora(ValueError):
    """A file that a run cannot begin from; the message has no file name, the caller knows it."""


class OtherKind(NotALora):
    """An adapter of a kind that no run begins from."""


@dataclass(frozen=True)
class FileLayer:
    """One layer as a file has it: the names of its tensors ("" where it has none) and its sizes."""

    down: str
    up: str
    magnitude: str
    rank: int
    inputs: int
    outputs: int
    scale: float  # alpha / rank; 1 where the file has no alpha
    axis: str = ""  # of the magnitude: "input", "output", or "" without one


@dataclass(frozen=True)
class FileRows:
    """The rows of one identifier in a file: the names of CLIP-L's and CLIP-G's tensors, and how many rows they have."""

    path: Path
    names: tuple[str, str]
    count: int


@dataclass(frozen=True)
class LoraFile:
    """What a file holds. Layers go by their paths in the unet, or by encoder and path, as a run names them."""

    path: Path
    layers: Mapping[str, FileLayer]
    passed: tuple[str, ...]  # names, without what says down or up, of layers that a run never trains
    rows: Mapping[str, FileRows]  # of bundled embeddings, by their names

    @property
    def unet(self) -> dict[str, FileLayer]:
        """The layers of the unet."""
        return {path: one for path, one in self.layers.items() if not path.startswith("text_encoder")}

    @property
    def text(self) -> dict[str, FileLayer]:
        """The layers of both text encoders."""
        return {path: one for path, one in self.layers.items() if path.startswith("text_encoder")}

    @property
    def rank(self) -> int:
        """The largest of its layers'."""
        return max(one.rank for one in self.layers.values())


def read_lora(path: Path, unet: dict[str, Any]) -> LoraFile:
    """What the LoRA at `path` changes of a model with this unet's configuration. Raises NotALora.

    Every look at a plan asks again: it is read anew only where size or time changed.
    """
    try:
        info = path.stat()
    except OSError as error:
        raise NotALora(f"it cannot be read: {os_words(error)}") from None
    paths = tuple(lora_paths(unet, "all-linear"))
    return _read(path, paths, unet["layers_per_block"], info.st_size, info.st_mtime_ns)


@lru_cache(maxsize=32)
def _read(path: Path, paths: tuple[str, ...], layers_per_block: int, _size: int, _changed: int) -> LoraFile:
    try:
        header = read_header(path)
    except BadHeader as error:
        raise NotALora(str(error)) from None
    names = _names(paths, layers_per_block)
    found: dict[str, dict[str, str]] = {}
    passed: set[str] = set()
    for key in header.shapes:
        if key.startswith(BUNDLED):
            continue
        stem, side = _split(key)
        if (kind := _OTHERS.get(key.removeprefix(stem))) is not None and not side:
            raise OtherKind(f"it is not a LoRA but {kind}, from which nothing here can begin: choose a LoRA")
        if side and stem in names:
            found.setdefault(names[stem], {})[side] = key
        else:
            passed.add(stem)
    whole = {path: sides for path, sides in found.items() if {"down", "up"} <= sides.keys()}
    if not whole:
        raise NotALora(_nothing(header.shapes))
    scales = _alphas(path, {sides["alpha"] for sides in whole.values() if "alpha" in sides})
    fallback = _told_alpha(path, header.words)
    layers = {one: _layer(sides, header.shapes, scales, fallback) for one, sides in whole.items()}
    return LoraFile(path, layers, tuple(sorted(passed)), _bundled(path, header.shapes))


def rows_of(path: Path) -> FileRows | None:
    """The rows of a file of embeddings; None for what is none. Never raises."""
    try:
        shapes = read_header(path).shapes
    except BadHeader:
        return None
    for names in (ENCODERS, FORMER_ENCODERS):
        sizes = [shapes.get(name, ()) for name in names]
        if all(len(one) == 2 for one in sizes) and sizes[0][0] == sizes[1][0]:
            return FileRows(path, names, sizes[0][0])
    return None


def _names(paths: tuple[str, ...], layers_per_block: int) -> dict[str, str]:
    """Every stem that a file may have, to the path of its layer."""
    text = [
        f"text_encoder{which}.encoder.layers.{layer}.self_attn.{name}"
        for which, count in zip(("", "_2"), CLIP_LAYERS, strict=True)
        for layer in range(count)
        for name in CLIP_LINEARS
    ]
    return {stem: path for path in (*paths, *text) for stem in stems_of(path, layers_per_block)}


def _split(key: str) -> tuple[str, str]:
    """A tensor's name without its ending, and which side the ending means; "" where it means none."""
    for ending, side in _SIDES.items():
        if key.endswith(ending):
            return key.removesuffix(ending), side
    for ending in _OTHERS:
        if key.endswith(ending):
            return key.removesuffix(ending), ""
    return key.rpartition(".")[0] or key, ""


def _nothing(shapes: Mapping[str, Any]) -> str:
    if any(key.startswith("lora_unet_") and "_attn1_" in key for key in shapes):
        return "its layers are not those of this base model: it is a LoRA for another, such as SD 1.5 or SD 2"
    if any(key in shapes for key in (*ENCODERS, *FORMER_ENCODERS)):
        return "it holds embeddings alone: name the LoRA that belongs to them, or the folder with both"
    return "it holds no LoRA for SDXL"


def _layer(
    sides: dict[str, str], shapes: Mapping[str, tuple[int, ...]], alphas: Mapping[str, float], fallback: float
) -> FileLayer:
    down, up = shapes[sides["down"]], shapes[sides["up"]]
    if not all(len(one) in (2, 4) and set(one[2:]) <= {1} for one in (down, up)) or down[0] != up[1] or not down[0]:
        raise NotALora(f"'{sides['down']}' and '{sides['up']}' are not a pair: {list(down)} and {list(up)}")
    alpha = alphas.get(sides.get("alpha", ""), fallback) or down[0]
    axis = _axis(shapes[sides["magnitude"]], down[1], up[0]) if "magnitude" in sides else ""
    return FileLayer(
        sides["down"], sides["up"], sides.get("magnitude", ""), down[0], down[1], up[0], alpha / down[0], axis
    )


def _axis(shape: tuple[int, ...], inputs: int, outputs: int) -> str:
    """Along which the lengths of a DoRA lie: (1, in) is the input's, (out, 1) or (out,) the output's."""
    if shape == (1, inputs):
        return "input"
    if shape in ((outputs, 1), (outputs,)):
        return "output"
    raise NotALora(f"the lengths of a DoRA in it have the shape {list(shape)}")


def _bundled(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, FileRows]:
    stems = {key.rpartition(".")[0] for key in shapes if key.startswith(BUNDLED)}
    found = {}
    for stem in sorted(stems):
        sizes = [shapes.get(f"{stem}.{one}", ()) for one in ENCODERS]
        if all(len(one) == 2 for one in sizes) and sizes[0][0] == sizes[1][0]:
            names = (f"{stem}.{ENCODERS[0]}", f"{stem}.{ENCODERS[1]}")
            found[stem.removeprefix(BUNDLED)] = FileRows(path, names, sizes[0][0])
    return found


def _told_alpha(path: Path, words: Mapping[str, str]) -> float:
    """The alpha of a file whose layers have none, from the header that diffusers writes or PEFT's file beside it."""
    if found := _ALPHA.search(words.get("lora_adapter_metadata", "")):
        return float(found[1])
    beside = path.with_name("adapter_config.json")
    if path.name != "adapter_model.safetensors" or not is_file(beside):
        return 0.0
    try:
        told = (read_json(beside, dict, 1 << 20, path.parent).value or {}).get("lora_alpha")
    except OSError:
        return 0.0
    return float(told) if isinstance(told, int | float) and not isinstance(told, bool) else 0.0


def _alphas(path: Path, names: Iterable[str]) -> dict[str, float]:
    """The numbers of these tensors of one element each. Raises NotALora."""
    try:
        tensors = _places(path)
        with os.fdopen(open_regular(path), "rb") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            found = {}
            for name in sorted(names):
                kind, at, end = tensors[name]
                form, size = _NUMBERS.get(kind, ("", 0))
                if not size or end - at != size:
                    raise NotALora(f"'{name}' in it is not a number")
                file.seek(start + at)
                found[name] = _number(form, file.read(size))
                if not math.isfinite(found[name]):
                    raise NotALora(f"'{name}' in it is {found[name]}: the file is damaged")
    except OSError as error:
        raise NotALora(f"it cannot be read: {os_words(error)}") from None
    return found


def _places(path: Path) -> dict[str, tuple[str, int, int]]:
    found = read_tensor_header(path)
    if found.value is None:
        raise NotALora(found.reason)
    return {name: (one["dtype"], *one["data_offsets"]) for name, one in found.value.tensors.items()}


def _number(form: str, raw: bytes) -> float:
    # bfloat16 is the upper half of a float32
    return float(struct.unpack(form or "<f", raw if form else b"\0\0" + raw)[0])
