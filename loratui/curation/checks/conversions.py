"""What is done to pictures without asking, told once for the set: turned by a camera's mark, brought to sRGB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from loratui.curation.checks.measure import PictureMeasure
from loratui.curation.report import Finding
from loratui.terminal.text import plural, safe_text


def turned_findings(measured: Sequence[PictureMeasure]) -> tuple[Finding, ...]:
    """How many pictures a camera's mark turns."""
    count = sum(one.turned for one in measured)
    if not count:
        return ()
    said = f"{plural(count, 'picture')} with a camera's turn mark (EXIF): turned upright here and in training"
    return (Finding("turned", "hint", "", count, said, "nothing to do; other programs may not turn them"),)


def converted_findings(measured: Sequence[PictureMeasure]) -> tuple[Finding, ...]:
    """How many pictures have other colours than sRGB."""
    names = Counter(one.colours for one in measured if one.colours)
    if not names:
        return ()
    count = sum(names.values())
    which = ", ".join(safe_text(name, 40) for name, _ in names.most_common(3))
    said = (
        f"{plural(count, 'picture')} in a colour space other than sRGB ({which}): brought to sRGB here and in training"
    )
    return (Finding("colour-profile", "hint", "", count, said, "nothing to do; other programs may show dull colours"),)
