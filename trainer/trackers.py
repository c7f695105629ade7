"""Trackers beside the event log: TensorBoard, Weights & Biases, trackio, chosen by name; none of them can end a run."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import re
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainer.contract.basemodel.names import HUB_ID
from trainer.contract.entries import make_private, write_atomic
from trainer.contract.paths import can_see
from trainer.contract.run.events import Event, EventLog
from trainer.contract.run.rundir import RunDir, home_folder
from trainer.contract.settings.config import BY_KEY, SMALL, TrainConfig, flat
from trainer.ground.error_line import first_line

INSTALL = "pip install 'loratui[trackers]'; training goes on without it"
ADVICE = {
    "tensorboard": "training goes on without it",
    "wandb": "log in with 'wandb login', or set WANDB_MODE=offline; training goes on without it",
    "trackio": "training goes on without it",
}
COUNTED = (
    "loss",
    "loss_instance",
    "loss_class",
    "grad_norm",
    "views",
    "epoch",
    "vram",
    "rss",
)  # of a step event, under their own names
SECRET = re.compile(r"(TOKEN|KEY|SECRET|PASSWORD)$")  # names of environment variables
# what wandb would send of the machine. One that it does not know makes it refuse to start: better that than a leak
WANDB_SILENCE = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "host": "",
    "init_timeout": 30,
    "login_timeout": 5,
    "save_code": False,
    "silent": True,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}


@contextlib.contextmanager
def tracked(config: TrainConfig, run: RunDir, log: EventLog) -> Iterator[None]:
    """Hand steps, pivot and pictures of `log` to the trackers of `config` for as long as the run lasts."""
    if not config.tracker.names:
        yield
        return
    trackers = Trackers(config, run, log)
    log.tell(trackers.take)
    try:
        yield
    finally:
        trackers.close()


class Trackers:
    """The trackers of one start of a run; they begin with its first step, so that it says where they go on."""

    def __init__(self, config: TrainConfig, run: RunDir, log: EventLog) -> None:
        """Say at once which of them are not installed; the others wait for the first step."""
        self._config, self._run, self._log = config, run, log
        self._live: dict[str, Any] = {}
        self._waiting: list[str] = []
        for name in config.tracker.names:
            if importlib.util.find_spec(name) is None:
                self._warn(name, "is not installed", INSTALL)
            else:
                self._waiting.append(name)

    def take(self, type: str, fields: Event) -> None:
        """An event of the log; never raises."""
        if type not in ("step", "pivot") and not (type == "sample" and self._config.tracker.pictures):
            return
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for name in waiting:  # a picture is of the step before the first that is to come
                self._start(name, fields["step"] + (type == "sample"))
        if type == "sample":
            self._show(fields)
            return
        values = step_metrics(fields) if type == "step" else {"pivot": 1}
        self._each(lambda _, tracker: tracker.log(values, step=fields["step"]))

    def _show(self, fields: Event) -> None:
        """A validation picture, as its file has it, under its prompt: the file holds no metadata."""
        if not self._live:
            return
        try:
            with Image.open(self._run.path / fields["path"]) as opened:
                picture = opened.convert("RGB")
        except OSError:  # the log has said so, or a person was faster
            return
        self._each(lambda name, tracker: SHOWERS[name](tracker, picture, fields))

    def close(self) -> None:
        """End all of them; what is left is sent or written."""
        self._each(lambda _, tracker: tracker.finish())
        self._live.clear()

    def _start(self, name: str, step: int) -> None:
        try:
            make_private(self._run.trackers, self._run.path)
            fresh = not (self._run.trackers / name).exists()
            tracker = MAKERS[name](self._config, self._run, step)
            with _apart():
                tracker.start()
                if fresh or name != "tensorboard":
                    tracker.store_init_configuration(hyperparameters(self._config))
        except Exception as error:  # each has its own kinds: no login, no network, another version
            self._warn(name, f"could not start: {_reason(error)}", ADVICE[name])
        else:
            self._live[name] = tracker

    def _each(self, do: Callable[[str, Any], None]) -> None:
        for name, tracker in list(self._live.items()):
            try:
                do(name, tracker)
            except Exception as error:
                del self._live[name]
                self._warn(name, f"failed and is left out from here on: {_reason(error)}", ADVICE[name])

    def _warn(self, name: str, what: str, advice: str) -> None:
        self._log.emit("warn", code="tracker", message=f"the tracker {name} {what}", advice=advice)


def step_metrics(fields: Event) -> dict[str, float]:
    """The numbers of a step event, flat: "loss", "rates/unet/lr", "seconds_per_step"; only finite ones."""
    found = {name: fields.get(name) for name in COUNTED}
    found["seconds_per_step"] = fields.get("s")
    for group, rates in fields.get("rates", {}).items():
        found |= {f"rates/{group}/{name}": rate for name, rate in rates.items()}
    return {name: one for name, one in found.items() if isinstance(one, int | float) and math.isfinite(one)}


def picture_words(fields: Event) -> str:
    """What stands beneath a picture: "step 300: a TOK dog (seed 0)"."""
    return f"step {fields['step']}: {fields['prompt']} (seed {fields['seed']})"


def _show_tensorboard(tracker: Any, picture: Image.Image, fields: Event) -> None:
    # TensorBoard has no caption: the tag stands above the picture, the step is its slider's
    tag = f"samples/{fields['index']}: {fields['prompt']} (seed {fields['seed']})"
    tracker.writer.add_image(tag, np.asarray(picture), fields["step"], dataformats="HWC")


def _show_captioned(package: str) -> Callable[[Any, Image.Image, Event], None]:
    def show(tracker: Any, picture: Image.Image, fields: Event) -> None:
        shown = importlib.import_module(package).Image(picture, caption=picture_words(fields))
        tracker.log({f"samples/{fields['index']}": shown}, step=fields["step"])

    return show


SHOWERS: dict[str, Callable[[Any, Image.Image, Event], None]] = {
    "tensorboard": _show_tensorboard,
    "wandb": _show_captioned("wandb"),
    "trackio": _show_captioned("trackio"),
}


def hyperparameters(config: TrainConfig) -> dict[str, Any]:
    """What others may know of a configuration: its numbers, switches and choices, the preset, a base model of the hub.

    No other text: a path, a name, a caption or a prompt is the person's own; a prompt goes with its pictures alone.
    """
    kinds = ("int", "float", "bool", "choice")
    told = {key: value for key, value in flat(config).items() if BY_KEY[key].kind in kinds}
    told["preset"] = config.preset
    base = config.model.base
    if base == SMALL or (HUB_ID.fullmatch(base) and not can_see(Path(base))):
        told["model.base"] = base
    return told


def _tensorboard(_: TrainConfig, run: RunDir, step: int) -> Any:
    from accelerate.tracking import TensorBoardTracker

    # what an earlier start wrote past the checkpoint that this one goes on from is taken back
    return _quietly(TensorBoardTracker("tensorboard", logging_dir=run.trackers, purge_step=step))


def _wandb(config: TrainConfig, run: RunDir, _: int) -> Any:
    from accelerate.tracking import WandBTracker

    own = {"name": config.name, "id": _run_id(run), "resume": "allow", "dir": str(run.trackers)}
    return _quietly(WandBTracker(config.tracker.project, **own, settings=WANDB_SILENCE))


def _trackio(config: TrainConfig, run: RunDir, _: int) -> Any:
    from accelerate.tracking import TrackioTracker

    name = f"{config.name}-{_run_id(run)}"
    own = {"name": name, "resume": "allow", "embed": False, "auto_log_gpu": False, "auto_log_cpu": False}
    return _quietly(TrackioTracker(config.tracker.project, **own, private=True))


MAKERS: dict[str, Callable[[TrainConfig, RunDir, int], Any]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "trackio": _trackio,
}


def _quietly(tracker: Any) -> Any:
    """accelerate's own log wants its state made before; only rank 0 comes here, so it need not ask which rank it is."""
    from accelerate import PartialState
    from torch import distributed

    PartialState(cpu=not distributed.is_initialized())
    tracker.main_process_only = False
    return tracker


def _run_id(run: RunDir) -> str:
    """The name under which a resumed run is found again: random, made once, kept in the run."""
    file = run.trackers / "id"
    if not file.exists():
        write_atomic(file, secrets.token_hex(4), root=run.path)
    return file.read_text().strip()


@contextlib.contextmanager
def _apart() -> Iterator[None]:
    """While a tracker starts, the host has no name (TensorBoard puts it into file names) and nobody is there to ask."""
    named, asked = socket.gethostname, sys.stdin
    socket.gethostname = lambda: "loratui"
    try:
        with Path(os.devnull).open() as nobody:
            sys.stdin = nobody
            yield
    finally:
        socket.gethostname, sys.stdin = named, asked


def _reason(error: Exception) -> str:
    """The first line of an error without tokens of the environment and without the home folder."""
    text = first_line(error)
    hidden = [value for name, value in os.environ.items() if SECRET.search(name) and len(value) >= 8]
    for value in sorted(hidden, key=len, reverse=True):
        text = text.replace(value, "***")
    return text.replace(str(home_folder()), "~")
