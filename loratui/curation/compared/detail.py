"""Which of two copies was enlarged, stretched, softened or sharpened: by the spectrum of their finest detail.

A copy that was enlarged by 1.3 or more lost 3.5 to 9 dB of its finest scale beside what it was made of; cropped,
brighter, smaller or mirrored copies lost 2.5 at most. Those are 90 changes of each of the six photographs that the
thresholds were chosen on, at JPEG 88 to 95; it has not been counted on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import ndarray

SIDE = 1024  # px of the middle that is looked at
LINES = 256  # lines that are enough of it
SEGMENT = 64  # px whose spectrum is one sample
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

    lines = lines[:: max(1, len(lines) // LINES)].astype(np.float32)
    segments = np.lib.stride_tricks.sliding_window_view(lines, SEGMENT, axis=1)[:, :: SEGMENT // 2].reshape(-1, SEGMENT)
    window = np.hanning(SEGMENT).astype(np.float32)
    spectrum = np.fft.rfft((segments - segments.mean(axis=1, keepdims=True)) * window, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    busy = power[:, TEXTURE].sum(axis=1)
    level = 10 * np.log10(power[busy >= np.percentile(busy, BUSIEST)].mean(axis=0) + 1)
    low, middle, upper, finest = (float(level[part].mean()) for part in (LOW, MIDDLE, UPPER, FINEST))
    return round(middle - low, 1), round(finest - upper, 1)


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
