"""Which pictures are the same photograph: the same bytes, the same picture re-encoded, mirrored or cropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
        for (a, b), relation in sorted(self.pairs.items()):
            if place in (a, b) and relation in kinds:
                yield (b if place == a else a), relation


def relate(measured: Sequence[PictureMeasure], shots: Shots) -> RelatedPictures:
    """Compare every two pictures; those that the hashes do not join are given to `shots`."""
    pairs: dict[tuple[int, int], Relation] = {}
    open_pairs = []
    for (a, one), (b, other) in combinations(enumerate(measured), 2):
        if one.problem or other.problem or not one.sha256:
            continue
        if one.sha256 == other.sha256:
            pairs[a, b] = SAME_BYTES
        elif one.hashes and other.hashes:
            near = NEAR_DRAWN if one.drawn or other.drawn else NEAR
            if hash_distance(one.hashes, other.hashes) <= near:
                pairs[a, b] = SAME_PICTURE
            else:
                open_pairs.append((a, b))
    return RelatedPictures(_closed({**pairs, **shots(open_pairs)}))


def _closed(pairs: dict[tuple[int, int], Relation]) -> dict[tuple[int, int], Relation]:
    """Two crops of one photograph belong together, even where they have no part in common."""
    group: dict[int, set[int]] = {}
    for (a, b), relation in pairs.items():
        if relation != SAME_SHOT:
            joined = group.get(a, {a}) | group.get(b, {b})
            group |= dict.fromkeys(joined, joined)
    inside = {pair for members in group.values() for pair in combinations(sorted(members), 2)}
    same = {pair: SAME_BYTES if pairs.get(pair) == SAME_BYTES else SAME_PICTURE for pair in inside}
    return {**pairs, **same}


def hash_distance(one: tuple[int, int], other: tuple[int, int]) -> int:
    """Bits that differ between a picture and another, or its mirror image."""
    return min((one[0] ^ other[0]).bit_count(), (one[0] ^ other[1]).bit_count())


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
