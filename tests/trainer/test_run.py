"""Whole runs: the order of events, the pivot to the bit, resume, signals, commands, refusals."""

from __future__ import annotations

import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.begun import Events, of, wait_for
from tests.trainer.conftest import MEASURED, draw_dataset, make_config, make_run, start, train
from trainer.checkpoints.snapshot import (
    drop_old,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
)
from trainer.contract.run import exits
from trainer.contract.run.control import send
from trainer.contract.run.events import Tail
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import load_config

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDir, Events]:
    """Six steps with the pivot after the third."""
    run = make_run(tmp_path_factory.mktemp("run") / "a", make_config(pictures, train__sample_every=3, **MEASURED))
    return run, train(run)


def lora(run: RunDir, step: int) -> bytes:
    return (run.checkpoint(step) / "lora.safetensors").read_bytes()


def test_the_log_tells_the_whole_run_in_order(finished: tuple[RunDir, Events]) -> None:
    run, events = finished
    assert events[0]["type"] == "run"
    assert events[0]["steps"] == 6
    assert [event["step"] for event in of(events, "step")] == [1, 2, 3, 4, 5, 6]
    assert [event["step"] for event in of(events, "checkpoint")] == [2, 4, 6]
    assert [event["step"] for event in of(events, "sample")] == [0, 3, 6]
    assert [event["step"] for event in of(events, "pivot")] == [3]
    end = events[-1]
    assert (end["type"], end["status"], end["step"]) == ("end", "completed", 6)
    assert sorted(end["files"]) == [
        "export/README.md",
        "export/diffusers/pytorch_lora_weights.safetensors",
        "export/sample-0.png",
        "export/toy.json",
        "export/toy.png",
        "export/toy.safetensors",
        "export/toy_emb.safetensors",
    ]
    assert all((run.path / name).is_file() for name in end["files"])
    assert events[0]["vram_total"] is None  # no GPU
    assert all(0 < event["data"] < event["s"] for event in of(events, "step"))
    for event in of(events, "sample"):
        assert (run.path / event["path"]).is_file()
        assert (run.path / event["thumb"]).is_file()


def test_rates_are_logged_per_group_and_the_rows_leave_at_the_pivot(finished: tuple[RunDir, Events]) -> None:
    steps = of(finished[1], "step")
    for event in steps:
        groups = {"unet", "embeddings"} if event["step"] <= 3 else {"unet"}
        assert set(event["rates"]) == groups
        for rate in event["rates"].values():
            assert rate["lr"] == 1.0
            assert rate["effective"] == pytest.approx(
                rate["d"] * (1 - 0.99 ** event["step"]) ** 0.5 / (1 - 0.9 ** event["step"])
            )


def test_embeddings_are_bit_identical_after_the_pivot(finished: tuple[RunDir, Events]) -> None:
    run, _ = finished
    rows = {step: load_file(run.checkpoint(step) / "embeddings.safetensors") for step in (2, 4, 6)}
    exported = load_file(run.export / "toy_emb.safetensors")
    assert set(exported) == {"clip_l", "clip_g"}
    for name in exported:
        assert not torch.equal(rows[2][name], rows[4][name])
        assert torch.equal(rows[4][name], rows[6][name])
        assert torch.equal(rows[6][name], exported[name])


def test_the_rows_optimizer_state_is_gone_after_the_pivot(finished: tuple[RunDir, Events]) -> None:
    run, _ = finished
    before, after = (set(load_file(run.checkpoint(step) / "optimizer.safetensors")) for step in (2, 4))
    assert {name for name in before if name.startswith("embeddings.")}
    assert not {name for name in after if name.startswith("embeddings.")}


def test_everything_trained_is_kept_in_fp32(finished: tuple[RunDir, Events]) -> None:
    run, _ = finished
    for name in ("lora", "embeddings"):
        assert {one.dtype for one in load_file(run.checkpoint(6) / f"{name}.safetensors").values()} == {torch.float32}


def test_the_same_settings_give_the_same_bytes(finished: tuple[RunDir, Events], tmp_path: Path) -> None:
    run, _ = finished
    again = make_run(tmp_path / "b", make_config(Path(load_config(run.config).dataset.path)))
    train(again)
    for name in ("diffusers/pytorch_lora_weights.safetensors", "toy.safetensors", "toy_emb.safetensors"):
        assert (again.export / name).read_bytes() == (run.export / name).read_bytes()
    assert lora(again, 6) == lora(run, 6)


@pytest.mark.parametrize("step", [2, 4])
def test_a_run_resumed_from_a_checkpoint_ends_bit_equal(
    finished: tuple[RunDir, Events], tmp_path: Path, step: int
) -> None:
    whole, _ = finished
    cut = RunDir(tmp_path / "cut")
    shutil.copytree(whole.path, cut.path)
    for later in (4, 6):
        if later > step:
            shutil.rmtree(cut.checkpoint(later))
    events = train(cut)
    assert of(events, "run")[-1]["resumed_from"] == step
    assert lora(cut, 6) == lora(whole, 6)
    for name in ("toy.safetensors", "toy_emb.safetensors"):
        assert (cut.export / name).read_bytes() == (whole.export / name).read_bytes()


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    finished: tuple[RunDir, Events], tmp_path: Path
) -> None:
    whole, _ = finished
    cut = RunDir(tmp_path / "cut")
    shutil.copytree(whole.path, cut.path)
    broken = cut.checkpoint(6) / "lora.safetensors"
    broken.write_bytes(broken.read_bytes()[:-1] + b"x")
    events = train(cut)
    assert of(events, "run")[-1]["resumed_from"] == 4
    assert "step-000006/lora.safetensors" in of(events, "warn")[-1]["message"]
    assert lora(cut, 6) == lora(whole, 6)


def test_damaged_checkpoints_never_push_out_the_whole_ones(finished: tuple[RunDir, Events], tmp_path: Path) -> None:
    run = RunDir(tmp_path / "cut")
    shutil.copytree(finished[0].path, run.path)
    for step in (4, 6):
        (run.checkpoint(step) / "lora.safetensors").write_bytes(b"damaged")
    found = newest_checkpoint(run)
    assert found.step == 2 and len(found.damaged) == 2
    for step in (3, 4, 5, 6):  # as the resumed run writes them
        save_checkpoint(run, replace(found.snapshot, step=step))
        drop_old(run, 1, written=step)
        assert newest_checkpoint(run).step == step
    assert load_checkpoint(run.checkpoint(6)).optimizer and load_checkpoint(run.checkpoint(2)).optimizer is None


def test_a_changed_picture_refuses_the_resume_with_the_difference(
    finished: tuple[RunDir, Events], tmp_path: Path
) -> None:
    cut = RunDir(tmp_path / "cut")
    shutil.copytree(finished[0].path, cut.path)
    folder = draw_dataset(tmp_path / "pictures")
    (folder / "1.txt").write_text("a TOK something else")
    make_run(cut.path, make_config(folder, train__sample_every=3, train__rank=8, **MEASURED))
    events = train(cut, code=exits.DATASET)
    message = of(events, "error")[-1]["message"]
    assert "pictures.1.png" in message
    assert "settings.train.rank: was 4, is 8" in message
    assert lora(cut, 6) == lora(finished[0], 6)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_exports_and_loses_no_step(pictures: Path, tmp_path: Path, number: signal.Signals) -> None:
    run = make_run(tmp_path / "run", make_config(pictures, train__steps=5000, train__checkpoint_every=0))
    process = start(run)
    wait_for(run, lambda events: len(of(events, "step")) >= 2)
    process.send_signal(number)
    assert process.wait(60) == exits.STOPPED
    events = Tail(run.events).read()
    last = of(events, "step")[-1]["step"]
    assert (events[-1]["status"], events[-1]["step"]) == ("stopped", last)
    assert run.checkpoint(last).is_dir()
    assert (run.export / "toy.safetensors").is_file()
    assert lock_holder(run.lock) is None


def test_a_hang_up_and_a_kill_lose_nothing_that_was_saved(pictures: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_config(pictures, train__steps=5000, train__checkpoint_every=2))
    process = start(run)
    wait_for(run, lambda events: len(of(events, "step")) >= 1)
    process.send_signal(signal.SIGHUP)
    wait_for(run, lambda events: len(of(events, "checkpoint")) >= 2)
    process.kill()
    process.wait(10)
    assert lock_holder(run.lock) is None
    assert not of(Tail(run.events).read(), "end")
    process = start(run)
    wait_for(run, lambda _: (one := lock_holder(run.lock)) is not None and one.silent)  # the log is the other's
    wait_for(run, lambda events: len(of(events, "run")) == 2 and events[-1]["type"] == "step")
    assert (one := lock_holder(run.lock)) is not None and not one.silent
    resumed = of(Tail(run.events).read(), "run")[-1]["resumed_from"]
    assert resumed >= 4
    process.terminate()
    assert process.wait(60) == exits.STOPPED


def test_commands_are_done_and_acknowledged(pictures: Path, tmp_path: Path) -> None:
    own = make_config(pictures, train__steps=5000, train__checkpoint_every=0)
    run = make_run(tmp_path / "run", own)
    process = start(run)
    wait_for(run, lambda events: len(of(events, "pivot")) + len(of(events, "step")) >= 2)
    sent = [send(run, "pause"), send(run, "save"), send(run, "sample", prompt="a red TOK")]
    events = wait_for(run, lambda events: len(of(events, "command")) == 3)
    assert [event["id"] for event in of(events, "command")] == sent
    assert all(event["ok"] for event in of(events, "command"))
    steps = len(of(events, "step"))
    assert of(events, "checkpoint")[-1]["step"] == steps
    assert of(events, "sample")[-1]["prompt"] == "a red TOK"
    time.sleep(1)
    assert len(of(Tail(run.events).read(), "step")) == steps  # paused means that nothing is trained
    send(run, "resume")
    wait_for(run, lambda events: len(of(events, "step")) > steps)
    send(run, "stop")
    assert process.wait(60) == exits.STOPPED
    assert not list(run.control.glob("*.json"))


def test_a_second_trainer_in_the_same_run_is_refused_by_name(pictures: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_config(pictures, train__steps=5000))
    first = start(run)
    wait_for(run, lambda events: len(of(events, "step")) >= 1)
    assert start(run).wait(60) == exits.RUNNING
    assert f"process {first.pid}" in run.log.read_text()
    send(run, "abort")
    assert first.wait(60) == exits.STOPPED
    assert not run.export.exists()


def test_a_checkpointed_run_trains_what_a_plain_one_does(
    finished: tuple[RunDir, Events], pictures: Path, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", make_config(pictures, train__gradient_checkpointing=True))
    losses = [event["loss"] for event in of(train(run), "step")]
    assert losses == pytest.approx([event["loss"] for event in of(finished[1], "step")], rel=1e-6)


def test_a_loss_that_is_not_finite_ends_the_run_and_leaves_the_last_good_step(pictures: Path, tmp_path: Path) -> None:
    own = make_config(
        pictures,
        train__optimizer="adamw",
        train__learning_rate=10.0,
        train__weight_decay=1.0,  # p - 10 * p: every step multiplies the LoRA by -9
        train__steps=60,
    )
    run = make_run(tmp_path / "run", own)
    events = train(run, code=exits.FAILED)
    error = of(events, "error")[-1]
    assert error["kind"] == "nan"
    assert ".png at timestep" in error["message"] and "('a TOK " in error["message"]
    assert error["advice"][-1] == "what was trained before is saved and exported"
    applied = [event["step"] for event in of(events, "step") if event["applied"]]
    saved = max(int(path.name.removeprefix("step-")) for path in run.checkpoints.iterdir())
    assert saved <= applied[-1]
    for name in ("toy.safetensors", "toy_emb.safetensors"):  # the work of a night is not lost to its last step
        assert all(torch.isfinite(one).all() for one in load_file(run.export / name).values())
    for path in run.checkpoints.glob("step-*/lora.safetensors"):
        assert all(torch.isfinite(one).all() for one in load_file(path).values())


@pytest.mark.parametrize(
    ("own", "code", "said"),
    [
        ({"dataset__path": "/nowhere/at/all"}, exits.DATASET, "there is no folder '/nowhere/at/all'"),
        ({"model__base": "/nowhere"}, exits.USAGE, "there is no base model"),
        ({"train__blocks": ["up_blocks.7"]}, exits.USAGE, "the unet has no block 'up_blocks.7'"),
        ({"train__device": "cuda"}, exits.USAGE, "torch sees no GPU"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(
    pictures: Path, tmp_path: Path, own: dict[str, Any], code: int, said: str
) -> None:
    if "train__device" in own and torch.cuda.is_available():
        pytest.skip("this machine has the GPU that the test wants to be missing")
    run = make_run(tmp_path / "run", make_config(pictures, **own))
    events = train(run, code=code)
    assert said in of(events, "error")[-1]["message"]
    assert not run.checkpoints.exists()
    assert "Traceback" not in run.log.read_text()


def test_generated_class_pictures_are_kept_and_not_mixed_into_the_persons_folder(
    pictures: Path, tmp_path: Path, own_cache: Path
) -> None:
    real = draw_dataset(tmp_path / "class", captions=False, grey=200)
    (real / "notes.md").write_text("not a picture")
    before = sorted(path.name for path in real.iterdir())
    own = make_config(
        pictures,
        train__steps=1,
        prior__enabled=True,
        prior__images=8,
        prior__path=str(real),
        prior__prompt="a figure",
        prior__batch=2,
    )
    others = set(own_cache.glob("loratui/class-*"))
    first = train(make_run(tmp_path / "a", own))
    assert [event["done"] for event in of(first, "phase") if event["name"] == "prior"] == [0, 2, 3]
    assert sorted(path.name for path in real.iterdir()) == before
    assert ["notes.md" in event["message"] for event in of(first, "warn")] == [True]
    (made,) = set(own_cache.glob("loratui/class-*")) - others
    whole = {path.name: path.read_bytes() for path in made.iterdir()}
    # as a kill in the middle leaves it: what is missing is made again, to the bit
    (made / "000001.png").unlink()
    (made / "000002.png").unlink()
    second = train(make_run(tmp_path / "b", own))
    assert [event["done"] for event in of(second, "phase") if event["name"] == "prior"] == [0, 2, 3]
    assert {path.name: path.read_bytes() for path in made.iterdir()} == whole
    third = train(make_run(tmp_path / "c", own))
    assert [event["done"] for event in of(third, "phase") if event["name"] == "prior"] == [3]


def test_a_disk_that_refuses_a_checkpoint_is_a_warning_and_the_old_one_stays(pictures: Path, tmp_path: Path) -> None:
    own = make_config(pictures, train__steps=6, train__checkpoint_every=2)
    run = make_run(tmp_path / "run", own)
    # a file where the folder of the second checkpoint must be: no folder takes its place, whoever runs the tests
    run.checkpoints.mkdir()
    (run.checkpoints / "step-000004").write_text("in the way")
    events = train(run)
    assert [event["step"] for event in of(events, "checkpoint")] == [2, 6]
    assert [event["code"] for event in of(events, "warn")] == ["checkpoint-failed"]
    assert events[-1]["status"] == "completed"
