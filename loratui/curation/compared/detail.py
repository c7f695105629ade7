"""Which of two copies was enlarged, stretched, softened or sharpened: by the spectrum of their finest detail.

A copy that was enlarged by 1.3 or more lost 3.5 to 9 dB of its finest scale beside what it was made of; cropped,
brighter, smaller or mirrored copies lost 2.5 at most. Those are 90 changes of each of the six photographs that the
thresholds were chosen on, at JPEG 88 to 95; it has not been counted on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import ndarray

SIDE = 1024  # px of the middle that is looked at
LINES = 256  # lines that are enough of it
SEGMENT = 64  # px whose spectrum is one sample
HALF_GREY = 128.0  # taken from all levels, for exactness alone
PLAIN = 1e-3  # squared grey levels
BUSIEST = 75  # percentile: where there is no texture there is only what the coding left
LOW, MIDDLE, UPPER, FINEST = slice(2, 4), slice(5, 11), slice(8, 14), slice(19, 29)  # of SEGMENT / 2 frequencies
TEXTURE = slice(4, 12)
LOST, LOST_ALONG_ONE, KEPT = 3.0, 2.8, 1.5  # dB of the finest scale: both ways, or one while the other is kept
GRAINY = 1.5  # grey levels of noise
SHARPER, MUCH = 1.2, 2.0  # dB of the middle scale: an unsharp mask of 100 % at 1 px brings the first, or more
SHARP, SOFT = -8.2, -12.5  # dB: a quarter of 52 photographs lie above the first, one of 20 below the second
PROPORTIONS = 0.03  # by which those of two copies may differ before one counts as stretched
SMALLER = 0.35  # of the other's pixels: what was made so much smaller is sharper for that


@dataclass(frozen=True)
class Detail:
    """The middle scale and the finest beside the next coarser one, in dB, across and along; noise; px."""

    middle: tuple[float, float]
    finest: tuple[float, float]
    noise: float
    width: int
    height: int


def detail_of(grey: ndarray) -> tuple[float, ...]:
    """Middle across and along, finest across and along; empty where it is too small. `grey` must not be resized."""
    if min(grey.shape) < 2 * SEGMENT:
        return ()
    top, left = (max(0, side - SIDE) // 2 for side in grey.shape)
    part = grey[top : top + SIDE, left : left + SIDE]
    across, along = _figures(part), _figures(part.T)
    return (across[0], along[0], across[1], along[1])


def _figures(lines: ndarray) -> tuple[float, float]:
    import numpy as np
    from scipy.fft import rfft  # many short ones at once: half of numpy's time

    half = SEGMENT // 2
    lines = np.ascontiguousarray(lines[:: max(1, len(lines) // LINES)])
    halves = lines[:, : lines.shape[1] // half * half].reshape(len(lines), -1, half).astype(np.float32)
    halves -= HALF_GREY
    # each half belongs to two segments; how busy one is takes a few frequencies of all of them, the rest of the busiest
    first, last = (halves @ one for one in _waves())
    busy = np.square(first[:, :-1] + last[:, 1:]).sum(axis=2)
    busy[busy < PLAIN] = 0  # of one colour, but for rounding
    at = np.nonzero(busy >= np.percentile(busy, BUSIEST))
    segments = np.concatenate((halves[at], halves[at[0], at[1] + 1]), axis=1)
    segments -= segments.mean(axis=1, keepdims=True)
    segments *= np.hanning(SEGMENT).astype(np.float32)
    spectrum = rfft(segments, axis=1, overwrite_x=True)
    level = 10 * np.log10((spectrum.real**2 + spectrum.imag**2).mean(axis=0) + 1)
    low, middle, upper, finest = (float(level[part].mean()) for part in (LOW, MIDDLE, UPPER, FINEST))
    return round(middle - low, 1), round(finest - upper, 1)


@cache
def _waves() -> tuple[ndarray, ndarray]:
    """What brings either half of a segment to its frequencies of TEXTURE, its mean taken away, through the window."""
    import numpy as np

    turns = np.outer(np.arange(SEGMENT), np.arange(SEGMENT // 2)[TEXTURE]) * (2 * np.pi / SEGMENT)
    waves = np.concatenate((np.cos(turns), np.sin(turns)), axis=1) * np.hanning(SEGMENT)[:, None]
    waves = (waves - waves.mean(axis=0)).astype(np.float32)
    return waves[: SEGMENT // 2], waves[SEGMENT // 2 :]


def reworked(one: Any, other: Any) -> Any:
    """1 if `one` was made from what `other` still has, -1 the other way round, 0 where that cannot be told.

    Either may be many, as `together` has them.
    """
    import numpy as np

    enlarged, from_it = _enlarged(one, other), _enlarged(other, one)
    mine, theirs = sum(one.middle), sum(other.middle)
    sharp, soft, sign = np.maximum(mine, theirs), np.minimum(mine, theirs), np.where(mine > theirs, 1, -1)
    more = (sharp - soft) / 2
    clear = (more > MUCH) | (sharp / 2 > SHARP)
    said = np.where(more < SHARPER, 0, np.where(soft / 2 < SOFT, -sign, np.where(clear, sign, 0)))
    return np.where(enlarged, 1, np.where(from_it, -1, said))


def together(details: Sequence[Detail]) -> Any:
    """Many as one whose numbers are arrays, for `reworked`."""
    import numpy as np

    found = {name: np.array([getattr(one, name) for one in details]).T for name in Detail.__annotations__}
    return SimpleNamespace(**found)


def _enlarged(one: Any, other: Any) -> Any:
    """Whether the finest scale of `one` is empty beside that of `other`; grain and sharpening fill it."""
    import numpy as np

    across, along = (there - here for here, there in zip(one.finest, other.finest, strict=True))
    most, least = np.maximum(across, along), np.minimum(across, along)
    comparable = (other.noise <= one.noise + GRAINY) & (other.width * other.height >= SMALLER * one.width * one.height)
    stretched = abs(one.width * other.height / (one.height * other.width) - 1) > PROPORTIONS
    one_way = stretched & (most >= LOST_ALONG_ONE) & (abs(least) <= KEPT)
    sharper = np.maximum(0.0, (sum(other.middle) - sum(one.middle)) / 2)
    both_ways = ((across + along) / 2 - sharper >= LOST) & (least >= LOST / 2)
    return comparable & (one_way | both_ways)
