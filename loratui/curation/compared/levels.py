"""Which of two copies lost light or colours: made flatter, brighter, darker, fewer, grey, tinted or stronger.

Thresholds were chosen on twelve photographs with 90 changes of each, and judged on ten others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from loratui.curation.pixels import opencv
from loratui.curation.sizes import histogram

if TYPE_CHECKING:
    from numpy import ndarray

Tone = tuple[float, float]  # LAB's a and b, 0 is grey

GREY = 1.0  # LAB chroma below which a picture has no colours
SOME, CLEARLY = 0.3, 0.15  # so much is in steps, and more than in another copy by so much
GRAIN = 1.5  # grey levels: of 68 photographs one has more of its own
MEANS = 9  # px: noise of a deviation of 25 to 40 changes the entropy by 0.12 at most, and by up to 1 of single ones
FLATTER = 0.25  # bits by which a copy uses less of the light's range than another
MORE, TIMES = 0.03, 2.0  # by which a copy has more clipped pixels than another
STRONGER, FEW_CLIPPED = 1.7, 0.001  # times the colours of another copy, and what of them is clipped beyond it
END, FIRST, DARK = 3, 0.001, 0.5  # levels; the share before the end; dark corners are no cut, so they count by half
PRESSED, PRESSED_TIMES = 0.03, 2.0  # by which more stands at the ends of the light than in another copy
TWO_INKS, HUES, TIMES_HUES = 1.5, 1.8, 1.9  # LAB: hues that grey, sepia and two inks have; what the other one has
NOISIER = 2.5  # grey levels
SHADES = 32  # of light, in each of which hues are compared with their mean


@dataclass(frozen=True)
class Levels:
    """What copies are compared by: as the functions here and in `overdone` measure them."""

    bands: float
    clipped: float
    chroma: float
    depth: float
    noise: float = 0.0
    ends: float = 0.0
    hues: float = 0.0
    face: Tone | None = None

    @property
    def skin(self) -> int:
        """Of its face: 1 as skin is, -1 as none is, 0 for no face."""
        return 0 if self.face is None else 1 if is_skin(self.face) else -1


def depth_of(grey: ndarray) -> float:
    """The entropy of the luminance, in bits: what was flattened, brightened or darkened has less than before.

    Of means of several pixels: noise fills every level, and gives light that none of them had.
    """
    import numpy as np

    shares = histogram(opencv().blur(grey, (MEANS, MEANS))) / max(grey.size, 1)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def ends_of(grey: ndarray, counts: ndarray | None = None) -> float:
    """The share of pixels at the darkest and the lightest levels that it has: much of it where light was cut off.

    Not at 0 and 255: what was cut off is cut off still where it was made darker afterwards. `counts`: of each of its
    levels, where they are known.
    """
    import numpy as np

    levels = (histogram(grey) if counts is None else counts) / max(grey.size, 1)
    found = 0.0
    for one, weight in ((levels, DARK), (levels[::-1], 1.0)):
        sums = np.cumsum(one)
        found += weight * float(sums[min(int(np.searchsorted(sums, FIRST)) + END - 1, 255)])
    return found


def hues_of(rgb: ndarray) -> float:
    """How far colours lie from the mean colour of their lightness, in LAB: 0 in grey, sepia and two inks."""
    import numpy as np

    lab = opencv().cvtColor(rgb, opencv().COLOR_RGB2LAB).reshape(-1, 3)
    shade = lab[:, 0] // (256 // SHADES)
    count = np.maximum(np.bincount(shade, minlength=SHADES), 1)
    apart = np.zeros(len(lab))
    for channel in (1, 2):
        one = lab[:, channel].astype(np.float64)
        apart += (one - (np.bincount(shade, one, SHADES) / count)[shade]) ** 2
    return float(np.sqrt(np.median(apart)))


def coarser(one: Any, other: Any) -> Any:
    """Which of two copies has noise or few levels that the other lacks: 1 the first, -1 the second, 0 neither.

    Either may be many, as `together` has them.
    """
    return _first(one, other, (_noisier, _fewer))


def overdone(one: Any, other: Any) -> Any:
    """Which of two copies lost light or colours that the other has, as `coarser` says it.

    The first that is seen counts: pushed colours hide what else was lost.
    """
    return _first(one, other, (_pressed, _without_colours, _no_skin, _flatter, _pushed))


def together(levels: Sequence[Levels]) -> Any:
    """Many as one whose numbers are arrays, for `coarser` and `overdone`."""
    import numpy as np

    names = (*(name for name in Levels.__annotations__ if name != "face"), "skin")
    return SimpleNamespace(**{name: np.array([getattr(one, name) for one in levels]) for name in names})


def _first(one: Any, other: Any, losses: tuple[Callable[[Any, Any], Any], ...]) -> Any:
    import numpy as np

    said: Any = 0
    for lost in losses:
        said = np.where(said != 0, said, np.where(lost(one, other), 1, np.where(lost(other, one), -1, 0)))
    return said


def is_skin(tone: Tone) -> bool:
    """Whether a face's colour is one that skin has in any light but a coloured one."""
    return tone[0] > 0 and tone[1] > 0


def _no_skin(one: Any, other: Any) -> Any:
    return (other.skin > 0) & (one.skin < 0)


def _pressed(one: Any, other: Any) -> Any:
    plain = other.noise <= one.noise + GRAIN  # noise spreads what stood at one level
    return plain & (one.ends > PRESSED_TIMES * other.ends + PRESSED)


def _noisier(one: Any, other: Any) -> Any:
    return one.noise > other.noise + NOISIER


def _pushed(one: Any, other: Any) -> Any:
    stronger = (one.chroma > STRONGER * other.chroma) & (one.clipped > other.clipped + FEW_CLIPPED)
    return stronger | (one.clipped > TIMES * other.clipped + MORE)


def _without_colours(one: Any, other: Any) -> Any:
    import numpy as np

    plain = other.noise <= one.noise + GRAIN  # noise has every hue
    fewer = (one.hues < TWO_INKS) & (other.hues > np.maximum(HUES, TIMES_HUES * one.hues))
    inks = fewer & (3 * one.chroma > other.chroma)
    return plain & (inks | ((one.chroma < GREY) & (other.chroma / 2 >= GREY)))


def _flatter(one: Any, other: Any) -> Any:
    return one.depth < other.depth - FLATTER


def _fewer(one: Any, other: Any) -> Any:
    import numpy as np

    plain = other.noise <= one.noise + GRAIN  # noise covers whatever steps there were
    return plain & (one.bands > np.maximum(SOME, other.bands + CLEARLY))
