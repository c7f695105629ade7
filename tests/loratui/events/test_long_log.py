"""A long log is read in pieces, its old steps thinned, and nothing that matters is passed over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loratui.events.history import History
from loratui.events.long_log import KEPT, WHOLE, LongLogTail
from trainer.contract.run.events import Event, Tail

STEPS = 60_000


def line(step: int, **more: object) -> str:
    fields = {"t": step, "type": "step", "step": step, "loss": 0.1, "s": 0.5, "filler": "x" * 200}
    return json.dumps(fields | more, separators=(",", ":")) + "\n"


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of more than WHOLE bytes: a checkpoint every 1,000 steps, and one step that was not finite."""
    path = tmp_path_factory.mktemp("long") / "events.jsonl"
    with path.open("w") as file:
        file.write(json.dumps({"t": 0, "type": "run", "name": "a", "steps": STEPS}, separators=(",", ":")) + "\n")
        for step in range(1, STEPS + 1):
            more: dict[str, object] = {"loss": None, "nonfinite": True} if step == 777 else {}
            file.write(line(step, **more))
            if step % 1000 == 0:
                file.write(f'{{"t":1,"type":"checkpoint","step":{step},"bytes":5}}\n')
    assert path.stat().st_size > WHOLE
    return path


def read(path: Path) -> tuple[LongLogTail, list[Event]]:
    reader, found = LongLogTail(path), []
    while events := reader.read(1 << 20):
        assert 0 < reader.read_part <= 1
        found += events
    assert reader.read_part == 1
    return reader, found


def test_old_steps_are_thinned_and_everything_else_is_there(long: Path) -> None:
    reader, found = read(long)
    steps = [one["step"] for one in found if one["type"] == "step"]
    assert len(steps) < 2.5 * KEPT < STEPS
    assert reader.stride == (STEPS + 60) // KEPT
    assert 777 in steps  # not finite: never passed over
    assert [one["step"] for one in found if one["type"] == "checkpoint"] == list(range(1000, STEPS + 1, 1000))
    recent = steps[-2000:]
    assert recent == list(range(STEPS - 1999, STEPS + 1))  # the newest are all there


@pytest.mark.slow
def test_a_screen_shows_the_same_state_as_from_the_whole_log(long: Path) -> None:
    whole, thinned = History(), History()
    tail = Tail(long)
    while events := tail.read():
        whole.absorb(events)
    thinned.absorb(read(long)[1])
    assert (thinned.step, thinned.steps, thinned.marks) == (whole.step, whole.steps, whole.marks)
    assert thinned.seconds_per_step == whole.seconds_per_step
    assert [one.text for one in thinned.messages] == [one.text for one in whole.messages]


def test_what_is_appended_is_read_whole_and_a_short_log_always(long: Path, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(line(step) for step in range(1, 1001)))
    reader, found = read(path)
    assert reader.stride == 1 and len(found) == 1000
    with path.open("a") as file:
        file.write(line(1001) + line(1002)[:40])
        file.flush()
        assert [one["step"] for one in reader.read()] == [1001]
        file.write(line(1002)[40:])
        file.flush()
        assert [one["step"] for one in reader.read()] == [1002]
    assert reader.read() == []


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    reader = LongLogTail(tmp_path / "events.jsonl")
    assert reader.read() == [] and reader.read_part == 1
    (tmp_path / "events.jsonl").write_text(line(1))
    assert len(reader.read()) == 1
