"""Completes a path while it is typed; what the person wrote, such as ~, stays as written."""

from __future__ import annotations

import asyncio
import os

from textual.suggester import Suggester

from trainer.contract.paths import expanded


class FolderSuggester(Suggester):
    """Suggests the first of the folders used last that the text begins, else the first folder on the disk.

    With `files` a file of that ending as well.
    """

    def __init__(self, recent: tuple[str, ...] = (), files: str = "") -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._recent, self._files = recent, files

    async def get_suggestion(self, value: str) -> str | None:
        """The completed path, or None."""
        known = next((one for one in self._recent if one.startswith(value) and one != value), None)
        return known or await asyncio.to_thread(complete, value, self._files)


def complete(typed: str, files: str = "") -> str | None:
    """`typed` completed to the first matching folder's path, or a file's with the ending `files`; None if none is."""
    head, slash, start = typed.rpartition("/")
    if not typed or (typed.startswith("~") and not slash):
        return None
    parent = expanded((head or "/") if slash else ".")
    try:
        with os.scandir(parent) as entries:
            names = sorted(
                one.name
                for one in entries
                if one.name.startswith(start) and one.name.isprintable()
                if one.is_dir() or (files and one.name.endswith(files))
                if start or not one.name.startswith(".")
            )
    except OSError:
        return None
    return f"{head}{slash}{names[0]}" if names and names[0] != start else None
