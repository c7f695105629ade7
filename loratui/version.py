"""Which loratui this is."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """The installed version, or "from source" where the package is used without being installed."""
    try:
        return metadata.version("loratui")
    except metadata.PackageNotFoundError:
        return "from source"
