"""What a program of ours takes of diffusers and transformers when it starts: SDXL's parts and not their relatives.

diffusers reaches a unet through thirty families of transformers, PEFT, bitsandbytes and scipy, of which nothing here is
used: two thirds of the processor time that a run took to its first step. What both look up on the way is the business
of `trainer.ground.lean_imports`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trainer.contract.run.program import collector_rests, is_trainers
from trainer.ground.lean_imports import forget, lean_imports, open_when_asked

# optional to both libraries, which look once whether they are there; what we use ourselves (bitsandbytes) is imported
# by its own name afterwards
OPTIONAL = (
    "peft", "bitsandbytes", "sklearn", "pandas", "torchvision", "torchaudio", "librosa", "onnxruntime", "xformers",
)  # fmt: skip
# packages that run all their modules: of the first SDXL needs two, of the others only a few schedulers need anything
WHOLE = ("diffusers.models.transformers", "scipy.stats", "scipy.integrate")


def take_needed() -> None:
    """Import diffusers and transformers with what SDXL needs, in a program of ours: a run, `generate`, `export`.

    Does nothing where they are imported already, or where another program (a test, a notebook) has imported us: with
    this start diffusers' own loaders of LoRA files say that PEFT is missing.
    """
    if not is_trainers() or {"diffusers", "transformers"} & set(sys.modules):
        return
    with collector_rests():
        try:
            with lean_imports():
                _take_needed()
        except Exception:  # other versions, which need more of it
            forget()
            _take_needed()


def _take_needed() -> None:
    with _absent(*OPTIONAL, "scipy"):
        import transformers
        from transformers import CLIPTextModel  # noqa: F401
    transformers.utils.logging.set_verbosity_error()  # before the advice on torchvision
    with _absent(*OPTIONAL):
        import diffusers

        for name in WHOLE:
            open_when_asked(name)
        from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel  # noqa: F401
    diffusers.utils.logging.set_verbosity_error()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # before its advice on a kernel that nothing here uses


@contextmanager
def _absent(*names: str) -> Iterator[None]:
    """For as long as it lasts the import of `names` fails as where they are not installed."""
    hidden: list[str] = [name for name in names if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
