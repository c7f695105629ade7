"""Finds settings by what a person types: names, what other trainers and people call them, their values, their help."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from loratui.settings.checks import shown
from loratui.settings.other_trainers.imported import other_names
from trainer.contract.settings.fields import Setting

SEAMS = re.compile(r"[-_./]")
MEMORY = ("vram", "oom", "out of memory", "low memory")
SPEED = ("speed", "faster")
# what people say in posts and other programs' windows, and no option of a script is called
SAID = {
    "model.base": ("checkpoint", "base checkpoint", "pretrained model"),
    "model.zero_snr": ("zsnr", "ztsnr"),
    "model.quantize": (*MEMORY, "8-bit base", "4-bit", "qlora"),
    "dataset.crop": ("augmentation",),
    "dataset.flip": ("augmentation", "mirror", "horizontal flip"),
    "dataset.hold_out": ("validation set", "test set"),
    "dataset.background": ("transparency", "alpha channel"),
    "mask.enabled": ("segmentation",),
    "train.rank": ("dim",),
    "train.batch": (*MEMORY, "bs"),
    "train.resolution": (*MEMORY, *SPEED),
    "train.accumulation": ("grad accum",),
    "train.learning_rate": ("lr",),
    "train.text_encoder_learning_rate": ("te lr",),
    "train.embedding_learning_rate": ("ti lr", "embedding lr"),
    "train.schedule": ("scheduler", "lr schedule"),
    "train.weight_decay": ("wd",),
    "train.gradient_checkpointing": (*MEMORY, *SPEED, "activation checkpointing", "recompute"),
    "train.optimizer": ("8-bit", "adafactor", *MEMORY),
    "train.precision": ("amp",),
    "train.min_snr_gamma": ("snr", "min snr"),
    "train.graphs": ("compile", *SPEED),
    "train.measure": ("validation loss",),
    "train.sample_every": ("previews", "validation every"),
    "train.start_from": ("continue from", "finetune lora"),
    "adapter.kind": ("lycoris", "lokr", "loha", "oft"),
    "pivotal.enabled": ("textual inversion", "ti", "embeddings"),
    "prior.enabled": ("regularization", "regularisation", "reg images", "regularization images"),
    "prior.path": ("regularization folder", "reg images", "regularization images"),
    "stop.patience": ("early stopping",),
    "sample.prompts": ("previews", "validation prompts"),
    "sample.guidance": ("cfg", "guidance scale"),
    "sample.tiles": ("vae tiling", *MEMORY),
}


def found(query: str, settings: Sequence[Setting], values: Mapping[str, Any]) -> list[Setting]:
    """Those of `settings` that `query` finds, the nearest first: whole names, their beginnings, parts, values, help."""
    text = _plain(query)
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
    value = _plain(shown(values.get(one.key, one.default)))
    named = " ".join(names)
    for place, where in ((3, named), (4, f"{named} {value}"), (5, f"{named} {value} {help}")):
        if all(_stem(word) in where for word in text.split()):
            return place
    return None


def _stem(word: str) -> str:
    """Several of a thing are found where one of it is named."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _plain(text: str) -> str:
    """Small letters and single spaces: "min-SNR", "min_snr" and "Min SNR" are one."""
    return " ".join(SEAMS.sub(" ", text.lower()).split())


@cache
def _words(one: Setting) -> tuple[tuple[str, ...], str]:
    own = (one.title, one.key.rpartition(".")[2], one.key)
    names = tuple(dict.fromkeys(map(_plain, (*own, *other_names(one.key), *SAID.get(one.key, ())))))
    return names, _plain(f"{one.help} {one.up} {one.down} {' '.join(one.choices)}")
