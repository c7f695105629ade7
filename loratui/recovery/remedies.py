"""What can be changed after a run has ended badly, the mildest first: from its settings, its error and its history."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from loratui.basemodels.words import base_absent, base_trouble
from loratui.events.history import History
from loratui.planning.memory_steps import (
    MEMORY_STEPS,
    MemoryStep,
    changed,
    goes_on,
    shared_by,
    stays_the_same,
)
from loratui.planning.past_runs import note, place
from loratui.planning.smaller import Settings
from loratui.recovery.not_finite import not_finite
from loratui.recovery.remedy import KINDS, BadEnd, Remedy, as_it_was, need, remedy
from loratui.recovery.sound_checkpoints import sound_steps
from loratui.runs.find import resumable_steps
from loratui.settings.demo import SMALL_SIZE
from loratui.terminal.text import plural, safe_text
from trainer.contract.basemodel.inspect import NotSDXL
from trainer.contract.paths import expanded, is_folder
from trainer.contract.pictures.folder import NoDataset, list_pictures
from trainer.contract.plan.estimate import estimate
from trainer.contract.plan.sharing import as_one_of
from trainer.contract.run.not_finite import is_of_base
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, load_config
from trainer.contract.settings.optimizers import OPTIMIZERS, Optimizer

SMALLER = 2  # ways to less memory that are offered where nobody knows whether it was memory
LESS = 0.95  # of the memory that it took: an estimate is no more exact, so what saves less is no help
NO_LESS = "no other setting takes clearly less memory"
FULL = 0.85  # of the RAM: a process of that size that dies without a word was most likely ended by the system


def case_of(run: RunDir, history: History) -> BadEnd:
    """The case of a run that has ended. Raises OSError or ValueError if its configuration cannot be read."""
    error = history.error or {}
    kind = str(error.get("kind"))
    raw, cause = error.get("pictures"), error.get("cause")
    cause = cause if isinstance(cause, dict) else {}
    bound = cause.get("pictures")
    total = error.get("vram_total")
    checkpoints, config = resumable_steps(run), load_config(run.config)
    return BadEnd(
        kind="crash" if history.error is None else kind if kind in KINDS else "exception",  # type: ignore[arg-type]
        config=config,
        checkpoints=checkpoints,
        sound=sound_steps(history.ema, checkpoints),
        phase=history.doing or "load",
        pictures=tuple(map(str, raw)) if isinstance(raw, list) else (),
        cause=str(cause.get("kind") or ""),
        because=str(cause.get("words") or ""),
        at_fault=tuple(map(str, bound)) if isinstance(bound, list) else (),
        gpu=bool(history.run.get("gpu")),
        world=int(history.run.get("world") or 1),
        full=history.vram is None and (history.rss or 0) > FULL * ram(),
        folder=_lost_folder(config, str(error.get("message"))) if kind == "data" else "",
        base=_base_trouble(config) if kind == "data" else "",
        room=(int(total) if isinstance(total, int | float) else 0) if history.run.get("gpu") else ram(),
        factor=_taught(run, history, config),
    )


def _taught(run: RunDir, history: History, config: TrainConfig) -> float:
    """What past runs say of the estimate where this one was trained, itself among them."""
    gpu, world = str(history.run.get("gpu") or ""), int(history.run.get("world") or 1)
    where = place(gpu, str(history.run["host"]) if history.run.get("host") else None, world)
    mine, memory = as_one_of(config, world), int(history.vram_total or 0) if gpu else 0
    try:
        return note(run).correction(mine, estimate(mine, 1, "cuda" if gpu else "cpu"), where, memory).memory
    except NotSDXL:
        return 1.0


def remedies(case: BadEnd) -> list[Remedy]:
    """What helps here, the mildest first; there is always more to do than to start again as it was."""
    match case.kind:
        case "oom":
            found = [*_or_as_it_was(case, "another program may have held the memory, and be gone now"), _DOCTOR]
        case "nan":
            found = not_finite(case)
            if is_of_base(case.cause, case.config):
                found = [*_base(case), *found]
        case "disk":
            found = [*_disk(case), _ROOM]
        case "data":
            lost = [*(_folder(case) if case.folder else ()), *(_base(case) if case.base and not case.pictures else ())]
            found = [*lost, *_data(case), _DOCTOR]
        case "crash" if case.full:
            found = _or_as_it_was(case, "if something else had filled the memory, and is gone now")
        case "crash":
            again = as_it_was(case, "nothing in the settings is known to be at fault")
            found = [again, *_memory(case)[:SMALLER], _DOCTOR]
        case _:
            found = [as_it_was(case, "nothing in the settings is known to be at fault"), _DOCTOR]
    return found


def ram() -> int:
    """Bytes of RAM of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


# -- memory -----------------------------------------------------------------------------------------------------------


def _memory(case: BadEnd) -> list[Remedy]:
    """What lowers the estimate: what leaves the training as it is, what its checkpoint can go on with, a new run."""
    config = case.config
    offered = [(step, one) for step in MEMORY_STEPS if _helps(step, case) for one in _tries(step, case)]
    same = [(step.titled(config, one), step.cost, one) for step, one in offered if step.same]
    rest = sorted((one for one in offered if not one[0].same), key=lambda one: not goes_on(config, one[1]))
    other = [(step.titled(config, one), step.cost, one) for step, one in rest]
    now = need(case, config)
    found = []
    for title, why, changes in (*same, *_all_at_once(offered), *other):
        after = need(case, changed(config, changes))
        if now is None or after is None:
            found.append(remedy(case, title, why, changes))
        elif after < LESS * now:
            found.append(remedy(case, title, why, changes, (now, after)))
    return found


def _or_as_it_was(case: BadEnd, why: str) -> list[Remedy]:
    """What lowers the estimate, and to start again as it was; where nothing does, that is said there."""
    found = _memory(case)
    return [*found, as_it_was(case, why if found else f"{NO_LESS}; {why}")]


def _helps(step: MemoryStep, case: BadEnd) -> bool:
    """Whether this kind of change can help here at all."""
    had = not step.needs or importlib.util.find_spec(step.needs) is not None
    return had and (case.gpu or not step.gpu) and (not step.phases or case.phase in step.phases)


def _tries(step: MemoryStep, case: BadEnd) -> list[Settings]:
    """The settings of `step` that are offered, those that leave the training as it is only where they do."""
    down = [one for one in step.down(case.config) if shared_by(one, case.world)]
    if step.same:
        down = [one for one in down if stays_the_same(case.config, one)]
    chosen = [down[place] for place in step.again if down]
    return [one for place, one in enumerate(chosen) if one not in chosen[:place]]


def _all_at_once(offered: list[tuple[MemoryStep, Settings]]) -> list[tuple[str, str, Settings]]:
    """The furthest of every step that leaves the training as it is, together, where there are several."""
    furthest = {step.name: one for step, one in offered if step.same}
    together = {key: value for one in furthest.values() for key, value in one.items()}
    if len(furthest) < 2 or "train.batch" not in together:  # of sample pictures the last, none, needs no other
        return []
    size, passes = together["train.batch"], together["train.accumulation"]
    title = f"checkpointing on, batch {size}, accumulation {passes}"
    return [(title, "the least that a step takes", together)]


# -- the base model ---------------------------------------------------------------------------------------------------


def _base_trouble(config: TrainConfig) -> str:
    if trouble := base_trouble(config):
        return trouble
    return f"model.base: '{config.model.base}' is not completely on this disk" if base_absent(config) else ""


def _base(case: BadEnd) -> list[Remedy]:
    """Another place for the base model, or another model."""
    why = "the list says what is completely on this disk, and what the hub has"
    found = [remedy(case, "choose the base model", why, {}, opens="base model")]
    if not case.checkpoints:
        why = "the small SDXL ships with loratui and trains on any machine in minutes: to see the rest of the way"
        found.append(remedy(case, "the small SDXL, at 64 px", why, SMALL_SIZE, anew=True))
    return found


# -- a folder that is not there ----------------------------------------------------------------------------------------


def _lost_folder(config: TrainConfig, said: str) -> str:
    """The setting of a folder that is not there and that the error names; empty if there is none."""
    prior = config.prior.path if config.prior.enabled else ""
    places = {"dataset.path": config.dataset.path, "prior.path": prior}
    return next(
        (key for key, one in places.items() if one.startswith("/") and one in said and not is_folder(Path(one))), ""
    )


def _folder_key(case: BadEnd) -> str:
    """Which folder is to be named: the one that was lost, else that of the pictures."""
    return case.folder or "dataset.path"


def _folder(case: BadEnd) -> list[Remedy]:
    """Where its pictures are now."""
    what = "the pictures" if _folder_key(case) == "dataset.path" else "the class pictures"
    start = "the run resumes from its newest checkpoint" if case.checkpoints else "the run begins"
    why = f"{start} with the same pictures, wherever they lie"
    return [remedy(case, f"say where {what} are now", why, {}, opens="folder")]


def with_folder(case: BadEnd, folder: str) -> Remedy:
    """The remedy that a named folder makes."""
    return remedy(case, "the folder", "it was named", {_folder_key(case): str(expanded(folder).absolute())})


# -- the rest ---------------------------------------------------------------------------------------------------------


def _disk(case: BadEnd) -> list[Remedy]:
    keep = case.config.train.keep_checkpoints
    found = [as_it_was(case, "once there is room: what was saved is whole")]
    if keep > 1:
        why = "older ones lose their optimizer's state when the next one is written; make room for that one first"
        found.append(
            remedy(
                case,
                f"optimizer state of 1 checkpoint, not of {keep}",
                why,
                {"train.keep_checkpoints": 1},
            )
        )
    return found


def _data(case: BadEnd) -> list[Remedy]:
    again = as_it_was(case, "once what is named above is put right")
    own = OPTIMIZERS[case.config.train.optimizer]
    if own.package and importlib.util.find_spec(own.package) is None:
        why = f"{own.package} is not installed; this one needs nothing more, and more memory"
        other: Optimizer = "prodigy" if own.finds_rate else "adamw"
        title = f"{OPTIMIZERS[other].name} in place of {case.config.train.optimizer}"
        return [remedy(case, title, why, {"train.optimizer": other}, anew=True), again]
    why = "this run's checkpoints belong to what it was begun with"
    anew = [remedy(case, "begin again with what is there now", why, {}, anew=True)] if case.checkpoints else []
    skipped, names = case.config.dataset.skip, case.pictures
    if not _teaches(case, (*skipped, *names)):  # to leave those out too would end in a run without a picture
        back = remedy(case, "train on what was skipped", "no other picture is there", {"dataset.skip": ()})
        return [*([back] if skipped else []), *_folder(case), again, *anew]
    if not names:
        return [again, *anew]
    title = f"skip {safe_text(names[0], 40) if len(names) == 1 else plural(len(names), 'picture')}"
    skip = {"dataset.skip": (*skipped, *(one for one in names if one not in skipped))}
    return [remedy(case, title, "the others are good", skip), again, *anew]


def _teaches(case: BadEnd, without: tuple[str, ...]) -> bool:
    """Whether the run's folder holds a picture beside these; one that is not there, or one of several, may."""
    folder = expanded(case.config.dataset.path)
    if case.config.concepts or not is_folder(folder):
        return True
    try:
        return bool(list_pictures(folder, case.config.dataset.caption_column, without).pictures)
    except NoDataset:
        return False


_DOCTOR = Remedy("look at this machine", "what of it will not work, each with what to do", opens="doctor")
_ROOM = Remedy("see what takes the room", "folders of this run and of the models, by size", opens="disk")


def with_base(case: BadEnd, base: str) -> Remedy:
    """The remedy that a chosen base model makes; the same one again is a start as it was."""
    changes = {} if base == case.config.model.base else {"model.base": base}
    return remedy(case, "the base model", "it was chosen", changes)
