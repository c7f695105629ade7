"""What the screens after the first one need is loaded piece by piece while a person reads the first."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from textual.screen import Screen

# in the order of who imports whom: a key that comes meanwhile waits for one piece at most
PIECES = (
    "pydantic",
    "trainer.contract.settings.config",
    "loratui.settings.presets",
    "loratui.curation.measures",
    "loratui.settings.answers",
    "loratui.curation.lines",
    "loratui.settings.checks",
    "loratui.screens.shared.scan",
    "loratui.screens.wizard.picture_list",
    "loratui.screens.wizard.solving",
    "loratui.screens.wizard.dataset",
)
PAUSE = 0.05  # seconds before each piece, in which keys are answered


def load_ahead(screen: Screen[Any], pieces: tuple[str, ...] = PIECES) -> None:
    """Import `pieces` one after the other, as long as `screen` is shown."""
    if pieces:
        screen.set_timer(PAUSE, partial(_load, screen, pieces))


def _load(screen: Screen[Any], pieces: tuple[str, ...]) -> None:
    if screen.is_current:
        import_module(pieces[0])
        load_ahead(screen, pieces[1:])
