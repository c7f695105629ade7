"""What matters in a run, as the monitor shows it: a line each while it holds, with advice and source in the log."""

from __future__ import annotations

from textual.content import Content

from loratui.events.history import History
from loratui.events.insights import insights
from loratui.terminal.glyphs import GLYPHS
from loratui.terminal.text import safe_text
from loratui.widgets.eventlist import STYLES
from trainer.contract.settings.config import TrainConfig

LINES = 2  # the rest is in the log


def insight_lines(history: History, config: TrainConfig | None, width: int) -> Content | None:
    """The worst few in `width` cells, or None while there is nothing to say."""
    found = insights(history, config)
    if not found:
        return None
    lines = []
    for place, one in enumerate(found[:LINES], 1):
        more = f"  and {len(found) - LINES} more: l" if place == LINES < len(found) else ""
        text = safe_text(one.text, limit=max(8, width - 4 - len(more)))
        lines.append(Content.assemble((f"{GLYPHS[one.tone]} {text}", f"bold {STYLES[one.tone]}"), (more, "$muted")))
    return Content("\n").join(lines)


def insight_text(history: History, config: TrainConfig | None) -> Content:
    """All of it with advice and source, for the reader; empty while there is nothing to say."""
    lines: list[Content] = []
    for one in insights(history, config):
        lines.append(Content.styled(f"{GLYPHS[one.tone]} {safe_text(one.text)}", f"bold {STYLES[one.tone]}"))
        lines.append(Content(f"  {one.advice}"))
        lines.append(Content.styled(f"  from: {one.source}", "$muted"))
    return Content("\n").join([*lines, Content("\n")]) if lines else Content("")
