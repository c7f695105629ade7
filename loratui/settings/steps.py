"""How many steps a draft comes to with its number of pictures, and how many would suit them."""

from __future__ import annotations

from contextlib import suppress

from loratui.settings.answers import DEFAULT_PRESET, counted_images
from loratui.settings.checks import effective, recipe_of
from loratui.settings.drafts.draft import Draft
from loratui.settings.presets import preset
from loratui.settings.problems import AnswersError
from trainer.contract.plan.views import GOOD, GOOD_OF, fitting_steps


def planned_steps(draft: Draft) -> tuple[int, int, int]:
    """Steps, pictures in each, and pictures that are trained on."""
    values = effective(draft)
    images = counted_images(draft.images, values) if draft.images else 0
    return int(values["train.steps"]), int(values["train.batch"]) * int(values["train.accumulation"]), images


def suiting_steps(draft: Draft) -> int:
    """The steps that would suit the pictures; 0 where the planned ones do."""
    kind = str(draft.values.get("kind", recipe_of(draft).kind))
    return fitting_steps(*planned_steps(draft), kind, str(effective(draft)["model.base"]), good_views(draft.preset))


def good_views(name: str) -> int:
    """How many steps for each picture the preset called `name` counts; 0 where it counts none, or is gone."""
    with suppress(AnswersError):
        return preset(name or DEFAULT_PRESET).steps_per_image or 0
    return 0


def suiting_reason(draft: Draft) -> str:
    """Who says so of `suiting_steps`, as the preset itself says it where it counts steps for each picture."""
    recipe = recipe_of(draft)
    if good := good_views(draft.preset):
        said = f"{good} for each picture, {recipe.steps_source}"
        return f"inferred: {said}" if recipe.steps_inferred else said
    kind = str(draft.values.get("kind", recipe.kind))
    if kind in GOOD_OF:
        return f"inferred: {GOOD_OF[kind]} for each picture, between the post's 75 and 120 for faces"
    return f"inferred from the post's {GOOD} for each picture"
