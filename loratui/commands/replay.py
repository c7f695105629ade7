"""What the commands do: read answers, check pictures, plan, launch, follow. The wizard uses the same parts."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loratui.commands.follow import follow
from loratui.curation.sources import bring_back
from loratui.errors import Refusal
from loratui.planning.hardware import asked_for, elsewhere
from loratui.planning.lines import plan_lines, resolved_lines, start_line, verdict_lines
from loratui.planning.past_runs import note
from loratui.planning.plan import settled
from loratui.planning.prepared import Looks, PreparedRun, prepare, refuse_if_needed
from loratui.planning.shared import gpus_again, shared_errors
from loratui.recovery.settings_change import amend, changed_lines
from loratui.runs.engines import Engine
from loratui.runs.find import processes_of, resumable_steps, run_info, saved_steps
from loratui.runs.launch import create_run, start, wait_started
from loratui.runs.queue import take_up
from loratui.runs.states import run_word
from loratui.settings.answers import AnswersError, parse_set, read_answers
from loratui.settings.resolve import FOLDERS, MODELS, resolve
from loratui.terminal.glyphs import marked
from loratui.terminal.layout import WIDTH, fitted
from loratui.terminal.text import safe_text, show_path
from trainer.contract.paths import can_see, expanded, is_file
from trainer.contract.pictures.folder import NoDataset
from trainer.contract.run import exits
from trainer.contract.run.changes import SettingChange
from trainer.contract.run.events import Tail
from trainer.contract.run.lock import is_held
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, flat, load_config

Say = Callable[[str], None]


def plan(path: Path, sets: Sequence[str], memory: float | None = None, gpus: int = 1, every: bool = False) -> int:
    """Print what a replay would do, here or on GPUs with `memory` GB; with `every` all settings too.

    Exit code: 2 or 3 where it would be refused.
    """
    machine = asked_for(memory) if memory is not None else None
    ready = prepare(read_answers(path), overrides_of(sets), show_path(path), machine=machine, gpus=gpus)
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    where = "" if machine is None else machine.name
    lines = [*fitted(verdict_lines(ready.plan, ready.refused, where), width), *plan_lines(ready.plan, width)]
    lines += resolved_lines(ready.resolved) if every else ["", "Each setting, and where it comes from: add --all"]
    last = start_line(ready.plan, ready.refused, where)
    print("\n".join([*lines, "", *fitted([last[:1].upper() + last[1:]], width)]))
    return _verdict(ready)


def replay(
    path: Path,
    sets: Sequence[str],
    out: Path | None,
    detach: bool,
    gpus: int,
    engine: Engine | None = None,
    go: bool = True,
    say: Say = print,
) -> int:
    """Run an answer file without asking anything, or let an `engine` do it in its turn; returns the exit code.

    Without `go` its folder is made, for another launcher.
    """
    from loratui.basemodels.pin import ask_commit

    looks = Looks() if engine is None or engine.is_local else Looks(elsewhere)
    ready = prepare(read_answers(path), overrides_of(sets), show_path(path), out, looks=looks, gpus=gpus)
    refuse_if_needed(ready)
    for warning in ready.plan.warnings:
        say(marked("warn", warning))
    ask_commit(ready.resolved.config)
    run = create_run(settled(ready.resolved, ready.plan), ready.answers, out)
    say(f"run folder: {show_path(run.path)}")
    if not go:
        say(f"Start it: loratui resume {run_word(run)}")
        return exits.DONE
    return begin(run, detach, gpus, say) if engine is None else engine.add(run, gpus, say)


def replay_again(
    path: Path,
    sets: Sequence[str],
    out: Path | None,
    detach: bool,
    gpus: int,
    engine: Engine | None = None,
    say: Say = print,
) -> int | None:
    """Go on with the run that lies in `out`; None where none does. One that is completed is done: nothing follows.

    Places that are not where they were are taken from the answers: another machine may have other folders.
    """
    if out is None:
        raise Refusal("--resume needs the run's folder: name it with --out")
    run = RunDir(expanded(out).absolute())
    if not is_file(run.config):
        return None
    if run_info(run).state == "completed":
        say(f"{show_path(run.path)} is completed")
        return exits.DONE
    wanted, had = (
        flat(one) for one in (resolve(read_answers(path), overrides_of(sets)).config, load_config(run.config))
    )
    moved = [
        f"{key}={wanted[key]}"
        for key in (*FOLDERS, *MODELS)
        if str(had[key]).startswith("/") and not can_see(Path(had[key])) and wanted[key] != had[key]
    ]
    return resume(run, detach, moved, gpus, engine, say)


def begin(run: RunDir, detach: bool = False, gpus: int = 1, say: Say = print) -> int:
    """Start (or start again) the trainer of `run`, and follow it as lines unless detached; returns the exit code."""
    try:
        return _begin(run, detach, gpus, say)
    except KeyboardInterrupt:  # between the start and the look at it
        if is_held(run.claim):
            say(f"the trainer was started and goes on; stop it with: loratui stop {run_word(run)}")
        return exits.STOPPED


def _begin(run: RunDir, detach: bool, gpus: int, say: Say) -> int:
    earlier = Tail(run.events)
    while earlier.read():
        pass
    pid = start(run, gpus)
    if not detach:
        code = follow(run, sys.stdout, interrupt="stop", pid=pid, tail=earlier)
        note(run)
        take_up(run.path.parent)  # a trainer that was killed could not do it
        return code
    if not wait_started(run, pid):
        return follow(run, sys.stdout, pid=pid, tail=earlier)
    say(f"Training goes on in the background (process {pid}).")
    say(f"Watch it: loratui attach {run_word(run)}    Stop it: loratui stop {run_word(run)}")
    return exits.DONE


def resume(
    run: RunDir,
    detach: bool,
    sets: Sequence[str] = (),
    gpus: int | None = None,
    engine: Engine | None = None,
    say: Say = print,
) -> int:
    """Start an interrupted run again, here or on an `engine`; it goes on from its newest checkpoint, as `sets` says.

    On as many `gpus` as it had, where None.
    """
    info, saved, values = run_info(run), resumable_steps(run), overrides_of(sets)
    gpus = _gpus_for(run, gpus, say) if engine is None else gpus or processes_of(run)
    if info.state == "completed" and saved and saved[-1] >= _steps_of(run, values):
        longer = f"loratui resume {run_word(run)} --set train.steps={2 * saved[-1]}"
        raise Refusal(f"{show_path(run.path)} is completed; to make it longer: {longer}")
    try:
        bring_back(run)
    except NoDataset as error:
        raise Refusal(safe_text(error), exits.DATASET) from None
    if values:
        for line in changed_lines(*_amended(run, values)):
            say(line)
    later = [step for step in saved_steps(run) if step > (saved[-1] if saved else 0)]
    if later:
        names = ", ".join(run.checkpoint(step).name for step in later)
        say(f"without the optimizer's state, so not to resume from: {names}")
    if saved:
        say(f"resuming from {run.checkpoint(saved[-1]).name}")
    else:
        say("there is no checkpoint: it starts from the beginning")
    return begin(run, detach, gpus, say) if engine is None else engine.add(run, gpus, say)


def _gpus_for(run: RunDir, asked: int | None, say: Say) -> int:
    """As many as asked for, or as it had. Raises Refusal where that is more than there can be."""
    if asked is None:
        gpus, words = gpus_again(run)
        if words:
            say(words)
        return gpus
    if trouble := shared_errors(load_config(run.config), asked):
        raise Refusal(trouble)
    return asked


def overrides_of(sets: Sequence[str]) -> dict[str, Any]:
    """All `--set` options, the last of a key winning. Raises AnswersError with every problem at once."""
    values: dict[str, Any] = {}
    messages: list[str] = []
    for text in sets:
        try:
            key, value = parse_set(text)
        except AnswersError as error:
            messages += error.messages
        else:
            values[key] = value
    if messages:
        raise AnswersError(messages)
    return values


def _amended(run: RunDir, values: dict[str, Any]) -> tuple[TrainConfig, tuple[SettingChange, ...]]:
    changes = amend(run, values)
    return load_config(run.config), changes


def _steps_of(run: RunDir, values: dict[str, Any]) -> int:
    """How many steps the run is to have; 0 where that cannot be read, for amending says it better."""
    try:
        return int(values.get("train.steps", load_config(run.config).train.steps))
    except (OSError, ValueError):
        return 0


def _verdict(ready: PreparedRun) -> int:
    if ready.plan.errors:
        return exits.USAGE
    return exits.DONE if ready.outcome.ready else exits.DATASET
