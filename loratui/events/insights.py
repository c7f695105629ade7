"""What matters in a run, in words: from its history and its settings to a few sentences, each with its reason.

Pure: no clock, no file, no screen. A sentence holds while what it says is so; `new_insights` finds those that were not
said yet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from statistics import median

from loratui.events.curves import RECENT, RECENT_NORMS
from loratui.events.history import History, Tone
from loratui.events.series import robust_mean
from loratui.terminal.text import plural, safe_text
from loratui.terminal.units import in_bytes, in_time
from trainer.contract.plan.advice import OVERFIT_KINDS, OVERFIT_SEEN
from trainer.contract.run.not_finite import advice
from trainer.contract.settings.config import TrainConfig

D_PATIENCE = 100  # steps, ours
D_HIGHEST = 1e-4  # Prodigy's README: "increasing d0 to 1e-5 or even 1e-4"
DATA_SHARE = 0.05  # of a step: from here on PyTorch's profiler recommends to do something about loading
MEMORY_SHARE = 0.93  # ours: the CUDA context and its libraries, about half a GB, lie beside what torch counts
NORM_TIMES = 10.0  # ours: clipping hides it from the weights, not from Prodigy's estimate of the direction
NORM_STEPS = 50  # ours: before that the median is that of the first, untypical steps
SLOWER_TIMES = 1.5  # ours: beyond what picture sizes and a warm GPU do to a step
OVERFLOW_SHARE = 0.1  # ours: torch's GradScaler expects one overflow in 2000 steps once its scale is found
SCALE_STEPS = 64  # steps in which fp16's scale is found: it is halved at most 16 times from 2**16


@dataclass(frozen=True)
class Insight:
    """One thing that a person should know. `text` fits a line of 76 cells and says what to do; `code` is stable."""

    code: str
    tone: Tone
    text: str
    advice: str  # the longer answer to "what do I do"
    source: str  # of its threshold


def insights(history: History, config: TrainConfig | None = None) -> tuple[Insight, ...]:
    """All that holds now, what is worst first. Without `config` (an unreadable one) what needs it is left unsaid."""
    found = [one for rule in RULES if (one := rule(history, config)) is not None]
    return tuple(sorted(found, key=lambda one: one.tone != "bad"))


def new_insights(history: History, said: Collection[str], config: TrainConfig | None = None) -> list[Insight]:
    """Those of `insights` whose code is not in `said`: the caller says each once and keeps the codes."""
    return [one for one in insights(history, config) if one.code not in said]


def _not_finite(history: History, config: TrainConfig | None) -> Insight | None:
    stopped = history.error is not None and history.error.get("kind") == "nan"
    if not stopped and history.curves.lost_loss is None:
        return None
    what = "the run ended before it" if stopped else f"step {history.curves.lost_loss} was not applied"
    said = f"the loss or its gradient is not finite: {what}"
    names = "the pictures, their timesteps and captions. No such step ever reaches the weights."
    if stopped and history.error is not None and "step" not in history.error and "cause" in history.error:
        said = "pictures or captions are not finite once they are encoded: no step was taken"
        names = "what is not finite."
    return Insight(
        "not-finite",
        "bad",
        said,
        f"{_helps(history, config)}The message of the trainer names {names}",
        "a number that is not finite makes every weight that it meets not finite",
    )


def _helps(history: History, config: TrainConfig | None) -> str:
    """What the trainer says that helps, or where it said nothing what does in most runs; with a space behind."""
    error = history.error or {}
    said = error.get("advice") if error.get("kind") == "nan" else None
    found = [safe_text(one) for one in said] if isinstance(said, list) else []
    found = found or (advice("", (), config) if config is not None else [])
    text = "; ".join(found)
    return f"{text[:1].upper()}{text[1:]}. " if text else ""


def _overflows(history: History, config: TrainConfig | None) -> Insight | None:
    recent = [step for step in history.curves.passed_over if step > max(SCALE_STEPS, history.step - RECENT)]
    if len(recent) <= OVERFLOW_SHARE * RECENT:
        return None
    return Insight(
        "overflow",
        "warn",
        f"{len(recent)} of the last {RECENT} steps overflowed and were passed over: take bf16",
        "fp16 cannot hold this run's gradients. Set train.precision to 'bf16', or lower the learning rate.",
        "torch's GradScaler: one overflow in 2000 steps is its normal pace; a tenth of it is our own limit",
    )


def _d_stuck(history: History, config: TrainConfig | None) -> Insight | None:
    after = config.train.warmup_steps if config is not None else 0  # in a warm-up d may not grow yet
    # Prodigy has one estimate for all groups; those that left at the pivot keep their last one
    d = max(
        (group.d for group in history.groups.values() if group.d.steps), key=lambda one: one.steps[-1], default=None
    )
    if d is None or d.steps[-1] - max(after, d.steps[0]) < D_PATIENCE or max(d.highs) > min(d.lows):
        return None
    higher = min(d.values[-1] * 10, D_HIGHEST)
    raised = higher > d.values[-1]
    what = f"raise prodigy.d0 to {higher:.0e}" if raised else "raise prodigy.d_coef"
    return Insight(
        "d-stuck",
        "warn",
        f"d is still at its first value after {plural(d.steps[-1], 'step')}: raise {'d0' if raised else 'd_coef'}",
        f"Prodigy steps with {d.values[-1]:.1e}, its first estimate: next to nothing is learned. Stop and {what}.",
        "100 steps are our own; Prodigy's README: 'if it remains too small, it might be worth increasing d0 to 1e-5 "
        "or even 1e-4'",
    )


def _exploding(history: History, config: TrainConfig | None) -> Insight | None:
    curves = history.curves
    if len(curves.last_norms) < RECENT_NORMS or history.step < NORM_STEPS:
        return None
    usual, now = median(curves.grad_norm.values), median(curves.last_norms)
    if usual <= 0 or now <= NORM_TIMES * usual:
        return None
    back = "the last checkpoint with good pictures" if history.samples else "a checkpoint of before it rose"
    return Insight(
        "gradient",
        "warn",
        f"the gradient norm is {plural(f'{now / usual:.0f}', 'time')} its median: lower the learning rate",
        f"It is {now:.3g}, its median over the run {usual:.3g}. Go back to {back}; lower train.learning_rate, "
        "or prodigy.d_coef, or set train.max_grad_norm.",
        f"our own: {NORM_TIMES:.0f} times the median, for {RECENT_NORMS} steps, so that one hard picture says nothing",
    )


def _overfit(history: History, config: TrainConfig | None) -> Insight | None:
    if config is None or config.kind not in OVERFIT_KINDS or (history.views or 0.0) <= OVERFIT_SEEN:
        return None
    likelier = "a checkpoint of about 150 views per image is the likelier best"
    if len({one.step for one in history.samples}) > 1:
        likelier = f"compare the newest pictures with earlier ones; {likelier}"
    return Insight(
        "views",
        "warn",
        f"views per image have passed {OVERFIT_SEEN}: style sets overfit here",
        f"{likelier[:1].upper()}{likelier[1:]}. Stop with x, or choose an earlier checkpoint when it is done.",
        "the post's Y2K table: 37, 74 and 148 views per image were good, 222 was 'evidently overfit'",
    )


def _data_waits(history: History, config: TrainConfig | None) -> Insight | None:
    curves = history.curves
    if len(curves.last_data) < RECENT:
        return None
    share = sum(curves.last_data) / sum(curves.last_seconds)
    if share <= DATA_SHARE:
        return None
    return Insight(
        "data",
        "warn",
        f"data waits: {100 * share:.0f} % of a step goes by until its pictures are there",
        "The prepared pictures are read from a slow disk, or made again at each step. Put XDG_CACHE_HOME on a local "
        "disk with room; fewer or smaller pictures stay in memory (1 GB of them do).",
        "PyTorch's profiler speaks of loading from 5 % of the step's time on",
    )


def _memory(history: History, config: TrainConfig | None) -> Insight | None:
    total = history.vram_total
    if not total or history.vram is None or history.vram <= MEMORY_SHARE * total:
        return None
    return Insight(
        "memory",
        "warn",
        f"memory is nearly full: {in_bytes(history.vram)} of {in_bytes(total)}",
        "A picture, or a longer caption, may be one allocation too many. Turn gradient checkpointing on, halve "
        "train.batch and double train.accumulation, or close what else uses this GPU.",
        f"our own: {100 * MEMORY_SHARE:.0f} % of the GPU, as CUDA itself takes about half a GB beside torch's count",
    )


def _slower(history: History, config: TrainConfig | None) -> Insight | None:
    opening, recent = history.curves.opening, history.curves.last_seconds
    before, now = robust_mean(opening), robust_mean(recent)
    if len(opening) < RECENT or before is None or now is None or now <= SLOWER_TIMES * before:
        return None
    return Insight(
        "slower",
        "warn",
        f"a step takes {now / before:.1f} times as long as at first: is the machine shared or hot?",
        f"It took {in_time(before)}, now {in_time(now)}. Look for another program on the GPU or CPU, for "
        "throttling (nvidia-smi -q -d PERFORMANCE), for memory that is swapped.",
        f"our own: {SLOWER_TIMES} times, means of the middle half of {RECENT} steps, from the start or the pivot on",
    )


RULES: tuple[Callable[[History, TrainConfig | None], Insight | None], ...] = (
    _not_finite,
    _d_stuck,
    _overfit,
    _exploding,
    _overflows,
    _memory,
    _data_waits,
    _slower,
)
