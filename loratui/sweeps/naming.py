"""What a sweep is called where nobody says it: after the run of its answers and what changes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from loratui.settings.answers import Answers
from loratui.sweeps.declaration import Axis
from trainer.contract.settings.config import BY_KEY

LONGEST = 40


def suggested_name(base: Answers, axes: Sequence[Axis], pattern: str = "") -> str:
    """Such as "anna-rank-optimizer"; of a grid that has a name, "anna-" and that name."""
    run = str(base.values.get("name") or BY_KEY["name"].default)
    words = [key.rpartition(".")[2].replace("_", "-") for axis in axes for key in axis.keys] or ["seeds"]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", "-".join([run, pattern] if pattern else [run, *words]))
    return name.strip("-_")[:LONGEST].rstrip("-_") or "sweep"
