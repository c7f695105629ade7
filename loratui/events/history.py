"""What a run's events say so far, gathered one event at a time: the monitor and the lines draw from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from loratui.events.concepts import ConceptCurve, concept_curves
from loratui.events.curves import Curves
from loratui.events.endings import ending
from loratui.events.pivot import pivot_words
from loratui.events.series import robust_mean
from loratui.terminal.numbers import number
from loratui.terminal.text import plural
from loratui.terminal.units import in_bytes
from trainer.contract.run.events import MALFORMED, Event

MESSAGES = 200
MOST_STEPS = 1 << 53  # beyond, a float no longer tells two steps apart

MarkKind = Literal["pivot", "checkpoint", "sample"]
Tone = Literal["info", "good", "warn", "bad"]


@dataclass(frozen=True)
class Mark:
    """Something that happened at a step, shown on the axis of the charts."""

    kind: MarkKind
    step: int


@dataclass(frozen=True)
class SamplePicture:
    """One validation picture; paths are relative to the run."""

    step: int
    index: int
    prompt: str
    seed: int
    path: str
    thumb: str


@dataclass(frozen=True)
class Message:
    """One line of the log of what happened. Its text is the trainer's or a file's: never trusted."""

    t: float
    tone: Tone
    text: str


@dataclass(frozen=True)
class Phase:
    """What the trainer is doing; `total` is 0 where it cannot say."""

    name: str
    done: int
    total: int


def _is_work(event: Event) -> bool:
    """Whether an event says that its start was at work: a new one may warn and refuse old commands before its `run`."""
    if event.get("type") == "command":
        return bool(event.get("ok"))
    return event.get("type") != "warn" and not (event.get("type") == "phase" and event.get("name") == "data")


class History:
    """The state of one run; `absorb` is its only way to change. It reads no clock and no file."""

    def __init__(self) -> None:
        self.run: Event = {}
        self.name = ""
        self.steps = 0
        self.step = 0
        self.phase: Phase | None = None
        self.curves = Curves()
        self.loss, self.ema, self.groups = self.curves.loss, self.curves.ema, self.curves.groups
        self.marks: list[Mark] = []
        self._samples: dict[tuple[int, int], SamplePicture] = {}  # by step and prompt
        self.checkpoints: list[Event] = []
        self._measures: dict[int, Event] = {}  # by step
        self.messages: deque[Message] = deque(maxlen=MESSAGES)
        self.acknowledged: set[str] = set()
        self.vram: float | None = None  # bytes on the GPU; None on a CPU
        self.rss: float | None = None  # bytes of the trainer in RAM
        self.vram_total: float | None = None  # bytes of the GPU; None on a CPU
        self.epoch: float | None = None
        self.views: float | None = None
        self.paused = False
        self.aborted = False  # the trainer took an abort; its `end` event says no more than that it stopped
        self.best: int | None = None  # the step that is exported where the run ended early
        self.error: Event | None = None
        self.end: Event | None = None
        self.now = 0.0  # unix seconds of the newest event
        self.seconds = 0.0  # of all its starts that are over, since it last began anew
        self._at = 0.0  # unix seconds of the newest event that a trainer at its work wrote
        self.took: dict[str, float] = {}  # seconds of the last save, export ... that was seen from start to end
        self._since: dict[str, float] = {}
        self._absorbers: dict[str, Callable[[Event], None]] = {
            "run": self._run,
            "phase": self._phase,
            "step": self._step,
            "pivot": self._pivot,
            "sample": self._sample,
            "checkpoint": self._checkpoint,
            "measure": self._measure,
            "early": self._early,
            "warn": self._warn,
            "command": self._command,
            "error": self._error,
            "end": self._end,
        }

    def absorb(self, events: Iterable[Event]) -> bool:
        """Take in new events, in order. False if there were none. A malformed event is passed over."""
        changed = False
        for event in events:
            absorber = self._absorbers.get(event.get("type", ""))
            if absorber is None:
                continue
            try:
                absorber(event)
            except MALFORMED:
                continue  # a field of another version or a damaged line: the rest of the log still counts
            changed = True
            if _is_work(event):
                self._at = number(event.get("t")) or self._at
        if changed:
            self.now = number(event.get("t")) or self.now
        return changed

    @property
    def samples(self) -> list[SamplePicture]:
        """The pictures, in the order in which they came."""
        return list(self._samples.values())

    @property
    def measures(self) -> list[Event]:
        """What tells checkpoints apart, one event a step."""
        return list(self._measures.values())

    @property
    def concepts(self) -> tuple[ConceptCurve, ...]:
        """The loss of each concept, where there are several."""
        return concept_curves(self.measures)

    @property
    def seconds_per_step(self) -> float | None:
        """A robust mean over the last steps."""
        return robust_mean(self.curves.last_seconds)

    @property
    def eta(self) -> float | None:
        """Seconds until the last step, or None before the first and after the end."""
        speed = self.seconds_per_step
        if speed is None or self.end is not None:
            return None
        return max(0, self.steps - self.step) * speed

    @property
    def doing(self) -> str:
        """The name of the phase that the trainer is in; "train" between the others, empty before the first."""
        if self.phase is None:
            return ""
        loads_on = self.phase.name in ("cache", "prior", "start")
        over = self.phase.done >= self.phase.total and not loads_on
        return "train" if over else self.phase.name

    @property
    def prompts(self) -> tuple[int, ...]:
        """The indices of the prompts that have pictures."""
        return tuple(sorted({one.index for one in self.samples}))

    def of_prompt(self, index: int) -> list[SamplePicture]:
        """The pictures of one prompt, by step."""
        return sorted((one for one in self.samples if one.index == index), key=lambda one: one.step)

    def label(self, picture: SamplePicture) -> str:
        """A picture's prompt, after its seed where other pictures have the same prompt: never trusted."""
        twins = any(one.prompt == picture.prompt and one.index != picture.index for one in self.samples)
        return f"seed {picture.seed} · {picture.prompt}" if twins else picture.prompt

    def _say(self, event: Event, tone: Tone, text: str) -> None:
        self.messages.append(Message(number(event.get("t")) or 0.0, tone, text))

    def _run(self, event: Event) -> None:
        start = event.get("resumed_from")
        if start is None:
            self.seconds = 0.0
        elif self.run and self.end is None:  # it went without a word: until its last one
            self.seconds += max(0.0, self._at - (number(self.run.get("t")) or self._at))
        if start is not None:
            self._undo(int(start))
            self._say(event, "info", f"resumed from step {int(start)}")
        else:
            self._undo(0)  # an earlier start left no checkpoint
            self._say(event, "info", f"started: {plural(event.get('steps'), 'step')}, process {event.get('pid')}")
        self.run = event
        self.name = str(event.get("name") or "")
        self.steps = int(event.get("steps") or 0)
        self.vram_total = number(event.get("vram_total"))
        self.phase, self.error, self.end, self.paused, self.aborted = None, None, None, False, False
        self.curves.begin()
        self._since.clear()
        for one in event.get("changed") or ():
            self._say(event, "info", f"changed since the checkpoint: {one['key']} from {one['old']} to {one['new']}")

    def _undo(self, start: int) -> None:
        self.step = min(self.step, start)
        self.views = self.views if start else None
        self.curves.cut(start)
        self.marks = [mark for mark in self.marks if mark.step <= start]
        self._samples = {place: one for place, one in self._samples.items() if one.step <= start}
        self.checkpoints = [one for one in self.checkpoints if int(one.get("step") or 0) <= start]
        self._measures = {step: one for step, one in self._measures.items() if step <= start}

    def _phase(self, event: Event) -> None:
        phase = Phase(str(event["name"]), int(event.get("done") or 0), int(event.get("total") or 0))
        if phase.name == "train":
            self.step = max(self.step, phase.done)
        self.phase = phase
        now = number(event.get("t"))
        if phase.done == 0 and now is not None:
            self._since[phase.name] = now
        elif phase.done == phase.total and now is not None and phase.name in self._since:
            self.took[phase.name] = max(0.0, now - self._since.pop(phase.name))

    def _step(self, event: Event) -> None:
        step = int(event["step"])
        if not 0 <= step < MOST_STEPS:
            raise ValueError("a damaged line")
        self.step, self.phase = step, Phase("train", step, self.steps)
        self.curves.take(step, event)
        self.vram, self.rss = number(event.get("vram")), number(event.get("rss"))
        self.epoch, self.views = number(event.get("epoch")), number(event.get("views"))
        if event.get("nonfinite"):
            self._say(event, "bad", f"step {step}: the loss or the gradient is not a finite number")

    def _pivot(self, event: Event) -> None:
        self.marks.append(Mark("pivot", int(event["step"])))
        self.curves.reopen()
        self._say(event, "info", pivot_words(event))

    def _sample(self, event: Event) -> None:
        picture = SamplePicture(
            step=int(event["step"]),
            index=int(event.get("index") or 0),
            prompt=str(event.get("prompt") or ""),
            seed=int(event.get("seed") or 0),
            path=str(event["path"]),
            thumb=str(event.get("thumb") or event["path"]),
        )
        self._samples.pop((picture.step, picture.index), None)  # the newest stands last
        self._samples[picture.step, picture.index] = picture
        self.marks.append(Mark("sample", picture.step))
        self._say(event, "good", f"picture at step {picture.step}: {picture.prompt}")

    def _checkpoint(self, event: Event) -> None:
        self.checkpoints.append(event)
        self.marks.append(Mark("checkpoint", int(event["step"])))
        self._say(event, "good", f"checkpoint at step {event['step']} saved ({in_bytes(number(event.get('bytes')))})")

    def _measure(self, event: Event) -> None:
        step = int(event["step"])
        self._measures.pop(step, None)
        self._measures[step] = {**event, "step": step}

    def _early(self, event: Event) -> None:
        self.best = int(event["best"])
        lowest = "" if (loss := number(event.get("loss"))) is None else f" ({loss:.4f})"
        self._say(event, "info", f"early stop: the held-out loss was lowest at step {self.best}{lowest}")

    def _warn(self, event: Event) -> None:
        advice = str(event.get("advice") or "")
        self._say(event, "warn", f"{event.get('message')}" + (f" - {advice}" if advice else ""))

    def _command(self, event: Event) -> None:
        self.acknowledged.add(str(event.get("id")))
        cmd, ok = str(event.get("cmd")), bool(event.get("ok"))
        if ok and cmd in ("pause", "resume"):
            self.paused = cmd == "pause"
        self.aborted = self.aborted or (ok and cmd == "abort")
        said = str(event.get("message") or ("done" if ok else "refused"))
        self._say(event, "good" if ok else "bad", f"{cmd}: {said}")

    def _error(self, event: Event) -> None:
        self.error = event
        self._say(event, "bad", f"{event.get('kind')}: {event.get('message')}")

    def _end(self, event: Event) -> None:
        self.end = event
        self.seconds += number(event.get("seconds")) or 0.0
        self.paused = False
        tone: Tone = "good" if event.get("status") == "completed" else "warn"
        self._say(event, tone, f"{ending(event.get('status'), self.aborted)} at step {self.step}")
