"""A progress bar as text: it needs no timer and reads the same without colour."""

from __future__ import annotations

from textual.content import Content


def progress_bar(done: float, total: float, width: int) -> Content:
    """A bar of `width` cells; an unknown total (0) is an empty bar."""
    width = max(0, width)
    part = 0.0 if total <= 0 else min(1.0, max(0.0, done / total))
    full = int(part * width)
    return Content.assemble(("━" * full, "$accent"), ("─" * (width - full), "$faint"))
