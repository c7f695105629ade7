"""How a run ends over numbers that are not finite: the cause, and the error that tells of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trainer.data.dataset import Item, View

MOST_NAMED = 4  # pictures that are named


@dataclass(frozen=True)
class Cause:
    """What was not finite first: its kind, one of CAUSES, and in words; the pictures that it is bound to, if any.

    Class pictures are named in the words alone.
    """

    kind: str
    words: str
    pictures: tuple[str, ...] = ()


class NotFinite(ArithmeticError):
    """Loss or gradient is NaN or infinite, and the step was not applied; or what steps are made from is.

    `step` is the one that was not applied, None where what is encoded for all steps was looked at; `pictures` are the
    names of those that it saw, `cause` is what was found, `advice` what helps against that.
    """

    def __init__(
        self, message: str, step: int | None, pictures: tuple[str, ...], cause: Cause, advice: list[str]
    ) -> None:
        super().__init__(message)
        self.step, self.pictures, self.cause, self.advice = step, pictures, cause, advice


def listed(views: Iterable[View]) -> str:
    """Their names, as `listed_items` has them."""
    return listed_items((view.item, view.prior) for view in views)


def listed_items(items: Iterable[tuple[Item, bool]]) -> str:
    """Names of pictures; a class picture (True), whose name may be one of yours too, is called so."""
    names = [*dict.fromkeys(f"class picture {one.name}" if prior else one.name for one, prior in items)]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
