"""The command line that does what a plan says."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from loratui.planning.fitting import set_words
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


def with_set(command: str, settings: Mapping[str, Any]) -> str:
    """`command` with these settings in place of what its own `--set` says of them: none is named twice."""
    words, kept = shlex.split(command), list[str]()
    while words:
        word = words.pop(0)
        if word == "--set" and words:
            value = words.pop(0)
            kept += [] if value.partition("=")[0] in settings else [word, value]
        else:
            kept.append(word)
    return f"{' '.join(map(shlex.quote, kept))} {set_words(settings)}"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and any(isinstance(one, dict) for one in value):
        return inline_tables(value)
    if isinstance(value, tuple):
        import tomlkit

        return str(tomlkit.item(list(value)).as_string())
    return str(value)
