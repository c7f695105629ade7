"""A run's events as words: lines for what happened, and how far it is for what goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from loratui.events.endings import ending
from loratui.events.pivot import pivot_words
from loratui.terminal.glyphs import marked
from loratui.terminal.line_sink import RunProgress, Sink
from loratui.terminal.numbers import number, whole
from loratui.terminal.text import plural, safe_lines, safe_text
from loratui.terminal.units import bytes_of, clock, in_time
from trainer.contract.run import exits
from trainer.contract.run.events import MALFORMED, Event

PHASES = {
    "data": "reading the class pictures' data set",
    "load": "loading the model",
    "download": "downloading the base model",
    "cache": "encoding the pictures",
    "prior": "making class pictures",
    "start": "working out the start from the weights",
    "sample": "making samples",
    "save": "saving a checkpoint",
    "export": "writing the files",
}
ERROR_CODES = {"oom": exits.MEMORY, "data": exits.DATASET, "usage": exits.USAGE, "signal": exits.STOPPED}


class EventLines:
    """Turns events into words for a sink; keeps what the next words need."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._steps = 0
        self.code: int | None = None  # exit code of the `end` event, once it is there
        self._error = ""
        self._aborted = False
        self._phase = ""
        self._pace: float | None = None  # seconds a step, smoothed

    def show(self, event: Event) -> None:
        """One event: lines, how far, or nothing. A malformed one is passed over, as on the screens."""
        with suppress(*MALFORMED):
            self._show(event)

    def _show(self, event: Event) -> None:
        match event["type"]:
            case "step":
                self._step(event)
            case "phase":
                self._begins_or_goes_on(event)
            case _:
                lines = list(self._lines(event))
                if lines:
                    self._sink.settle()
                for line in lines:
                    self._sink.line(line)

    def _lines(self, event: Event) -> Iterator[str]:
        step = event.get("step")
        match event["type"]:
            case "run":
                self._steps, self.code, self._error = int(event.get("steps") or 0), None, ""
                self._aborted = False
                yield from _run_lines(event)
            case "pivot":
                yield pivot_words(event)
            case "sample":
                yield f"sample at step {step}: {safe_text(event.get('path'))}  ({safe_text(event.get('prompt'), 60)})"
            case "measure" if told := _of_concepts(event.get("concepts")):
                yield f"loss at fixed noise at step {step}, {plural(safe_text(event.get('of')), 'picture')}: {told}"
            case "checkpoint":
                yield f"checkpoint at step {step}: {safe_text(event.get('path'))}"
            case "early":
                lowest = _figure(event.get("loss"))
                yield f"early stop at step {step}: the held-out loss was lowest at step {event.get('best')} ({lowest})"
            case "warn":
                yield marked("warn", f"{safe_text(event.get('message'))}{_advice(event.get('advice'))}")
            case "command":
                ok = bool(event.get("ok"))
                self._aborted = self._aborted or (event.get("cmd") == "abort" and ok)
                said = event.get("message") or ("done" if ok else "refused")
                yield f"{'' if ok else '! '}{safe_text(event.get('cmd'))}: {safe_text(said)}"
            case "error":
                self._error = str(event.get("kind"))
                yield from (marked("bad", line) for line in safe_lines(event.get("message")))
                yield from (f"  try: {safe_text(one)}" for one in _list(event.get("advice")))
            case "end":
                self.code = end_code(event, self._error)
                yield from _end_lines(event, self._aborted)

    def _begins_or_goes_on(self, event: Event) -> None:
        """The start of a phase, and how far a long one is."""
        name, done, total = safe_text(event.get("name")), whole(event.get("done")), whole(event.get("total"))
        if name == "train":
            return  # the steps say it
        if name != self._phase and total and done == total:
            return  # the end of one that began before another
        words = PHASES.get(name, name)
        if name != self._phase:
            self._phase = name
            self._sink.settle()
            self._sink.far(RunProgress(words, 0, total, "", f"{words} ...", lasting=False))
        elif total:
            count = bytes_of(done, total) if name == "download" else f"{done} of {total}"
            self._sink.far(RunProgress(words, done, total, "", f"{words}: {count}", lasting=False, count=count))

    def _step(self, event: Event) -> None:
        seconds = event.get("s")
        if isinstance(seconds, int | float):
            self._pace = seconds if self._pace is None else 0.9 * self._pace + 0.1 * seconds
        self._phase = ""
        where, facts = _step_words(event, self._steps, self._pace)
        line = "  ".join([where, *facts])
        self._sink.far(
            RunProgress("training", whole(event.get("step")), self._steps, "  ".join(facts), line, lasting=True)
        )


def _step_words(event: Event, steps: int, pace: float | None) -> tuple[str, list[str]]:
    step = whole(event.get("step"))
    words = [f"loss {_figure(event.get('loss'))}"]
    if event.get("loss_class") is not None:
        parts = (_figure(event.get(f"loss_{one}")) for one in ("instance", "class"))
        words[0] += " (instance {}, class {})".format(*parts)
    for name, rates in (event.get("rates") or {}).items():
        d = f"d {_figure(rates.get('d'))}, " if rates.get("d") is not None else ""
        words.append(f"{safe_text(name)}: {d}rate {_figure(rates.get('effective'))}")
    if pace is not None:
        words.append(f"{in_time(pace)}/step")
        if steps:
            words.append(f"{clock(pace * (steps - step))} left")
    return f"step {step}/{steps}" if steps else f"step {step}", words


def _of_concepts(found: Any) -> str:
    """The loss of each concept, "TOK 0.0123, REX 0.0311"; nothing for a run of one."""
    told = found if isinstance(found, list) else []
    each = ((one.get("trigger"), number(one.get("loss"))) for one in told if isinstance(one, dict))
    return ", ".join(f"{safe_text(word, 30)} {loss:.4f}" for word, loss in each if loss is not None)


def _run_lines(event: Event) -> Iterator[str]:
    place = event.get("gpu") or "CPU"
    yield f"run '{safe_text(event.get('name'))}': {plural(safe_text(event.get('steps')), 'step')} on {safe_text(place)}"
    if event.get("resumed_from"):
        yield f"resumed from the checkpoint at step {event['resumed_from']}"


def _end_lines(event: Event, aborted: bool) -> Iterator[str]:
    took = event.get("seconds")
    after = f" after {clock(float(took))}" if isinstance(took, int | float) else ""
    at = f" at step {event['step']}" if event.get("step") is not None else ""
    yield f"{ending(event.get('status'), aborted)}{at}{after}"
    yield from (f"  file: {safe_text(one)}" for one in _list(event.get("files")))


def end_code(event: Event, error: str) -> int:
    """The exit code that an `end` event stands for; `error` is the kind of the last error before it."""
    match event.get("status"):
        case "completed":
            return exits.DONE
        case "stopped":
            return exits.STOPPED
    return ERROR_CODES.get(error, exits.FAILED)


def _advice(value: Any) -> str:
    said = "; ".join(safe_text(one) for one in _list(value))
    return f" ({said})" if said else ""


def _list(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _figure(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else "not finite" if value is None else safe_text(value, 12)
