"""The scheduler that a base model samples with, from a folder or a single file, and what the settings say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainer.contract.basemodel.inspect import loss_of
from trainer.contract.paths import is_file
from trainer.contract.settings.model import Model
from trainer.model.errors import ModelError


def load_scheduler(source: str, model: Model) -> tuple[Any, bool]:
    """The scheduler of `source` as `model` says, and whether the base model's empty negative prompt is zeros.

    Training, validation pictures and `generate` have it from here. Raises ModelError.
    """
    scheduler, zero_empty = _own(source)
    said = loss_of(model)
    return (as_told(scheduler, said.scheduler) if said is not None else scheduler), zero_empty


def as_told(scheduler: Any, told: dict[str, Any]) -> Any:
    """The same scheduler with `told` in its configuration; one that knows nothing of it gives way to SDXL's own."""
    from diffusers import EulerDiscreteScheduler

    if not told:
        return scheduler
    for family in (type(scheduler), EulerDiscreteScheduler):
        found = family.from_config(scheduler.config, **told)
        if all(found.config.get(key) == value for key, value in told.items() if value is not False):
            return found
    raise ModelError(f"no scheduler of diffusers can be told {told}")


def _own(source: str) -> tuple[Any, bool]:
    import diffusers
    from diffusers import StableDiffusionXLPipeline

    if is_file(Path(source)):
        from trainer.model import single_file as singlefile

        return singlefile.load_scheduler(Path(source)), singlefile.zero_empty()
    index = StableDiffusionXLPipeline.load_config(source)
    name = index["scheduler"][1]
    family = getattr(diffusers, name, None)
    if not name.endswith("Scheduler") or family is None:
        raise ModelError(f"the base model asks for a scheduler that diffusers does not have: {name}")
    scheduler = family.from_pretrained(source, subfolder="scheduler")
    return scheduler, bool(index.get("force_zeros_for_empty_prompt", True))
