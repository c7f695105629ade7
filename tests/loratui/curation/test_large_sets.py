"""A set of thousands: what was measured is never measured again, also of a scan that was stopped; nothing is cubic."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loratui.curation import scan as scanning
from loratui.curation.checks.best_pictures import keep_best
from loratui.curation.checks.colours import SAME, look_groups
from loratui.curation.checks.duplicates import NEAR, NEAR_DRAWN, relate
from loratui.curation.checks.measure import PictureMeasure
from loratui.curation.report import PictureReport, Report
from loratui.curation.scan import Cancelled, ScanSettings, scan

MANY = 12
_opened: list[str] | None = None


def _listen(event: str, words: tuple[Any, ...]) -> None:
    if _opened is not None and event == "open" and isinstance(words[0], str | bytes):
        _opened.append(Path(str(words[0])).name)


sys.addaudithook(_listen)


@contextmanager
def opened_files(ending: str = ".png") -> Iterator[list[str]]:
    """The names of the pictures, or of other files, that are opened meanwhile."""
    global _opened
    _opened, found = [], []
    try:
        yield found
    finally:
        found += [name for name in _opened if name.endswith(ending)]
        _opened = None


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for number in range(MANY):
        pixels = np.random.default_rng(number).integers(0, 256, (150, 150, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:03}.png")
        (tmp_path / f"{number:03}.txt").write_text("a TOK")
    return tmp_path


def test_a_caption_is_read_for_its_words_and_once_for_all_else(many: Path) -> None:
    for one in many.glob("*.png"):
        one.write_bytes(b"no picture: nothing is measured")
    with opened_files(".txt") as found:
        scan(many, ScanSettings(resolution=64))
    assert sorted(found) == sorted(2 * [one.name for one in many.glob("*.txt")])


@pytest.mark.slow
def test_a_second_scan_opens_no_picture(many: Path) -> None:
    with opened_files() as first:
        before = scan(many, ScanSettings(resolution=64))
    with opened_files() as second:
        after = scan(many, ScanSettings(resolution=64))
    assert set(first) == {f"{number:03}.png" for number in range(MANY)} and second == [] and before == after


def stopped_at(place: int, error: type[BaseException], folder: Path) -> None:
    def progress(done: int, total: int, name: str) -> None:
        if done == place:
            raise error

    with pytest.raises(error):
        scan(folder, ScanSettings(resolution=64), progress)


@pytest.mark.slow
@pytest.mark.parametrize("error", [Cancelled, KeyboardInterrupt])
def test_a_scan_that_is_stopped_keeps_what_it_has(many: Path, error: type[BaseException]) -> None:
    stopped_at(8, error, many)
    with opened_files() as later:
        scan(many, ScanSettings(resolution=64))
    assert set(later) == {f"{number:03}.png" for number in range(8, MANY)}


@pytest.mark.slow
def test_a_scan_that_is_killed_loses_little(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "KEEP_EVERY", 0.0)
    stored: list[int] = []
    store = scanning.ScanCache.store
    monkeypatch.setattr(scanning.ScanCache, "store", lambda cache: (stored.append(1), store(cache))[1])
    scan(many, ScanSettings(resolution=64))
    assert len(stored) > MANY


def test_the_looks_of_many_are_grouped_as_one_by_one() -> None:
    random = np.random.default_rng(0)
    centres = random.integers(0, 256, (40, 384))
    drawn = [np.clip(centres[n % 40] + random.integers(-70, 70, 384), 0, 255).astype(np.uint8) for n in range(300)]
    looks = [one.tobytes() if n % 7 else b"" for n, one in enumerate(drawn)]
    rows = np.array(drawn, np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    group = list(range(300))
    for a, b in combinations([n for n, look in enumerate(looks) if look], 2):
        if 1 - rows[a] @ rows[b] < SAME:
            group = [group[a] if one == group[b] else one for one in group]
    wanted: dict[int, int] = {}
    for one in group:
        if group.count(one) > 1:
            wanted.setdefault(one, len(wanted))
    assert len(wanted) > 3 and look_groups(looks) == [wanted.get(one) for one in group]


def test_near_pictures_among_many_are_those_of_comparing_every_two() -> None:
    random = np.random.default_rng(3)
    measured = []
    for number in range(120):
        own = (
            int(random.integers(0, 2**63))
            if number % 3 or not number
            else int(measured[number // 2].hashes[0]) ^ 0b10110
        )  # type: ignore[index]
        one = PictureMeasure(sha256=str(number), hashes=(own, int(random.integers(0, 2**63))), drawn=number % 5 == 0)
        measured.append(one)
    measured[7] = replace(measured[7], sha256=measured[4].sha256)
    wanted = {
        (a, b)
        for a, b in combinations(range(120), 2)
        if min((measured[a].hashes[0] ^ h).bit_count() for h in measured[b].hashes)  # type: ignore[index, union-attr]
        <= (NEAR_DRAWN if measured[a].drawn or measured[b].drawn else NEAR)
    }
    linked = [{*pair} for pair in (*wanted, (4, 7))]
    groups: list[set[int]] = []
    for pair in linked:
        near = [one for one in groups if one & pair]
        groups = [one for one in groups if one not in near] + [pair.union(*near)]
    for shots in (None, lambda asked: dict.fromkeys(asked[:0], "")):
        found = relate(measured, shots)
        assert len(wanted) > 20 and found.groups == sorted(map(sorted, groups)) and not found.shots
        assert found.relation(4, 7) == found.relation(7, 4) == "same file"
        assert {found.relation(*pair) for pair in wanted - {(4, 7)}} == {"same picture"}


def test_the_best_of_many_are_chosen_without_comparing_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = tuple(
        PictureReport(f"{n:04}", Path(), True, 9, 9, None, "none", str(n), judged=True) for n in range(500)
    )
    compared: list[int] = []
    monkeypatch.setattr(PictureReport, "__eq__", lambda one, other: compared.append(1) or one is other)
    kept = keep_best(Report(Path(), "object", pictures), 10)
    assert [one.name for one in kept] == [f"{n:04}" for n in range(10)] and compared == []
