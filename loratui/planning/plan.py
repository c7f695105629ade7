"""What a run will do, in words: the arithmetic, memory, disk and time, before anything is started."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from loratui.basemodels.words import base_errors, base_rows, base_trouble, base_warnings
from loratui.curation.groups import grouped, unknown_codes
from loratui.curation.report import Outcome, Report
from loratui.planning.concept_rows import class_rows, concept_sections, held_out_errors, pictures_of_each
from loratui.planning.fitting import Growth, Proposal, Verdict, grown, level_of, propose, verdict
from loratui.planning.hardware import Machine
from loratui.planning.past_runs import PastRuns, place
from loratui.planning.ram import ram_trouble
from loratui.planning.sections import (
    MachineKnown,
    PlanRow,
    PlanSection,
    disk_errors,
    disk_section,
    folder_errors,
    memory_section,
    steps_section,
    time_section,
    whole_seconds,
)
from loratui.planning.shared import not_even, shared_section
from loratui.planning.shell_command import replay_command
from loratui.planning.without_gpu import without_gpu
from loratui.runs.find import RUNS
from loratui.settings.resolve import Resolved
from loratui.settings.steps import good_views
from loratui.terminal.text import plural, safe_text, show_path
from loratui.terminal.units import in_bytes
from trainer.contract.plan.adapter_size import by_layer
from trainer.contract.plan.advice import advice, refusals
from trainer.contract.plan.estimate import Estimate, corrected, estimate
from trainer.contract.plan.kept_words import kept_in
from trainer.contract.plan.levels import with_level
from trainer.contract.plan.sharing import as_one_of
from trainer.contract.run.exports import dora_readers
from trainer.contract.settings.arithmetic import learning_rates, schedule, trained_images
from trainer.contract.settings.config import BY_KEY, TrainConfig, vae_source
from trainer.contract.settings.taught import epoch_places
from trainer.contract.settings.training import Checkpointing

TARGETS = {"attention": "the attention's Linears", "all-linear": "every Linear"}
LINEAR_COST = "a twentieth more time and up to 1.2 times as much in a step as the attention at twice the rank"
SLOW_HALF = "train.precision is fp16, in which a processor takes hundreds of times as long; set it to bf16 or fp32"


@dataclass(frozen=True)
class Plan:
    """The run as it would be."""

    sections: tuple[PlanSection, ...]
    warnings: tuple[str, ...]
    errors: tuple[str, ...]  # a run with one of these is not started
    command: str  # does the same from a shell
    verdict: Verdict | None = None  # whether it fits; None where the machine was not looked at
    proposal: Proposal | None = None  # what would make it fit; None where it fits
    slow: str = ""  # why it would take days here; empty where it does not
    base: str = ""  # why its base model cannot be had; empty where it can
    level: Checkpointing | None = None  # what is made again where that was left to the plan; None where it is not known
    seconds: tuple[float, float] | None = None  # the least and the most that all steps take; None: not known
    disk: int = 0  # bytes in the run's folder at its peak

    @property
    def first(self) -> str:
        """What is to be known before all else: with it the run is not ready. Empty where there is nothing."""
        return self.base or self.slow


def make_plan(
    resolved: Resolved,
    report: Report | None = None,
    outcome: Outcome | None = None,
    *,
    runs: Path = RUNS,
    source: str = "answers.toml",
    machine: Machine | None = None,
    knowledge: PastRuns | None = None,
    gpus: int = 1,
) -> Plan:
    """The plan of `resolved`: nothing is looked up but the base model's headers and the free disk.

    `runs` is where the run would stand, `source` the answer file, `machine` what it would run on, None where it is not
    known, `knowledge` what past runs taught. `gpus` share each step; memory and time are then those of one of them.
    """
    config = resolved.config
    images = len(outcome.images) if outcome is not None else len(report.pictures) if report is not None else 0
    errors, possible = _errors(config, resolved), not refusals(config)
    errors += [words] if (words := not_even(config, gpus)) else []
    used = pictures_of_each(config, outcome, images)
    if images and (held := held_out_errors(config, used)):
        possible, errors = False, [*errors, *held]
    counts = [trained_images(count, config.dataset.hold_out) for count in used]
    images = sum(counts)
    of_base, warnings = _base_model(config)
    sections, judged = [], None
    level = _level(as_one_of(config, gpus), images, machine, knowledge or PastRuns()) if possible else None
    config = config if level is None else with_level(config, level)
    mine = as_one_of(config, gpus)
    known, need = _need(mine, images, machine, knowledge or PastRuns(), possible, gpus)
    if images:
        times = schedule(config, images, epoch_places(config, counts))
        sections.append(steps_section(config, times))
    slow = without_gpu(mine, need, machine, known.correction)
    if need is not None:
        errors += [*folder_errors(runs), *disk_errors(need, runs)]
        judged, ready = _judged(need, machine), not (errors or slow)
        growth = _growth(mine, images, known, judged)
        sections.append(shared_section(memory_section(need, known, judged, growth, level, ready, config), config, gpus))
    if images:
        sections.append(time_section(mine, need, times, known))
    if need is not None:
        sections.append(disk_section(need, runs))
    if judged is not None and not judged.fits and machine is not None and need is not None:
        warnings.append(
            f"the run needs about {in_bytes(need.memory_total)} of {machine.memory}, {in_bytes(machine.free)} are "
            f"free: {judged.words}"
        )
    if need is not None and machine is not None and (short := ram_trouble(need.ram, machine.ram_free)):
        warnings.append(short)
    if config.train.precision == "fp16" and machine is not None and machine.device == "cpu":
        warnings.append(SLOW_HALF)
    warnings += advice(config, images, good_views(config.preset))
    return Plan(
        sections=(
            *sections,
            _pictures(config, report, outcome),
            *concept_sections(config, counts),
            _technique(resolved),
            *of_base,
        ),
        warnings=(*warnings, *_unknown_names(outcome), *_left_out(report)),
        errors=tuple(errors),
        command=replay_command(resolved, source, gpus),
        verdict=judged,
        proposal=_proposal(config, images, known, judged, gpus),
        slow=slow,
        base=safe_text(base_trouble(config), 600),
        level=level,
        seconds=whole_seconds(mine, need, config.train.steps, known),
        disk=0 if need is None else need.disk_total,
    )


def settled(resolved: Resolved, plan: Plan | None) -> Resolved:
    """What is started: with what the plan chose in place of what was left to it."""
    if plan is None or plan.level is None:
        return resolved
    return replace(resolved, config=with_level(resolved.config, plan.level))


def _level(config: TrainConfig, images: int, machine: Machine | None, knowledge: PastRuns) -> Checkpointing | None:
    if config.train.gradient_checkpointing != "auto" or machine is None or not machine.total:
        return None
    return level_of(config, images, machine, _need(config, images, machine, knowledge, True)[0].correction.memory)


def _need(
    config: TrainConfig, images: int, machine: Machine | None, knowledge: PastRuns, possible: bool, gpus: int = 1
) -> tuple[MachineKnown, Estimate | None]:
    """The estimate as past runs correct it, and what they say; nothing where the settings make the run impossible."""
    if not possible:
        return MachineKnown(machine), None
    device = machine.device if machine is not None else "cuda"
    need = estimate(config, images, device)
    if machine is None:
        return MachineKnown(), need
    where = place(machine.name if device == "cuda" else "", world=gpus)
    memory = machine.total if device == "cuda" else 0
    found = knowledge.correction(config, need, where, memory)
    need = kept_in(corrected(need, found.memory), config, images, machine.free)
    return MachineKnown(machine, found, knowledge.errors(where, memory)), need


def _judged(need: Estimate, machine: Machine | None) -> Verdict | None:
    if machine is None or not machine.total:
        return None
    return verdict(need.memory_total, machine, sum(one.bytes for one in need.memory if one.name == "samples"))


def _growth(config: TrainConfig, images: int, known: MachineKnown, judged: Verdict | None) -> Growth | None:
    """What the memory that is free is good for, where the run fits into it."""
    if judged is None or not judged.fits or known.machine is None:
        return None
    return grown(config, images, known.machine.free, known.machine.device, known.correction.memory)


def _proposal(
    config: TrainConfig, images: int, known: MachineKnown, judged: Verdict | None, gpus: int
) -> Proposal | None:
    """Changes against what is free: what others hold is theirs."""
    if judged is None or judged.fits or known.machine is None:
        return None
    return propose(config, images, known.machine.free, known.machine.device, known.correction.memory, gpus=gpus)


def _pictures(config: TrainConfig, report: Report | None, outcome: Outcome | None) -> PlanSection:
    rows = [PlanRow("folder", show_path(config.dataset.path) if config.dataset.path else "none yet")]
    if report is not None and outcome is not None:
        used, skipped = len(outcome.images), len(report.pictures) - len(outcome.images)
        taken = set(outcome.images)
        own = sum(one.caption is not None for one in report.pictures if one.name in taken)
        counts = ((skipped, "skipped"), (config.dataset.hold_out * (1 + len(config.concepts)), "held out"))
        rows.append(
            PlanRow("pictures", f"{used} used", ", ".join(f"{count} {word}" for count, word in counts if count))
        )
        others = "all" if own == 0 else "the others"
        words = "their concept says" if config.concepts else f"'{safe_text(config.dataset.instance_prompt)}'"
        rest = f"{others} are trained as {words}" if own < used else ""
        rows.append(PlanRow("captions", f"{own} of {used}", rest))
        left = len(grouped(outcome.to_decide))
        rows.append(PlanRow("left to decide", plural(left, "finding") if left else "nothing"))
    return PlanSection("Pictures", tuple(rows))


def _technique(resolved: Resolved) -> PlanSection:
    config = resolved.config
    train, pivotal = config.train, config.pivotal
    rows = [
        PlanRow("base model", show_path(config.model.base), f"VAE: {show_path(vae_source(config.model) or 'its own')}"),
        _said(resolved, "preset", config.preset),
        _said(resolved, "train.rank", f"rank {train.rank}"),
        _targets(resolved),
        _said(resolved, "train.optimizer", f"{train.optimizer}, rate {learning_rates(config)[0]:g}"),
        _said(resolved, "train.min_snr_gamma", f"min-SNR {train.min_snr_gamma:g}" if train.min_snr_gamma else "off"),
    ]
    if own := config.adapter.words:
        rows.append(PlanRow("adapter", safe_text(own, 120), "layer by layer" if by_layer(config) else ""))
    if train.dora:
        said = _said(resolved, "train.dora_axis", f"along the {train.dora_axis} axis")
        rows.append(PlanRow("DoRA", said.value, f"{said.note}; read by {dora_readers(train.dora_axis)}"))
    words = [f"'{safe_text(one, 40)}'" for one in config.triggers] if config.concepts else []
    whose = " and ".join(words) or f"'{safe_text(config.dataset.trigger, 40)}'"
    tokens = f"{plural(pivotal.tokens, 'new token')} for {whose}"
    if pivotal.tokens_each:
        each = [f"{count} for '{safe_text(word, 40)}'" for word, count in config.token_counts.items()]
        tokens = f"new tokens: {', '.join(each)}"
    rows.append(PlanRow("pivotal tuning", tokens if pivotal.enabled else "off"))
    if config.caption.varies:
        rows.append(PlanRow("tags", config.caption.tags_words, "anew at each view: the text encoders stay to the end"))
    if config.caption.chunks > 1:
        rows.append(_said(resolved, "caption.max_tokens", config.caption.length_words))
    return PlanSection("Technique", (*rows, *class_rows(config)))


def _targets(resolved: Resolved) -> PlanRow:
    targets = resolved.config.train.targets
    said = _said(resolved, "train.targets", TARGETS[targets])
    return replace(said, note=f"{said.note}; {LINEAR_COST}") if targets == "all-linear" else said


def _base_model(config: TrainConfig) -> tuple[list[PlanSection], list[str]]:
    """What is to be said of the base model, and to be warned of."""
    rows = tuple(PlanRow(*one) for one in base_rows(config))
    return [PlanSection("Base model", rows)] if rows else [], base_warnings(config)


def _said(resolved: Resolved, key: str, value: str) -> PlanRow:
    origin = resolved.origins[key]
    named = origin.layer != "default" and origin.source  # answers of a form stand in no file yet
    note = f"{origin.layer}: {safe_text(origin.source)}" if named else origin.layer
    return PlanRow(BY_KEY[key].title, value, note + (" (inferred)" if origin.inferred else ""))


def _errors(config: TrainConfig, resolved: Resolved) -> list[str]:
    """What makes the run impossible whatever the pictures are."""
    found = (*refusals(config), *base_errors(config), *unknown_codes(config.dataset.accept))
    return [safe_text(_with_place(one, resolved), 600) for one in found]


def _with_place(sentence: str, resolved: Resolved) -> str:
    """A refusal that begins with its setting is given the place where that was set."""
    key, colon, rest = sentence.partition(":")
    return _place(resolved, key) + colon + rest if key in resolved.origins else sentence


def _place(resolved: Resolved, key: str) -> str:
    origin = resolved.origins[key]
    if origin.layer == "answers":
        return ": ".join(part for part in (origin.source, key) if part)
    return f"--set {key}" if origin.layer == "--set" else key


def _unknown_names(outcome: Outcome | None) -> list[str]:
    """What was decided of pictures that are not there: a name with a slip of the pen decides nothing."""
    told = (("skip", outcome.unknown), ("accept", outcome.unknown_accepted)) if outcome is not None else ()
    return [f"dataset.{key} names what is not in the folder: {safe_text(', '.join(of), 200)}" for key, of in told if of]


def _left_out(report: Report | None) -> list[str]:
    """Much of the folder cannot be read: said also where that was accepted."""
    found = [] if report is None else [one for one in report.findings if one.code == "other-formats"]
    return [f"{safe_text(one.message, 200)}; {one.remedy}" for one in found if one.severity == "warn"]
