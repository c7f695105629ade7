"""Of a burst each picture is compared with all others at once: what each pair alone says, summed, in few calls."""

from __future__ import annotations

import io
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loratui.curation.checks.measure import PictureMeasure
from loratui.curation.compared import worse_copies as module
from loratui.curation.compared.worse_copies import NEIGHBOURS, PAIRS, worse_copies


def packed(pixels: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def greys(random: np.random.Generator) -> list[bytes]:
    """Two scenes, each plain, noisy, with a mark laid over it, and mirrored; and none."""
    found = [b""]
    for _ in range(2):
        small = Image.fromarray(random.integers(0, 256, (12, 16), np.uint8))
        plain = np.asarray(small.resize((160, 120), Image.Resampling.BICUBIC))
        noisy = np.clip(plain + random.normal(0, 4, plain.shape), 0, 255).astype(np.uint8)
        marked = plain.copy()
        marked[40:60, 20:100] = np.where(random.random((20, 80)) > 0.5, 255, marked[40:60, 20:100])
        found += [packed(each) for each in (plain, noisy, marked, np.ascontiguousarray(plain[:, ::-1]))]
    return found


def burst(seed: int, many: int) -> list[PictureMeasure]:
    """Measures of copies that differ in all that copies are compared by, near its limits; half of them in little."""
    random = np.random.default_rng(seed)
    own = greys(random)

    def one_of(*values: Any) -> Any:
        return values[random.integers(len(values))]

    def made(number: int) -> PictureMeasure:
        calm = random.random() < 0.5

        def among(low: float, high: float) -> float:
            return low if calm else float(random.uniform(low, high))

        return PictureMeasure(
            width=one_of(600, 1000, 1400),
            height=one_of(600, 1000, 1030),
            sha256=str(number),
            bars=one_of(0.0, 0.0, 0.0, 0.1),
            few_colours=bool(random.random() < 0.1),
            enlarged=one_of(None, True, False),
            quantiser=one_of(None, 5.0, 40.0, 60.0),
            noise=one_of(None, 1.0, 2.0, among(2, 6)),
            bands=among(0, 1),
            clipped=among(0, 0.2),
            chroma=among(0.5, 40),
            face_tone=one_of(None, (5.0, 5.0), (-3.0, 4.0)),
            depth=among(6, 8),
            ends=among(0, 0.1),
            hues=among(0.5, 5),
            fine=one_of((), *3 * [(among(-13, -6), among(-13, -6), among(-5, 4), among(-5, 4))]),
            grey=one_of(*own),
        )

    return [made(number) for number in range(many)]


@pytest.mark.parametrize("many", [2, 9, 2 * NEIGHBOURS + 1])
def test_a_group_is_the_sum_of_its_pairs(many: int) -> None:
    group = burst(many, many)
    wanted = np.zeros(many, int)
    for a, b in combinations(range(many), 2):
        wanted[[a, b]] += worse_copies([group[a], group[b]], [(0, 1)], (0, 1))
    assert np.abs(wanted).sum() > 0
    assert worse_copies(group, [range(many)], range(many)) == wanted.tolist()


def test_groups_are_apart_and_the_same_file_is_not_compared() -> None:
    group, parts = burst(5, 20), [range(0, 20, 2), range(1, 15, 2)]
    found = worse_copies(group, parts, range(20))
    apart = [worse_copies(group, [part], range(20)) for part in parts]
    assert found == [one + other for one, other in zip(*apart, strict=True)] and found[15::2] == [0, 0, 0]
    less = worse_copies(group, parts, [2 if place == 6 else place for place in range(20)])
    alone = worse_copies(group, [(2, 6)], range(20))
    assert any(alone) and found == [one + other for one, other in zip(less, alone, strict=True)]


def test_a_large_group_takes_as_many_calls_as_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """And pixels are compared with few neighbours, where nothing else tells two copies apart."""
    grey = packed(np.random.default_rng(0).integers(0, 256, (24, 32), np.uint8))
    calls = {"_worse": 0, "overlaid": 0, "framed_alike": 0}

    def counted(name: str) -> Any:
        real = getattr(module, name)

        def call(*words: Any) -> Any:
            calls[name] += 1
            return real(*words)

        return call

    for name in calls:
        monkeypatch.setattr(module, name, counted(name))
    for many in (150, 600):
        calls.update(dict.fromkeys(calls, 0))
        group = [PictureMeasure(width=900, height=900, sha256=str(n), grey=grey) for n in range(many)]
        assert worse_copies(group, [range(many)], range(many)) == many * [0]
        assert calls["_worse"] == many - 1 and calls["framed_alike"] == 0
        assert 0 < calls["overlaid"] <= max(PAIRS, many)


def test_what_is_laid_over_one_of_many_is_seen_beside_its_neighbours() -> None:
    plain, _, marked, _ = greys(np.random.default_rng(4))[1:5]
    group = [PictureMeasure(width=900, height=900, sha256=str(n), grey=plain) for n in range(60)]
    group[41] = PictureMeasure(width=900, height=900, sha256="41", grey=marked)
    found = worse_copies(group, [range(60)], range(60))
    assert found[41] > 0 and all(one <= 0 for place, one in enumerate(found) if place != 41)


def test_what_is_laid_over_a_run_of_many_is_seen_beside_those_far_away() -> None:
    plain, _, marked, _ = greys(np.random.default_rng(4))[1:5]
    run = range(20, 44)
    group = [
        PictureMeasure(width=900, height=900, sha256=str(n), grey=marked if n in run else plain) for n in range(80)
    ]
    found = worse_copies(group, [range(80)], range(80))
    assert [place for place, one in enumerate(found) if one > 0] == [*run]
