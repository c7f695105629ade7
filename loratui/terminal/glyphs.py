"""The glyphs of what happens at a step: the same on the line of the plan and on the axes of the charts."""

from __future__ import annotations

MARKS = {"pivot": "◆", "checkpoint": "▲", "sample": "○"}  # the rarest first: it wins a shared place
