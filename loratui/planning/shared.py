"""One run on several GPUs of this machine: whether that can be, and what of each step falls to one of them."""

from __future__ import annotations

import os
from dataclasses import replace

from loratui.planning.sections import PlanRow, PlanSection
from loratui.runs.find import processes_of
from loratui.terminal.text import plural
from trainer.contract.plan.sharing import as_one_of, uneven
from trainer.contract.run.devices import CPU, visible_gpus
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, load_config


def shared_errors(config: TrainConfig, gpus: int) -> list[str]:
    """Why a run cannot be shared by so many here, as sentences; nothing for one."""
    return [one for one in (too_few(config, gpus), not_even(config, gpus)) if one]


def not_even(config: TrainConfig, gpus: int) -> str:
    """Why its steps cannot be shared by so many wherever they are; empty where they can."""
    return uneven(config.train.batch, config.train.accumulation, gpus)


def shared_section(memory: PlanSection, config: TrainConfig, gpus: int) -> PlanSection:
    """The section of the memory, which then is that of each, with what each takes of a step."""
    if gpus == 1:
        return memory
    each, train = as_one_of(config, gpus).train, config.train
    parts = [f"{each.batch} of a batch of {train.batch}"] if each.batch != train.batch else []
    if each.accumulation != train.accumulation:
        parts = [f"{each.accumulation} of {plural(train.accumulation, 'batch', 'batches')} of {train.batch}"]
    what = "processes of the CPU" if config.train.device == CPU else "GPUs"
    row = PlanRow("shared by", f"{gpus} {what}", f"each takes {parts[0]}: the same steps" if parts else "")
    return replace(memory, title=f"{memory.title}, on each of {gpus}", rows=(row, *memory.rows))


def gpus_again(run: RunDir) -> tuple[int, str]:
    """As many GPUs as shared the run before; one where that cannot be any more, with why as a sentence.

    Raises OSError or ValueError if its configuration cannot be read.
    """
    had = processes_of(run)
    trouble = shared_errors(load_config(run.config), had) if had > 1 else []
    if not trouble:
        return had, ""
    return 1, f"it was shared by {had} GPUs and goes on with one: {trouble[0].removeprefix(f'--gpus {had}: ')}"


def too_few(config: TrainConfig, gpus: int) -> str:
    """Why this machine has not so many; empty where it has, and for one."""
    if gpus == 1:
        return ""
    if config.train.device == CPU:
        cores = os.cpu_count() or 1
        return f"--gpus {gpus}: this machine has {plural(cores, 'core')}" if gpus > cores else ""
    there = len(visible_gpus())
    if gpus <= there:
        return ""
    other = "" if there else "; with train.device=cpu that many processes share the CPU"
    return f"--gpus {gpus}: this machine shows {plural(there, 'GPU')} (see 'loratui doctor'){other}"
