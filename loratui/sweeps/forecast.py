"""What a sweep would take before it is started: each run judged and planned as it would be alone, and their sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loratui.errors import Refusal
from loratui.planning.prepared import Looks, PreparedRun, prepare, refuse_if_needed
from loratui.planning.sections import free_bytes
from loratui.runs.find import RUNS
from loratui.runs.launch import in_the_way
from loratui.runs.place import existing
from loratui.settings.resolve import resolve
from loratui.sweeps.declaration import Sweep
from loratui.sweeps.points import Point, label
from loratui.terminal.glyphs import GLYPHS, marked
from loratui.terminal.text import plural, safe_text, show_path
from loratui.terminal.units import in_bytes, in_time
from trainer.contract.paths import is_file
from trainer.contract.run.devices import visible_gpus
from trainer.contract.settings.config import flat

MOST_SAID = 8  # points of one trouble that are named
NOT_KNOWN = "not known yet: none of this size has run here; the table says it once the first has ended"
ON_TOP = "each run's start and the samples that it draws come on top"
START_ON_TOP = "each run's start comes on top"
NOT_FOUND = "a setting of the answers or of another axis decides in its place"
NOT_HELD_OUT = (
    "no picture is held out, so the loss is one on the training pictures, which falls with overfitting too: "
    "with dataset.hold_out set to {count} it is one that can choose"
)


@dataclass(frozen=True)
class PlannedPoint:
    """One run as it would be; `trouble` says why it cannot start, and is empty where it can."""

    point: Point
    ready: PreparedRun | None
    trouble: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forecast:
    """All that are still to be made."""

    sweep: Sweep
    planned: tuple[PlannedPoint, ...]
    seconds: tuple[float, float] | None  # the least and the most, one after the other; None: not known for all
    disk: int  # bytes of all of them at their fullest
    free: int
    warnings: tuple[tuple[str, int], ...]  # and for how many runs each
    alike: tuple[tuple[Point, ...], ...]  # points that come to the same run
    elsewhere: bool = False  # on a cluster
    deciding: str = ""  # what keeps those points from being others, as half a sentence; empty where it is not known

    @property
    def able(self) -> tuple[PlannedPoint, ...]:
        """Those that can start."""
        return tuple(one for one in self.planned if one.ready is not None and not one.trouble)

    @property
    def unable(self) -> tuple[PlannedPoint, ...]:
        """Those that cannot."""
        return tuple(one for one in self.planned if one.trouble)

    @property
    def errors(self) -> tuple[str, ...]:
        """What keeps all of it from being started."""
        found = []
        for same in self.alike:
            names = " and ".join(label(self.sweep, one) for one in same[:MOST_SAID])
            found.append(f"{names} come to the same run: {self.deciding or NOT_FOUND}")
        if self.disk > self.free:
            found.append(f"all runs need about {in_bytes(self.disk)} on disk, and {in_bytes(self.free)} are free")
        if self.planned and not self.able:
            found.append("none of its runs can start")
        return tuple(found)


def forecast(sweep: Sweep, wanted: Sequence[Point], runs: Path = RUNS, looks: Looks | None = None) -> Forecast:
    """Judge and plan the `wanted` points; folders, machine and past runs are looked at once. Raises no Refusal."""
    looks = looks or Looks()
    planned = tuple(_planned(sweep, one, runs, looks) for one in wanted)
    plans = [one.ready.plan for one in planned if one.ready is not None and not one.trouble]
    times = [plan.seconds for plan in plans]
    known = [one for one in times if one is not None]
    total = (sum(one[0] for one in known), sum(one[1] for one in known))
    alike = _alike(planned)
    warned = Counter(warning for plan in plans for warning in dict.fromkeys(plan.warnings))
    return Forecast(
        sweep,
        planned,
        total if known and len(known) == len(times) else None,
        sum(plan.disk for plan in plans),
        free_bytes(runs),
        tuple(warned.most_common()),
        alike,
        any(one.elsewhere for one in looks.machines.values()),
        _deciding(sweep, alike[0][:2], planned) if alike else "",
    )


def forecast_lines(found: Forecast) -> list[str]:
    """What is said before anybody is asked: whether it can start, and if not why, before all else."""
    sweep, able = found.sweep, len(found.able)
    lines = [*verdict_lines(found), f"sweep {sweep.name}: {sweep.words}"]
    lines += [f"  {safe_text(sweep.title)}"] if sweep.title else []
    lines += [f"  source: {safe_text(sweep.source, 300)}"] if sweep.source else []
    lines += [f"  {axis.title}: {axis.listed()}" for axis in sweep.axes]
    lines += [f"  time  {time_words(found)}", f"  disk  {disk_words(found)}"]
    lines += [marked("warn", f"{one}{_of(count, able)}") for one, count in found.warnings]
    if found.able and any(not _config(one).dataset.hold_out for one in found.able):
        fewest = min(len(one.ready.outcome.images) for one in found.able if one.ready is not None)
        lines.append(marked("warn", NOT_HELD_OUT.format(count=min(3, max(1, fewest // 4)))))
    return lines


def verdict_lines(found: Forecast) -> list[str]:
    """Whether it can start, as the plan of one run says it; the runs that cannot, with why."""
    able, missing = len(found.able), len(found.planned)
    if found.errors:
        return [*(f"{GLYPHS['bad']} Not ready: {one}" for one in found.errors), *trouble_lines(found)]
    if able < missing:
        return [f"! {plural(able, 'run')} of {missing} to start.", *trouble_lines(found)]
    there = found.sweep.runs - missing
    return [
        f"✓ Ready: {plural(able, 'run')} to start{f'; {there} of {found.sweep.runs} there already' if there else ''}."
    ]


def time_words(found: Forecast) -> str:
    """How long the steps of all take, and what is not in it: "about 3 h 20 min of steps, one after the other; ..."."""
    if found.seconds is None:
        return NOT_KNOWN
    drawn = any(one.ready is not None and one.ready.resolved.config.sample.drawn for one in found.able)
    more = ON_TOP if drawn else START_ON_TOP
    if found.elsewhere:
        low, high = map(in_time, found.seconds)
        said = f"{low} to {high}" if low != high else f"about {low}"
        return f"the steps take {said} in all, as the cluster gives places; {more}"
    places = max(1, len(visible_gpus()))
    low, high = (in_time(one / min(places, max(1, len(found.able)))) for one in found.seconds)
    how = "one after the other" if places == 1 else f"{places} at a time"
    return f"the steps take {f'{low} to {high}' if low != high else f'about {low}'}, {how}; {more}"


def disk_words(found: Forecast) -> str:
    """What lies there in the end, and what is free."""
    return f"about {in_bytes(found.disk)}, {in_bytes(found.free)} free in {show_path(existing(RUNS))}"


def trouble_lines(found: Forecast) -> list[str]:
    """The points that cannot start, those with the same reason together."""
    by_reason: dict[tuple[str, ...], list[Point]] = {}
    for one in found.unable:
        by_reason.setdefault(one.trouble, []).append(one.point)
    lines = [f"! {plural(len(found.unable), 'run')} of {len(found.planned)} cannot start:"] if found.unable else []
    for reason, those in by_reason.items():
        named = "; ".join(f"{one.number} ({label(found.sweep, one)})" for one in those[:MOST_SAID])
        more = f" and {len(those) - MOST_SAID} more" if len(those) > MOST_SAID else ""
        lines += [f"  {named}{more}", *(f"      {one}" for one in reason)]
    return lines


def _planned(sweep: Sweep, point: Point, runs: Path, looks: Looks) -> PlannedPoint:
    ready = None
    try:
        ready = prepare(sweep.base, dict(point.values), sweep.base.source, runs / point.name, looks=looks)
        refuse_if_needed(ready)
    except Refusal as refusal:
        return PlannedPoint(point, ready, tuple(one.removeprefix("--set ") for one in refusal.messages))
    place = runs / point.name
    if (trouble := in_the_way(place)) and not is_file(place / "config.toml"):
        return PlannedPoint(point, ready, (f"'{show_path(place)}' {trouble}, and is not a run: move it away",))
    return PlannedPoint(point, ready)


def _alike(planned: Sequence[PlannedPoint]) -> tuple[tuple[Point, ...], ...]:
    found: dict[str, list[Point]] = {}
    for one in planned:
        if one.ready is not None:
            values: dict[str, Any] = {**flat(one.ready.resolved.config), "name": "", "preset": ""}
            found.setdefault(repr(values), []).append(one.point)
    return tuple(tuple(same) for same in found.values() if len(same) > 1)


def _deciding(sweep: Sweep, same: Sequence[Point], planned: Sequence[PlannedPoint]) -> str:
    """The settings of the answers without which these points would not be one run."""
    images = next((len(one.ready.outcome.images) for one in planned if one.ready is not None), 0)
    found = []
    for key in sweep.base.values:
        rest = {other: value for other, value in sweep.base.values.items() if other != key}
        try:
            first, second = (
                flat(resolve(replace(sweep.base, values=rest), dict(one.values), images).config) for one in same
            )
        except Refusal:
            continue  # it cannot be left out
        if {**first, "name": "", "preset": ""} != {**second, "name": "", "preset": ""}:
            found.append(key)
    decides = "decides" if len(found) == 1 else "decide"
    return f"{' and '.join(found)} of the answers {decides} in its place: take it out of them" if found else ""


def _config(one: PlannedPoint) -> Any:
    assert one.ready is not None
    return one.ready.resolved.config


def _of(count: int, able: int) -> str:
    return "" if count == able else f" ({count} of {plural(able, 'run')})"
