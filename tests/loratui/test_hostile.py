"""Hostile words in captions, file names, logs, answers and model cards, through every command and screen on a pty."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loratui.hostile import ESCAPES, HOSTILE, LOOSE, World, found, make_world
from tests.ptys import Pty
from trainer.contract.run.lock import RunLock, lock_holder
from trainer.contract.run.rundir import RunDir

# every command that shows something from outside
COMMANDS = [
    "check {photos}",
    "check {photos} --json",
    "check {photos} --kind face",
    "fix {photos} --into {home}/fixed --dry-run",
    "plan {answers}",
    "plan {home}/broken.toml",
    "replay {answers}",
    "replay {home}/broken.toml",
    "runs {home}/runs",
    "attach {run} --plain",
    "attach --plain",
    "stop {run}",
    "sample {run} --prompt x",
    pytest.param("resume {run}", marks=pytest.mark.slow),
    pytest.param("generate {run} x", marks=pytest.mark.slow),
    pytest.param("export {run}", marks=pytest.mark.slow),
    "diff {run} {other}",
    "checkpoints {run}",
    "push {run} --dry-run",
    "queue --folder {home}/runs",
    "preset list",
    "preset show bad",
    "preset save good --from {run}",
    "preset show nothing\x1b]2;CANARY\x07",
    "resume {run} --set train.rank=\x1b[31;9;53m",
    "check {home}/nowhere\x1b[31;9;53m",
    "attach nowhere\x1b]2;CANARY\x07",
]
KEYS = [
    *(bytes([one]) for one in b"abcdefghijklmnopqrstuvwxyzALSXYZ0123456789/ +-"),
    *(b"\r", b"\t", b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[5~", b"\x1b[6~", b"\x1b[H", b"\x1b[F"),
    *(b"\x1bOP", b"\x1bOQ", b"\x1b[Z", b"\x1b"),  # F1, F2, shift+Tab, Escape
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("hostile"))
    yield made
    for run in made.home.rglob("lock"):  # a random key may have started a trainer: it lives in a session of its own
        holder = lock_holder(run)
        if holder is not None and holder.pid not in (0, os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(holder.pid, signal.SIGKILL)


@pytest.fixture
def terminal(environment: dict[str, str], world: World) -> dict[str, str]:
    own = {"HOME": str(world.home), "TERM": "xterm-256color", "COLORTERM": "truecolor", "TEXTUAL_ANIMATIONS": "none"}
    return environment | own


def test_the_hostile_words_would_be_found() -> None:
    """What nothing makes safe is caught, each piece of it."""
    assert len(found(HOSTILE.encode())) >= len(ESCAPES) + len(LOOSE) - 2
    for name, escape in ESCAPES.items():
        assert found(b"a" + escape.encode() + b"b"), name
    for one in LOOSE:
        assert found(one.encode()), repr(one)
    assert not found("\x1b[?1049h\x1b[38;2;1;2;3m\x1b[H plain — ▀ ⣿ ␛]2;CANARY\x1b[?2026$p\x1b]\r\n".encode())


@pytest.mark.parametrize("words", COMMANDS)
def test_no_command_lets_an_escape_through(
    words: str, world: World, terminal: dict[str, str], request: pytest.FixtureRequest
) -> None:
    if "slow" in request.keywords:
        request.getfixturevalue("warm_trainer")
    places: dict[str, object] = {"photos": world.photos, "answers": world.answers, "home": world.home}
    places |= {"run": world.run.path, "other": world.other.path}
    command = [part.format(**places) for part in words.split(" ")]
    with Pty([sys.executable, "-m", "loratui", *command], world.home, terminal) as pty:
        code = pty.end()
    assert b"Traceback" not in pty.wrote and code in (0, 2, 3, 4), pty.wrote[-2000:]
    assert pty.wrote.strip()
    rung = [b"\a"] if words == "resume {run}" else []  # our own, once, at the end of a run that was followed
    assert found(pty.wrote) == rung


def walk(pty: Pty, keys: list[bytes], pause: float = 0.05) -> None:
    for key in keys:
        if pty.process.poll() is not None:
            return
        with contextlib.suppress(OSError):
            pty.type(key)
        pty.read(pause)


DOWN, ENTER, F1, F2, ESCAPE, TAB = b"\x1b[B", b"\r", b"\x1bOP", b"\x1bOQ", b"\x1b", b"\t"


@pytest.mark.slow
def test_no_step_of_the_wizard_lets_an_escape_through(world: World, terminal: dict[str, str]) -> None:
    """The pictures, each finding, the subject, the presets, the settings, the plan: all made of hostile words."""
    with Pty([sys.executable, "-m", "loratui"], world.home, terminal, (120, 36)) as pty:
        pty.until(lambda wrote: b"Start new" in wrote)
        walk(pty, [ENTER], 1.0)
        walk(pty, [str(world.photos).encode(), ENTER], 2.0)
        pty.until(lambda wrote: b"CANARY" in wrote)  # the words are there, made safe
        for _ in range(8):
            walk(pty, [DOWN, b"f", ESCAPE, b"e", ESCAPE, b"v", ESCAPE], 0.15)
        walk(pty, [b"a", b"a", b"a", F1, ESCAPE, F2], 0.3)
        walk(pty, [TAB, TAB, b"x\x1b", F2, F2, F2, F2, DOWN, DOWN, ESCAPE, ESCAPE, ESCAPE], 0.5)
    assert "␛".encode() in pty.wrote
    assert found(pty.wrote) == []


@pytest.mark.slow
@pytest.mark.parametrize("alive", [False, True])
def test_no_view_of_a_run_lets_an_escape_through(world: World, terminal: dict[str, str], alive: bool) -> None:
    run = world.other if alive else world.run
    lock = RunLock(run.lock) if alive else None
    with Pty([sys.executable, "-m", "loratui", "attach", str(run.path)], world.home, terminal, (120, 36)) as pty:
        pty.until(lambda wrote: b"CANARY" in wrote)
        for key in (b"l", b"v", b"w", b"g", b"f", b"n", b"a", b"x", F1):
            walk(pty, [key, DOWN, b"\x1b[C", TAB, ESCAPE, ESCAPE] if key != b"q" else [key], 0.15)
            if pty.process.poll() is not None:
                break
        walk(pty, [ENTER], 0.5)
    if lock is not None:
        lock.release()
    assert found(pty.wrote) == []


@pytest.mark.slow
@pytest.mark.usefixtures("warm_trainer")  # a key may start one
@pytest.mark.parametrize("seed", range(3))
def test_random_keys_find_no_screen_that_lets_an_escape_through(
    world: World, terminal: dict[str, str], seed: int, tmp_path: Path
) -> None:
    draws = random.Random(seed)
    keys = [draws.choice(KEYS) for _ in range(250)]
    start = ["attach", str(world.run.path)] if seed == 0 else []
    own = terminal | {"XDG_STATE_HOME": str(tmp_path)}
    size = ((80, 24), (120, 36), (200, 60))[seed % 3]
    with Pty([sys.executable, "-m", "loratui", *start], world.home, own, size) as pty:
        pty.until(lambda wrote: b"\x1b[?1049h" in wrote)
        pty.read(1.0)
        if start == []:
            walk(pty, [ENTER, str(world.photos).encode(), ENTER], 0.8)
        walk(pty, keys)
        if pty.process.poll() is None:
            pty.read(0.5)
        assert b"Traceback" not in pty.wrote, pty.wrote[-9000:].decode("utf-8", "replace")
    assert found(pty.wrote) == [], keys


def test_the_run_of_this_world_is_one_that_the_program_takes(world: World) -> None:
    from loratui.runs.find import find_runs

    assert [one.state for one in find_runs(world.home / "runs")] == ["failed", "failed"]
    assert isinstance(world.run, RunDir)
