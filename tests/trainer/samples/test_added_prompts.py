"""Prompts added to a run that trains: drawn at once and from then on, known after kill -9, and no bit of training."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loratui.app import LoratuiApp
from tests.loratui.screens.conftest import at, until
from tests.trainer.conftest import make_config, make_run, start, train
from tests.warm.fixtures import WarmServers
from trainer.contract.run.added_prompts import MAX_CHARACTERS
from trainer.contract.run.control import send
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.export.files import _copy_samples

pytestmark = pytest.mark.slow
Events = list[dict[str, Any]]
STEPS, PIVOT = 30, 15
OWN = {
    "train__steps": STEPS,
    "train__batch": 1,
    "train__checkpoint_every": 5,
    "train__keep_checkpoints": 3,
    "train__sample_every": 12,
    "prodigy__d0": 1e-3,
    "sample__at_start": True,
}
KEPT, ONCE, LATE = "a TOK on a hill", "two stars, no word of one's own", "a TOK heart at night"


def of(run: RunDir, kind: str) -> Events:
    return [event for event in Tail(run.events).read() if event["type"] == kind]


def wait(run: RunDir, found: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not found():
        assert time.monotonic() < end, run.log.read_text()[-2000:]
        time.sleep(0.1)


def answered(run: RunDir, *keys: str) -> Events:
    """The acknowledgements of these commands, in their order."""
    wait(run, lambda: {one["id"] for one in of(run, "command")} >= set(keys))
    found = {one["id"]: one for one in of(run, "command")}
    return [found[key] for key in keys]


@pytest.fixture(scope="module")
def plain(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """The run to which nothing is added. Its list of prompts is damaged, and one picture's place is taken."""
    run = make_run(tmp_path_factory.mktemp("plain"), make_config(pictures, **OWN))
    run.prompts.write_text('{"added": [')
    (run.samples / "000012-0.png" / "in the way").mkdir(parents=True)
    train(run)
    return run


def type_in_the_monitor(run: RunDir, prompt: str) -> str:
    """Add a prompt as a person does, by the key a; returns the command's id once the trainer has answered."""

    before = of(run, "command")

    async def press() -> str:
        async with LoratuiApp(run=run).run_test() as pilot:
            monitor = await at(pilot, "MonitorScreen")
            await pilot.press("a")
            dialog = await at(pilot, "AddPrompt")
            dialog.query_one("Input").value = ""
            await pilot.press(*prompt, "enter")
            await at(pilot, "MonitorScreen")
            known = {one["id"] for one in before}
            await until(pilot, lambda: bool(monitor.history.acknowledged - known), timeout=60)
            (key,) = monitor.history.acknowledged - known
            return str(key)

    return asyncio.run(press())


@pytest.fixture(scope="module")
def torn(
    pictures: Path, tmp_path_factory: pytest.TempPathFactory, warm_servers: WarmServers
) -> tuple[RunDir, Events, int]:
    """The same run: prompts are added before its pivot, and one after it; it is killed there, and resumed.

    Returns it with the acknowledgements and the step at which the first prompts were added.
    """
    run = make_run(tmp_path_factory.mktemp("torn"), make_config(pictures, **OWN))
    with warm_servers.active():
        process = start(run)
    wait(run, lambda: bool(of(run, "run")))
    paused = send(run, "pause")  # taken before the first step, or soon after
    answered(run, paused)
    refused = [
        send(run, "sample", prompt="x" * (MAX_CHARACTERS + 1)),
        send(run, "sample", prompt="a\ud800"),
        send(run, "sample", prompt=["no", "text"]),
        send(run, "sample", keep=True),
        send(run, "sample", prompt="never added", keep=False),
    ]
    answered(run, *refused)
    taken = [type_in_the_monitor(run, KEPT), send(run, "sample", prompt=ONCE)]
    acks = answered(run, *refused, *taken)
    at = len(of(run, "step"))
    answered(run, send(run, "resume"))
    wait(run, lambda: bool(of(run, "pivot")))
    answered(run, send(run, "pause"), send(run, "sample", prompt=LATE, keep=True))
    process.kill()
    process.wait(10)
    train(run)  # the resume
    return run, acks, at


def test_it_is_drawn_at_once_and_at_every_sample_step_also_after_a_kill(torn: tuple[RunDir, Events, int]) -> None:
    run, _, at = torn
    pictures = of(run, "sample")
    assert [one["step"] for one in pictures if one["prompt"] == ONCE] == [at]
    steps = [one["step"] for one in pictures if one["prompt"] == KEPT]
    assert steps[0] == at
    assert set(steps[1:]) == {12, 24, STEPS}
    late = [one["step"] for one in pictures if one["prompt"] == LATE]
    assert late[0] >= PIVOT  # the text encoders were gone already
    assert late[-2:] == [24, STEPS]
    assert {one["index"] for one in pictures if one["prompt"] == KEPT} == {1}
    assert {one["index"] for one in pictures if one["prompt"] == ONCE} == {2}
    assert all((run.path / one["path"]).is_file() and (run.path / one["thumb"]).is_file() for one in pictures)
    assert len(of(run, "run")) == 2
    assert of(run, "run")[-1]["resumed_from"] in (PIVOT, 20, 25)
    stored = json.loads(run.prompts.read_text())["added"]
    assert [(one["index"], one["kept"]) for one in stored] == [(1, True), (2, False), (3, True)]


def test_every_asking_is_answered_with_a_sentence(torn: tuple[RunDir, Events, int]) -> None:
    _, acks, at = torn
    assert [one["ok"] for one in acks] == [False] * 5 + [True] * 2
    said = [one["message"] for one in acks]
    assert "501 characters; a prompt has at most 500" in said[0]
    assert "not text" in said[1]
    assert "a prompt is text" in said[2]
    assert "which prompt" in said[3]
    assert "no such prompt" in said[4]
    left = sum(step > at for step in (0, 12, 24, STEPS))
    assert said[5] == f"1 picture at step {at}; drawn at each sample step from now on ({left} to come)"
    assert "TOK is not in it" in said[6]
    assert "drawn at each" not in said[6]


def test_not_one_bit_of_what_is_trained_is_another(torn: tuple[RunDir, Events, int], plain: RunDir) -> None:
    run = torn[0]
    for part in ("lora", "embeddings", "optimizer"):
        file = f"{part}.safetensors"
        assert digest(run.checkpoint(STEPS) / file) == digest(plain.checkpoint(STEPS) / file), part
    files = sorted(one.relative_to(plain.export) for one in plain.export.rglob("*") if one.is_file())
    assert sorted(one.relative_to(run.export) for one in run.export.rglob("*") if one.is_file()) == files
    for name in files:  # the card and its picture too: what was typed is not for others
        assert digest(run.export / name) == digest(plain.export / name), name
    own = [one for one in of(run, "sample") if one["index"] == 0]
    assert digest(run.path / own[-1]["path"]) == digest(plain.path / own[-1]["path"])


def test_neither_a_damaged_list_nor_a_picture_that_cannot_be_written_ends_the_run(plain: RunDir) -> None:
    warned = {one["code"]: one["message"] for one in of(plain, "warn")}
    assert "prompts.json cannot be read" in warned["prompts-damaged"]
    assert "the pictures of step 12 could not be made" in warned["sample-failed"]
    assert [one["step"] for one in of(plain, "sample")] == [0, 24, STEPS]
    assert of(plain, "end")[-1]["status"] == "completed"


def test_the_card_shows_the_newest_picture_of_the_runs_own_prompts(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.samples.mkdir(parents=True)
    for name in ("000010-0", "000020-0", "000020-1", "000020-12", "000023-12"):
        (run.samples / f"{name}.png").write_text(name)
    out = tmp_path / "out"
    out.mkdir()
    assert _copy_samples(run, out, 2, 23) == ["sample-0.png", "sample-1.png"]
    assert (out / "sample-0.png").read_text() == "000020-0"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
