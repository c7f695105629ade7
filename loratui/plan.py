"""What a run will do, in words: the arithmetic, memory, disk and time, before anything is started."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui.curation.report import Outcome, Report
from loratui.resolve import Resolved
from loratui.runs import RUNS, measured_seconds
from loratui.text import plural, safe_text, safe_toml, show_path
from trainer.contract.advice import advice, refusals
from trainer.contract.arithmetic import Schedule, learning_rates, schedule, trained_images
from trainer.contract.config import BY_KEY, TrainConfig, flat, vae_source
from trainer.contract.estimate import Estimate, Part, estimate

# what must be the same for a past run to tell how long a step takes
TIMED_BY = (
    "model.base",
    "train.resolution",
    "train.batch",
    "train.accumulation",
    "train.precision",
    "train.gradient_checkpointing",
    "train.optimizer",
    "train.device",
    "train.cpu_threads",
)


@dataclass(frozen=True)
class Row:
    """One line: what, how much, and why."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    """Lines that belong together."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Plan:
    """The run as it would be."""

    sections: tuple[Section, ...]
    warnings: tuple[str, ...]
    errors: tuple[str, ...]  # a run with one of these is not started
    command: str  # does the same from a shell


def make_plan(
    resolved: Resolved,
    report: Report | None = None,
    outcome: Outcome | None = None,
    *,
    runs: Path = RUNS,
    source: str = "answers.toml",
) -> Plan:
    """The plan of `resolved`. `runs` is where past runs tell how long a step takes; `source` is the answer file."""
    config = resolved.config
    images = len(outcome.images) if outcome is not None else len(report.pictures) if report is not None else 0
    errors = _errors(config, resolved)
    if images and config.dataset.hold_out >= images:
        errors.append(f"dataset.hold_out: {config.dataset.hold_out} of {images} pictures leaves none to train on")
    images = trained_images(images, config.dataset.hold_out)
    need = None if errors else estimate(config, images)
    if need is not None:
        errors += _disk_errors(need, runs)
    of_base, warnings = _base_model(config)
    sections = [_pictures(config, report, outcome), _technique(resolved), *of_base]
    if images:
        times = schedule(config, images)
        sections += [_arithmetic(config, times), _time(config, times, runs)]
    if need is not None:
        sections += [_memory(need), _disk(need, runs)]
    return Plan(
        sections=tuple(sections),
        warnings=tuple([*advice(config, images), *warnings, *_unknown_skips(outcome)]),
        errors=tuple(errors),
        command=_command(resolved, source),
    )


def plan_lines(plan: Plan) -> list[str]:
    """The plan as lines, the columns aligned."""
    lines: list[str] = []
    for section in plan.sections:
        lines += ["", section.title]
        left = max(len(row.label) for row in section.rows)
        middle = min(28, max(len(row.value) for row in section.rows))
        for row in section.rows:
            lines.append(f"  {row.label:<{left}}  {row.value:<{middle}}  {row.note}".rstrip())
    lines += ["", *(f"! warning  {one}" for one in plan.warnings), *(f"x ERROR    {one}" for one in plan.errors)]
    return [*lines, "", f"The same from a shell: {plan.command}"]


def resolved_lines(resolved: Resolved) -> list[str]:
    """The resolved configuration as TOML, each value with who says so as a comment."""
    import tomlkit

    lines: list[str] = []
    last = ""
    for key, value in flat(resolved.config).items():
        section, _, name = key.rpartition(".")
        if section != last:
            lines += ["", f"[{section}]"]
            last = section
        written = tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string()
        origin = resolved.origins[key]
        said = origin.layer if origin.layer == "default" else f"{origin.layer}: {safe_text(origin.source)}"
        lines.append(f"{name} = {safe_toml(written)}  # {said}{' (inferred)' if origin.inferred else ''}")
    return lines


def in_bytes(count: float) -> str:
    """A size for people: "5.1 GB", "93 MB", "12 kB"."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}" if count < 10 * size else f"{count / size:.0f} {unit}"
    return f"{count:.0f} B"


def in_time(seconds: float) -> str:
    """A duration for people: "45 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _pictures(config: TrainConfig, report: Report | None, outcome: Outcome | None) -> Section:
    rows = [Row("folder", show_path(config.dataset.path) if config.dataset.path else "none yet")]
    if report is not None and outcome is not None:
        used, skipped = len(outcome.images), len(report.pictures) - len(outcome.images)
        own = sum(one.caption is not None for one in report.pictures if one.name in set(outcome.images))
        counts = ((skipped, "skipped"), (config.dataset.hold_out, "held out"))
        rows.append(Row("pictures", f"{used} used", ", ".join(f"{count} {word}" for count, word in counts if count)))
        others = "all" if own == 0 else "the others"
        rest = f"{others} are trained as '{safe_text(config.dataset.instance_prompt)}'" if own < used else ""
        rows.append(Row("captions", f"{own} of {used}", rest))
        left = len(outcome.blocking) + len(outcome.unaccepted)
        rows.append(Row("left to decide", plural(left, "finding") if left else "nothing"))
    return Section("Pictures", tuple(rows))


def _technique(resolved: Resolved) -> Section:
    config = resolved.config
    train, pivotal = config.train, config.pivotal
    rows = [
        Row("base model", show_path(config.model.base), f"VAE: {show_path(vae_source(config.model) or 'its own')}"),
        _said(resolved, "preset", config.preset),
        _said(resolved, "train.rank", f"rank {train.rank}"),
        _said(resolved, "train.optimizer", f"{train.optimizer}, rate {learning_rates(config)[0]:g}"),
        _said(resolved, "train.min_snr_gamma", f"min-SNR {train.min_snr_gamma:g}" if train.min_snr_gamma else "off"),
    ]
    tokens = f"{pivotal.tokens} new tokens for '{safe_text(config.dataset.trigger, 40)}'"
    rows.append(Row("pivotal tuning", tokens if pivotal.enabled else "off"))
    return Section("Technique", tuple(rows))


def _base_model(config: TrainConfig) -> tuple[list[Section], list[str]]:
    """What is to be said of the base model, and to be warned of."""
    from loratui.basewords import base_rows, base_warnings  # which write sizes as this module does

    rows = tuple(Row(*one) for one in base_rows(config))
    return [Section("Base model", rows)] if rows else [], base_warnings(config)


def _said(resolved: Resolved, key: str, value: str) -> Row:
    origin = resolved.origins[key]
    note = origin.layer if origin.layer == "default" else f"{origin.layer}: {safe_text(origin.source)}"
    return Row(BY_KEY[key].title, value, note + (" (inferred)" if origin.inferred else ""))


def _arithmetic(config: TrainConfig, times: Schedule) -> Section:
    train, repeats = config.train, config.dataset.repeats
    batch = train.batch * train.accumulation
    per_batch = f"{train.batch} x {train.accumulation}" if train.accumulation > 1 else f"{batch}"
    epoch = f"{times.images} pictures x {plural(repeats, 'repeat')} / batch {per_batch}"
    pivot = f"then the new tokens are frozen ({config.pivotal.fraction:g} of the run)"
    rows = [
        Row("steps per epoch", f"{times.steps_per_epoch:g}", epoch),
        Row("steps", f"{times.steps:,}", f"{times.epochs:.1f} epochs, {times.views:,} views"),
        Row("views per image", f"{times.views_per_image:.1f}", "steps x batch / pictures: too many overfit"),
        Row("pivot", f"after step {times.pivot}" if times.pivot else "none", pivot if times.pivot else ""),
        Row("checkpoints", f"{len(times.checkpoints)}", _marks(times.checkpoints, "after step")),
        Row("samples", f"{len(times.samples)} times", _marks(times.samples, "after step")),
    ]
    return Section("Steps", tuple(rows))


def _time(config: TrainConfig, times: Schedule, runs: Path) -> Section:
    values = flat(config)
    found = measured_seconds({key: values[key] for key in TIMED_BY}, runs)
    if found is None:
        return Section("Time", (Row("whole run", "not known yet", "known after the first steps"),))
    seconds, name = found
    note = f"{seconds:.2f} s a step in {safe_text(name)} on this machine; samples come on top"
    return Section("Time", (Row("whole run", f"about {in_time(seconds * times.steps)}", note),))


def _memory(need: Estimate) -> Section:
    total = Row("at its fullest", f"about {in_bytes(need.memory_total)}", "beside torch itself: 0.4 to 1 GB")
    after = Row("after the pivot", f"about {in_bytes(need.memory_after)}", "the text encoders are gone")
    rows = [_part(one) for one in need.memory] + [total]
    if need.memory_after != need.memory_total:
        rows.append(after)
    return Section("Memory" if need.exact else "Memory (for a full-size SDXL)", tuple(rows))


def _disk(need: Estimate, runs: Path) -> Section:
    free = Row("free", in_bytes(_free(runs)), show_path(_existing(runs)))
    total = Row("at its fullest", f"about {in_bytes(need.disk_total)}")
    return Section("Disk", (*(_part(one) for one in need.disk), total, free))


def _part(one: Part) -> Row:
    return Row(one.name, in_bytes(one.bytes), one.note)


def _errors(config: TrainConfig, resolved: Resolved) -> list[str]:
    """What makes the run impossible whatever the pictures are."""
    from loratui.basewords import base_errors

    return [safe_text(_with_place(one, resolved), 400) for one in (*refusals(config), *base_errors(config))]


def _with_place(sentence: str, resolved: Resolved) -> str:
    """A refusal that begins with its setting is given the place where that was set."""
    key, colon, rest = sentence.partition(":")
    return _place(resolved, key) + colon + rest if key in resolved.origins else sentence


def _place(resolved: Resolved, key: str) -> str:
    origin = resolved.origins[key]
    if origin.layer == "answers":
        return f"{origin.source}: {key}"
    return f"--set {key}" if origin.layer == "--set" else key


def _disk_errors(need: Estimate, runs: Path) -> list[str]:
    free = _free(runs)
    if need.disk_total <= free or not shutil.disk_usage(_existing(runs)).total:  # 0: no disk at all, such as /proc
        return []
    where = show_path(_existing(runs))
    return [
        f"the run needs about {in_bytes(need.disk_total)} on disk, and {where} has {in_bytes(free)} free: "
        "make room, choose another --out, or lower train.keep_checkpoints"
    ]


def _unknown_skips(outcome: Outcome | None) -> list[str]:
    if outcome is None or not outcome.unknown:
        return []
    return [f"dataset.skip names what is not in the folder: {safe_text(', '.join(outcome.unknown), 200)}"]


def _command(resolved: Resolved, source: str) -> str:
    """The `loratui replay` that does the same."""
    values = flat(resolved.config)
    words = ["loratui", "replay", source]
    for key, origin in resolved.origins.items():
        if origin.layer == "--set":
            words += ["--set", f"{key}={_written(values[key])}"]
    return " ".join(shlex.quote(safe_text(word)) for word in words)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        import tomlkit

        return str(tomlkit.item(list(value)).as_string())
    return str(value)


def _marks(steps: Sequence[int], word: str) -> str:
    shown = [str(one) for one in steps]
    if len(shown) > 6:
        shown = [*shown[:3], "...", *shown[-2:]]
    return f"{word} {', '.join(shown)}"


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next((one for one in (path, *path.parents) if one.exists()), Path("/"))


def _free(path: Path) -> int:
    return shutil.disk_usage(_existing(path)).free
