"""Each concept of a run as the plan shows it: its folder, its words, and how often its pictures are seen."""

from __future__ import annotations

from collections.abc import Sequence

from loratui.curation.report import Outcome
from loratui.planning.sections import PlanRow, PlanSection
from loratui.terminal.text import plural, safe_text, show_path
from trainer.contract.pictures.folder import NoDataset
from trainer.contract.pictures.sources import origin_of
from trainer.contract.plan.class_folder import class_listing
from trainer.contract.settings.concepts import number_of
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.taught import ClassSet, Taught, class_sets, epoch_places, taught


def concept_sections(config: TrainConfig, counts: Sequence[int]) -> list[PlanSection]:
    """One section where there are several concepts; `counts` are their pictures that are trained on."""
    if not config.concepts:
        return []
    train = config.train
    views = train.steps * train.batch * train.accumulation
    each = views / places if (places := epoch_places(config, counts)) else 0.0
    rows = [_row(one, count, each) for one, count in zip(taught(config), counts, strict=True)]
    return [PlanSection("Concepts", tuple(rows))]


def pictures_of_each(config: TrainConfig, outcome: Outcome | None, images: int) -> list[int]:
    """How many pictures of each concept are used, of `images` in all."""
    if not config.concepts:
        return [images]
    names = [] if outcome is None else [number_of(one) for one in outcome.images]
    return [names.count(one.number) for one in taught(config)]


def held_out_errors(config: TrainConfig, counts: Sequence[int]) -> list[str]:
    """A sentence for each concept of which nothing is left to train on."""
    held = config.dataset.hold_out
    return [
        one.said(
            f"dataset.hold_out: {held} of {plural(count, 'picture')} leaves none to train on"
            if count
            else "all of its pictures are skipped: take one out of dataset.skip, or take the concept away"
        )
        for one, count in zip(taught(config), counts, strict=True)
        if held >= count
    ]


def class_rows(config: TrainConfig) -> list[PlanRow]:
    """A row for each class: how many pictures, which of them photographs, and as what they are trained."""
    return [
        PlanRow("class pictures", f"{config.prior.images}", _class_words(one, config)) for one in class_sets(config)
    ]


def _class_words(one: ClassSet, config: TrainConfig) -> str:
    as_prompt, wanted = f"'{safe_text(one.prompt, 80)}'", config.prior.images
    if not one.path:
        return f"drawn, and trained as {as_prompt}"
    if origin_of(one.path) != "pictures":
        return f"of {safe_text(one.path, 80)}, written out when the run starts"
    try:
        found = class_listing(one, config)[:wanted]
    except NoDataset:
        return ""  # said as an error
    words = {picture.words for picture in found}
    alike = "as their captions or folders say" if len(words) > 1 else f"as '{safe_text(next(iter(words), ''), 80)}'"
    rest = f", {wanted - len(found)} drawn as {as_prompt}" if len(found) < wanted else ""
    return f"{plural(len(found), 'photograph')} trained {alike}{rest}"


def _row(one: Taught, count: int, epochs: float) -> PlanRow:
    seen = f"{plural(count, 'picture')} x {plural(one.repeats, 'repeat')}"
    if count:
        seen += f", each seen {epochs * one.repeats:,.1f} times"
    weight = f"; loss x {one.loss_weight:g}" if one.loss_weight != 1 else ""
    words = f"'{safe_text(one.prompt, 60)}'{weight}; {show_path(one.path)}"
    return PlanRow(safe_text(one.trigger, 20), seen, words)
