"""What a sweep is: base answers, axes of settings, seeds; and how its axes are read from a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loratui.settings.answers import Answers
from loratui.settings.problems import AnswersError, unknown_setting, wrong_value
from loratui.terminal.text import plural, safe_text
from trainer.contract.documents.parsers import parse_toml
from trainer.contract.settings.config import BY_KEY, value_of_now

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
SEED = "train.seed"
MOST_RUNS = 500
MOST_SEEDS = 50
MOST_NAMED = 5  # places of an axis that a line names
# the sweep names its runs itself; what was decided of single pictures belongs into the base answers
NOT_AN_AXIS = {
    "name": "a sweep names its runs itself",
    "dataset.accept": "accept in the answers, for all of them",
    "concepts": "several concepts are one run: they stand in the answers",
}
_NEXT_KEY = re.compile(r",(?=\s*[a-z_]+(?:\.[a-z0-9_]+)?\s*=)")


@dataclass(frozen=True)
class Axis:
    """Settings that change together, each place along it a value of each."""

    keys: tuple[str, ...]
    places: tuple[tuple[Any, ...], ...]
    labels: tuple[str, ...] = ()  # of each place, where the values are not its best name, such as "v3"
    source: str = ""  # who tried these values
    called: str = ""  # what changes, where the settings' names are too many, such as "version"

    @property
    def title(self) -> str:
        """What changes along it: "rank", or "optimizer, learning rate"."""
        return safe_text(self.called, 30) or ", ".join(BY_KEY[key].title for key in self.keys)

    @property
    def named(self) -> str:
        """Its places in a row of several axes: of many the first and the last, those of several values in brackets."""
        said = self.listed(MOST_NAMED)
        return f"({said})" if ";" in said else said

    def listed(self, most: int = MOST_RUNS) -> str:
        """Its places by name: "4, 16, 32"; "4, adamw; 16, prodigy" where each is several values."""
        names = [self.label(place) for place in range(len(self.places))]
        shown = names if len(names) <= most else [*names[: most - 2], "...", names[-1]]
        return ("; " if len(self.keys) > 1 and not self.labels else ", ").join(shown)

    def label(self, place: int) -> str:
        """The name of one place: its label, else its values."""
        from loratui.results.comparison import shown_value

        if self.labels:
            return safe_text(self.labels[place], 40)
        return ", ".join(shown_value(one) for one in self.places[place])


@dataclass(frozen=True)
class Sweep:
    """A frozen declaration; what each of its runs did stands in the runs' own folders and nowhere else."""

    name: str
    base: Answers
    axes: tuple[Axis, ...]
    seeds: int = 1
    title: str = ""
    source: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)  # held the same in all runs, over the base answers

    @property
    def runs(self) -> int:
        """How many runs it is."""
        count = self.seeds
        for axis in self.axes:
            count *= len(axis.places)
        return count

    @property
    def words(self) -> str:
        """What it tries and how many runs that is: "rank 4, 16 x optimizer prodigy, adamw x 3 seeds: 12 runs"."""
        parts = [f"{axis.title} {axis.named}" for axis in self.axes]
        parts += [plural(self.seeds, "seed")] if self.seeds > 1 else []
        return f"{' x '.join(parts)}: {plural(self.runs, 'run')}"


def grid_axis(text: str) -> Axis:
    """One `--grid KEY=VALUE,VALUE`. Raises AnswersError with all that is wrong."""
    key, values = _written(text, "--grid")
    return checked_axis("--grid", {key: values})


def zip_axis(text: str) -> Axis:
    """One `--zip KEY=VALUE,VALUE,KEY=VALUE,VALUE`: settings that change together. Raises AnswersError."""
    parts = _NEXT_KEY.split(text)
    if len(parts) < 2:
        raise AnswersError([f"--zip {safe_text(text, 80)}: write two settings or more, such as a.b=1,2,c.d=3,4"])
    written = [_written(part, "--zip") for part in parts]
    keys = [key for key, _ in written]
    if twice := [key for key in dict.fromkeys(keys) if keys.count(key) > 1]:
        raise AnswersError([f"--zip {safe_text(one, 80)}: it is there twice" for one in twice])
    return checked_axis("--zip", dict(written))


def checked_axis(
    place: str, columns: Mapping[str, list[Any]], labels: Sequence[str] = (), source: str = "", called: str = ""
) -> Axis:
    """The axis of `columns`, a list of values for each key. Raises AnswersError with all that is wrong."""
    messages: list[str] = []
    found: dict[str, list[Any]] = {}
    for key, values in columns.items():
        at = f"{place} {safe_text(key, 80)}"
        if key not in BY_KEY:
            messages.append(f"{at}: {unknown_setting(key, full=True)}")
            continue
        if key in NOT_AN_AXIS:
            messages.append(f"{at}: {NOT_AN_AXIS[key]}")
        found[key] = [value_of_now(key, one) for one in values]
        said = dict.fromkeys(wrong_value(BY_KEY[key], one) for one in found[key])
        messages += [f"{at}: {one}" for one in said if one]
        if not values:
            messages.append(f"{at}: give it values, such as {key}={BY_KEY[key].default}")
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        counts = ", ".join(f"{safe_text(key, 40)} {len(values)}" for key, values in columns.items())
        messages.append(f"{place}: settings that change together need as many values each; there are {counts}")
    if messages:
        raise AnswersError(messages)
    places = tuple(zip(*(map(_frozen, values) for values in found.values()), strict=True))
    if doubled := [one for at, one in enumerate(places) if one in places[:at]]:
        said_twice = ", ".join(safe_text(value, 40) for value in doubled[0])
        raise AnswersError([f"{place} {', '.join(found)}: {said_twice} is there twice"])
    if labels and len(labels) != len(places):
        raise AnswersError([f"{place}: {plural(len(labels), 'label')} for {plural(len(places), 'place')}"])
    return Axis(tuple(found), places, tuple(labels), source, called)


def declared(
    name: str,
    base: Answers,
    axes: Sequence[Axis],
    seeds: int = 1,
    *,
    title: str = "",
    source: str = "",
    fixed: Mapping[str, Any] | None = None,
) -> Sweep:
    """The sweep of these parts. Raises AnswersError where they do not go together."""
    messages = []
    if not NAME.fullmatch(name):
        messages.append(f"'{safe_text(name, 60)}' cannot name a sweep: letters, digits, '-' and '_', at most 40")
    keys = [key for axis in axes for key in axis.keys]
    twice = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
    messages += [f"{key}: it stands on two axes; leave one of them out" for key in twice]
    if seeds > 1 and SEED in keys:
        messages.append(f"{SEED}: it is an axis already; take 1 seed of each")
    if not 1 <= seeds <= MOST_SEEDS:
        messages.append(f"--seeds: {seeds} is out of bounds; allowed is 1 to {MOST_SEEDS}")
    if not axes and seeds == 1:
        messages.append("a sweep needs something that changes: --grid train.rank=4,16,32, or --seeds 3")
    found = Sweep(name, base, tuple(axes), seeds, title, source, dict(fixed or {}))
    if found.runs > MOST_RUNS:
        messages.append(f"{found.words}: at most {MOST_RUNS} are one sweep")
    if messages:
        raise AnswersError(messages)
    return found


def values_of(key: str, written: str) -> list[Any]:
    """The values of a setting in `written`: with commas between, or a TOML list."""
    kind = BY_KEY[key].kind if key in BY_KEY else "str"
    text = written.strip()
    if text.startswith("["):
        value = (parse_toml(f"value = {text}").value or {}).get("value")
        if isinstance(value, list):
            return [tuple(one) if isinstance(one, list) else one for one in value]
    parts = [part.strip() for part in text.split(",")]
    return [_value(part, kind) for part in parts if part]


def _written(text: str, flag: str) -> tuple[str, list[Any]]:
    key, equals, written = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise AnswersError([f"{flag} {safe_text(text, 80)}: write it as KEY=VALUE,VALUE, such as train.rank=4,16,32"])
    return key, values_of(key, written)


def _value(written: str, kind: str) -> Any:
    if kind in ("str", "choice"):
        return written.strip("'\"")
    if kind == "bool" and written in ("on", "off"):
        return written == "on"
    found = parse_toml(f"value = {written}").value or {}
    return found["value"] if list(found) == ["value"] else written


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
