"""Captions as tags, the parts between commas: how often each stands, put into captions and taken out of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TagCount:
    """A tag, and in how many captions it stands."""

    tag: str
    count: int


def tags_of(caption: str) -> tuple[str, ...]:
    """The parts of `caption` between commas, each once, in order."""
    parts = (" ".join(part.split()) for part in caption.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def tag_counts(captions: Mapping[str, str], names: Iterable[str]) -> tuple[TagCount, ...]:
    """The tags of the captions of `names`, the most frequent first, those of one frequency by the alphabet."""
    found = Counter(tag for name in names for tag in tags_of(captions.get(name, "")))
    return tuple(TagCount(tag, count) for tag, count in sorted(found.items(), key=lambda one: (-one[1], one[0])))


def with_tag(caption: str, tag: str) -> str:
    """`caption` with `tag` at its end, unless it has it; several tags may be given, with commas."""
    new = [one for one in tags_of(tag) if one not in tags_of(caption)]
    there = [caption.strip(" ,")] if caption.strip(" ,") else []
    return ", ".join([*there, *new]) if new else caption


def without_tag(caption: str, tag: str) -> str:
    """`caption` without `tag`, which is a whole part of it; another caption is left as it is."""
    there = tags_of(caption)
    return ", ".join(one for one in there if one != tag) if tag in there else caption


def holding(captions: Mapping[str, str], names: Iterable[str], tag: str) -> tuple[str, ...]:
    """Those of `names` whose caption has `tag`."""
    return tuple(name for name in names if tag in tags_of(captions.get(name, "")))
