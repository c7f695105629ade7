"""What the monitor makes of a log: curves, marks, resumes, the estimate of the time that is left."""

from __future__ import annotations

import ast
import time
from pathlib import Path
from typing import Any

import pytest

import trainer
from loratui.events.history import History
from loratui.events.series import BUCKETS, Series, robust_mean
from trainer.contract.run.events import TYPES


def run(steps: int = 100, **own: Any) -> dict[str, Any]:
    return {"t": 1.0, "type": "run", "v": 1, "pid": 7, "name": "dog", "steps": steps, "resumed_from": None, **own}


def step(number: int, loss: float | None = 0.1, **own: Any) -> dict[str, Any]:
    rates = {"unet": {"lr": 1.0, "d": 1e-5, "effective": 9e-6}}
    return {"t": float(number), "type": "step", "step": number, "loss": loss, "rates": rates, "s": 0.5, **own}


def test_a_step_moves_every_number() -> None:
    history = History()
    assert history.absorb([run(), step(1, vram=2e9, epoch=0.5, views=0.25)])
    assert (history.step, history.steps, history.name) == (1, 100, "dog")
    assert (history.vram, history.epoch, history.views) == (2e9, 0.5, 0.25)
    assert history.groups["unet"].effective.last == 9e-6
    assert history.groups["unet"].d.last == 1e-5
    assert history.loss.last == history.ema.last == 0.1


def test_every_type_of_event_is_taken_in_and_every_emitted_one_is_declared() -> None:
    assert set(History()._absorbers) == TYPES
    emitted = set()
    for path in Path(trainer.__file__).parent.rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "emit" and call.args:
                emitted.add(call.args[0].value if isinstance(call.args[0], ast.Constant) else "")
    assert emitted == TYPES


def test_nothing_new_is_no_change() -> None:
    assert not History().absorb([])


def test_a_resume_takes_back_what_came_after_its_start() -> None:
    history = History()
    sample = {"type": "sample", "step": 8, "index": 0, "prompt": "p", "path": "a", "thumb": "b"}
    history.absorb([run(), *(step(n, loss=n / 10) for n in range(1, 11)), {"type": "pivot", "step": 9}, sample])
    history.absorb([{"type": "checkpoint", "step": 10, "path": "c", "bytes": 1}, run(resumed_from=5)])
    assert history.loss.steps == [1, 2, 3, 4, 5]
    assert (history.step, history.marks, history.samples, history.checkpoints) == (5, [], [], [])
    history.absorb([step(6, loss=9.0)])
    assert history.loss.values[-1] == 9.0
    assert history.loss.steps[-1] == 6


def test_an_end_before_a_resume_no_longer_counts() -> None:
    history = History()
    history.absorb([run(), step(1), {"type": "end", "status": "stopped", "step": 1}, run(resumed_from=1)])
    assert history.end is None


def test_what_it_took_is_the_sum_of_its_starts_and_no_part_of_it() -> None:
    end = {"t": 40.0, "type": "end", "status": "stopped", "step": 3, "seconds": 39.0}
    history = History()
    history.absorb([run(), step(3), end])
    assert history.seconds == 39.0
    history.absorb([run(t=100.0, resumed_from=3), step(4, t=110.0)])  # and is killed
    history.absorb([run(t=200.0, resumed_from=3), step(4, t=205.0), {**end, "t": 206.0, "seconds": 6.0}])
    assert history.seconds == 39.0 + 10.0 + 6.0
    history.absorb([run(t=300.0), {**end, "t": 301.0, "seconds": 1.0}])
    assert history.seconds == 1.0  # begun anew


def test_what_the_next_trainer_says_before_it_begins_is_no_time_of_the_one_that_was_killed() -> None:
    history = History()
    refused = {"type": "command", "id": "1-resume", "cmd": "resume", "ok": False, "message": "not done"}
    said = [refused, {"type": "warn", "code": "inbox", "message": "m"}, {"type": "phase", "name": "data", "done": 1}]
    history.absorb([run(), step(11), *({**one, "t": 500.0} for one in said), run(t=501.0, resumed_from=11)])
    assert history.seconds == 10.0


def test_a_loss_that_is_not_finite_is_a_gap_and_a_message() -> None:
    history = History()
    history.absorb([run(), step(1), step(2, loss=None, nonfinite=True), step(3)])
    assert history.loss.steps == [1, 3]
    assert any("not a finite number" in message.text for message in history.messages)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "step"},
        {"type": "step", "step": "many"},
        {"type": "step", "step": 2, "rates": 7},
        {"type": "sample", "step": None},
        {"type": "phase"},
        {"type": "unheard"},
        {},
    ],
)
def test_a_malformed_event_is_passed_over(event: dict[str, Any]) -> None:
    history = History()
    history.absorb([run(), step(1), event, step(2)])
    assert history.step == 2


def test_the_estimate_is_not_moved_by_one_slow_step() -> None:
    history = History()
    history.absorb([run(), *(step(n, s=60.0 if n == 20 else 0.5) for n in range(1, 41))])
    assert history.seconds_per_step == pytest.approx(0.5)
    assert history.eta == pytest.approx(30.0)


def test_pause_is_known_from_its_acknowledgement() -> None:
    history = History()
    history.absorb([run(), {"type": "command", "id": "1-pause", "cmd": "pause", "ok": True, "message": "paused"}])
    assert history.paused
    assert "1-pause" in history.acknowledged
    history.absorb([{"type": "command", "id": "2-resume", "cmd": "resume", "ok": True, "message": ""}])
    assert not history.paused


@pytest.mark.slow
def test_fifty_thousand_steps_stay_bounded() -> None:
    history = History()
    began = time.process_time()
    history.absorb([run(50_000), *(step(n, loss=1.0 if n == 777 else 0.1) for n in range(1, 50_001))])
    print(f"50,000 events absorbed in {time.process_time() - began:.2f} s")
    assert len(history.loss) <= BUCKETS
    assert max(history.loss.highs) == 1.0  # a peak survives the merging
    assert history.loss.steps[0] == 1
    assert history.loss.last == 0.1


def test_a_series_keeps_lows_highs_and_the_last_value() -> None:
    series = Series(limit=4)
    for number in range(1, 20):
        series.add(number, float(number % 5))
    assert len(series) <= 4
    assert min(series.lows) == 0.0
    assert max(series.highs) == 4.0
    assert series.last == 4.0
    series.cut(after=0)
    assert series.last is None


def test_a_mean_of_nothing_is_none() -> None:
    assert robust_mean([]) is None


def test_the_pivot_says_what_it_froze() -> None:
    for of, words in (
        ("text encoders", "the LoRA of the text encoders is frozen"),
        ("new tokens", "the new tokens are"),
    ):
        history = History()
        history.absorb([run(), step(1), {"type": "pivot", "step": 1, "of": of}])
        assert any(words in one.text for one in history.messages)
    old = History()
    old.absorb([run(), step(1), {"type": "pivot", "step": 1}])
    assert any("the new tokens are frozen" in one.text for one in old.messages)
