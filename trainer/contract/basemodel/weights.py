"""The weight files of one part of a model in diffusers' layout: its variants, which one is read, what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from trainer.contract.documents.files import read_json
from trainer.contract.paths import can_see

# "" is the plain one. Those of a variant are taken where no better one is whole; with half precision fp16 comes first
PLAIN, VARIANTS = "", ("fp16", "bf16", "non_ema")
STEMS = {"text_encoder": "model", "text_encoder_2": "model"}  # transformers' name; the other parts have diffusers'
_ANY = "|".join(VARIANTS)
# diffusers' and transformers' names, whole or in shards, with the variant in any of its places
NAME = re.compile(
    rf"(?P<stem>diffusion_pytorch_model|model)(?:\.(?P<a>{_ANY}))?(?:-\d{{5}}-of-\d{{5}})?(?:\.(?P<b>{_ANY}))?\.safetensors"
    rf"(?P<index>\.index(?:\.(?P<c>{_ANY}))?\.json)?"
)


@dataclass(frozen=True)
class PartWeights:
    """The weights of one part that a run would read."""

    variant: str
    files: tuple[str, ...]  # whole, or all shards
    missing: tuple[str, ...]  # names of files without which it cannot be read


def variants(half: bool) -> tuple[str, ...]:
    """The order in which variants are taken: `half` where the training is in half precision."""
    return ("fp16", "bf16", PLAIN, "non_ema") if half else (PLAIN, "fp16", "bf16", "non_ema")


def weights_of(names: Iterable[str], variant: str) -> list[str]:
    """Of the file names of one part, those of one variant, index included."""
    matched = ((name, NAME.fullmatch(name)) for name in names)
    return sorted(name for name, one in matched if one and (one["a"] or one["b"] or one["c"] or PLAIN) == variant)


def part_weights(place: Path, part: str, half: bool) -> PartWeights:
    """What is read of the folder of `part` ("": one by itself): the first whole variant, else the first begun one."""
    stem = STEMS.get(part, "diffusion_pytorch_model")
    try:
        names = {one.name for one in place.iterdir() if one.name.startswith(stem)}
    except OSError:
        names = set()
    found = [_one(place, names, stem, variant) for variant in variants(half)]
    begun = [one for one in found if one is not None]
    nothing = PartWeights(PLAIN, (), (f"{stem}.safetensors",))
    return next((one for one in begun if not one.missing), begun[0] if begun else nothing)


def _one(place: Path, names: set[str], stem: str, variant: str) -> PartWeights | None:
    own = weights_of(names, variant)
    if not own:
        return None
    index = next((name for name in own if name.endswith(".json")), None)
    if index is not None:
        shards = _shards(place / index)
        if shards is None:
            return PartWeights(variant, (), (index,))
        return PartWeights(variant, shards, tuple(name for name in shards if not can_see(place / name)))
    whole = [name for name in own if "-of-" not in name]
    if not whole:
        middle = f".{variant}" if variant else ""
        return PartWeights(variant, tuple(own), (f"{stem}.safetensors.index{middle}.json",))
    return PartWeights(variant, (whole[0],), tuple(name for name in whole[:1] if not can_see(place / name)))


def _shards(index: Path) -> tuple[str, ...] | None:
    """The files that an index names; None where it cannot be read. A name with a folder in it is none."""
    places = (read_json(index, dict).value or {}).get("weight_map")
    names = {str(name) for name in places.values()} if isinstance(places, dict) else set()
    return tuple(sorted(names)) if names and all("/" not in name for name in names) else None
