"""A WD tagger, version 3: the tags of a drawn picture by ONNX Runtime, as its family on the hub is made.

It sees 448 px in blue, green, red from 0 to 255, padded to a square with white; `selected_tags.csv` names its answers.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.captioner.asked import Asked, NoCaptioner
from trainer.contract.captioning.known import ONNX, TAGS
from trainer.contract.documents.regular import read_bytes
from trainer.contract.units import plural

if TYPE_CHECKING:
    from numpy import ndarray
    from PIL.Image import Image

GENERAL, CHARACTER = 0, 4  # of the column `category`; 9 are ratings, which are no caption
LEAST = {GENERAL: 0.35, CHARACTER: 0.85}  # as sure as a tag must be: the thresholds of its author's own demo
NAMED = ("style", "one-picture")  # kinds in which a character's name is not what the trigger stands for
LONGEST = 4 << 20  # bytes of the table
# faces that are written with an underscore, which is no space there
# fmt: off
FACES = frozenset([
    "0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9", ">_o", "@_@", "^_^", "o_o",
    "u_u", "x_x", "|_|", "||_||",
])
# fmt: on


@dataclass(frozen=True)
class Tag:
    """One answer of the model: its words, and its kind."""

    words: str
    category: int


class Tagger:
    """Tags from the surest to the least sure, parted by commas."""

    def __init__(self, folder: Path, _device: object, asked: Asked) -> None:
        self._tags = read_tags(folder)
        self._session = _session(folder)
        self._input = self._session.get_inputs()[0]
        self._wanted = (GENERAL, CHARACTER) if asked.kind in NAMED else (GENERAL,)
        shape = self._input.shape
        if len(shape) != 4 or shape[3] != 3 or not isinstance(shape[1], int) or shape[1] != shape[2]:
            raise NoCaptioner(f"'{folder}/{ONNX}' takes {shape} and not square pictures; it is not a WD tagger")

    def describe(self, picture: Image) -> str:
        """The tags; the same picture gives the same ones."""
        given = prepared(picture, self._input.shape[1])[None]
        sure = self._session.run(None, {self._input.name: given})[0][0]
        if len(sure) != len(self._tags):
            raise NoCaptioner(
                f"{ONNX} gives {plural(len(sure), 'answer')}, {TAGS} names {len(self._tags)}: of another model"
            )
        found = [(float(one), tag) for one, tag in zip(sure, self._tags, strict=True) if tag.category in self._wanted]
        kept = sorted((one for one in found if one[0] >= LEAST[one[1].category]), key=lambda one: -one[0])
        return ", ".join(tag.words for _, tag in kept)


def read_tags(folder: Path) -> tuple[Tag, ...]:
    """The table of tags, in the order of the model's answers. Raises NoCaptioner."""
    raw = read_bytes(folder / TAGS, LONGEST).value
    rows = list(csv.DictReader(io.StringIO((raw or b"").decode("utf-8", "replace"))))
    try:
        return tuple(Tag(spaced(row["name"]), int(row["category"])) for row in rows) or _none(folder)
    except (KeyError, TypeError, ValueError):
        return _none(folder)


def _none(folder: Path) -> tuple[Tag, ...]:
    raise NoCaptioner(f"'{folder}/{TAGS}' is not a table of tags with the columns name and category")


def spaced(name: str) -> str:
    """A tag as words: "long_hair" is "long hair", "^_^" stays a face."""
    return name if name in FACES else name.replace("_", " ")


def prepared(picture: Image, side: int) -> ndarray:
    """`picture` as the model sees it: (side, side, 3) fp32 from 0 to 255 in blue, green, red, on white."""
    import numpy as np
    from PIL import Image

    longer = max(picture.size)
    square = Image.new("RGB", (longer, longer), (255, 255, 255))
    square.paste(picture, ((longer - picture.width) // 2, (longer - picture.height) // 2))
    if longer != side:
        square = square.resize((side, side), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(square, dtype=np.float32)[:, :, ::-1])


def _session(folder: Path) -> Any:
    """The network. Raises NoCaptioner."""
    try:
        import onnxruntime
    except ImportError:
        raise NoCaptioner("a tagger runs by ONNX Runtime: pip install 'loratui[tagger]'") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    usable = onnxruntime.get_available_providers()
    wanted = [one for one in ("CUDAExecutionProvider", "CPUExecutionProvider") if one in usable]
    try:
        return onnxruntime.InferenceSession(str(folder / ONNX), options, providers=wanted)
    except Exception as error:  # its own kinds, for a file that is no network
        why = " ".join(str(error).split())[:200]
        raise NoCaptioner(f"'{folder}/{ONNX}' cannot be loaded: {why}") from None
