"""The contract between screen and trainer: what both sides rely on, with real files, locks and processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from loratui.settings.answers import parse_set, read_answers
from trainer.contract.basemodel.inspect import NotSDXL, inspect_base, small_model
from trainer.contract.entries import write_atomic
from trainer.contract.pictures.folder import list_pictures
from trainer.contract.run.control import Inbox, send
from trainer.contract.run.events import EventLog, Tail, last_status, without_undone
from trainer.contract.run.lock import AlreadyRunning, RunLock, lock_holder
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.arithmetic import pivot_step, schedule, views_per_image
from trainer.contract.settings.config import (
    BY_KEY,
    SETTINGS,
    SMALL,
    TrainConfig,
    as_begun,
    config_sha,
    dump_config,
    flat,
    load_config,
    nested,
)
from trainer.contract.settings.triggers import holds_word, starting_words

ROOT = Path(__file__).parents[2]


def config(**own: object) -> TrainConfig:
    return TrainConfig.model_validate(nested({key.replace("__", "."): value for key, value in own.items()}))


def test_every_setting_is_declared_with_words_and_a_default_within_its_bounds() -> None:
    for one in SETTINGS:
        assert one.title and one.help and one.source, one.key
        if one.low is not None:
            assert one.default >= one.low, one.key
        if one.high is not None:
            assert one.default <= one.high, one.key
        assert not one.choices or one.default in one.choices, one.key
    assert BY_KEY["train.rank"].bounds == "1 to 1024"
    assert BY_KEY["train.seed"].bounds == "0 to 4294967295"
    assert BY_KEY["pivotal.fraction"].bounds == "above 0 to 1"


def test_a_configuration_survives_its_file(tmp_path: Path) -> None:
    made = config(train__rank=8, dataset__skip=["ü.jpg", 'a "b".png'], prodigy__growth_rate=float("inf"))
    (tmp_path / "config.toml").write_text(dump_config(made))
    assert load_config(tmp_path / "config.toml") == made
    assert config_sha(load_config(tmp_path / "config.toml")) == config_sha(made)
    assert config_sha(made) != config_sha(config(train__rank=9))
    assert set(flat(made)) == set(BY_KEY)


def test_an_unknown_key_is_an_error_and_a_configuration_cannot_be_patched() -> None:
    with pytest.raises(ValidationError):
        config(train__reslution=64)
    with pytest.raises(ValidationError):
        config().train.rank = 3  # type: ignore[misc]


def test_the_pivot_is_never_before_the_first_step() -> None:
    """ADV's int(0.5 * 1) = 0 never trains the new tokens (trap 9)."""
    assert [pivot_step(steps, 0.5) for steps in (1, 2, 5, 1000)] == [1, 1, 2, 500]


def test_views_per_image_are_those_of_the_seeds_table() -> None:
    """Y2K, 27 pictures: v1, v4, v5, v6."""
    table = [(1500, 4), (1000, 4), (1000, 2), (1000, 1)]
    assert [round(views_per_image(steps, batch, 27)) for steps, batch in table] == [222, 148, 74, 37]


def test_repeats_change_the_epoch_and_not_the_views() -> None:
    once = schedule(config(train__batch=2), 10)
    thrice = schedule(config(train__batch=2, dataset__repeats=3), 10)
    assert once.views_per_image == thrice.views_per_image
    assert thrice.steps_per_epoch == 3 * once.steps_per_epoch
    with pytest.raises(ValueError, match="no pictures"):
        schedule(config(), 0)


def test_a_trigger_is_found_as_a_whole_word_only() -> None:
    assert holds_word("a photo of TOK.", "TOK") and holds_word("a [v18]", "[v18]")
    assert not holds_word("TOK2 and STOK", "TOK")


def test_events_come_back_in_order_and_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    log, tail = EventLog(tmp_path / "events.jsonl"), Tail(tmp_path / "events.jsonl")
    log.emit("run", v=1)
    log.emit("step", step=1, loss=float("nan"), rates={"unet": {"d": float("inf")}})
    log.emit("news_of_a_later_version", step=2)
    found = tail.read()
    assert [one["type"] for one in found] == ["run", "step"]
    assert found[1]["loss"] is None and found[1]["rates"] == {"unet": {"d": None}} and found[1]["nonfinite"]
    log.emit("end", status="completed")
    assert [one["type"] for one in tail.read()] == ["end"] and tail.read() == []


def test_half_a_line_is_never_read_and_never_joined_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"t":1,"type":"run","v":1}\n{"t":2,"type":"step","st')
    tail = Tail(path)
    assert len(tail.read()) == 1
    EventLog(path).emit("end", status="failed")
    assert [one["type"] for one in tail.read()] == ["end"]
    assert (last_status(path) or {})["status"] == "failed"


def test_a_resumed_run_drops_what_it_does_again() -> None:
    steps = [{"type": "step", "step": step} for step in (1, 2, 3)]
    kept = without_undone([{"type": "run"}, *steps, {"type": "run", "resumed_from": 2}, {"type": "step", "step": 3}])
    assert [one.get("step") for one in kept if one["type"] == "step"] == [1, 2, 3]


def test_the_lock_frees_itself_however_its_holder_dies(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import sys, time; from pathlib import Path; from trainer.contract.run.lock import RunLock\n"
        "held = RunLock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    holder = lock_holder(path)
    assert holder is not None and holder.pid == child.pid
    with pytest.raises(AlreadyRunning, match=str(child.pid)):
        RunLock(path)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert lock_holder(path) is None
    again = RunLock(path)
    assert again.took_over == child.pid
    again.release()


def test_commands_arrive_once_in_the_order_sent_and_rubbish_is_dropped(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    inbox = Inbox(run)
    sent = [send(run, "save"), send(run, "sample", prompt="a TOK"), send(run, "stop")]
    (run.control / "0.json").write_text("{not json")
    (run.control / "1.json").write_text(json.dumps({"cmd": "format-disk"}))
    got = inbox.take()
    assert [one.id for one in got] == sent and got[1].args == {"prompt": "a TOK"}
    assert inbox.take() == [] and not list(run.control.iterdir())
    with pytest.raises(ValueError, match="unknown command"):
        send(run, "explode")  # type: ignore[arg-type]


def test_an_atomic_write_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_atomic(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(path, "\ud800")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_captions_come_from_the_file_beside_the_picture_before_the_metadata(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "c.webp"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a.txt").write_text("\ufeff a TOK\n on two lines ")
    rows = [{"file_name": name, "prompt": f"row {name}"} for name in ("a.JPG", "b.png")]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / ".hidden.png").write_bytes(b"x")
    (tmp_path / "notes.md").write_text("x")
    (tmp_path / "sub.png").mkdir()
    found = list_pictures(tmp_path)
    assert [(one.name, one.caption, one.source) for one in found.pictures] == [
        ("a.JPG", "a TOK on two lines", "sidecar"),
        ("b.png", "row b.png", "metadata"),
        ("c.webp", None, "none"),
    ]
    assert not found.problems and [one.name for one in list_pictures(tmp_path, skip=("b.png",)).pictures] == [
        "a.JPG",
        "c.webp",
    ]


def test_a_pipe_in_the_folder_does_not_hang_the_listing(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    os.mkfifo(tmp_path / "b.png")
    os.mkfifo(tmp_path / "a.txt")
    assert [one.name for one in list_pictures(tmp_path).pictures] == ["a.png"]


def test_what_is_no_sdxl_model_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    for base, said in (
        (str(tmp_path), "FluxPipeline"),
        (str(tmp_path / "model_index.json"), "is not a safetensors file"),
        ("./nowhere", "no base model"),
        (str(tmp_path.parent), "model_index.json is missing; give the folder inside it"),
    ):
        with pytest.raises(NotSDXL, match=said):
            inspect_base(base)
    assert inspect_base("stabilityai/stable-diffusion-xl-base-1.0").native == 1024
    small = inspect_base(SMALL)
    assert small.folder == small_model() and small.native == 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "TOC = a dog",
            "'TOC = a dog' names no trigger; write TRIGGER = WORDS, separated by ;, where TRIGGER is TOK, TOK2",
        ),
        ("TOK = a dog; a cat", "'a cat' names no trigger"),
        ("TOK = a dog; TOK=a cat", "'TOK' is given twice"),
    ],
)
def test_starting_words_are_of_triggers(words: str, said: str) -> None:
    own = {"trigger": "TOK, TOK2"}
    with pytest.raises(ValidationError, match=f"pivotal.init_words: {re.escape(said)}"):
        TrainConfig.model_validate({"dataset": own, "pivotal": {"init_words": words}})
    TrainConfig.model_validate({"dataset": own, "pivotal": {"init_words": words, "enabled": False}})  # not used


def test_starting_words_are_plain_or_of_each_trigger() -> None:
    assert starting_words("a brown dog; sitting", ("TOK", "TOK2")) == {}
    assert starting_words("TOK2 = a cat ; TOK = a = b;", ("TOK", "TOK2")) == {"TOK2": "a cat", "TOK": "a = b"}


@pytest.mark.parametrize(("before", "now"), [(True, "blocks"), (False, "off"), ("norms", "norms")])
def test_gradient_checkpointing_of_before_is_still_read(before: bool | str, now: str, tmp_path: Path) -> None:
    """In a run's configuration, in answers, behind --set; a checkpoint and a draft are read by the same function."""
    path = tmp_path / "config.toml"
    path.write_text(f"[train]\ngradient_checkpointing = {json.dumps(before)}\n")
    assert load_config(path).train.gradient_checkpointing == now
    answers = tmp_path / "answers.toml"
    answers.write_text("schema = 1\n" + path.read_text())
    assert read_answers(answers).values["train.gradient_checkpointing"] == now
    assert parse_set(f"train.gradient_checkpointing={json.dumps(before)}") == ("train.gradient_checkpointing", now)
    assert as_begun({"train.gradient_checkpointing": before}, "train.")["train.gradient_checkpointing"] == now


def test_a_run_of_before_there_was_a_setting_is_what_it_was_begun_as(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[train]\nrank = 32\ntargets = 'attention'\n")
    train = load_config(path).train
    assert (train.ema, train.timesteps, train.noise_pairs) == (0.0, "independent", False)
    assert (TrainConfig().train.ema, TrainConfig().train.timesteps) == (0.1, "stratified")
    begun = as_begun({"train.timesteps": "stratified"}, "train.")
    assert (begun["train.ema"], begun["train.timesteps"]) == (0.0, "stratified")
