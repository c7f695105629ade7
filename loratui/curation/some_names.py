"""Some of the names of a group of copies: as a tuple of them would be, without one for each picture of the group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import overload


class GroupNames:
    """The names of pictures that show one photograph, held once for all that is said of them."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._under: dict[str, GroupNames] = {}

    @cached_property
    def place(self) -> dict[str, int]:
        """Where each of them stands."""
        return {name: at for at, name in enumerate(self.names)}

    def first(self, count: int) -> SomeNames:
        """So many from the first one on."""
        return SomeNames(self, count, -1)

    def without(self, place: int) -> SomeNames:
        """All but the one at `place`."""
        return SomeNames(self, len(self.names), place)

    def under(self, before: str) -> GroupNames:
        """The same with `before` in front of each; made once."""
        if before not in self._under:
            self._under[before] = GroupNames([before + one for one in self.names])
        return self._under[before]


class SomeNames(Sequence[str]):
    """The first names of a group, but for one: equal to a tuple of them."""

    __slots__ = ("_but", "_end", "_group")

    def __init__(self, group: GroupNames, end: int, but: int) -> None:
        self._group, self._end, self._but = group, end, but

    def under(self, before: str) -> SomeNames:
        """The same with `before` in front of each."""
        return SomeNames(self._group.under(before), self._end, self._but)

    def __len__(self) -> int:
        return self._end - (0 <= self._but < self._end)

    def __iter__(self) -> Iterator[str]:
        return (one for at, one in enumerate(islice(self._group.names, self._end)) if at != self._but)

    def __contains__(self, name: object) -> bool:
        at = self._group.place.get(name) if isinstance(name, str) else None
        return at is not None and at < self._end and at != self._but

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[str, ...]: ...
    def __getitem__(self, at: int | slice) -> str | tuple[str, ...]:
        return tuple(self)[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SomeNames | tuple) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


def under(names: Sequence[str], before: str) -> Sequence[str]:
    """Names with `before` in front of each."""
    return names.under(before) if isinstance(names, SomeNames) else tuple(before + one for one in names)
