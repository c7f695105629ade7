"""A sweep on its way: which run each point has, how it is doing, and what goes on, waits, pauses or stops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui.basemodels.pin import ask_commit
from loratui.errors import Refusal
from loratui.planning.plan import settled
from loratui.runs.engines import LOCAL, Engine, chosen
from loratui.runs.find import RUNS, RunInfo, link_trouble, run_info
from loratui.runs.inbox import ask
from loratui.runs.launch import LaunchError, create_run
from loratui.runs.past_run import config_values
from loratui.runs.queue import cancel, take_up
from loratui.runs.states import StateName
from loratui.settings.resolve import FOLDERS, MODELS
from loratui.sweeps.declaration import Sweep
from loratui.sweeps.forecast import Forecast
from loratui.sweeps.place import folder_of
from loratui.sweeps.points import Point, points
from loratui.terminal.text import os_words, plural, safe_text, show_path
from trainer.contract.documents.files import read_toml
from trainer.contract.entries import remove_folder
from trainer.contract.paths import is_file
from trainer.contract.run.changes import effect_of, read_changes
from trainer.contract.run.devices import runs_in
from trainer.contract.run.rundir import RunDir

Say = Callable[[str], None]
AGAIN = "put that right, then the same command goes on"
OVER: frozenset[StateName] = frozenset({"completed", "failed", "refused"})  # a sweep does not begin these again
ON_ITS_WAY: frozenset[StateName] = frozenset({"queued", "starting", "training", "waiting", "paused"})


@dataclass(frozen=True)
class PointRun:
    """A point and the run that it has; `changed` are settings in which that run is another one by now."""

    point: Point
    info: RunInfo | None = None  # None: it was not made yet, or its folder is gone
    changed: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """The run's state, or "missing"."""
        return "missing" if self.info is None else self.info.state

    @property
    def run(self) -> RunDir | None:
        """The run's folder."""
        return None if self.info is None else self.info.run


def point_runs(sweep: Sweep, runs: Path = RUNS, wait: bool = True) -> tuple[PointRun, ...]:
    """Every point with its run: the folder of its name, else a run that was made under that name.

    Without `wait` no cluster is waited for.
    """
    found: list[PointRun] = []
    renamed: dict[str, RunDir] | None = None
    for point in points(sweep):
        run = RunDir((runs / point.name).absolute())
        if not is_file(run.config):
            renamed = _by_name(runs) if renamed is None else renamed
            if point.name not in renamed:
                found.append(PointRun(point))
                continue
            run = renamed[point.name]
        found.append(PointRun(point, run_info(run, wait), _changed(point, run)))
    return tuple(found)


def start(
    planned: Forecast, runs: Path = RUNS, say: Say = print, settle: bool = True, engine: Engine = LOCAL
) -> list[RunDir]:
    """Make the run of every point that can start, and put it into the queue or into Slurm. Raises LaunchError, Refusal.

    With `settle` it waits until the first works. What was made before one that cannot be made goes its way.
    """
    made: list[RunDir] = []
    try:
        _make_runs(planned, runs, made, engine)
    finally:
        if made:
            say(f"{plural(len(made), 'run')} {engine.words(runs)}")
            _take_up(runs, say, settle and engine.is_local)
    return made


def undo(sweep: Sweep, runs: Path = RUNS) -> None:
    """Remove the declaration and the runs of a sweep that could not be started; nothing where a run has begun."""
    found = point_runs(sweep, runs)
    if all(one.state in ("missing", "new") for one in found):
        for one in found:
            if one.run is not None:
                remove_folder(one.run.path, one.run.path.parent)
        remove_folder(folder_of(sweep.name, runs), folder_of("", runs))


def goes_on(one: PointRun, again: bool = False) -> bool:
    """Whether a run is there that can go on: paused, stopped or never begun; with `again` also one that failed."""
    begun = one.state in OVER or one.state in ON_ITS_WAY - {"paused"}
    return one.run is not None and (not begun or (again and one.state == "failed"))


def holds(one: PointRun, command: str) -> bool:
    """Whether `pause` or `stop` changes anything for a run."""
    return one.state in ON_ITS_WAY and (one.state != "paused" or command == "stop")


def go_on(
    found: Sequence[PointRun], runs: Path = RUNS, again: bool = False, say: Say = print, engine: Engine | None = None
) -> int:
    """Let the runs that are there and not over go on, with `again` those that failed too; returns how many.

    Without an `engine` they go where the runs of the sweep were before.
    """
    engine = engine or engine_of(found)
    count = 0
    for one in found:
        if one.run is None or not goes_on(one, again):
            continue
        if one.state == "paused":
            ask(one.run, "resume")
        elif trouble := link_trouble(one.run):
            say(f"! {safe_text(one.run.path.name)}: {trouble}")
            continue
        else:
            engine.put_in(one.run)
        count += 1
        say(f"{one.point.name} was {one.state}: it resumes")
    _take_up(runs, say)
    return count


def engine_of(found: Sequence[PointRun], slurm: bool | None = None, options: Sequence[str] = ()) -> Engine:
    """Where the runs of a sweep go: as the options say, else where they were before. Raises Refusal."""
    return chosen(slurm, options, [one.run for one in found if one.run is not None]) or LOCAL


def hold(found: Sequence[PointRun], command: Any, say: Say = print) -> int:
    """Take what waits out of the queue, then `stop` or `pause` what trains; returns how many that were."""
    count = 0
    waiting = [one for one in found if one.state == "queued"]
    for one in reversed(waiting):  # the last first: none of them starts meanwhile in the place of one taken out
        assert one.run is not None
        try:
            cancel(one.run)
        except Refusal:
            continue  # it has just begun: told below
        count += 1
    if count:
        say(f"{plural(count, 'run')} taken out of the queue")
    for one in found:
        if one.run is None:
            continue
        state = run_info(one.run).state
        if state == "paused" and command == "pause":
            say(f"{one.point.name}: is paused already")
            count += 1
        elif state in ("training", "starting", "waiting", "paused"):
            try:
                said = ask(one.run, command)
            except Refusal as refusal:  # it has ended a moment ago
                said = refusal.messages[0]
            else:
                count += 1
            say(f"{one.point.name}: {said}")
    return count


def summary(found: Sequence[PointRun]) -> str:
    """How many runs are in which state: "4 completed, 1 training, 1 queued"."""
    waits = {one.state: "queued in Slurm" for one in found if one.state == "queued" and one.info and one.info.slurm}
    states = [waits.get(one.state, one.state) for one in found]
    return ", ".join(f"{states.count(one)} {one}" for one in dict.fromkeys(states)) or "no runs"


def _make_runs(planned: Forecast, runs: Path, made: list[RunDir], engine: Engine) -> None:
    asked: set[tuple[str, str]] = set()
    try:
        if planned.able:
            runs.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        why = "something else lies there" if isinstance(error, FileExistsError) else os_words(error, runs)
        raise LaunchError(f"the folder of the runs cannot be made: {show_path(runs)}: {why}; {AGAIN}") from None
    for one in planned.able:
        assert one.ready is not None
        model = one.ready.resolved.config.model
        if (model.base, model.vae) not in asked:
            asked.add((model.base, model.vae))
            ask_commit(one.ready.resolved.config)
        settings = settled(one.ready.resolved, one.ready.plan)
        run = create_run(settings, one.ready.answers, runs / one.point.name, advice=AGAIN)
        try:
            engine.put_in(run)
        except Refusal as refusal:
            raise Refusal([*refusal.messages, AGAIN], refusal.code) from None
        made.append(run)


def _take_up(runs: Path, say: Say, settle: bool = True) -> None:
    for run in take_up(runs, settle):
        say(f"started: {show_path(run.path)}")


def _by_name(runs: Path) -> dict[str, RunDir]:
    """Runs whose folder has another name by now; of several made under one name, any."""
    named: dict[str, RunDir] = {}
    for run in sorted(runs_in(runs), key=lambda one: one.path.name):
        name = (read_toml(run.config, root=run.path).value or {}).get("name")
        if isinstance(name, str):
            named.setdefault(name, run)
    return named


def _changed(point: Point, run: RunDir) -> tuple[str, ...]:
    """The settings that its run has otherwise than its point, or than it began with: somebody changed them since.

    A run that was made longer took more steps than the others of its sweep; what trains the same is no change.
    """
    own = config_values(run)
    begun: dict[str, Any] = {}
    for one in read_changes(run):
        if effect_of([one]) == "training":
            begun.setdefault(one.key, one.old)
    told = {key: value for key, value in point.values.items() if key not in ("preset", *FOLDERS, *MODELS)}
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in told.items()}
    return tuple(key for key, value in {**begun, **plain}.items() if own.get(key, value) != value)
