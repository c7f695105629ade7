"""A run as lines of text: what the monitor shows, without a screen."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Literal, TextIO

from loratui.events.insight_lines import InsightLines
from loratui.events.lines import EventLines, end_code
from loratui.runs.find import lock_note, resumable_steps, run_info
from loratui.runs.launch import exit_code, is_alive
from loratui.runs.own_log import own_log
from loratui.runs.queue import QueueTurn, goes_on
from loratui.runs.slurm import entry_of, job_log
from loratui.runs.states import next_words, run_word
from loratui.terminal.glyphs import marked
from loratui.terminal.line_sink import Sink, sink_for
from loratui.terminal.notices import end_words
from loratui.terminal.text import safe_lines, safe_text, show_path
from trainer.contract.paths import can_see
from trainer.contract.run import exits
from trainer.contract.run.control import send
from trainer.contract.run.events import Tail, last_status
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir

LOOK = 0.2  # seconds between two looks at the log
LOG_TAIL = 15  # lines of trainer.log that are shown when it died
CODES = frozenset({exits.USAGE, exits.DATASET, exits.FAILED, exits.RUNNING, exits.MEMORY, exits.STOPPED})
# a trainer that was stopped before it could say so: by its own hand, or by the signal where Python had not begun
EARLY = frozenset({exits.STOPPED, -signal.SIGINT, -signal.SIGTERM})


def follow(
    run: RunDir,
    out: TextIO,
    until_end: bool = True,
    *,
    interrupt: Literal["detach", "stop"] = "detach",
    pid: int | None = None,
    tail: Tail | None = None,
) -> int:
    """Write the run's events to `out` until it ends, as lines, or with a bar on a terminal; returns its exit code.

    `until_end` False: only what is there now. `interrupt`: what Ctrl+C does, "stop" for the program that started
    the run. `pid`: the trainer, if this program started it. `tail`: goes on from there instead of from the start.
    """
    with contextlib.closing(sink_for(out)) as sink:
        return _follow(run, sink, until_end, interrupt, pid, tail)


def _follow(
    run: RunDir,
    sink: Sink,
    until_end: bool,
    interrupt: Literal["detach", "stop"],
    pid: int | None,
    tail: Tail | None,
) -> int:
    view = EventLines(sink)
    reader = tail or Tail(run.events)
    asked_to_stop, worked, noted = False, False, ""
    turn = QueueTurn(run, sink.line)
    matters = InsightLines(run, sink)
    with _sigterm_as_interrupt(interrupt == "stop"):
        while True:
            try:
                alive = _trainer_alive(run, pid, turn)  # before reading: what it wrote last is then not missed
                if (note := lock_note(run)) != noted:  # also where its log cannot say so
                    noted = note
                    sink.settle()
                    sink.line(safe_text(note) or ("it is paused" if run_info(run).state == "paused" else "it goes on"))
                while events := reader.read():  # a long log comes in pieces
                    for event in events:
                        view.show(event)
                    matters.absorb(events)
                matters.say()
                sink.flush()
                if not until_end:
                    return view.code if view.code is not None else exits.DONE
                if not alive and worked:
                    _ring(run, sink)
                worked = alive
                if not alive:
                    if view.code is None:
                        return _died(run, sink, pid)
                    if (state := run_info(run).state) in ("stopped", "aborted"):
                        sink.line(next_words(run, state))
                    return _own_code(pid, view.code)
                time.sleep(LOOK)
            except KeyboardInterrupt:
                if interrupt == "detach":
                    return _detached(run, sink)
                if asked_to_stop:
                    sink.line(f"Detached; it goes on stopping. Watch it with: loratui attach {run_word(run)}")
                    return exits.STOPPED
                asked_to_stop = True
                _ask_to_stop(run, sink, pid)


def _ring(run: RunDir, sink: Sink) -> None:
    info = run_info(run)
    sink.ring(end_words(info.name, info.state, info.step, info.steps))


def exit_code_of(run: RunDir) -> int:
    """What the run's log says of its end, as an exit code; DONE while it is alive, FAILED where it died silently."""
    if lock_holder(run.lock) is not None:
        return exits.DONE
    last = last_status(run.events)
    error = ""
    tail = Tail(run.events)
    while events := tail.read():
        for one in events:
            if one["type"] in ("run", "error"):  # a start forgets the errors of the one before
                error = str(one.get("kind")) if one["type"] == "error" else ""
    return end_code(last, error) if last is not None and last["type"] == "end" else exits.FAILED


def _own_code(pid: int | None, said: int) -> int:
    """The exit code of our own trainer where it is one of ours, else what its log says."""
    code = exit_code(pid) if pid is not None else None
    return code if code in CODES and said != exits.DONE else said


def _trainer_alive(run: RunDir, pid: int | None, turn: QueueTurn) -> bool:
    if lock_holder(run.lock) is not None:
        return True
    return is_alive(pid) if pid is not None else turn.comes()


def _died(run: RunDir, out: Sink, pid: int | None) -> int:
    """The trainer is gone and wrote no `end`: say so, with the end of its log."""
    code = exit_code(pid) if pid is not None else None
    if code in EARLY:
        out.line(f"stopped before training began; {_what_is_there(run)}")
        return exits.STOPPED
    entry = entry_of(run)
    in_job = job_log(run, entry.job) if entry is not None and not can_see(run.log) else None
    log = in_job or run.log
    if not can_see(run.events) and not can_see(log):
        out.line(f"this run was never started; start it with: loratui resume {run_word(run)}")
        return exits.FAILED
    named = show_path(log.relative_to(run.path))
    tail = _log_tail(run, in_job)
    said = f"The end of its {named}:" if tail else f"It wrote nothing into its {named}."
    out.line(marked("bad", f"the trainer ended without a message. {said}"))
    for line in tail:
        out.line(f"  | {line}")
    saved = resumable_steps(run)
    there = f"its newest checkpoint is of step {saved[-1]}" if saved else "it had saved nothing"
    out.line(f"{there}; resume it: loratui resume {run_word(run)}")
    return code if code in CODES and code is not None else exits.FAILED


def _log_tail(run: RunDir, in_job: Path | None) -> list[str]:
    """The last lines of what the last trainer printed, here or `in_job`; none where there is nothing to read."""
    try:
        text = own_log(run) if in_job is None else in_job.read_bytes()[-8192:].decode("utf-8", "replace")
    except OSError:
        return []
    return safe_lines(text)[-LOG_TAIL:]


def _what_is_there(run: RunDir) -> str:
    """What a run holds that was ended before its first step, and how it goes on."""
    saved = resumable_steps(run)
    there = f"its checkpoint of step {saved[-1]} is as it was" if saved else "nothing was saved yet"
    return f"{there}: loratui resume {run_word(run)}"


def _detached(run: RunDir, out: Sink) -> int:
    shown = run_word(run)
    if run_info(run).state == "paused":
        out.line(f"Detached; it is paused. Resume it: loratui resume {shown}    Stop it: loratui stop {shown}")
        return exits.DONE
    out.line("Detached; training goes on.")
    out.line(f"Watch it again: loratui attach {shown}    Stop it: loratui stop {shown}")
    return exits.DONE


def _ask_to_stop(run: RunDir, out: Sink, pid: int | None) -> None:
    if pid is None and lock_holder(run.lock) is None:
        out.line("stop: not sent: no trainer works on the run any more")
        return
    words = "Stopping: the step is finished, a checkpoint and the files are written. Ctrl+C again: leave it to it."
    out.line(words + goes_on(run))
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
