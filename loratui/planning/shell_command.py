"""The command line that does what a plan says."""

from __future__ import annotations

import shlex
from typing import Any

from loratui.settings.resolve import Resolved
from loratui.settings.toml_text import inline_tables
from loratui.terminal.text import safe_text
from trainer.contract.settings.config import flat


def replay_command(resolved: Resolved, source: str, gpus: int = 1) -> str:
    """The `loratui replay` that does the same."""
    values = flat(resolved.config)
    words = ["loratui", "replay", source]
    for key, origin in resolved.origins.items():
        if origin.layer == "--set":
            words += ["--set", f"{key}={_written(values[key])}"]
    words += ["--gpus", str(gpus)] if gpus > 1 else []
    return " ".join(shlex.quote(safe_text(word)) for word in words)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and any(isinstance(one, dict) for one in value):
        return inline_tables(value)
    if isinstance(value, tuple):
        import tomlkit

        return str(tomlkit.item(list(value)).as_string())
    return str(value)
