"""How many steps a draft comes to with its number of pictures, and how many would suit them."""

from __future__ import annotations

from loratui.settings.answers import counted_images
from loratui.settings.checks import effective, recipe_of
from loratui.settings.draft import Draft
from trainer.contract.plan.views import fitting_steps


def planned_steps(draft: Draft) -> tuple[int, int, int]:
    """Steps, pictures in each, and pictures that are trained on."""
    values = effective(draft)
    images = counted_images(draft.images, values) if draft.images else 0
    return int(values["train.steps"]), int(values["train.batch"]) * int(values["train.accumulation"]), images


def suiting_steps(draft: Draft) -> int:
    """The steps that would suit the pictures (inferred: about 120 views of each); 0 where the planned ones do."""
    kind = str(draft.values.get("kind", recipe_of(draft).kind))
    return fitting_steps(*planned_steps(draft), kind, str(effective(draft)["model.base"]))
