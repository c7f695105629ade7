"""Nothing here is collected where the card is not in use: that takes a process of its own."""

from __future__ import annotations

import sys

from tests.trainer.conftest import own_cache, pictures  # noqa: F401

IN_USE = "tests.card.in_use" in sys.modules
collect_ignore_glob = [] if IN_USE else ["test_*.py"]
