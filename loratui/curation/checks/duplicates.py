"""Which pictures are the same photograph: the same bytes, the same picture re-encoded, mirrored or cropped."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

from loratui.curation.checks.measure import PictureMeasure
from loratui.curation.checks.quality import mostly_photographs
from loratui.curation.compared.worse_copies import true_pixels, worse_copies
from loratui.curation.report import Finding, PictureReport, flawed, spoilt
from loratui.curation.some_names import GroupNames
from loratui.terminal.text import safe_text

if TYPE_CHECKING:
    from numpy import ndarray

NEAR = 10  # bits of 64 in which the hashes differ: none of 20,193 unrelated pairs (design/curation.md)
NOISE_STEP, CODING_STEP = 2.5, 20.0  # grey levels, and of the table's mean: what is less makes no copy the better one
NEAR_DRAWN = 4  # flat colours have few bits that tell
SAME_BYTES, SAME_PICTURE, SAME_SHOT = "same file", "same picture", "same shot"

Relation = str
Pair = tuple[int, int]
Rank = tuple[float, ...]
Shots = Callable[[list[Pair]], Mapping[Pair, Relation]]


@dataclass(frozen=True)
class RelatedPictures:
    """Which pictures, by their place, show one photograph, and which nearly do: of thousands pairs would be millions.

    `groups`: two or more each, in order; `files`: a number for each picture, the same for the same bytes; `shots`:
    pairs of different groups that are nearly the same, smaller place first.
    """

    groups: Sequence[Sequence[int]]
    files: Sequence[int]
    shots: frozenset[Pair] = frozenset()

    def relation(self, one: int, other: int) -> Relation:
        """What connects two of one group, or of a pair of `shots`."""
        if (min(one, other), max(one, other)) in self.shots:
            return SAME_SHOT
        return SAME_BYTES if self.files[one] == self.files[other] else SAME_PICTURE

    @cached_property
    def nearly(self) -> Mapping[int, Sequence[int]]:
        """The others of each picture's pairs of `shots`, in order."""
        found: dict[int, list[int]] = defaultdict(list)
        for a, b in sorted(self.shots):
            found[a].append(b)
            found[b].append(a)
        return found


def relate(measured: Sequence[PictureMeasure], shots: Shots | None) -> RelatedPictures:
    """Compare every two pictures; those that the hashes do not join are given to `shots`, if there is one.

    Two crops of one photograph belong together, even where they have no part in common.
    """
    hashed = [place for place, one in enumerate(measured) if one.hashes and one.sha256 and not one.problem]
    files, same_bytes = _files(measured)
    if len(hashed) < 2:  # nothing to compare, and no numpy to load for it
        return RelatedPictures(_joined(same_bytes), files)
    near = _Near(measured, hashed)
    found: Mapping[Pair, Relation] = {}
    if shots is not None:
        found = shots([(a, b) for a, b in combinations(hashed, 2) if files[a] != files[b] and not near.joins(a, b)])
    linked = [list(pair) for pair, relation in found.items() if relation != SAME_SHOT]
    groups = _joined([*same_bytes, *near.groups(), *linked])
    group_of = {place: number for number, group in enumerate(groups) for place in group}
    alike = {pair for pair, relation in found.items() if relation == SAME_SHOT}
    return RelatedPictures(
        groups, files, frozenset((a, b) for a, b in alike if group_of.get(a, -1 - a) != group_of.get(b, -1 - b))
    )


def _files(measured: Sequence[PictureMeasure]) -> tuple[list[int], list[list[int]]]:
    """A number for each picture, the same for the same bytes, and the places of those that are there more than once."""
    first: dict[str, list[int]] = {}
    numbers = []
    for place, one in enumerate(measured):
        alike = first.setdefault(one.sha256 if one.sha256 and not one.problem else f"none {place}", [])
        alike.append(place)
        numbers.append(alike[0])
    return numbers, [places for places in first.values() if len(places) > 1]


class _Near:
    """Which of the `hashed` pictures have hashes that differ by few bits: one against many at once."""

    def __init__(self, measured: Sequence[PictureMeasure], hashed: Sequence[int]) -> None:
        import numpy as np

        self._hashed, self._row = hashed, {place: row for row, place in enumerate(hashed)}
        self._own, self._mirrored = (
            np.array([(measured[one].hashes or (0, 0))[k] for one in hashed], np.uint64) for k in (0, 1)
        )
        self._drawn = np.array([measured[one].drawn for one in hashed], bool)

    def joins(self, one: int, other: int) -> bool:
        """Whether two of them are near."""
        import numpy as np

        return bool(self._are(self._row[one], np.array([self._row[other]]))[0])

    def groups(self) -> list[list[int]]:
        """Those that are near, directly or by others between them; each is compared with those that are left alone."""
        import numpy as np

        left, found = np.arange(len(self._hashed)), []
        while len(left):
            group, left = [int(left[0])], left[1:]
            for row in group:  # which grows meanwhile
                near = self._are(row, left)
                group += left[near].tolist()
                left = left[~near]
            if len(group) > 1:
                found.append([self._hashed[row] for row in group])
        return found

    def _are(self, row: int, others: ndarray) -> ndarray:
        """Of each of the other rows; of two the earlier one's picture is held against the later one's mirror image."""
        import numpy as np

        own, mirrored = self._own, self._mirrored
        turned = np.where(others > row, own[row] ^ mirrored[others], mirrored[row] ^ own[others])
        bits = np.minimum(np.bitwise_count(own[row] ^ own[others]), np.bitwise_count(turned))
        near: ndarray = bits <= np.where(self._drawn[others] | self._drawn[row], NEAR_DRAWN, NEAR)
        return near


def _joined(linked: Iterable[Sequence[int]]) -> list[list[int]]:
    """Places that are linked, directly or not, each group in order, and the groups in that of their first."""
    group: dict[int, set[int]] = {}
    for places in linked:
        for place in places:
            one, other = group.setdefault(places[0], {places[0]}), group.setdefault(place, {place})
            if one is not other:
                large, small = (one, other) if len(one) >= len(other) else (other, one)
                large |= small
                group |= dict.fromkeys(small, large)
    return sorted(sorted(one) for one in {id(one): one for one in group.values()}.values())


def with_duplicates(
    pictures: Sequence[PictureReport], measured: Sequence[PictureMeasure], related: RelatedPictures
) -> tuple[PictureReport, ...]:
    """Each picture told which others show its photograph; the warning stands with all but the best of them."""
    photographs = mostly_photographs(measured)
    covered = _covered(pictures, measured, related)
    flat = [one.few_colours or (one.drawn and photographs) for one in measured]
    rank = [_rank(place, pictures, measured, covered[place] + flat[place]) for place in range(len(pictures))]
    told = list(pictures)
    grouped = {place for group in related.groups for place in group}
    for group in (*related.groups, *([place] for place in related.nearly if place not in grouped)):
        for place, report in _told(group, pictures, rank, related):
            told[place] = report
    return tuple(told)


def _covered(
    pictures: Sequence[PictureReport], measured: Sequence[PictureMeasure], related: RelatedPictures
) -> list[int]:
    """To how many more of its copies each picture is the worse one than the better: by what was done to it.

    One that is spoiled otherwise is not compared.
    """
    sound = [not spoilt(one) and not flawed(one) and not measured[place].drawn for place, one in enumerate(pictures)]
    groups = ([place for place in group if sound[place]] for group in related.groups)
    return worse_copies(measured, groups, related.files)


def _rank(place: int, pictures: Sequence[PictureReport], measured: Sequence[PictureMeasure], covered: int) -> Rank:
    """Sorts the better first: unspoiled, without flaws, more true pixels, less coding and noise, sharper, earlier.

    Noise and blocks make a picture look sharper than it is, so they count before sharpness does.
    """
    one = measured[place]
    noise = round((one.noise or 0.0) / NOISE_STEP)
    coding = round(one.coding / CODING_STEP) + round(one.blocks or 0.0)
    dense = round(math.log2(max(one.size, 1) / max(one.width * one.height, 1)))
    spoiled = len(spoilt(pictures[place])) + (covered > 0)
    return (
        spoiled,
        flawed(pictures[place]),
        -true_pixels(one),
        noise + coding,
        round(one.subject_blur or 0.0, 2),
        -dense,
        place,
    )


def _told(
    group: Sequence[int], pictures: Sequence[PictureReport], rank: Sequence[Rank], related: RelatedPictures
) -> Iterator[tuple[int, PictureReport]]:
    """Each picture of a group with the others; what all of them are told of are the same two lists."""
    order = sorted(group, key=rank.__getitem__)
    names, best_first = (GroupNames([pictures[place].name for place in places]) for places in (group, order))
    at = {place: number for number, place in enumerate(group)}
    for count, place in enumerate(order):
        better: Sequence[str] = best_first.first(count)
        nearly = [other for other in related.nearly.get(place, ()) if rank[other] < rank[place]]
        if nearly:
            nearly.sort(key=rank.__getitem__)
            better = tuple(pictures[one].name for one in sorted([*order[:count], *nearly], key=rank.__getitem__))
        told = replace(pictures[place], duplicates=names.without(at[place]), better=better)
        if better:
            best = order[0] if count else nearly[0]
            found = _finding(told.name, pictures[best].name, related.relation(best, place))
            told = replace(told, findings=(*told.findings, found))
        yield place, told


def _finding(name: str, other: str, relation: Relation) -> Finding:
    shown = safe_text(other)
    match relation:
        case "same file":
            said = f"the same file as {shown}: it would count twice"
            return Finding("duplicate", "warn", name, other, said, "skip one of the two")
        case "same picture":
            said = f"the same photograph as {shown}, re-encoded, cropped, mirrored or changed in its colours"
            return Finding("near-duplicate", "warn", name, other, said, "skip one of the two")
    said = f"almost the same shot as {shown}"
    return Finding("same-shot", "hint", name, other, said, "keep the better one: variety teaches more")
