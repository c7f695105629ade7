"""Copies by the thousand: what is kept of them grows with the pictures and not with their pairs, and says the same."""

from __future__ import annotations

import random
import tracemalloc
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from loratui.curation.checks.duplicates import RelatedPictures, relate, with_duplicates
from loratui.curation.checks.measure import PictureMeasure
from loratui.curation.report import PictureReport
from loratui.curation.some_names import GroupNames, SomeNames, under


def pictures(count: int) -> list[PictureReport]:
    return [
        PictureReport(f"{n:04}.jpg", Path(), True, 900, 900, None, "none", str(n), judged=True) for n in range(count)
    ]


def measures(count: int, hashes: tuple[int, int] = (0, 0)) -> list[PictureMeasure]:
    """Some larger than others, none of which a copy is the changed one."""
    return [PictureMeasure(900 + n % 7, 900, str(n), hashes=hashes, size=1000) for n in range(count)]


def bytes_for(count: int) -> int:
    """What is held at the fullest while so many copies of one photograph are related and told."""
    reports, measured = pictures(count), measures(count)
    with_duplicates(reports[:2], measured[:2], relate(measured[:2], None))  # what is imported once is there
    tracemalloc.start()
    try:
        told = with_duplicates(reports, measured, relate(measured, None))
        assert all(len(one.duplicates) == count - 1 for one in told)
        assert sorted(len(one.better) for one in told) == list(range(count))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_twice_the_copies_take_twice_the_memory() -> None:
    few, many = bytes_for(600), bytes_for(1200)
    assert many < 2.3 * few
    assert many < 4000 * 1200  # bytes a picture; a name's place in a tuple for each of its copies takes more alone


def test_a_group_is_named_once_for_all_of_it() -> None:
    told = with_duplicates(pictures(50), measures(50), relate(measures(50), None))
    groups = {id(names._group) for one in told for names in (one.duplicates, one.better)}  # type: ignore[attr-defined]
    assert len(groups) == 2  # in order, and the best first


@pytest.mark.parametrize("seed", range(8))
def test_each_is_told_of_its_copies_as_pairs_would_tell_it(seed: int) -> None:
    rng = random.Random(seed)
    count = 24
    reports, measured = pictures(count), measures(count)
    places = rng.sample(range(count), count)
    groups = sorted(sorted(places[first : first + size]) for first, size in ((0, 5), (5, 2), (7, 6)))
    of = {place: number for number, group in enumerate(groups) for place in group}
    files = list(range(count))
    for group in groups:
        files[group[1]] = files[group[0]]
    apart = [(a, b) for a, b in combinations(range(count), 2) if of.get(a, -1 - a) != of.get(b, -1 - b)]
    shots = frozenset(rng.sample(apart, seed * 4))
    told = with_duplicates(reports, measured, RelatedPictures(groups, files, shots))
    rank = {place: (-measured[place].width, place) for place in range(count)}
    for place, one in enumerate(told):
        same = [other for other in _group(place, groups) if other != place]
        near = [other for pair in shots if place in pair for other in pair if other != place]
        better = sorted((other for other in (*same, *near) if rank[other] < rank[place]), key=rank.__getitem__)
        assert one.duplicates == tuple(reports[other].name for other in same)
        assert one.better == tuple(reports[other].name for other in better)
        best = next((other for other in better if other in same), better[0] if better else None)
        code = "same-shot" if best in near else "duplicate" if best is not None and files[best] == files[place] else ""
        said = [] if best is None else [(code or "near-duplicate", reports[best].name)]
        assert [(found.code, found.value) for found in one.findings] == said


def _group(place: int, groups: list[list[int]]) -> list[int]:
    return next((group for group in groups if place in group), [])


def test_shots_are_asked_of_every_pair_that_hashes_and_bytes_do_not_join() -> None:
    measured = measures(6, (0, 0))
    measured[1] = replace(measured[1], hashes=(0b111, 0))
    measured[2] = replace(measured[2], hashes=((1 << 40) - 1, (1 << 40) - 1), sha256=measured[0].sha256)
    measured[3] = replace(measured[3], hashes=((1 << 60) - 1, (1 << 60) - 1))
    measured[4] = replace(measured[4], hashes=None)
    asked: list[tuple[int, int]] = []

    def shots(pairs: list[tuple[int, int]]) -> dict[tuple[int, int], str]:
        asked.extend(pairs)
        return {(0, 3): "same shot", (1, 2): "same shot"}

    found = relate(measured, shots)
    assert asked == [(0, 3), (1, 2), (1, 3), (2, 3), (2, 5), (3, 5)]
    assert found.groups == [[0, 1, 2, 5]] and found.shots == {(0, 3)}
    assert found.relation(3, 0) == "same shot" and found.relation(2, 0) == "same file"
    assert relate(measured, lambda pairs: {(2, 3): "same picture"}).groups == [[0, 1, 2, 3, 5]]


def test_some_names_are_a_tuple_of_them() -> None:
    group = GroupNames("abcd")
    for some, wanted in (
        (group.first(0), ()),
        (group.first(2), ("a", "b")),
        (group.without(0), ("b", "c", "d")),
        (group.without(2), ("a", "b", "d")),
    ):
        assert some == wanted and wanted == some and tuple(some) == wanted and len(some) == len(wanted)
        assert bool(some) == bool(wanted) and hash(some) == hash(wanted) and repr(some) == repr(wanted)
        assert [one in some for one in "abcde"] == [one in wanted for one in "abcde"]
        assert some != (*wanted, "e") and some != list(wanted) and list(some[::-1]) == list(wanted[::-1])
        if wanted:
            assert (some[0], some[-1]) == (wanted[0], wanted[-1]) and some.index(wanted[-1]) == len(wanted) - 1
    assert 3 not in group.first(4)


def test_names_of_another_concept_are_made_once_a_group() -> None:
    group = GroupNames("abc")
    one, other = under(group.without(1), "2/"), under(group.first(2), "2/")
    assert one == ("2/a", "2/c") and other == ("2/a", "2/b") and under(("a",), "2/") == ("2/a",)
    assert isinstance(one, SomeNames) and isinstance(other, SomeNames) and one._group is other._group
