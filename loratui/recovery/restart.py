"""Starts a run again after a remedy: in its own folder from a checkpoint, or as a new run beside it."""

from __future__ import annotations

from loratui.curation.sources import bring_back
from loratui.errors import Refusal
from loratui.planning.shared import gpus_again
from loratui.recovery.remedy import Remedy
from loratui.recovery.settings_change import amend, amended, begin_anew, changed_lines
from loratui.runs.engines import Engine, chosen
from loratui.runs.find import processes_of, resumable_steps, run_info
from loratui.runs.inbox import ask
from loratui.runs.launch import refuse_running, start, wait_started
from loratui.terminal.text import safe_text
from trainer.contract.pictures.folder import NoDataset
from trainer.contract.run import exits
from trainer.contract.run.rundir import RunDir


def start_again(run: RunDir, remedy: Remedy) -> tuple[RunDir, int]:
    """Apply `remedy` and start the trainer where the run was before; returns the run and the process id, 0 in Slurm.

    Raises Refusal, or OSError with the old settings in force.
    """
    refuse_running(run)
    engine, gpus = _where(run)  # what refuses does so before anything is changed
    try:
        bring_back(run)
    except NoDataset as error:
        raise Refusal(safe_text(error), exits.DATASET) from None
    if remedy.goes == "new run":
        run = begin_anew(run, remedy.changes)
    elif remedy.changes or remedy.back:
        amend(run, remedy.changes, remedy.step if remedy.back else None)
    return run, _begin(run, engine, gpus)


def go_on(run: RunDir) -> bool:
    """Let a paused trainer go on, or start the trainer of a run that is over; returns whether it works.

    Raises Refusal.
    """
    if run_info(run).state == "paused":
        ask(run, "resume")
        return True
    refuse_running(run)
    try:
        bring_back(run)
    except NoDataset as error:
        raise Refusal(safe_text(error), exits.DATASET) from None
    return _started(run)


def longer_lines(run: RunDir, steps: int) -> list[str]:
    """What making `run` as long as `steps` would change, as lines; nothing is written. Raises Refusal."""
    return changed_lines(*amended(run, {"train.steps": steps}, max(resumable_steps(run), default=None)))


def make_longer(run: RunDir, steps: int) -> bool:
    """Write the new length and start the trainer; returns whether it works. Raises Refusal, or OSError as above."""
    refuse_running(run)
    try:
        bring_back(run)
    except NoDataset as error:
        raise Refusal(safe_text(error), exits.DATASET) from None
    amend(run, {"train.steps": steps})
    return _started(run)


def _started(run: RunDir) -> bool:
    """Start the trainer where the run was before; returns whether it works."""
    pid = _begin(run, *_where(run))
    return not pid or wait_started(run, pid)


def _where(run: RunDir) -> tuple[Engine | None, int]:
    """Where `run` was, None for this machine, and on how many GPUs. Raises Refusal where its cluster is not there."""
    engine = chosen(None, (), [run])
    return engine, gpus_again(run)[0] if engine is None else processes_of(run)


def _begin(run: RunDir, engine: Engine | None, gpus: int) -> int:
    """Start it there; returns the process id, 0 in a cluster. Raises Refusal."""
    if engine is None:
        return start(run, gpus)
    engine.put_in(run, gpus)
    return 0
