"""What tells two runs apart: settings, pictures, results; pure, from what was read of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from loratui.events.history import History
from loratui.results.parcel import everything
from loratui.runs.find import run_info
from loratui.runs.past_run import config_values
from loratui.runs.states import StateName
from loratui.terminal.numbers import number
from loratui.terminal.text import plural, safe_text, show_path
from loratui.terminal.units import clock, in_bytes
from trainer.contract.paths import is_file, is_folder
from trainer.contract.run.checkpoint_files import read_state
from trainer.contract.run.events import Event, Tail
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import BY_KEY

ABSENT = "-"
NAMES_SHOWN = 6
NAMES = ("name", "preset", "dataset.path")  # these change no result by themselves
NOT_A_CHOICE = ("dataset.skip", "dataset.accept")  # decisions about single pictures: the pictures tell it better


class Difference(NamedTuple):
    """One thing that differs."""

    title: str
    left: str
    right: str
    key: str = ""  # the setting's dotted key, if it is one


@dataclass(frozen=True)
class ComparedRun:
    """What is known of one run."""

    run: RunDir
    state: StateName
    settings: Mapping[str, Any]  # by dotted key; values that are not set are the defaults
    history: History
    seconds: float  # over all its starts, as its monitor says it
    vram: float | None = None  # the most that the GPU held, in bytes
    rss: float | None = None
    heldout: float | None = None  # of the newest measurement on held-out pictures
    norm: float | None = None
    files: Mapping[str, int] = field(default_factory=dict)  # exported: name -> bytes
    pictures: Mapping[str, str] | None = None  # name -> digest of content and caption; None: no checkpoint tells

    @property
    def name(self) -> str:
        """The run's folder."""
        return safe_text(self.run.path.name)


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side: what differs, and what to know when reading it."""

    left: str
    right: str
    settings: tuple[Difference, ...]
    pictures: tuple[Difference, ...]
    results: tuple[Difference, ...]
    remarks: tuple[str, ...]
    pictures_known: bool


def facts_of(run: RunDir) -> ComparedRun:
    """Read one run; a long log takes a second or two. Raises OSError."""
    history, most = History(), _Most()
    tail = Tail(run.events)
    tail.refuse_unreadable()
    while events := tail.read():
        history.absorb(events)
        for event in events:
            most.add(event)
    return ComparedRun(
        run=run,
        state=run_info(run).state,
        settings=config_values(run),
        history=history,
        seconds=history.seconds + (0.0 if history.end is not None else _so_far(history)),
        vram=most.found["vram"],
        rss=most.found["rss"],
        heldout=_newest([one for one in history.measures if one.get("of") == "held-out"], "loss"),
        norm=_newest(history.measures, "norm"),
        files=_files(run.export),
        pictures=_pictures(run, history),
    )


def compare(left: ComparedRun, right: ComparedRun) -> Comparison:
    """The differences, settings in the order of their declaration."""
    settings = _settings(left.settings, right.settings)
    pictures = _picture_differences(left.pictures, right.pictures)
    return Comparison(
        left=left.name,
        right=right.name,
        settings=tuple(settings),
        pictures=tuple(pictures),
        results=tuple(_results(left, right)),
        remarks=tuple(_remarks(left, right, any(one.key not in NAMES for one in settings), bool(pictures))),
        pictures_known=left.pictures is not None and right.pictures is not None,
    )


def shown_value(value: Any) -> str:
    """A setting's value in one line."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return safe_text("; ".join(map(str, value))) or ABSENT
    if isinstance(value, str):
        return show_path(value) or ABSENT
    return f"{value:g}" if isinstance(value, float) else safe_text(value)


class _Most:
    """What the history does not keep: the most memory."""

    def __init__(self) -> None:
        self.found: dict[str, float | None] = {"vram": None, "rss": None}

    def add(self, event: Event) -> None:
        for name, most in self.found.items():
            value = number(event.get(name)) if event.get("type") == "step" else None
            if value is not None:
                self.found[name] = value if most is None else max(most, value)


def _so_far(history: History) -> float:
    """Seconds of a start that is not over, to its last word."""
    begun = number(history.run.get("t"))
    return 0.0 if begun is None else max(0.0, history.now - begun)


def _settings(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[Difference]:
    known = [key for key in BY_KEY if key not in NOT_A_CHOICE]
    others = sorted({*left, *right} - set(BY_KEY))
    found = []
    for key in (*known, *others):
        default = BY_KEY[key].default if key in BY_KEY else None
        one, other = left.get(key, default), right.get(key, default)
        if _plain(one) != _plain(other):
            title = BY_KEY[key].title if key in BY_KEY else "of another version"
            found.append(Difference(title, _or_absent(one), _or_absent(other), safe_text(key, 60)))
    return found


def _picture_differences(left: Mapping[str, str] | None, right: Mapping[str, str] | None) -> list[Difference]:
    if left is None or right is None:
        return []
    only_left, only_right = sorted({*left} - {*right}), sorted({*right} - {*left})
    changed = sorted(name for name in {*left} & {*right} if left[name] != right[name])
    found = []
    if len(left) != len(right):
        found.append(Difference("pictures", str(len(left)), str(len(right))))
    if only_left or only_right:
        found.append(Difference("only here", _names(only_left), _names(only_right)))
    if changed:
        found.append(
            Difference("changed", f"{plural(len(changed), 'picture')}: {_names(changed)}", "content or caption")
        )
    return found


def _results(left: ComparedRun, right: ComparedRun) -> list[Difference]:
    rows = [(title, _result(left, title), _result(right, title)) for title in RESULTS]
    groups = dict.fromkeys((*left.history.groups, *right.history.groups))
    rows += [(f"d of {safe_text(group, 20)}", _d(left, group), _d(right, group)) for group in groups]
    names = dict.fromkeys((*left.files, *right.files))
    for name in names:
        one, other = (in_bytes(side.files[name]) if name in side.files else ABSENT for side in (left, right))
        rows.append((safe_text(name, 40), one, other))
    return [Difference(*row) for row in rows if row[1] != row[2]]


RESULTS = (
    "state",
    "steps",
    "final loss",
    "held-out loss",
    "adapter norm",
    "views per image",
    "time",
    "s per step",
    "GPU memory",
    "memory",
    "checkpoints",
    "samples",
)


def _result(side: ComparedRun, title: str) -> str:
    history = side.history
    match title:
        case "state":
            return side.state
        case "steps":
            return f"{history.step} of {history.steps}"
        case "final loss":
            return _figure(history.ema.last, ".4f")
        case "held-out loss":
            return _figure(side.heldout, ".4f")
        case "adapter norm":
            return _figure(side.norm, ".4g")
        case "views per image":
            return _figure(history.views, ".1f")
        case "time":
            return clock(side.seconds) if side.seconds else ABSENT
        case "s per step":
            return _figure(history.seconds_per_step, ".3g")
        case "GPU memory":
            return in_bytes(side.vram) if side.vram else ABSENT
        case "memory":
            return in_bytes(side.rss) if side.rss else ABSENT
        case "checkpoints":
            return str(len(history.checkpoints))
    return str(len(history.samples))


def _remarks(left: ComparedRun, right: ComparedRun, settings: bool, pictures: bool) -> list[str]:
    said = []
    seeds = [side.settings.get("train.seed", BY_KEY["train.seed"].default) for side in (left, right)]
    if not settings and not pictures and left.pictures is not None and right.pictures is not None:
        said.append("The same settings and pictures: on one machine both runs give the same result.")
    elif seeds[0] == seeds[1]:
        said.append("The same seed: every draw follows the same rule, so the results differ for the reasons above.")
    else:
        said.append("Two seeds: some of the difference in the results is chance; compare runs of one seed.")
    unknown = [side.name for side in (left, right) if side.pictures is None]
    if unknown:
        said.append(f"Which pictures were used is known from a checkpoint; there is none in {', '.join(unknown)}.")
    if left.history.step != right.history.step:
        both = {one.step for one in left.history.samples} & {one.step for one in right.history.samples}
        said.append(f"They ended at different steps{': look at the samples of a step that both have' * bool(both)}.")
    return said


def _d(side: ComparedRun, group: str) -> str:
    found = side.history.groups.get(group)
    return _figure(found.d.last if found is not None else None, ".3g")


def _pictures(run: RunDir, history: History) -> Mapping[str, str] | None:
    """What a checkpoint remembers of the pictures; the newest that can be read."""
    folders = sorted(run.checkpoints.glob("step-*"), reverse=True) if is_folder(run.checkpoints) else []
    for folder in folders:
        state = read_state(folder).value
        if state is not None:
            return {name: str(digest) for name, digest in state["identity"]["pictures"].items()}
    return None


def _files(folder: Path) -> Mapping[str, int]:
    try:
        files = {name: folder / name for name in sorted(everything(folder))}
        return {name: one.stat().st_size for name, one in files.items() if is_file(one)}
    except OSError:
        return {}


def _newest(measures: list[Event], name: str) -> float | None:
    values = [number(one.get(name)) for one in measures]
    return next((one for one in reversed(values) if one is not None), None)


def _names(names: list[str]) -> str:
    if not names:
        return ABSENT
    rest = len(names) - NAMES_SHOWN
    shown = ", ".join(safe_text(one, 30) for one in names[:NAMES_SHOWN])
    return f"{shown} and {rest} more" if rest > 0 else shown


def _or_absent(value: Any) -> str:
    return ABSENT if value is None else shown_value(value)


def _figure(value: float | None, form: str) -> str:
    return ABSENT if value is None else format(value, form)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
