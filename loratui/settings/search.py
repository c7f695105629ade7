"""Finds settings by what a person types: names, what other trainers and people call them, their values, their help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from loratui.settings.checks import shown
from loratui.settings.other_trainers.imported import other_names
from trainer.contract.settings.fields import Setting

# what people say in posts and other programs' windows, and no option of a script is called
SAID = {
    "model.base": ("checkpoint", "base checkpoint", "pretrained model"),
    "model.quantize": ("vram", "8-bit base", "4-bit", "qlora"),
    "dataset.repeats": ("num repeats",),
    "dataset.crop": ("augmentation", "random crop"),
    "dataset.flip": ("augmentation", "mirror", "horizontal flip"),
    "dataset.hold_out": ("validation set", "test set"),
    "dataset.background": ("transparency", "alpha channel"),
    "mask.enabled": ("segmentation",),
    "train.rank": ("dim", "network dim"),
    "train.alpha": ("network alpha",),
    "train.batch": ("bs", "batch size"),
    "train.accumulation": ("grad accum",),
    "train.learning_rate": ("lr", "learning rate"),
    "train.text_encoder_learning_rate": ("te lr", "text encoder lr"),
    "train.embedding_learning_rate": ("ti lr", "embedding lr"),
    "train.schedule": ("scheduler", "lr schedule"),
    "train.weight_decay": ("wd",),
    "train.gradient_checkpointing": ("vram", "activation checkpointing", "recompute"),
    "train.optimizer": ("8-bit", "adafactor"),
    "train.precision": ("amp", "mixed precision"),
    "train.min_snr_gamma": ("snr", "min snr"),
    "train.graphs": ("compile",),
    "train.measure": ("validation loss",),
    "train.sample_every": ("previews", "validation every"),
    "train.checkpoint_every": ("save every",),
    "train.start_from": ("continue from", "finetune lora"),
    "adapter.kind": ("lycoris", "lokr", "loha", "oft"),
    "pivotal.enabled": ("textual inversion", "ti", "embeddings"),
    "prior.enabled": ("regularization", "regularisation", "reg images", "regularization images"),
    "prior.path": ("regularization folder", "reg images", "regularization images"),
    "sample.prompts": ("previews", "validation prompts"),
    "sample.guidance": ("cfg", "guidance scale"),
    "sample.tiles": ("vram", "vae tiling"),
}


def found(query: str, settings: Sequence[Setting], values: Mapping[str, Any]) -> list[Setting]:
    """Those of `settings` that `query` finds, the nearest first: whole names, their beginnings, parts, values, help."""
    text = " ".join(query.lower().split())
    ranked = [(place, one) for one in settings if (place := _place(text, one, values)) is not None]
    return [one for _, one in sorted(ranked, key=lambda pair: pair[0])]


def _place(text: str, one: Setting, values: Mapping[str, Any]) -> int | None:
    """How near: 0 is a whole name; None where not every word is there."""
    names, help = _words(one)
    if text in names:
        return 0
    if any(name.startswith(text) for name in names):
        return 1
    if any(text in name for name in names):
        return 2
    value = shown(values.get(one.key, one.default)).lower()
    named = " ".join(names)
    for place, where in ((3, named), (4, f"{named} {value}"), (5, f"{named} {value} {help}")):
        if all(word in where for word in text.split()):
            return place
    return None


@cache
def _words(one: Setting) -> tuple[tuple[str, ...], str]:
    own = (one.title, one.key.rpartition(".")[2], one.key)
    names = tuple(dict.fromkeys(name.lower() for name in (*own, *other_names(one.key), *SAID.get(one.key, ()))))
    return names, f"{one.help} {one.up} {one.down} {' '.join(one.choices)}".lower()
