"""The curves behind the charts: what is kept of each step, what a resume takes back, how a long log is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loratui.events.history import History
from loratui.events.series import BUCKETS, Point, Series
from loratui.terminal.numbers import number
from trainer.contract.documents.json_lines import TOGETHER
from trainer.contract.run.events import Tail


def run(steps: int = 100, **own: Any) -> dict[str, Any]:
    return {"t": 1.0, "type": "run", "v": 1, "pid": 7, "name": "dog", "steps": steps, "resumed_from": None, **own}


def step(number: int, **own: Any) -> dict[str, Any]:
    usual = {"loss": 0.1, "grad_norm": 2.0, "rates": {}, "s": 0.5, "data": 0.01, "vram": 8e9, "rss": 2e9}
    return {"t": 2.0, "type": "step", "step": number, **usual, **own}


def test_gradient_norm_speed_pictures_and_memory_are_kept() -> None:
    history = History()
    history.absorb([run(vram_total=24e9), step(1), step(2, grad_norm=3.0, s=0.6, data=0.02, vram=9e9)])
    curves = history.curves
    assert curves.grad_norm.values == [2.0, 3.0]
    assert curves.seconds.values == [0.5, 0.6]
    assert curves.data.values == [0.01, 0.02]
    assert curves.memory.values == [8e9, 9e9]
    assert (history.vram_total, history.now) == (24e9, 2.0)


def test_without_a_gpu_the_memory_is_that_in_ram() -> None:
    history = History()
    history.absorb([run(), step(1, vram=None)])
    assert history.curves.memory.values == [2e9]


def test_a_resume_takes_back_every_curve() -> None:
    history = History()
    rates = {"unet": {"d": 1e-5, "effective": 1e-5}}
    history.absorb([run(), *(step(n, rates=rates) for n in range(1, 11)), run(resumed_from=4)])
    curves, unet = history.curves, history.groups["unet"]
    kept = (curves.loss, curves.ema, curves.grad_norm, curves.seconds, curves.data, curves.memory)
    assert [series.steps for series in (*kept, unet.d, unet.effective)] == [[1, 2, 3, 4]] * 8
    assert not curves.last_seconds and not curves.opening and history.seconds_per_step is None
    history.absorb([step(5, rates=rates)])
    assert curves.grad_norm.steps == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("bad", [None, "1", True, float("nan"), float("inf"), 10**400, [1]])
def test_what_is_not_a_finite_number_is_a_gap(bad: Any) -> None:
    assert number(bad) is None
    history = History()
    history.absorb([run(), step(1), step(2, loss=bad, grad_norm=bad, s=bad, vram=bad), step(3)])
    for series in (history.loss, history.curves.grad_norm, history.curves.seconds):
        assert series.steps == [1, 3]
    assert history.step == 3


@pytest.mark.parametrize("step_number", [10**400, float("inf"), -7, -(10**18)])
def test_a_step_of_a_damaged_line_does_not_end_the_monitor(step_number: Any) -> None:
    history = History()
    history.absorb([run(), step(step_number), step(1), step(step_number), step(2)])
    assert history.step == 2
    assert history.loss.steps == [1, 2]


def test_a_series_says_what_it_knows_of_a_step() -> None:
    series = Series(limit=4)
    for at in (1, 2, 3, 4):
        series.add(at, float(at))
    assert series.at(2) == Point(2, 2, 2.0, 2.0, 2.0)
    assert series.at(0) is None and series.at(5) is None
    series.add(5, 5.0)  # one too many: pairs are merged
    assert series.stride == 2
    assert series.at(3) == series.at(2) == Point(2, 3, 2.0, 3.0, 3.0)
    series.cut(after=3)
    assert series.at(4) is None
    series.add(4, 9.0)
    assert series.at(4) == Point(4, 5, 9.0, 9.0, 9.0)


def test_a_series_cut_inside_a_merged_stretch_goes_on_in_it() -> None:
    series = Series(limit=4)
    for at in range(1, 33):
        series.add(at, 1.0)
    assert series.stride == 16
    series.cut(after=20)
    series.add(21, 5.0)
    assert series.steps == [1, 16]
    assert series.highs == [1.0, 5.0]


def test_a_hole_in_the_steps_is_known() -> None:
    series = Series()
    series.add(1, 1.0)
    series.add(5, 1.0)
    assert series.at(3) is None


def test_every_curve_stays_bounded() -> None:
    history = History()
    history.absorb([run(5 * BUCKETS), *(step(n) for n in range(1, 5 * BUCKETS))])
    curves = history.curves
    for series in (curves.grad_norm, curves.seconds, curves.data, curves.memory, curves.loss):
        assert BUCKETS / 2 <= len(series) <= BUCKETS
    assert max(map(len, (curves.last_seconds, curves.last_data, curves.last_norms, curves.opening))) <= 64


BAD = [
    b"",
    b"{half",
    b"7",
    b"[]",
    b'{"type": []}',
    b'{"type":"step"},{"type":"step"}',
    b"[" * 5000,
    b"\xff\xfe",
    b'{"a":1',
]


@pytest.mark.parametrize("at", [0, 1, TOGETHER - 1, TOGETHER, 2 * TOGETHER + 3])
def test_damaged_lines_cost_nothing_but_themselves(tmp_path: Path, at: int) -> None:
    lines = [json.dumps(step(n)).encode() for n in range(3 * TOGETHER)]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join([*lines[:at], *BAD, *lines[at:]]) + b"\n")
    assert [event["step"] for event in Tail(path).read()] == list(range(3 * TOGETHER))


def test_a_log_read_in_pieces_gives_the_same_events(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(json.dumps(step(n)).encode() + b"\n" for n in range(500)))
    tail, found, parts = Tail(path), [], [0.0]
    while tail.read_part < 1:
        found += tail.read(limit=997)
        parts.append(tail.read_part)
    assert parts == sorted(set(parts)) and parts[-1] == 1.0
    assert found == Tail(path).read() and len(found) == 500
