"""What every captioner is asked for: an interface of one method, and the wishes that it is made with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 1024  # px of the longer side that a chat model is shown: it cuts pictures into tiles, and time goes with them


class NoCaptioner(ValueError):
    """The model cannot be used to caption: `why`, and in the options of the command what to do.

    The text is both; a screen, which has keys and no options, shows `why` alone.
    """

    def __init__(self, why: str, todo: str = "") -> None:
        super().__init__(f"{why}; {todo}" if todo else why)
        self.why = why


@dataclass(frozen=True)
class Asked:
    """`instruction` is for models that can be told something, `kind` for those that cannot."""

    tokens: int = 75  # of CLIP, that the whole caption may have
    instruction: str = ""
    kind: str = "object"

    @property
    def longest(self) -> int:
        """Tokens of its own that a model may make: more than are kept, so that the cut is at the end of a clause."""
        return 2 * self.tokens


class Captioner(Protocol):
    """Says in one line what a picture shows."""

    def describe(self, picture: Image) -> str:
        """The caption of an upright RGB picture, without trigger; the same picture gives the same words."""
        ...


def shown(picture: Image) -> Image:
    """A copy no larger than is worth showing."""
    copy = picture.copy()
    copy.thumbnail((SIDE, SIDE))
    return copy
