"""Which checkpoint of a run looks best, and why: a hint from measured numbers, silent where they say nothing."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from loratui.events.history import History
from loratui.results.paired import SMALLEST, difference, surely
from loratui.terminal.numbers import number
from loratui.terminal.text import listed, plural
from trainer.contract.plan.advice import OVERFIT_VIEWS
from trainer.contract.plan.views import often

VERDICT = "A hint, not a verdict: look at the pictures."
BY_PICTURES = "The pictures by step say more here."
WITHIN_NOISE = (
    "of the checkpoints whose loss cannot be told from the lowest, the earliest is taken: the one-standard-error rule "
    "(Breiman et al. 1984; Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, section 7.10), here "
    "with Student's test of the log ratios in pairs: the same picture, noise and timestep in both, so that a noise "
    "level with large losses weighs no more than one with small ones; 5 % for all comparisons together, by Holm's "
    "procedure (1979), as many checkpoints give many occasions to be misled"
)
STILL_FALLS = (
    f"a loss that still falls below {OVERFIT_VIEWS} views per image is learning more often than overfitting: inferred "
    "from the post's Y2K table and from the demo, whose pictures are nearer to the concept at the later step"
)
GROWING = "a change that goes on growing while the loss stands still is strength, not fit: inferred, no source says it"


@dataclass(frozen=True)
class MeasuredStep:
    """What is known of the state of a run at one step; None where nothing was measured."""

    step: int
    losses: tuple[float, ...] = ()  # at fixed noise, in the same order at every step of a run
    held_out: bool = False  # on pictures that were not trained on
    norm: float | None = None  # Frobenius norm of the weight change
    views: float | None = None  # how often each picture was seen
    kept: bool = False  # whether its files are still there
    mean: float | None = None  # as the log says it; of a log without single draws it is all there is

    @property
    def loss(self) -> float | None:
        """The mean loss at fixed noise."""
        return sum(self.losses) / len(self.losses) if self.losses else self.mean


@dataclass(frozen=True)
class CheckpointViews:
    """How many views per image were good for a kind of data, and who says so."""

    low: int
    high: int
    source: str


@dataclass(frozen=True)
class CheckpointHint:
    """The step that looks best, None where nothing supports one; sentences for a person, and what backs them."""

    step: int | None
    sentences: tuple[str, ...]
    sources: tuple[str, ...] = ()


_STYLE = f"the post's Y2K table: 37, 74 and 148 views per image were good, 222 overfit (limit here: {OVERFIT_VIEWS})"
_FACE = "the post's face LoRA: 75, 100 and 120 steps per picture, 'good results are achieved with a 120x multiplier'"
GOOD_VIEWS = {
    "style": CheckpointViews(37, 148, _STYLE),
    "character-style": CheckpointViews(37, 148, f"inferred for this kind from {_STYLE}"),
    "face": CheckpointViews(75, 120, _FACE),
    "object": CheckpointViews(75, 120, f"inferred for this kind from {_FACE}"),
}  # for one picture the sources give a number of steps, not of views


def checkpoints_of(history: History, kept: Collection[int]) -> tuple[MeasuredStep, ...]:
    """What the log says of each measured or saved step, in order; `kept` are the steps whose files are there."""
    found = {int(one["step"]): MeasuredStep(int(one["step"]), kept=int(one["step"]) in kept) for one in _steps(history)}
    for event in history.measures:
        step = int(event["step"])
        raw = event.get("losses")
        losses = tuple(map(float, raw)) if isinstance(raw, list) and all(number(one) is not None for one in raw) else ()
        held, norm, views = event.get("of") == "held-out", number(event.get("norm")), number(event.get("views"))
        found[step] = MeasuredStep(step, losses, held, norm, views, step in kept, number(event.get("loss")))
    for step in kept:
        found.setdefault(step, MeasuredStep(step, kept=True))
    known = [(one.step, one.views) for one in found.values() if one.views is not None]
    if history.views is not None:
        known.append((history.step, history.views))
    return tuple(_counted(found[step], known) for step in sorted(found))


def _counted(one: MeasuredStep, known: list[tuple[int, float]]) -> MeasuredStep:
    """With its views, which need no measurement: every step shows as many pictures, so they grow with the steps."""
    if one.views is not None or one.step == 0 or not known:
        return one
    step, views = min(known, key=lambda other: abs(other[0] - one.step))
    return replace(one, views=views * one.step / step) if step > 0 else one


def hint(found: tuple[MeasuredStep, ...], kind: str) -> CheckpointHint:
    """What the numbers say of the checkpoints that are kept, for data of this kind."""
    kept = [one for one in found if one.kept and one.step > 0]
    if not kept:
        return CheckpointHint(None, ("No checkpoint is kept, so there is none to choose.",))
    if len(kept) == 1:
        return CheckpointHint(None, ("There is one checkpoint: nothing to compare it with.",))
    drawn = _same_pictures([one for one in kept if one.losses])
    means = [one for one in kept if one.held_out and one.loss is not None]
    if len(drawn) > 1:
        base, compared = _alike(next((one for one in found if one.step == 0 and one.losses), None), drawn)
        by_loss = _by_held_out if drawn[0].held_out else _by_training_loss
        chosen = by_loss(compared, base, kind, [one for one in kept if one in drawn or one.views is not None])
    elif len(means) > 1:
        compared = means
        chosen = _by_mean(means, next((one.loss for one in found if one.step == 0), None), kind)
    else:
        where = "at one checkpoint: nothing to compare it with" if drawn or means else "at no checkpoint"
        return _by_views(kept, kind, [f"The loss at fixed noise was measured {where}."])
    return _naming(chosen, sorted({one.step for one in kept} - {one.step for one in compared}))


def _same_pictures(measured: list[MeasuredStep]) -> list[MeasuredStep]:
    """Those that can be compared: on held-out pictures where there are two, else on those that were trained on."""
    held = [one for one in measured if one.held_out]
    return held if len(held) > 1 or len(held) == len(measured) else [one for one in measured if not one.held_out]


def _naming(chosen: CheckpointHint, left: list[int]) -> CheckpointHint:
    """The hint with the steps that it leaves out: a stop and a save by hand make checkpoints between measurements."""
    if not left or chosen.step in left:  # their views chose it, and need no measurement
        return chosen
    steps = ("steps " if len(left) > 1 else "step ") + listed([str(step) for step in left])
    said = f"Left out: {steps}, where this loss was not measured."
    return replace(chosen, sentences=(*chosen.sentences[:-1], said, chosen.sentences[-1]))


def _alike(base: MeasuredStep | None, kept: list[MeasuredStep]) -> tuple[MeasuredStep | None, list[MeasuredStep]]:
    """The draws that all of them share: those of a longer measurement begin with those of a shorter one."""
    count = min(len(one.losses) for one in (*kept, *([base] if base else [])))
    cut = [replace(one, losses=one.losses[:count]) for one in kept]
    return (replace(base, losses=base.losses[:count]) if base else None), cut


def _by_mean(kept: list[MeasuredStep], base: float | None, kind: str) -> CheckpointHint:
    """The weaker hint of a log without single draws: nothing tells how far its means can be trusted."""
    lowest = min(kept, key=lambda one: (one.loss or 0.0, one.step))
    said = "The log holds only the means of the held-out loss, not the single draws, so their noise is not known."
    if base is not None and (lowest.loss or 0.0) >= base:
        return CheckpointHint(None, (said, f"No mean is below the base model's ({base:.4f}).", VERDICT))
    lines = (
        said,
        f"Step {lowest.step} has the lowest mean ({_figures(lowest)}).",
        *_views_words(lowest, kind),
        VERDICT,
    )
    return CheckpointHint(lowest.step, lines, _sources(kind))


def _by_held_out(
    kept: list[MeasuredStep], base: MeasuredStep | None, kind: str, every: list[MeasuredStep]
) -> CheckpointHint:
    better = kept if base is None else [one for one in kept if one.step in _lower_than(base, kept)]
    if base is not None and not better:
        said = f"On the held-out pictures no checkpoint is measurably better than the base model ({_figures(base)})."
        return CheckpointHint(None, (said, BY_PICTURES, VERDICT), (WITHIN_NOISE,))
    lowest = min(kept, key=lambda one: (sum(math.log(max(loss, SMALLEST)) for loss in one.losses), one.step))
    pairs = list(combinations(kept, 2))  # the lowest was chosen by its loss: any pair could have been the one asked for
    apart = {frozenset((a.step, b.step)) for (a, b), sure in zip(pairs, _sure(pairs), strict=True) if sure}
    level = [one for one in kept if frozenset((one.step, lowest.step)) not in apart]
    if len(level) == len(kept):
        said = "On the held-out pictures the checkpoints differ by less than the noise of the measurement."
        return _by_views(every, kind, [said])
    best = next((one for one in level if one in better), lowest)
    said = f"Step {best.step}: the lowest loss on pictures that it never saw ({_figures(best)})."
    if best is not lowest:
        said = (
            f"Step {best.step}: its loss on pictures that it never saw ({_figures(best)}) is the lowest within the "
            f"noise; step {lowest.step} has {_figures(lowest)}."
        )
    said = " ".join([said, *_growth(best, kept)])
    return CheckpointHint(best.step, (said, *_views_words(best, kind), VERDICT), _sources(kind, WITHIN_NOISE, GROWING))


def _by_training_loss(
    kept: list[MeasuredStep], _: MeasuredStep | None, kind: str, every: list[MeasuredStep]
) -> CheckpointHint:
    """What a loss on the training pictures can say: not which is best, only from where on it stands still.

    Views choose, those of `every` checkpoint: they are known where no loss was measured, too. While the loss falls
    measurably and no set is known to overfit at so few views, a later step than the last with views that were good is
    taken: those views were good with SDXL itself, and another base model may learn more slowly.
    """
    last = kept[-1]
    above = _higher_than(last, kept)
    level = next(one for one in kept if one.step not in above)
    said = "The loss was measured on the training pictures: it falls with overfitting too and chooses nothing."
    if level is not last:
        said += f" From step {level.step} on it does not fall measurably."
    chosen = _by_views(every, kind, [said])
    one = next((one for one in kept if one.step == chosen.step), None)
    later = [other for other in kept if one and other.step > one.step and (other.views or math.inf) <= OVERFIT_VIEWS]
    falls = _lower_than(one, later) if one else set()
    later = [other for other in later if other.step in falls and other.step <= level.step]
    if not later:
        return chosen
    best = later[-1]
    also = (
        f"The loss still falls measurably to step {best.step}, at {plural(f'{best.views:.0f}', 'view')} per image: "
        f"below the {OVERFIT_VIEWS} above which sets overfitted."
    )
    return CheckpointHint(best.step, (*chosen.sentences[:-1], also, VERDICT), (*chosen.sources, STILL_FALLS))


def _by_views(kept: list[MeasuredStep], kind: str, before: list[str]) -> CheckpointHint:
    good = GOOD_VIEWS.get(kind)
    seen = [(one, one.views) for one in kept if one.views is not None]
    if good is None or len(seen) < len(kept):
        return CheckpointHint(None, (*before, "The other numbers support no choice either.", VERDICT))
    inside = [(one, views) for one, views in seen if good.low <= views <= good.high]
    if inside:
        best, views = inside[-1]
        said = f"Step {best.step} is the last with a number of views per image that was good before ({views:.0f})."
        return CheckpointHint(best.step, (*before, said, VERDICT), (good.source,))
    if seen[-1][1] < good.low:
        best, views = seen[-1]
        said = (
            f"Each picture was seen {often(views)} at most, where {good.low} to {good.high} were good: "
            f"step {best.step}, the last, is the nearest."
        )
        return CheckpointHint(best.step, (*before, said, VERDICT), (good.source,))
    after = [(one, views) for one, views in seen if views > good.high]
    best, views = after[0]
    said = (
        f"No checkpoint has {good.low} to {good.high} views per image; step {best.step} ({views:.0f}) passed them least"
        + (", and above 200 sets overfitted." if views > OVERFIT_VIEWS else ".")
    )
    return CheckpointHint(best.step, (*before, said, VERDICT), (good.source,))


def _views_words(best: MeasuredStep, kind: str) -> list[str]:
    good = GOOD_VIEWS.get(kind)
    if good is None or best.views is None:
        return []
    seen = f"It saw each picture {often(best.views)};"
    if best.views > good.high:
        return [f"{seen} above {good.high} look closely for overfitting."]
    if best.views < good.low:
        return [f"{seen} {good.low} to {good.high} were good before, so it may be too early."]
    return [f"{seen} {good.low} to {good.high} were good before."]


def _growth(best: MeasuredStep, kept: list[MeasuredStep]) -> list[str]:
    last = kept[-1]
    if last is best or best.norm is None or last.norm is None or last.norm <= best.norm:
        return []
    return [f"After it the change only grew (norm {best.norm:.3g} to {last.norm:.3g} at step {last.step})."]


def _sure(pairs: list[tuple[MeasuredStep, MeasuredStep]]) -> list[bool]:
    return surely([(one.losses, other.losses) for one, other in pairs])


def _lower_than(one: MeasuredStep, others: list[MeasuredStep]) -> set[int]:
    """The steps of those whose loss is lower than that of `one` by more than the noise."""
    sure = _sure([(one, other) for other in others])
    return {
        other.step
        for other, far in zip(others, sure, strict=True)
        if far and difference(one.losses, other.losses)[0] > 0
    }


def _higher_than(one: MeasuredStep, others: list[MeasuredStep]) -> set[int]:
    """The steps of those whose loss is higher than that of `one` by more than the noise."""
    rest = [other for other in others if other is not one]
    sure = _sure([(other, one) for other in rest])
    return {
        other.step for other, far in zip(rest, sure, strict=True) if far and difference(other.losses, one.losses)[0] > 0
    }


def _figures(one: MeasuredStep) -> str:
    return f"{one.loss:.4f}" if one.loss is not None else "not measured"


def _sources(kind: str, *others: str) -> tuple[str, ...]:
    good = GOOD_VIEWS.get(kind)
    return (*others, *([good.source] if good else []))


def _steps(history: History) -> list[dict[str, Any]]:
    return [one for one in history.checkpoints if isinstance(one.get("step"), int)]
