"""Which pictures are the same photograph: the same bytes, the same picture re-encoded, mirrored or cropped."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

from loratui.curation.checks.measure import PictureMeasure
from loratui.curation.checks.quality import mostly_photographs
from loratui.curation.compared.worse_copies import true_pixels, worse_copies
from loratui.curation.report import Finding, PictureReport, flawed, spoilt
from loratui.terminal.text import safe_text

NEAR = 10  # bits of 64 in which the hashes differ: none of 20,193 unrelated pairs (design/curation.md)
NOISE_STEP, CODING_STEP = 2.5, 20.0  # grey levels, and of the table's mean: what is less makes no copy the better one
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
    photographs = mostly_photographs(measured)
    covered = _covered(pictures, measured, related)
    flat = [one.few_colours or (one.drawn and photographs) for one in measured]
    rank = {place: _rank(place, pictures, measured, covered[place] + flat[place]) for place in range(len(pictures))}
    return tuple(_told(place, pictures, rank, related) for place in range(len(pictures)))


def _covered(
    pictures: Sequence[PictureReport], measured: Sequence[PictureMeasure], related: RelatedPictures
) -> list[int]:
    """To how many more of its copies each picture is the worse one than the better: by what was done to it.

    One that is spoiled otherwise is not compared.
    """
    sound = [not spoilt(one) and not flawed(one) and not measured[place].drawn for place, one in enumerate(pictures)]
    pairs = (pair for pair, relation in related.pairs.items() if relation == SAME_PICTURE)
    return worse_copies(measured, [(a, b) for a, b in pairs if sound[a] and sound[b]])


def _rank(
    place: int, pictures: Sequence[PictureReport], measured: Sequence[PictureMeasure], covered: int
) -> tuple[float, ...]:
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
    place: int, pictures: Sequence[PictureReport], rank: Mapping[int, tuple[float, ...]], related: RelatedPictures
) -> PictureReport:
    picture = pictures[place]
    same = dict(related.of(place, SAME_BYTES, SAME_PICTURE))
    near = same | dict(related.of(place, SAME_SHOT))
    mine = rank[place]
    better = sorted((other for other in near if rank[other] < mine), key=rank.__getitem__)
    told = replace(
        picture,
        duplicates=tuple(pictures[other].name for other in same),
        better=tuple(pictures[other].name for other in better),
    )
    if not better:
        return told
    best = better[0]
    if best not in same:
        best = next((other for other in better if other in same), best)
    relation = near[best]
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
