"""Trackers: the numbers of the event log and nothing of the person, and a run that no tracker can end."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.hostname import names_the_host
from tests.trainer.conftest import draw_dataset, make_config, make_run, train
from trainer import trackers
from trainer.contract.run.events import Event
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, nested

TOKENS = {"HF_TOKEN": "hf_canaryHFcanaryHFcanaryHFcanary", "WANDB_API_KEY": "canaryWB" * 5}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home-of-canary"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)
    return home


def config_in(home: Path, *names: str, **own: Any) -> TrainConfig:
    folder = home / "photos-of-canary"
    if not folder.exists():
        draw_dataset(folder)
    values = {"train__steps": 3, "train__checkpoint_every": 1, "tracker__names": list(names)} | own
    return make_config(folder, **values)


def scalars(run: RunDir) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard itself reads out of the run: tag -> (step, value)."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(run.trackers / "tensorboard"), size_guidance={"scalars": 0})
    reader.Reload()
    return {tag: [(one.step, one.value) for one in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def of(events: list[Event], kind: str) -> list[Event]:
    return [one for one in events if one["type"] == kind]


def assert_no_canary(folder: Path, home: Path) -> None:
    """No token, no home, no host name: in no byte of what was written, and in no file's name."""
    words = [*TOKENS.values(), str(home), "photos-of-canary"]
    # wandb's own diary names its folders; it stays in the run, which names them as well, and is never sent
    files = [one for one in folder.rglob("*") if one.is_file() and not one.name.startswith("debug")]
    assert files
    for path in files:
        told = path.read_bytes() + str(path.relative_to(folder)).encode()
        assert [word for word in words if word.encode() in told] == [], path
        assert not names_the_host(told), path


@pytest.mark.slow
def test_tensorboard_has_the_numbers_of_the_event_log(tmp_path: Path, own_home: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    run = make_run(own_home / "run", config_in(own_home, "tensorboard"))
    events = train(run)
    assert of(events, "warn") == []
    steps, found = of(events, "step"), scalars(run)
    assert [step for step, _ in found["loss"]] == [1, 2, 3]
    for tag, read in {
        "loss": lambda one: one["loss"],
        "grad_norm": lambda one: one["grad_norm"],
        "seconds_per_step": lambda one: one["s"],
        "views": lambda one: one["views"],
        "rss": lambda one: one["rss"],
        "rates/unet/lr": lambda one: one["rates"]["unet"]["lr"],
        "rates/unet/d": lambda one: one["rates"]["unet"]["d"],
        "rates/unet/effective": lambda one: one["rates"]["unet"]["effective"],
    }.items():
        assert [value for _, value in found[tag]] == pytest.approx([read(one) for one in steps], rel=1e-6), tag
    assert found["pivot"] == [(of(events, "pivot")[0]["step"], 1.0)]
    assert_no_canary(run.trackers, own_home)


@pytest.mark.slow
def test_a_resumed_run_goes_on_along_the_same_axis(tmp_path: Path, own_home: Path) -> None:
    """Cut off after three steps, resumed from the second with the tracker's settings changed: no step stands twice."""
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    run = make_run(own_home / "run", config_in(own_home, "tensorboard"))
    train(run)
    shutil.rmtree(run.checkpoint(3))
    shutil.rmtree(run.export)
    make_run(run.path, config_in(own_home, "tensorboard", tracker__project="another"))
    events = train(run)
    assert of(events, "run")[-1]["resumed_from"] == 2
    assert [step for step, _ in scalars(run)["loss"]] == [1, 2, 3]
    assert len(list((run.trackers / "tensorboard").rglob("hparams.yml"))) == 1
    assert_no_canary(run.trackers, own_home)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_the_others_get_the_same_and_learn_nothing_of_the_machine(name: str, tmp_path: Path, own_home: Path) -> None:
    pytest.importorskip(name, reason=f"needs {name}")
    run = make_run(own_home / "run", config_in(own_home, name, tracker__pictures=True, sample__at_start=True))
    events = train(run)
    assert of(events, "warn") == []
    assert of(events, "end")[0]["status"] == "completed"
    kept = run.trackers / "wandb" if name == "wandb" else tmp_path / "trackio"
    files = [one.read_bytes() for one in kept.rglob("*") if one.is_file()]
    for told in ("rates/unet/effective", "step 0: a TOK star (seed 0)", "step 3: a TOK star (seed 0)"):
        assert any(told.encode() in one for one in files), told
    shown = [np.asarray(Image.open(one).convert("RGB")) for one in kept.rglob("*.png")]
    for step in (0, 3):
        assert any(np.array_equal(one, np.asarray(Image.open(run.sample(step, 0)))) for one in shown)
    assert_no_canary(kept, own_home)


@pytest.mark.slow
def test_a_tracker_that_is_missing_fails_or_breaks_is_a_warning_each(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaks:
        writer = SimpleNamespace(add_image=lambda *_, **__: None)  # of TensorBoard

        def start(self) -> None: ...
        def store_init_configuration(self, values: dict[str, Any]) -> None: ...
        def finish(self) -> None: ...
        def log(self, values: dict[str, Any], step: int) -> None:
            if step == 2:
                raise ConnectionError(f"no route for {TOKENS['WANDB_API_KEY']}\nand more")

    def refuses(*_: object) -> Any:
        raise ValueError(f"no login in {own_home}/.netrc")

    found = {"tensorboard": object(), "wandb": object()}
    monkeypatch.setattr(trackers.importlib.util, "find_spec", found.get)
    monkeypatch.setitem(trackers.MAKERS, "tensorboard", lambda *_: Breaks())
    monkeypatch.setitem(trackers.MAKERS, "wandb", refuses)
    run = make_run(own_home / "run", config_in(own_home, "tensorboard", "wandb", "trackio"))
    events = train(run)
    warned = {one["message"]: one["advice"] for one in of(events, "warn") if one["code"] == "tracker"}
    assert list(warned) == [
        "the tracker trackio is not installed",
        "the tracker wandb could not start: no login in ~/.netrc",
        "the tracker tensorboard failed and is left out from here on: no route for ***",
    ]
    assert "loratui[trackers]" in warned["the tracker trackio is not installed"]
    assert of(events, "end")[0]["status"] == "completed"
    assert len(of(events, "step")) == 3


@pytest.mark.slow
def test_pictures_stay_here_unless_they_are_asked_for(tmp_path: Path, own_home: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    run = make_run(own_home / "run", config_in(own_home, "tensorboard", train__steps=1))
    assert of(train(run), "sample")
    assert "loss" in scalars(run)
    assert not [one for one in run.trackers.rglob("*") if one.is_file() and b"a TOK star" in one.read_bytes()]


@pytest.mark.slow
def test_without_trackers_nothing_is_written_or_loaded(tmp_path: Path, own_home: Path) -> None:
    run = make_run(own_home / "run", config_in(own_home, train__steps=1))
    train(run)
    assert not run.trackers.exists()


def test_only_numbers_switches_and_choices_are_told() -> None:
    """Every text setting holds a canary; a new one stays untold unless somebody lists it."""
    from trainer.contract.settings.config import BY_KEY

    canary = "canary TOK"
    texts = {key: canary for key, one in BY_KEY.items() if one.kind == "str"}
    texts |= {
        "name": "canary",
        "preset": "object",
        "model.revision": "canary",
        "model.vae_revision": "canary",
        "dataset.trigger": "TOK",
        "model.base": "/home/canary/model",
    }
    texts |= {"dataset.background": "#ffffff", "tracker.project": "canary"}
    texts |= {f"pivotal.{one}_each": "TOK = 0.5" for one in ("fraction", "weight_decay")}
    texts |= {"pivotal.tokens_each": "TOK = 3"}
    texts |= {key: [canary] for key in ("sample.prompts", "dataset.skip", "dataset.accept", "train.blocks")}
    told = trackers.hyperparameters(TrainConfig.model_validate(nested(texts)))
    assert "canary" not in repr(told) and "TOK" not in repr(told)
    assert told["train.rank"] == 16 and told["train.optimizer"] == "prodigy" and told["preset"] == "object"
    assert all(isinstance(one, bool | int | float | str) for one in told.values())
    hub = TrainConfig.model_validate({"model": {"base": "stabilityai/stable-diffusion-xl-base-1.0"}})
    assert trackers.hyperparameters(hub)["model.base"] == "stabilityai/stable-diffusion-xl-base-1.0"


def test_a_name_that_is_no_tracker_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no tracker 'mlflow'; there are tensorboard, wandb, trackio"):
        TrainConfig.model_validate({"tracker": {"names": ["mlflow"]}})


def test_a_loss_that_is_not_finite_is_left_out() -> None:
    step = {"step": 1, "loss": float("nan"), "grad_norm": 1.0, "vram": None, "rates": {}, "s": 0.1}
    assert trackers.step_metrics(step) == {"grad_norm": 1.0, "seconds_per_step": 0.1}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_signals_stay_the_trainers_own(
    name: str, tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(name, reason=f"needs {name}")
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    seen: list[Any] = []
    real = trackers.Trackers.close

    def close(self: trackers.Trackers) -> None:
        seen.extend(signal.getsignal(number) for number in numbers)
        real(self)

    monkeypatch.setattr(trackers.Trackers, "close", close)
    train(make_run(own_home / "run", config_in(own_home, name, train__steps=1)))
    assert [getattr(one, "__qualname__", one) for one in seen] == ["Requests._on_signal"] * 2 + [signal.SIG_IGN]
