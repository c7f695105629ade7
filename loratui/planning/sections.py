"""Sections of the plan that are numbers: steps, memory against what is there, time, disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loratui.planning.cards import step_time
from loratui.planning.fitting import Growth, Verdict, set_words
from loratui.planning.hardware import Machine
from loratui.planning.memory_bar import memory_bar
from loratui.planning.past_runs import NO_CORRECTION, NO_ERRORS, Correction, EstimateErrors
from loratui.planning.timeline import arithmetic_line, run_line
from loratui.planning.without_gpu import full_size, least_on_cpu
from loratui.runs.place import existing, making_trouble
from loratui.terminal.text import plural, safe_text, show_path
from loratui.terminal.units import in_bytes, in_gib, in_time
from trainer.contract.plan.estimate import Estimate
from trainer.contract.plan.levels import LONGER
from trainer.contract.plan.memory import MADE_AGAIN, MemoryPart, made_again
from trainer.contract.plan.views import MOST
from trainer.contract.settings.arithmetic import Schedule, sample_steps, text_frozen_within
from trainer.contract.settings.config import SMALL, TrainConfig
from trainer.contract.settings.prompts import sample_pictures
from trainer.contract.settings.tracking import NO_SAMPLES
from trainer.contract.settings.training import Checkpointing

Draw = Callable[[int], list[str]]  # lines for a width in cells
SPREAD = 20  # newest runs whose errors are told
WORTH_SAYING = 60  # seconds until the first step

ELSEWHERE = "choose another folder for the run (--out; in the wizard: folder)"


@dataclass(frozen=True)
class PlanRow:
    """One line: what, how much, and why."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class PlanSection:
    """Lines that belong together; `draw` stands above them, in as many cells as there are."""

    title: str
    rows: tuple[PlanRow, ...]
    draw: Draw | None = None


@dataclass(frozen=True)
class MachineKnown:
    """What is known of the machine: what it has, what its runs taught, how far off the estimates were."""

    machine: Machine | None = None
    correction: Correction = NO_CORRECTION
    errors: EstimateErrors = NO_ERRORS


def steps_section(config: TrainConfig, times: Schedule) -> PlanSection:
    """From pictures to views per image, and where pivot, checkpoints and samples fall."""
    frozen, part = "the new tokens are", config.pivotal.fraction
    if not config.pivotal.enabled:
        frozen, part = "the LoRA of the text encoders is", config.text_encoder_lora.fraction
    pivot = PlanRow("pivot", f"after step {times.pivot_within}", f"then {frozen} frozen ({part:g} of the run)")
    if times.pivot_within is None:
        pivot = PlanRow("pivot", "none", f"{frozen} trained to the end" if times.pivot else "")
    known = "" if config.model.base == SMALL else f"; above {MOST} overfits"  # found of SDXL, not of the small model
    rows = (
        PlanRow("views per image", f"{times.views_per_image:,.1f}", f"steps x batch / pictures{known}"),
        pivot,
        PlanRow("checkpoints", f"{len(times.checkpoints)}", _marks(times.checkpoints, "after step")),
        PlanRow("samples", _pictures(config, len(times.samples)), _marks(times.samples, "after step") or NO_SAMPLES),
    )
    waited = plural(config.stop.patience, "checkpoint")
    note = f"after {waited} whose held-out loss is no lower; the best one is exported"
    early = (PlanRow("early stop", "on", note),) if config.stop.patience else ()
    return PlanSection(
        "Steps", (*rows, *early), lambda width: [arithmetic_line(config, times), *run_line(times, width)]
    )


def memory_section(
    need: Estimate,
    known: MachineKnown,
    verdict: Verdict | None,
    growth: Growth | None = None,
    level: Checkpointing | None = None,
    ready: bool = True,
    config: TrainConfig | None = None,
) -> PlanSection:
    """The parts, what is there, whether it fits, and what more memory there would be good for.

    `level` is what of the activations is made again, where that was left to the plan. Where a run is not `ready` for
    other reasons, that its memory fits is no promise.
    """
    machine = known.machine
    rows = [_part(one) for one in need.memory]
    if level is not None:
        made = level if config is None else made_again(config)  # layer by layer it is whole blocks or nothing
        note = f"steps take {LONGER[made]}; the fastest that fits (train.gradient_checkpointing is auto)"
        rows.append(PlanRow("recomputed", MADE_AGAIN[made], note))
    rows.append(PlanRow("at its peak", f"about {in_bytes(need.memory_total)}", _corrected(known)))
    if need.memory_after != need.memory_total and (config is None or text_frozen_within(config)):
        kept = f"; keys and values of captions take {in_bytes(need.words_kept)}" if need.words_kept else ""
        rows.append(
            PlanRow("after the pivot", f"about {in_bytes(need.memory_after)}", f"the text encoders are gone{kept}")
        )
    if need.ram:
        free = f"{in_bytes(machine.ram_free)} free; " if machine is not None and machine.ram_free else ""
        note = f"{free}for the base model on its way, or the VAE that waits and a checkpoint while it is written"
        rows.append(PlanRow("RAM beside it", f"about {in_bytes(need.ram)}", note))
    if verdict is not None and machine is not None:
        there = f"{in_bytes(machine.free)} free"
        of = f"of {in_bytes(machine.total)} ({in_gib(machine.total)}), {safe_text(machine.name, 60)}"
        rows.append(PlanRow(machine.memory, there, of))
        rows.append(PlanRow("verdict", verdict.words, "" if ready else "the memory alone: the run is not ready"))
    if growth is not None:
        saved = f"{growth.saved:.0%}".replace("%", " %")
        note = f"{set_words(growth.settings)}: {saved} less arithmetic in a step, the same numbers"
        rows.append(PlanRow("room for more", f"about {in_bytes(growth.total)}", note))
    if errors := known.errors.memory:
        rows.append(PlanRow("past estimates", _spread(errors), f"memory, {plural(len(errors), 'run')} here"))
    title = "Memory" if need.exact else "Memory (for a full-size SDXL)"
    drawn = None if machine is None or not machine.total else machine
    return PlanSection(title, tuple(rows), None if drawn is None else lambda width: memory_bar(need, drawn, width))


def time_section(config: TrainConfig, need: Estimate | None, times: Schedule, known: MachineKnown) -> PlanSection:
    """How long it takes, as runs on this machine tell; before the first, as the arithmetic of a step does."""
    rows = [*_whole_run(config, need, times, known), *_before_first(config, need, known)]
    if errors := known.errors.time:
        rows.append(PlanRow("past estimates", _spread(errors), f"time, {plural(len(errors), 'run')} here"))
    return PlanSection("Time", tuple(rows))


def _before_first(config: TrainConfig, need: Estimate | None, known: MachineKnown) -> list[PlanRow]:
    """How long the first step lets itself be waited for, where that is long, and what of it can be switched off."""
    seconds, machine = known.correction.seconds, known.machine
    speed = machine.flops if machine is not None and machine.device == "cpu" else 0.0
    if need is not None and seconds:
        speed = need.step_flop / seconds
    if need is None or not speed or need.first_flop / speed < WORTH_SAYING:
        return []
    off = {
        "sample.at_start=false": "pictures of the base model" if 0 in sample_steps(config) else "",
        "train.measure=false": "the loss at fixed noise" if config.train.measure else "",
    }
    ways = [way for way, what in off.items() if what]
    note = f"first: {' and '.join(filter(None, off.values()))}" if ways else "pictures are encoded first"
    note += f"; {' and '.join(ways)} take{'' if len(ways) > 1 else 's'} it away" if ways else ""
    if config.adapter.start != "default":
        note += "; working out the LoRA's start from the weights is in it"
    least = "about" if seconds else "at least"
    value = f"{least} {in_time(need.first_flop / speed)}"
    return [PlanRow("until the first step", value, note)]


def _whole_run(config: TrainConfig, need: Estimate | None, times: Schedule, known: MachineKnown) -> list[PlanRow]:
    correction, machine = known.correction, known.machine
    whole = whole_seconds(config, need, times.steps, known)
    if whole is None and (least := least_on_cpu(config, need, machine)):
        note = "by the arithmetic of a step, at a speed that no training reaches; the first run here corrects it"
        return [PlanRow("all steps", f"at least {in_time(least)}", note)]
    if whole is None:
        note = "no run of this size on this machine yet: known after the first steps"
        return [PlanRow("all steps", "not known yet", note)]
    low, high = map(in_time, whole)
    if correction.seconds is None and need is not None and machine is not None:
        first = step_time(config, need, machine.name)
        source = first.source if first is not None else ""
        note = f"an estimate, by the arithmetic of a step ({source}); the first run here corrects it"
        return [PlanRow("all steps", f"{low} to {high}" if low != high else f"about {low}", note)]
    runs = plural(correction.time_runs, "run")
    why = f"as {runs} here took" if correction.same else f"worked out from {runs} with other settings: rough"
    more = "starting, samples and files" if config.sample.drawn else "starting and files"
    note = f"{in_time(correction.seconds or 0.0)} a step, {why}; {more} come on top"
    return [PlanRow("all steps", f"about {low}", note)]


def whole_seconds(
    config: TrainConfig, need: Estimate | None, steps: int, known: MachineKnown
) -> tuple[float, float] | None:
    """The least and the most seconds that all steps take; None where neither runs nor arithmetic tell."""
    correction, machine = known.correction, known.machine
    if correction.seconds is not None:
        return correction.seconds * steps, correction.seconds * steps
    if need is None or machine is None or machine.device != "cuda" or not full_size(config):
        return None
    first = step_time(config, need, machine.name)
    return None if first is None else (first.fast * steps, first.slow * steps)


def disk_section(need: Estimate, runs: Path) -> PlanSection:
    """What will lie in the run's folder, and what is free there."""
    free = PlanRow("free", in_bytes(free_bytes(runs)), show_path(existing(runs)))
    total = PlanRow("at its peak", f"about {in_bytes(need.disk_total)}")
    return PlanSection("Disk", (*(_part(one) for one in need.disk), total, free))


def disk_errors(need: Estimate, runs: Path) -> list[str]:
    """A disk on which the run would not end."""
    free = free_bytes(runs)
    if need.disk_total <= free or not shutil.disk_usage(existing(runs)).total:  # 0: no disk at all, such as /proc
        return []
    where = show_path(existing(runs))
    return [
        f"the run needs about {in_bytes(need.disk_total)} on disk, and {where} has {in_bytes(free)} free: "
        f"make room, {ELSEWHERE}, or lower train.keep_checkpoints"
    ]


def folder_errors(runs: Path) -> list[str]:
    """Where no run's folder can be made."""
    trouble = making_trouble(runs)
    return (
        [f"the run's folder cannot be made in {show_path(existing(runs))}: {trouble}; {ELSEWHERE}"] if trouble else []
    )


def free_bytes(path: Path) -> int:
    """What is free on the disk of `path`."""
    return shutil.disk_usage(existing(path)).free


def _pictures(config: TrainConfig, times: int) -> str:
    if not times:
        return "none"
    each = len(sample_pictures(config))
    often = "once" if times == 1 else plural(times, "time")
    return often + (f", {plural(each, 'picture')} each time" if each > 1 else "")


def _corrected(known: MachineKnown) -> str:
    correction = known.correction
    if not correction.memory_runs:
        return "rough: no run of this size on this machine yet"
    near = "" if correction.same else " with other settings"
    return f"its rough parts corrected by {plural(correction.memory_runs, 'run')} here{near}: x {correction.memory:.2f}"


def _spread(errors: Sequence[float]) -> str:
    """How far off past estimates were: "-4 % to +9 %"."""
    last = errors[-SPREAD:]
    low, high = _percent(min(last)), _percent(max(last))
    return f"off by {low}" if low == high else f"off by {low} to {high}"


def _percent(part: float) -> str:
    whole = round(100 * part)
    return f"{whole:+d} %" if whole else "0 %"


def _part(one: MemoryPart) -> PlanRow:
    return PlanRow(one.name, in_bytes(one.bytes), one.note)


def _marks(steps: Sequence[int], word: str) -> str:
    shown = [str(one) for one in steps]
    if not shown:
        return ""
    if len(shown) > 6:
        shown = [*shown[:3], "...", *shown[-2:]]
    return f"{word} {', '.join(shown)}"
