"""A run as lines of text: what the monitor shows, without a screen."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Literal, TextIO

from loratui.launch import exit_code, is_alive
from loratui.queueing import Turn, goes_on
from loratui.text import safe_lines, safe_text, show_path
from trainer.contract import exits
from trainer.contract.control import send
from trainer.contract.events import Event, Tail, last_status
from trainer.contract.lock import lock_holder
from trainer.contract.rundir import RunDir

LOOK = 0.2  # seconds between two looks at the log
STEP_PACE = 2.0  # seconds between two step lines
LOG_TAIL = 15  # lines of trainer.log that are shown when it died
PHASES = {
    "load": "loading the model",
    "cache": "encoding the pictures",
    "prior": "making class pictures",
    "sample": "making samples",
    "save": "saving a checkpoint",
    "export": "writing the files",
}
ERROR_CODES = {"oom": exits.MEMORY, "data": exits.DATASET, "usage": exits.USAGE, "signal": exits.STOPPED}
CODES = frozenset({exits.USAGE, exits.DATASET, exits.FAILED, exits.RUNNING, exits.MEMORY, exits.STOPPED})


def follow(
    run: RunDir,
    out: TextIO,
    until_end: bool = True,
    *,
    interrupt: Literal["detach", "stop"] = "detach",
    pid: int | None = None,
    tail: Tail | None = None,
) -> int:
    """Write the run's events as lines to `out` until it ends; returns its exit code.

    `until_end` False: only what is there now. `interrupt`: what Ctrl+C does, "stop" for the program that started
    the run. `pid`: the trainer, if this program started it. `tail`: goes on from there instead of from the start.
    """
    view = _View(out)
    reader = tail or Tail(run.events)
    asked_to_stop = False
    turn = Turn(run, lambda words: _line(out, words))
    with _sigterm_as_interrupt(interrupt == "stop"):
        while True:
            try:
                alive = _trainer_alive(run, pid, turn)  # before reading: what it wrote last is then not missed
                for event in reader.read():
                    view.show(event)
                view.flush_step()
                if not until_end:
                    return view.code if view.code is not None else exits.DONE
                if not alive:
                    return _died(run, out, pid) if view.code is None else _own_code(pid, view.code)
                time.sleep(LOOK)
            except KeyboardInterrupt:
                if interrupt == "detach":
                    return _detached(run, out)
                if asked_to_stop:
                    _line(out, f"Detached; it goes on stopping. Watch it with: loratui attach {show_path(run.path)}")
                    return exits.STOPPED
                asked_to_stop = True
                _ask_to_stop(run, out, pid)


@dataclass
class _View:
    """Turns events into lines; keeps what the next line needs."""

    out: TextIO
    steps: int = 0
    code: int | None = None  # of the `end` event, once it is there
    error: str = ""
    phase: str = ""
    waiting: Event | None = None  # the newest step that has no line yet
    shown_at: float = field(default=float("-inf"))  # monotonic seconds of the last step line
    pace: float | None = None  # seconds a step, smoothed

    def show(self, event: Event) -> None:
        """One event: a line, or none."""
        match event["type"]:
            case "step":
                self._keep_step(event)
                return
            case "phase":
                self._phase(event)
                return
        self._put_step()
        for line in self._lines(event):
            _line(self.out, line)

    def flush_step(self) -> None:
        """Show the newest step if the last step line is long enough ago."""
        if time.monotonic() - self.shown_at >= STEP_PACE:
            self._put_step()

    def _lines(self, event: Event) -> Iterator[str]:
        step = event.get("step")
        match event["type"]:
            case "run":
                self.steps, self.code, self.error = int(event.get("steps") or 0), None, ""
                yield from _run_lines(event)
            case "pivot":
                yield f"pivot: the new tokens are frozen after step {step}; the LoRA goes on"
            case "sample":
                yield f"sample at step {step}: {safe_text(event.get('path'))}  ({safe_text(event.get('prompt'), 60)})"
            case "checkpoint":
                yield f"checkpoint at step {step}: {safe_text(event.get('path'))}"
            case "warn":
                yield f"! warning: {safe_text(event.get('message'))}{_advice(event.get('advice'))}"
            case "command":
                done = "done" if event.get("ok") else "refused"
                yield f"{safe_text(event.get('cmd'))}: {done}: {safe_text(event.get('message') or '')}"
            case "error":
                self.error = str(event.get("kind"))
                yield from (f"x error: {line}" for line in safe_lines(event.get("message")))
                yield from (f"  try: {safe_text(one)}" for one in _list(event.get("advice")))
            case "end":
                self.code = _end_code(event, self.error)
                yield from _end_lines(event)

    def _phase(self, event: Event) -> None:
        """The start of a phase, and how far a long one is."""
        name, done, total = safe_text(event.get("name")), event.get("done"), event.get("total")
        if name == "train":
            return  # the step lines say it
        words = PHASES.get(name, name)
        if name != self.phase:
            if total and done == total:
                return  # the end of one that began before another
            self._put_step()
            self.phase, self.shown_at = name, time.monotonic()
            _line(self.out, f"{words} ...")
        elif total and time.monotonic() - self.shown_at >= STEP_PACE:
            self.shown_at = time.monotonic()
            _line(self.out, f"{words}: {done} of {total}")

    def _keep_step(self, event: Event) -> None:
        seconds = event.get("s")
        if isinstance(seconds, int | float):
            self.pace = seconds if self.pace is None else 0.9 * self.pace + 0.1 * seconds
        self.waiting, self.phase = event, ""
        self.flush_step()

    def _put_step(self) -> None:
        if self.waiting is not None:
            _line(self.out, _step_line(self.waiting, self.steps, self.pace))
            self.waiting, self.shown_at = None, time.monotonic()


def _step_line(event: Event, steps: int, pace: float | None) -> str:
    step = event.get("step", 0)
    words = [f"step {step}/{steps}" if steps else f"step {step}", f"loss {_figure(event.get('loss'))}"]
    for name, rates in (event.get("rates") or {}).items():
        d = f"d {_figure(rates.get('d'))}, " if rates.get("d") is not None else ""
        words.append(f"{safe_text(name)}: {d}rate {_figure(rates.get('effective'))}")
    if pace is not None:
        words.append(f"{pace:.2f} s/step")
        if steps:
            words.append(f"{_clock(pace * (steps - step))} left")
    return "  ".join(words)


def _run_lines(event: Event) -> Iterator[str]:
    place = event.get("gpu") or "CPU"
    yield f"run '{safe_text(event.get('name'))}': {event.get('steps')} steps on {safe_text(place)}"
    if event.get("resumed_from"):
        yield f"resumed from the checkpoint at step {event['resumed_from']}"


def _end_lines(event: Event) -> Iterator[str]:
    took = event.get("seconds")
    after = f" after {_clock(float(took))}" if isinstance(took, int | float) else ""
    at = f" at step {event['step']}" if event.get("step") is not None else ""
    yield f"{safe_text(event.get('status'))}{at}{after}"
    yield from (f"  file: {safe_text(one)}" for one in _list(event.get("files")))


def exit_code_of(run: RunDir) -> int:
    """What the run's log says of its end, as an exit code; DONE while it is alive, FAILED where it died silently."""
    if lock_holder(run.lock) is not None:
        return exits.DONE
    events = Tail(run.events).read()
    start = max((place for place, one in enumerate(events) if one["type"] == "run"), default=0)
    error = next((str(one.get("kind")) for one in reversed(events[start:]) if one["type"] == "error"), "")
    last = last_status(run.events)
    return _end_code(last, error) if last is not None and last["type"] == "end" else exits.FAILED


def _end_code(event: Event, error: str) -> int:
    match event.get("status"):
        case "completed":
            return exits.DONE
        case "stopped":
            return exits.STOPPED
    return ERROR_CODES.get(error, exits.FAILED)


def _own_code(pid: int | None, said: int) -> int:
    """The exit code of our own trainer where it is one of ours, else what its log says."""
    code = exit_code(pid) if pid is not None else None
    return code if code in CODES and said != exits.DONE else said


def _trainer_alive(run: RunDir, pid: int | None, turn: Turn) -> bool:
    if lock_holder(run.lock) is not None:
        return True
    return is_alive(pid) if pid is not None else turn.comes()


def _died(run: RunDir, out: TextIO, pid: int | None) -> int:
    """The trainer is gone and wrote no `end`: say so, with the end of its log."""
    code = exit_code(pid) if pid is not None else None
    if code == exits.STOPPED:
        _line(out, "stopped before training began")
        return code
    if not run.events.exists() and not run.log.exists():
        _line(out, f"this run was never started; start it with: loratui resume {show_path(run.path)}")
        return exits.FAILED
    _line(out, "x error: the trainer ended without a word. The end of its trainer.log:")
    try:
        tail = run.log.read_bytes()[-8192:].decode("utf-8", "replace")
    except OSError:
        tail = ""
    for line in safe_lines(tail)[-LOG_TAIL:]:
        _line(out, f"  | {line}")
    _line(out, f"What was saved is in {show_path(run.path)}; go on with: loratui resume {show_path(run.path)}")
    return code if code in CODES and code is not None else exits.FAILED


def _detached(run: RunDir, out: TextIO) -> int:
    shown = show_path(run.path)
    _line(out, "Detached; training goes on.")
    _line(out, f"Watch it again: loratui attach {shown}    Stop it: loratui stop {shown}")
    return exits.DONE


def _ask_to_stop(run: RunDir, out: TextIO, pid: int | None) -> None:
    words = "Stopping: the step is finished, a checkpoint and the files are written. Ctrl+C again: leave it to it."
    _line(out, words + goes_on(run))
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
    else:
        send(run, "stop")


@contextlib.contextmanager
def _sigterm_as_interrupt(wanted: bool) -> Iterator[None]:
    """SIGTERM to the program that started a run stops the run as Ctrl+C does: `timeout` leaves nothing behind."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if not wanted:
        yield
        return
    before: Callable[[int, FrameType | None], Any] | int | None = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _line(out: TextIO, text: str) -> None:
    print(text.encode(out.encoding or "utf-8", "replace").decode(out.encoding or "utf-8"), file=out, flush=True)


def _advice(value: Any) -> str:
    said = "; ".join(safe_text(one) for one in _list(value))
    return f" ({said})" if said else ""


def _list(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _figure(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else "not finite" if value is None else safe_text(value, 12)


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60}:{whole % 60:02d} min" if whole < 3600 else f"{whole // 3600}:{whole % 3600 // 60:02d} h"
