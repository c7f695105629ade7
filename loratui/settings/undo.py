"""A decision that can be taken back later, whatever else was chosen since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loratui.settings.draft import Draft


@dataclass(frozen=True)
class Decision:
    """What was done, in words, and what it changed as it was before; `captions` None where it changed none."""

    words: str
    values: Mapping[str, Any]  # None: was not chosen
    captions: Mapping[str, str] | None

    @classmethod
    def between(cls, words: str, before: Draft, after: Draft) -> Decision:
        """The decision that made `after` of `before`."""
        keys = {*before.values, *after.values}
        values = {key: before.values.get(key) for key in keys if before.values.get(key) != after.values.get(key)}
        return cls(words, values, None if before.captions == after.captions else before.captions)

    def taken_back(self, draft: Draft) -> Draft:
        """`draft` without it; what it did not change stays."""
        found = draft.with_settings(dict(self.values))
        return found if self.captions is None else found.model_copy(update={"captions": dict(self.captions)})
