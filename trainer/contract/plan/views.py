"""How often each picture is seen: what the sources of the presets found good, and the steps that come to it."""

from __future__ import annotations

from trainer.contract.settings.arithmetic import views_per_image
from trainer.contract.settings.config import SMALL
from trainer.contract.units import plural

MOST, LEAST = 200, 20  # the post's Y2K table: 37 to 148 good, 222 overfit
GOOD = 120  # the post: 'good results are achieved with a 120x multiplier'
GOOD_OF = {"object": 100}  # by kind: between the post's 75 and 120 for faces, as its preset says
WHOLE_RUN = "one-picture"  # a kind whose source gives steps for the single picture: B-LoRA's 1000


def fitting_steps(steps: int, batch: int, images: int, kind: str, base: str = "", good: int = 0) -> int:
    """How many steps would come to the good number of views of each picture; 0 where `steps` suit the pictures.

    `good`: views of each picture, as the preset counts them; 0: where it counts none, about 120. Inferred: the post
    counts so for faces, and its table of style sets lies around it. That too many overfit was found of SDXL, and not of
    the small model.
    """
    if not images or not steps or kind == WHOLE_RUN or LEAST <= views_per_image(steps, batch, images) <= MOST:
        return 0
    if base == SMALL and views_per_image(steps, batch, images) > MOST:
        return 0
    return max(1, round((good or GOOD_OF.get(kind, GOOD)) * images / batch))


def views_sentence(steps: int, batch: int, images: int, kind: str, base: str = "", good: int = 0) -> str:
    """What is wrong with the number of steps and what would suit, or nothing."""
    fitting = fitting_steps(steps, batch, images, kind, base, good)
    if not fitting:
        return ""
    views = views_per_image(steps, batch, images)
    why = f"the post's sets overfit above {MOST}" if views > MOST else "that is hardly enough to learn it"
    then = views_per_image(fitting, batch, images)
    would = f"about {plural(fitting, 'step')} would be {plural(f'{then:.0f}', 'view')}"
    return f"each picture is seen {often(views)}: {why}; {would}"


def often(views: float) -> str:
    """How often, of a mean: "less than once", "once", "12 times"."""
    return "less than once" if views < 1 else "once" if round(views) == 1 else plural(f"{views:.0f}", "time")
