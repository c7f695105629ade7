"""A plugin of pytest, for `-p tests.card.in_use`: the tests of this process have the software card for a GPU."""

from __future__ import annotations

import pytest

from tests.card.card import Card, use

CARD = use()


@pytest.fixture
def card() -> Card:
    """The card, with all its memory, and nothing counted."""
    CARD.limit(None)
    CARD.waits()
    CARD.peak_anew()
    CARD.recordings.clear()
    return CARD
