"""The terminal program in figures, on a real pseudo-terminal: `python -m tests.bench.terminal`.

Every time stands beside that of something known, measured in turns in the same run (A B B A, medians): a bare
Textual program for the start, a run of 100 steps for attaching, json.loads for absorbing, the same training
unwatched for the slowdown. Bytes are what came out of the pty.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from loratui.events.history import History
from loratui.settings.answers import answers_text
from loratui.settings.demo import demo_answers
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from tests.ptys import Pty
from trainer.contract.run.events import EventLog, Tail
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config

ROOT = Path(__file__).parents[2]
BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("Start new")
Bare().run()
"""
BARE_LIST = """
from textual.app import App
from textual.widgets import Input, OptionList
from trainer.contract.settings.config import SETTINGS
class Bare(App):
    def compose(self):
        yield Input(id="search", compact=True)
        yield OptionList(*(one.title for one in SETTINGS), id="list")
    def on_mount(self):
        self.query_one("#list").focus()
    def on_key(self, event):
        if event.key == "slash":
            self.query_one("#search").focus()
    def on_input_changed(self, event):
        rows = self.query_one("#list")
        rows.clear_options()
        rows.add_options([one.title for one in SETTINGS if event.value in one.title])
Bare().run()
"""
LORATUI = [sys.executable, "-m", "loratui"]
DOWN = b"\x1b[B"
QUIET = 0.6  # seconds without a key that follow each: what it caused is over by then
RATES = {
    "unet": {"lr": 1.0, "d": 2.5e-5, "effective": 2.1e-5},
    "embeddings": {"lr": 1.0, "d": 2.5e-5, "effective": 2.1e-5},
}


def environment(home: Path) -> dict[str, str]:
    """That of a person at a terminal with all colours, who uses loratui for the first time."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "HF_", "LORATUI"))}
    more = {"HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TERM": "xterm-256color"}
    return {**kept, **more, "COLORTERM": "truecolor"}


def first_paint(command: Sequence[str], home: Path, words: bytes) -> float:
    """Seconds from the start of the process until `words` are on the terminal."""
    began = time.perf_counter()
    with Pty(command, home, environment(home)) as pty:
        while words not in pty.wrote:  # not `until`, which looks ten times a second
            assert pty.read(0.002) or pty.process.poll() is None, "it ended"
        return time.perf_counter() - began


def spent(command: Sequence[str], home: Path) -> float:
    """Seconds of processor that a program took to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=home, env=environment(home), capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_turns(first: Callable[[], float], second: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Medians of both, A B B A."""
    ones, others = [], []
    for place in range(rounds):
        for which in (first, second) if place % 2 == 0 else (second, first):
            (ones if which is first else others).append(which())
    return statistics.median(ones), statistics.median(others)


def logged(folder: Path, steps: int) -> RunDir:
    """A run of `steps` steps that is still going on, by its log."""
    run = RunDir(folder)
    folder.mkdir(parents=True)
    run.config.write_text(dump_config(TrainConfig(name="bench")))
    log = EventLog(run.events)
    log.emit("run", v=1, pid=1, name="bench", steps=steps + 1_000_000, gpu=None)
    log.close()
    with run.events.open("a") as file:
        for step in range(1, steps + 1):
            file.write(step_line(step) + "\n")
    return run


def step_line(step: int) -> str:
    """A `step` event as the trainer writes it."""
    fields = {"loss": 0.1 + step % 7 / 100, "grad_norm": 0.5, "rates": RATES, "s": 0.5, "epoch": step / 5}
    return json.dumps(
        {"t": 1.7e9 + step, "type": "step", "step": step, **fields, "views": step / 5, "rss": 9e8},
        separators=(",", ":"),
    )


def attaching(folder: Path, home: Path, steps: int, rounds: int) -> tuple[float, float, int]:
    """Seconds until a run of `steps` and one of 100 steps are on the screen, and the log's bytes."""
    long, short = logged(folder / f"long-{steps}", steps), logged(folder / f"short-{steps}", 100)
    locks = [RunLock(one.lock) for one in (long, short)]
    try:
        at = [
            lambda run=run, step=step: first_paint(
                [*LORATUI, "attach", str(run.path)], home, f"step {step} of".encode()
            )
            for run, step in ((long, steps), (short, 100))
        ]
        return *in_turns(at[0], at[1], rounds), long.events.stat().st_size
    finally:
        for lock in locks:
            lock.release()


def absorbing(run: RunDir) -> tuple[float, float, int]:
    """Seconds to read and absorb a log, seconds for json.loads of its lines alone, and how many events it has."""
    history, tail = History(), Tail(run.events)
    began = time.perf_counter()
    while events := tail.read():
        history.absorb(events)
    ours = time.perf_counter() - began
    lines = run.events.read_bytes().splitlines()
    began = time.perf_counter()
    for line in lines:
        json.loads(line)
    return ours, time.perf_counter() - began, len(lines)


def on_the_wire(folder: Path, home: Path, size: tuple[int, int], seconds: float, pace: float) -> float:
    """Bytes a second that the monitor writes while `pace` steps a second come in (0: none)."""
    run = logged(folder / f"wire-{size[0]}-{pace}", 500)
    lock = RunLock(run.lock)
    try:
        with Pty([*LORATUI, "attach", str(run.path)], home, environment(home), size) as pty:
            pty.until(lambda wrote: b"step 500 of" in wrote)
            pty.read(2.0)
            began, before, step = time.monotonic(), len(pty.wrote), 500
            with run.events.open("a", buffering=1) as file:
                while time.monotonic() - began < seconds:
                    if pace:
                        step += 1
                        file.write(step_line(step) + "\n")
                    end = time.monotonic() + (1 / pace if pace else 0.5)
                    while (left := end - time.monotonic()) > 0:
                        pty.read(left)
            return (len(pty.wrote) - before) / (time.monotonic() - began)
    finally:
        lock.release()


def processor(pid: int) -> float:
    """Milliseconds of processor that all threads of a process took so far, as the kernel counts them."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(one.read_text().split()[0]) for one in tasks) / 1e6


def keys_cost(command: Sequence[str], home: Path, opening: bytes, shows: bytes, keys: Sequence[bytes]) -> list[float]:
    """Milliseconds of processor for each of `keys`, one at a time, less what the program takes when nobody types.

    `opening` is typed first; `shows` is on the screen then.
    """
    with Pty(command, home, environment(home)) as pty:
        if opening:
            pty.until(lambda wrote: b"Enter" in wrote)
            pty.read(1.0)
            pty.type(opening)
        pty.until(lambda wrote: shows in wrote)
        pty.read(2.0)

        def within(key: bytes) -> float:
            before, end = processor(pty.process.pid), time.monotonic() + QUIET
            if key:
                pty.type(key)
            while (left := end - time.monotonic()) > 0:
                pty.read(left)
            return processor(pty.process.pid) - before

        idle = statistics.median(within(b"") for _ in range(5))
        return [max(0.0, within(key) - idle) for key in keys]


def settings_keys(home: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Of a Down and of a letter of the search, first and later ones: ours, and those of a bare Textual list."""
    draft = Draft(preset="object", step=4, values={"kind": "object", "dataset.path": str(home)}, images=12)
    store = DraftStore(home / ".local" / "state" / "loratui")
    store.save(draft)
    store.leave()
    keys = [*[DOWN] * 10, b"/", *(bytes([one]) for one in b"rate")]
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(keys_cost(LORATUI, home, b"\r", b"network_dim", keys))
        bare.append(keys_cost([sys.executable, "-c", BARE_LIST], home, b"", b"base model", keys))
    which = {"a Down": slice(1, 10), "the first letter": slice(11, 12), "a letter after it": slice(12, None)}
    return {
        words: (
            statistics.median(one for each in ours for one in each[part]),
            statistics.median(one for each in bare for one in each[part]),
        )
        for words, part in which.items()
    }


def trained(folder: Path, home: Path, steps: int, watched: bool) -> float:
    """Median seconds a step of a real training on the small SDXL, watched on a pty or not."""
    folder.mkdir(parents=True)
    answers = folder / "answers.toml"
    answers.write_text(answers_text(demo_answers()))
    run = RunDir(folder / "run")
    sets = [f"train.steps={steps}", "train.sample_every=0", "train.checkpoint_every=0"]
    command = [*LORATUI, "replay", str(answers), "--out", str(run.path)]
    command += [word for one in sets for word in ("--set", one)]
    if watched:
        command.append("--detach")
    with Pty(command, folder, environment(home) | {"TERM": "dumb"}) as pty:
        assert pty.end(600) == 0, pty.wrote[-2000:]
    if watched:
        with Pty([*LORATUI, "attach", str(run.path)], folder, environment(home)) as pty:
            pty.until(lambda wrote: b"completed" in wrote, timeout=600)
    found = [one["s"] for one in Tail(run.events).read() if one["type"] == "step"]
    return statistics.median(found[len(found) // 4 :])  # the first ones run while the monitor itself starts


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=150, help="of the real training")
    rounds, steps = (options := parser.parse_args()).rounds, options.steps
    print("| what | measured | beside | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = home = Path(name)
        ours, bare = in_turns(
            lambda: first_paint(LORATUI, home, b"Start new"),
            lambda: first_paint([sys.executable, "-c", BARE], home, b"Start new"),
            rounds,
        )
        print(f"| first paint of the wizard | {ours:.2f} s | a bare Textual program {bare:.2f} s | {ours / bare:.2f} |")
        told, bare = in_turns(
            lambda: spent([*LORATUI, "--help"], home), lambda: spent([sys.executable, "-c", "pass"], home), 2 * rounds
        )
        words = f"a bare interpreter {1000 * bare:.0f} ms"
        print(f"| `loratui --help`, processor | {1000 * told:.0f} ms | {words} | {told / bare:.1f} |")
        for words, (ours, bare) in settings_keys(home, max(2, rounds // 2)).items():
            shown = f"a bare Textual list {bare:.0f} ms"
            print(f"| {words} in the settings at 80x24, processor | {ours:.0f} ms | {shown} | {ours / bare:.1f} |")
        for length in (50_000, 1_000_000):
            long, short, size = attaching(folder, home, length, max(2, rounds // 2))
            words = f"attach to {length:,} steps ({size / 1e6:.0f} MB)"
            print(f"| {words} | {long:.2f} s | to 100 steps {short:.2f} s | {long / short:.2f} |")
        took, plain, count = absorbing(RunDir(folder / "long-1000000"))
        words = f"{count / took:,.0f} events a second"
        print(f"| events absorbed | {words} | json.loads alone {count / plain:,.0f} | {plain / took:.2f} |")
        for size in ((80, 24), (120, 36), (200, 60)):
            busy, idle = (on_the_wire(folder, home, size, 15, pace) for pace in (5, 0))
            words = f"bytes a second at {size[0]}x{size[1]}, 5 steps a second"
            print(f"| {words} | {busy:,.0f} | nothing happens {idle:,.0f} | |")
        alone, watched = in_turns(
            lambda: trained(Path(tempfile.mkdtemp(dir=folder)) / "a", home, steps, False),
            lambda: trained(Path(tempfile.mkdtemp(dir=folder)) / "b", home, steps, True),
            max(2, rounds // 2),
        )
        words = "a step of the small SDXL while watched"
        print(f"| {words} | {1000 * watched:.0f} ms | unwatched {1000 * alone:.0f} ms | {watched / alone:.3f} |")


if __name__ == "__main__":
    main()
