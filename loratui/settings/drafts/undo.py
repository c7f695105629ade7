"""A decision that can be taken back later, whatever else was chosen since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loratui.settings.drafts.draft import Draft


@dataclass(frozen=True)
class Decision:
    """What was done, in words, and what it changed: as it was before, and as it left it."""

    words: str
    values: Mapping[str, Any]  # before; None: was not chosen
    captions: Mapping[str, str] | None  # before; None where it changed none
    made: Mapping[str, Any]  # the same values after it

    @classmethod
    def between(cls, words: str, before: Draft, after: Draft) -> Decision:
        """The decision that made `after` of `before`."""
        keys = {*before.values, *after.values}
        values = {key: before.values.get(key) for key in keys if before.values.get(key) != after.values.get(key)}
        made = {key: after.values.get(key) for key in values}
        return cls(words, values, None if before.captions == after.captions else before.captions, made)

    def holds(self, draft: Draft) -> bool:
        """Whether all of it is so still; what was chosen elsewhere since may have changed some of it."""
        return all(_stands(draft.values.get(key), made, self.values[key]) for key, made in self.made.items())

    def taken_back(self, draft: Draft) -> Draft:
        """`draft` without it; what it did not change stays, and so does what was chosen in its place since."""
        back = {key: _without(draft.values.get(key), self.made[key], before) for key, before in self.values.items()}
        found = draft.with_settings(back)
        return found if self.captions is None else found.with_fields(captions=dict(self.captions))


def _stands(now: Any, made: Any, before: Any) -> bool:
    if _are_lists(now, made, before):
        added, removed = _difference(made, before)
        return all(one in (now or ()) for one in added) and not any(one in (now or ()) for one in removed)
    return bool(now == made)


def _without(now: Any, made: Any, before: Any) -> Any:
    """A value as it was before, if it is as it was made; of a list only what was put in or taken out."""
    if now == made:
        return before
    if not _are_lists(now, made, before):
        return now
    added, removed = _difference(made, before)
    kept = [one for one in now or () if one not in added]
    return (*kept, *(one for one in removed if one not in kept)) or None


def _difference(made: Any, before: Any) -> tuple[list[Any], list[Any]]:
    new, old = made or (), before or ()
    return [one for one in new if one not in old], [one for one in old if one not in new]


def _are_lists(*values: Any) -> bool:
    return all(one is None or isinstance(one, tuple | list) for one in values)
