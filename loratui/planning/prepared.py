"""Thinks a run through from its answers, and starts nothing: settings, pictures, plan, and what stands in its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loratui.basemodels.facts import ask_missing
from loratui.curation.checks.whole_set import with_views
from loratui.curation.concepts import with_concepts
from loratui.curation.lines import refusal_lines
from loratui.curation.report import Outcome, Report, outcome
from loratui.curation.scan import ScanSettings, scan
from loratui.curation.sources import as_folder, in_folder, said_on_stderr
from loratui.errors import Refusal
from loratui.planning.hardware import Asked, Machine, look
from loratui.planning.lines import instead
from loratui.planning.past_runs import PastRuns, gather
from loratui.planning.plan import Plan, make_plan
from loratui.planning.shared import too_few
from loratui.runs.find import RUNS
from loratui.settings.answers import Answers, AnswersError, counted_images
from loratui.settings.resolve import FOLDERS, Resolved, absolute_places, names_hub, resolve
from loratui.settings.steps import good_views
from loratui.terminal.text import safe_text
from trainer.contract.paths import expanded
from trainer.contract.pictures.folder import NoDataset, list_pictures
from trainer.contract.pictures.sources import origin_of
from trainer.contract.run import exits
from trainer.contract.settings.concepts import KEY as CONCEPTS
from trainer.contract.settings.config import TrainConfig, flat, stale_pins
from trainer.contract.settings.taught import taught


@dataclass(frozen=True)
class PreparedRun:
    """A run that has been thought through, and not started."""

    answers: Answers  # with what --set changed, so that the run's own answers.toml replays as it is
    resolved: Resolved
    report: Report
    outcome: Outcome
    plan: Plan

    @property
    def refused(self) -> list[str]:
        """What of the pictures is in the way, and how to solve it; empty where nothing is."""
        return refusal_lines(self.report, self.outcome, *decided(self.resolved))


@dataclass
class Looks:
    """What several runs that are thought through together look at once: each folder, the machine, past runs."""

    look: Callable[[Asked], Machine] = look
    reports: dict[tuple[str, ScanSettings], Report] = field(default_factory=dict)
    machines: dict[str, Machine] = field(default_factory=dict)
    knowledge: dict[Path, PastRuns] = field(default_factory=dict)

    def report(self, folder: str, settings: ScanSettings) -> Report:
        """The check of the pictures. Raises NoDataset."""
        key = (folder, settings)
        if key not in self.reports:
            self.reports[key] = scan(as_folder(folder, settings, said_on_stderr(folder)), settings)
        return self.reports[key]

    def of_run(self, config: TrainConfig) -> Report:
        """That of all concepts of a run. Raises NoDataset."""
        settings = ScanSettings.of(config)
        first = self.report(config.dataset.path, settings)
        return with_concepts(first, taught(config), settings, self.report)

    def machine(self, device: Asked) -> Machine:
        """What a run on `device` would have."""
        if device not in self.machines:
            self.machines[device] = self.look(device)
        return self.machines[device]

    def past(self, runs: Path) -> PastRuns:
        """What the runs beside it taught."""
        if runs not in self.knowledge:
            self.knowledge[runs] = gather(runs)
        return self.knowledge[runs]


def prepare(
    answers: Answers,
    overrides: dict[str, Any],
    source: str,
    out: Path | None = None,
    machine: Machine | None = None,
    looks: Looks | None = None,
    gpus: int = 1,
) -> PreparedRun:
    """Resolve, scan and plan, for `machine` or the one that is here, on `gpus`; `looks`: shared with other runs.

    Raises Refusal: AnswersError for settings, exit code 3 for a folder without pictures.
    """
    looks = looks or Looks()
    first = resolve(answers, overrides)
    folder = first.config.dataset.path
    if not folder:
        raise AnswersError([f'{answers.source}: dataset.path: missing; write path = "..." under [dataset]'])
    key = "dataset.path"
    try:
        looks.report(folder, ScanSettings.of(first.config))
        key = CONCEPTS  # the first folder can be read: it is another one
        report = looks.of_run(first.config)
    except NoDataset as error:
        where = f"{first.origins[key].source}: {key}"
        raise Refusal(f"{where}: {safe_text(error)}", exits.DATASET) from None
    data = first.config.dataset
    result = outcome(report, data.skip, data.accept)
    resolved = resolve(answers, overrides, len(result.images))
    train = resolved.config.train
    learned = counted_images(len(result.images), flat(resolved.config))
    batch, good = train.batch * train.accumulation, good_views(resolved.config.preset)
    report = with_views(report, learned, train.steps, batch, resolved.config.model.base, good)
    runs = out.parent if out else RUNS
    ask_missing(flat(resolved.config))
    there = machine or looks.machine(train.device)
    past = looks.past(runs)
    thought = make_plan(resolved, report, result, runs=runs, source=source, machine=there, knowledge=past, gpus=gpus)
    if machine is None and not there.elsewhere and (few := too_few(resolved.config, gpus)):
        thought = replace(thought, errors=(few, *thought.errors))
    resolved, kept = in_folder(resolved, merged(answers, overrides), report.folder, report.beside)
    return PreparedRun(kept, resolved, report, result, thought)


def refuse_if_needed(ready: PreparedRun) -> None:
    """Raise Refusal if the run must not start, with all that a plan says of it: settings first, then pictures."""
    errors = list(ready.plan.errors)
    if errors or not ready.outcome.ready:
        said = [*errors, *instead(ready.plan)] if errors else []
        raise Refusal([*said, *ready.refused], exits.USAGE if errors else exits.DATASET)


def in_the_way(answers: Answers) -> list[str]:
    """Why a run of `answers` would be refused, as far as it is known before a picture is opened or a GPU looked at."""
    resolved = resolve(answers)
    values = flat(resolved.config)
    ask_missing(values)
    found = list(make_plan(resolved, source=answers.source).errors)
    for one in taught(resolved.config):
        if origin_of(one.path) == "pictures":
            try:
                list_pictures(expanded(one.path))
            except NoDataset as error:
                found.append(f"{one.title or 'dataset.path'}: {safe_text(error)}")
    return found


def decided(resolved: Resolved) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The pictures that were skipped, and the findings that were accepted."""
    return resolved.config.dataset.skip, resolved.config.dataset.accept


def merged(answers: Answers, overrides: dict[str, Any]) -> Answers:
    """`answers` with what `overrides` change, and folders that are found from anywhere."""
    values = {**answers.values, **{key: value for key, value in overrides.items() if key != "preset"}}
    values |= stale_pins(answers.values, values, overrides)
    for key in FOLDERS:
        if values.get(key) and not str(values[key]).startswith(("~", "/")) and not names_hub(key, values[key]):
            values[key] = str(Path(values[key]).absolute())  # the run's copy replays from any folder
    if values.get(CONCEPTS):
        values[CONCEPTS] = absolute_places(values[CONCEPTS])
    return replace(answers, preset=str(overrides.get("preset", answers.preset)), values=values)
