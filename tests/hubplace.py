"""A cache of the hub of a test's own: for the programs that it starts, and for itself."""

from __future__ import annotations

from pathlib import Path

import pytest

NAMES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME")


def hub_at(monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """Make `home` the HF_HOME, which the library reads once a process; returns where the models of its cache lie."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(home / "hub"))
    return home / "hub"
