"""To how many of its copies a picture is the worse one: each against all others at once, for bursts of thousands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

from loratui.curation.compared import detail, levels
from loratui.curation.compared.detail import Detail, reworked
from loratui.curation.compared.levels import Levels, coarser, overdone
from loratui.curation.compared.overlaid import ALIKE, framed_alike, overlaid, thumb_of

WHOLE = 0.9  # of the pixels inside a copy's frame: with less the copy without one is a smaller one
COARSER = 30.0  # of the table's mean, from about quality 75: coding looks like detail, and hides noise
ROWS = 128  # pictures whose likeness to all copies is computed at once
CLOSE = 1e-3  # to the limit: computed by itself, as one product of many rounds otherwise
# others on either side in a group with which pixels are compared, milliseconds each: all of 33 copies, one in hundreds.
# What is laid over one picture shows beside any of its copies. A mean or a median of all of them is no copy to compare
# with: where frames move by 16 px of 220 it is soft, and beside it nearly every sound one seems to be written on
NEIGHBOURS, PAIRS = 16, 528
NO_DETAIL = Detail((0.0, 0.0), (0.0, 0.0), 0.0, 1, 1)


class Measured(Protocol):
    """What is asked of a picture's measures."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def bars(self) -> float: ...
    @property
    def enlarged(self) -> bool | None: ...
    @property
    def coding(self) -> float: ...
    @property
    def few_colours(self) -> bool: ...
    @property
    def levels(self) -> Levels: ...
    @property
    def detail(self) -> Detail | None: ...
    @property
    def grey(self) -> bytes: ...


def worse_copies(measured: Sequence[Measured], groups: Iterable[Sequence[int]], files: Sequence[int]) -> list[int]:
    """Of each picture: of how many of its copies it is the changed one, less of how many the original.

    `groups`: the places of those that are copies of one another, in order; `files`: a number for each picture, the same
    for the same bytes, which are not compared.
    """
    counts = [0] * len(measured)
    for group in groups:
        found = _in_group([measured[place] for place in group], [files[place] for place in group])
        for place, more in zip(group, found, strict=True):
            counts[place] = more
    return counts


def _in_group(group: Sequence[Measured], files: Sequence[int]) -> list[int]:
    import numpy as np

    numbers = np.array(files)
    if len(set(files)) < 2:
        return [0] * len(group)
    every, alike = _columns(group), _Alike(group)
    counts = np.zeros(len(group), np.int64)
    for row in range(len(group) - 1):
        there = row + 1 + np.flatnonzero(numbers[row + 1 :] != numbers[row])
        if not len(there):
            continue
        said, open_ = _worse(_at(every, row), _at(every, there), alike.of(row)[there])
        for at in np.flatnonzero(open_):
            if _are_compared(row, int(there[at]), len(group)):
                said[at] = overlaid(group[row].grey, group[int(there[at])].grey)
        counts[row] += said.sum()
        counts[there] -= said
    return [int(one) for one in counts]


def _are_compared(one: int, other: int, many: int) -> bool:
    """Whether the pixels of two of so many in a ring are.

    One half of those that each is compared with are next to it, as frames that move are alike; the other half are
    spread over all, as whole runs of files have one mark.
    """
    if many <= 2 * NEIGHBOURS + 1:
        return True
    wanted = max(1, PAIRS // many)
    far = wanted // 2
    apart = min(abs(one - other), many - abs(one - other))
    return apart <= wanted - far or apart in {round(many * part / (2 * far + 1)) for part in range(1, far + 1)}


def _columns(group: Sequence[Measured]) -> SimpleNamespace:
    """Each number of all of them as one array."""
    import numpy as np

    return SimpleNamespace(
        bars=np.array([bool(one.bars) for one in group]),
        pixels=np.array([true_pixels(one) for one in group]),
        coding=np.array([one.coding for one in group]),
        few=np.array([bool(one.few_colours) for one in group]),
        known=np.array([one.detail is not None for one in group]),
        levels=levels.together([one.levels for one in group]),
        detail=detail.together([one.detail or NO_DETAIL for one in group]),
    )


def _at(every: SimpleNamespace, place: Any) -> SimpleNamespace:
    """The numbers of one, or of several."""
    found = {
        name: _at(one, place) if isinstance(one, SimpleNamespace) else one[..., place]
        for name, one in vars(every).items()
    }
    return SimpleNamespace(**found)


def _worse(one: Any, others: Any, alike: Any) -> tuple[Any, Any]:
    """Of each of `others` 1 if `one` is the changed copy, -1 if it is the other, 0 if that cannot be told.

    And whether pixels may still tell it; `alike`: neither is a crop.
    """
    import numpy as np

    # the edges of a frame are finer than any detail; a palette hides noise, and its steps are like detail
    framed, few = one.bars != others.bars, one.few != others.few
    said = coarser(one.levels, others.levels)
    said = np.where((said == 0) & alike, overdone(one.levels, others.levels), said)
    work = reworked(one.detail, others.detail)
    by_coding = np.where(work < 0, _coding(one, others), _coding(others, one))
    said = np.where((said == 0) & one.known & others.known & ~by_coding, work, said)
    said = np.where(few, np.where(one.few, 1, -1), said)
    by_frame = np.where(one.bars, _framed(one, others), -_framed(others, one))
    said = np.where(framed, by_frame, said)
    return said, (said == 0) & alike & ~framed & ~few


def _framed(framed: Any, plain: Any) -> Any:
    """1 if the copy without a frame has all that is in it, 0 if it lost pixels or was coded coarsely: cut the frame."""
    import numpy as np

    return np.where((plain.pixels < WHOLE * framed.pixels) | _coding(plain, framed), 0, 1)


def true_pixels(one: Measured) -> float:
    """True pixels: without bars, and a quarter where it was enlarged."""
    return one.width * one.height * (1 - one.bars) * (0.25 if one.enlarged else 1.0)


def _coding(finer: Any, other: Any) -> Any:
    """Whether the detail that `finer` has beyond its copy may be its coarse coding alone: that is no evidence."""
    return finer.coding > other.coding + COARSER


class _Alike:
    """Which pictures of a group show the same from edge to edge, as `framed_alike` says it of two."""

    def __init__(self, group: Sequence[Measured]) -> None:
        import numpy as np

        self._thumbs = [thumb_of(one.grey) for one in group]
        like = next((one for one in self._thumbs if one is not None), np.zeros((1, 1), np.float32))
        self._all = np.array([np.zeros_like(like) if one is None else one for one in self._thumbs])
        self._first, self._rows = 0, np.zeros((0, 0), bool)

    def of(self, row: int) -> Any:
        """For each picture of the group whether it is like this one; rows are asked for in order."""
        if not self._first <= row < self._first + len(self._rows):
            self._first, self._rows = row, self._made(row, min(row + ROWS, len(self._all)))
        return self._rows[row - self._first]

    def _made(self, start: int, end: int) -> Any:
        import numpy as np

        some, flat = self._all[start:end], self._all.reshape(len(self._all), -1)
        straight = some.reshape(len(some), -1) @ flat.T
        mirrored = some[:, :, ::-1].reshape(len(some), -1) @ flat.T
        most = np.maximum(straight, mirrored)
        found = most >= ALIKE
        for row, column in np.argwhere(abs(most - ALIKE) < CLOSE):
            found[row, column] = framed_alike(self._thumbs[start + row], self._thumbs[column])
        return found
