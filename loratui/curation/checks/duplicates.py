"""Which pictures are the same photograph: the same bytes, the same picture re-encoded, mirrored or cropped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

from loratui.curation.checks.measure import PictureMeasure
from loratui.curation.report import Finding, PictureReport
from loratui.terminal.text import safe_text

NEAR = 10  # bits of 64 in which the hashes differ: none of 20,193 unrelated pairs (design/curation.md)
NEAR_DRAWN = 4  # flat colours have few bits that tell
SAME_BYTES, SAME_PICTURE, SAME_SHOT = "same file", "same picture", "same shot"

Relation = str
Shots = Callable[[list[tuple[int, int]]], Mapping[tuple[int, int], Relation]]


@dataclass(frozen=True)
class RelatedPictures:
    """Pairs of pictures (by their place) and what connects them."""

    pairs: Mapping[tuple[int, int], Relation]

    def of(self, place: int, *kinds: Relation) -> Iterator[tuple[int, Relation]]:
        """The pictures related to one, in order."""
        return ((other, relation) for other, relation in self._by_place.get(place, ()) if relation in kinds)

    @cached_property
    def _by_place(self) -> dict[int, list[tuple[int, Relation]]]:
        found: dict[int, list[tuple[int, Relation]]] = defaultdict(list)
        for (a, b), relation in sorted(self.pairs.items()):
            found[a].append((b, relation))
            found[b].append((a, relation))
        return found


def relate(measured: Sequence[PictureMeasure], shots: Shots | None) -> RelatedPictures:
    """Compare every two pictures; those that the hashes do not join are given to `shots`, if there is one."""
    hashed = [place for place, one in enumerate(measured) if one.hashes and one.sha256 and not one.problem]
    pairs = {**_near(measured, hashed), **_same_bytes(measured)}
    if shots is not None:
        pairs |= shots([pair for pair in combinations(hashed, 2) if pair not in pairs])
    return RelatedPictures(_closed(pairs))


def _same_bytes(measured: Sequence[PictureMeasure]) -> dict[tuple[int, int], Relation]:
    alike: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(measured):
        if one.sha256 and not one.problem:
            alike[one.sha256].append(place)
    return {pair: SAME_BYTES for places in alike.values() for pair in combinations(places, 2)}


def _near(measured: Sequence[PictureMeasure], hashed: list[int]) -> dict[tuple[int, int], Relation]:
    """Pairs whose hashes differ by few bits: each picture against all behind it at once, for sets of thousands."""
    if len(hashed) < 2:
        return {}
    import numpy as np

    own, mirrored = (np.array([(measured[one].hashes or (0, 0))[k] for one in hashed], np.uint64) for k in (0, 1))
    drawn = np.array([measured[one].drawn for one in hashed], bool)
    found: dict[tuple[int, int], Relation] = {}
    for row, place in enumerate(hashed):
        rest = slice(row + 1, None)
        bits = np.minimum(np.bitwise_count(own[row] ^ own[rest]), np.bitwise_count(own[row] ^ mirrored[rest]))
        most = np.where(drawn[rest] | drawn[row], NEAR_DRAWN, NEAR)
        found |= {(place, hashed[row + 1 + int(one)]): SAME_PICTURE for one in np.flatnonzero(bits <= most)}
    return found


def _closed(pairs: dict[tuple[int, int], Relation]) -> dict[tuple[int, int], Relation]:
    """Two crops of one photograph belong together, even where they have no part in common."""
    group: dict[int, set[int]] = {}
    for (a, b), relation in pairs.items():
        one, other = group.setdefault(a, {a}), group.setdefault(b, {b})
        if relation != SAME_SHOT and one is not other:
            large, small = (one, other) if len(one) >= len(other) else (other, one)
            large |= small
            group |= dict.fromkeys(small, large)
    members = {id(one): one for one in group.values()}.values()
    inside = [pair for one in members for pair in combinations(sorted(one), 2)]
    same = {pair: SAME_BYTES if pairs.get(pair) == SAME_BYTES else SAME_PICTURE for pair in inside}
    return {**pairs, **same}


def with_duplicates(
    pictures: Sequence[PictureReport], measured: Sequence[PictureMeasure], related: RelatedPictures
) -> tuple[PictureReport, ...]:
    """Each picture told which others show its photograph; the warning stands with all but the best of them."""
    rank = {place: _rank(place, pictures, measured) for place in range(len(pictures))}
    return tuple(_told(place, pictures, rank, related) for place in range(len(pictures)))


def _rank(place: int, pictures: Sequence[PictureReport], measured: Sequence[PictureMeasure]) -> tuple[float, ...]:
    """Sorts the better first: more true pixels, sharper, earlier in the folder."""
    one = measured[place]
    pixels = one.width * one.height * (0.25 if one.enlarged else 1.0)
    return (-pixels, round(one.worst_blur or 0.0, 2), place)


def _told(
    place: int, pictures: Sequence[PictureReport], rank: Mapping[int, tuple[float, ...]], related: RelatedPictures
) -> PictureReport:
    picture = pictures[place]
    same = list(related.of(place, SAME_BYTES, SAME_PICTURE))
    shot = list(related.of(place, SAME_SHOT))
    better = sorted((other for other, _ in same + shot if rank[other] < rank[place]), key=rank.__getitem__)
    told = replace(
        picture,
        duplicates=tuple(pictures[other].name for other, _ in same),
        better=tuple(pictures[other].name for other in better),
    )
    if not better:
        return told
    best = better[0]
    relation = next(word for other, word in same + shot if other == best)
    if relation == SAME_SHOT and any(other in better for other, _ in same):
        best = next(other for other in better if other in dict(same))
        relation = dict(same)[best]
    return replace(told, findings=(*told.findings, _finding(picture.name, pictures[best].name, relation)))


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
