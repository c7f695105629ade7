"""Starts the reference script unchanged where torchvision is missing: `shim D0 SCRIPT ARGUMENTS`.

Two things stand in from outside: the few transforms that the script takes from torchvision, on Pillow, and Prodigy's
d0, for which the script has no option.
"""

from __future__ import annotations

import enum
import functools
import importlib
import runpy
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

Picture = Image.Image

LIBRARIES = ("accelerate", "datasets", "diffusers", "peft", "prodigyopt", "transformers")  # of the script: 10 s to load


class InterpolationMode(enum.Enum):
    """The names that the script offers as choices."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


def resize(side: int, interpolation: InterpolationMode = InterpolationMode.BILINEAR) -> Callable[[Picture], Picture]:
    """Brings the shorter side to `side` pixels."""
    how = Image.Resampling[interpolation.name]

    def apply(picture: Picture) -> Picture:
        width, height = picture.size
        short = min(width, height)
        return picture.resize((width * side // short, height * side // short), how)

    return apply


def center_crop(side: int) -> Callable[[Picture], Picture]:
    """Cuts the square in the middle."""

    def apply(picture: Picture) -> Picture:
        left, top = round((picture.width - side) / 2), round((picture.height - side) / 2)
        return picture.crop((left, top, left + side, top + side))

    return apply


def horizontal_flip(p: float = 0.5) -> Callable[[Picture], Picture]:
    """Mirrors; the script decides itself when, and always asks for p = 1."""
    assert p == 1.0
    return ImageOps.mirror


def to_tensor() -> Callable[[Picture], torch.Tensor]:
    """A picture as (3, h, w) in [0, 1]."""
    return lambda picture: torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255.0).permute(2, 0, 1).contiguous()


def normalize(mean: list[float], std: list[float]) -> Callable[[torch.Tensor], torch.Tensor]:
    """(x - mean) / std with one number for all channels."""
    return lambda pixels: (pixels - mean[0]) / std[0]


def compose(parts: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """One after the other."""
    return lambda value: functools.reduce(lambda so_far, part: part(so_far), parts, value)


def not_here(*_: Any, **__: Any) -> Any:
    """Random crops are not compared: the two trainers draw them differently."""
    raise NotImplementedError("run the reference with --center_crop")


def stand_in_for_torchvision() -> None:
    """Put the transforms where the script imports them from."""
    for one in LIBRARIES:  # first: they look for torchvision when they are imported, and must not find the stand-in
        importlib.import_module(one)
    transforms, functional = types.ModuleType("torchvision.transforms"), types.ModuleType("functional")
    own = {
        "InterpolationMode": InterpolationMode,
        "Resize": resize,
        "CenterCrop": center_crop,
        "RandomCrop": not_here,
        "RandomHorizontalFlip": horizontal_flip,
        "ToTensor": to_tensor,
        "Normalize": normalize,
        "Compose": compose,
        "functional": functional,
    }
    vars(transforms).update(own)
    vars(functional)["crop"] = not_here
    root = types.ModuleType("torchvision")
    vars(root)["transforms"] = transforms
    sys.modules |= {
        "torchvision": root,
        "torchvision.transforms": transforms,
        "torchvision.transforms.functional": functional,
    }


def set_first_estimate(d0: float) -> list[Any]:
    """Prodigy starts from `d0` in place of its default; every optimizer that is made is added to the list returned."""
    import prodigyopt

    first, made = prodigyopt.Prodigy.__init__, []

    def start(self: Any, *given: Any, **named: Any) -> None:
        first(self, *given, d0=d0, **named)
        made.append(self)

    prodigyopt.Prodigy.__init__ = start
    return made


def main(arguments: list[str]) -> None:
    """Run the script with the rest of the arguments; the last line printed is Prodigy's last d, which it never logs."""
    d0, script, *rest = arguments
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # as ours does on the CPU; it changes speed, not results that can be seen
    stand_in_for_torchvision()
    made = set_first_estimate(float(d0))
    sys.argv = [script, *rest]
    runpy.run_path(script, run_name="__main__")
    for optimizer in made:
        print("\nd", optimizer.param_groups[0]["d"])


if __name__ == "__main__":
    main(sys.argv[1:])
