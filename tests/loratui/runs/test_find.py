"""Runs are found, named and judged from their files alone, however long their logs are."""

from __future__ import annotations

import io
import os
import random
import sys
from pathlib import Path

import pytest

from loratui.children.output import run_shown
from loratui.commands.follow import exit_code_of, follow
from loratui.events.history import History
from loratui.runs.find import RunNotFound, find_run, find_runs, run_info
from loratui.runs.launch import LaunchError, create_run
from loratui.settings.answers import Answers, read_answers
from loratui.settings.resolve import resolve
from trainer.contract.run import exits
from trainer.contract.run.events import EventLog, Tail, parse_all, without_undone
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import trainer_command, trainer_environment
from trainer.contract.settings.config import TrainConfig, dump_config, load_config


def make(root: Path, folder: str, name: str = "toy") -> RunDir:
    run = RunDir(root / folder)
    run.path.mkdir(parents=True)
    run.config.write_text(dump_config(TrainConfig(name=name)))
    return run


def logged(run: RunDir, *events: tuple[str, dict[str, object]]) -> RunDir:
    log = EventLog(run.events)
    for kind, fields in events:
        log.emit(kind, **fields)
    log.close()
    run.log.touch()
    return run


RUN = ("run", {"v": 1, "pid": 1, "name": "toy", "steps": 10})


def test_the_state_comes_from_the_lock_and_the_end(tmp_path: Path) -> None:
    new = make(tmp_path, "new")
    done = logged(make(tmp_path, "done"), RUN, ("end", {"status": "completed", "step": 10}))
    dead = logged(make(tmp_path, "dead"), RUN, ("step", {"step": 4, "loss": 0.5, "s": 0.1}))
    alive = logged(make(tmp_path, "alive"), RUN)
    again = logged(make(tmp_path, "again"), RUN, ("end", {"status": "stopped", "step": 3}), RUN)
    lock = RunLock(alive.lock)
    states = [run_info(one).state for one in (new, done, dead, alive, again)]
    assert states == ["new", "completed", "crashed", "training", "crashed"]
    assert (run_info(dead).step, run_info(dead).steps, run_info(dead).loss) == (4, 10, 0.5)
    assert find_run(None, tmp_path) == RunDir(alive.path)
    lock.release()


@pytest.mark.parametrize("steps", [3, 40, 900])
def test_the_loss_of_a_list_is_that_of_the_result(tmp_path: Path, steps: int) -> None:
    def took(first: int, last: int) -> list[tuple[str, dict[str, object]]]:
        rates = {"rates": {"unet": {"lr": 1.0, "d": 0.00265714177081861, "effective": 0.0024668798712625378}}}
        draws = random.Random(first)
        return [("step", {"step": step, "loss": draws.random(), **rates}) for step in range(first, last + 1)]

    again = ("run", {"v": 1, "pid": 2, "name": "toy", "steps": steps, "resumed_from": steps - 2})
    run = logged(make(tmp_path, "toy"), RUN, *took(1, steps), again, *took(steps - 1, steps + 5))
    history = History()
    history.absorb(parse_all(run.events.read_bytes().splitlines()))
    mean, shown = history.ema.last, run_info(run).loss
    assert mean is not None and shown is not None and abs(shown - mean) < 5e-5
    assert history.loss.last is not None and abs(history.loss.last - mean) > 0.01


def test_a_long_log_is_read_at_its_ends_only(tmp_path: Path) -> None:
    run = logged(make(tmp_path, "long"), RUN)
    with run.events.open("r+b") as file:
        file.truncate(50 << 30)  # a hole of 50 GB: who reads it all does not come back
        file.seek(0, io.SEEK_END)
        file.write(b'\n{"t":1,"type":"step","step":4,"loss":1e,"s":0.1}\n')  # damaged
        file.write(b'{"t":1,"type":"step","step":5,"loss":0.25,"s":0.1}\n')
    info = run_info(run)
    assert (info.name, info.step, info.steps, info.state) == ("toy", 5, 10, "crashed")


@pytest.mark.parametrize(("start", "step"), [(None, 0), (3, 3)])
def test_a_start_from_before_undoes_the_steps_that_were_logged(tmp_path: Path, start: int | None, step: int) -> None:
    """In the list, and in the monitor: a run that began again is not said to be where it was killed."""
    again = ("run", {"v": 1, "name": "toy", "steps": 10, "resumed_from": start})
    steps = [("step", {"step": number, "loss": 0.2, "s": 0.1, "views": 8.0 * number}) for number in range(1, 6)]
    run = logged(make(tmp_path, "again"), RUN, *steps, again)
    history = History()
    history.absorb(Tail(run.events).read())
    assert run_info(run).step == history.step == step
    assert run_info(run).loss == history.ema.last == (0.2 if start else None)
    assert run_info(run).views == (8.0 * start if start else None)
    assert history.views is None or start
    ended = logged(make(tmp_path, "ended"), RUN, *steps, again, ("end", {"status": "stopped", "step": step}))
    assert run_info(ended).step == step and run_info(ended).loss == run_info(run).loss
    assert [one["step"] for one in without_undone(Tail(run.events).read()) if one["type"] == "step"] == [
        number for number in range(1, 6) if number <= step
    ]


def test_a_run_is_found_by_folder_by_name_and_by_being_the_newest(tmp_path: Path) -> None:
    logged(make(tmp_path, "2026-01-01-1000-anna", "anna"), ("run", {"v": 1, "name": "anna", "steps": 1}))
    second = make(tmp_path, "2026-01-02-1000-anna", "anna")
    logged(second, ("run", {"v": 1, "name": "anna", "steps": 1}))
    assert find_run(str(second.path)).path == second.path
    assert find_run("2026-01-01-1000-anna", tmp_path).path.name == "2026-01-01-1000-anna"
    assert find_run("anna", tmp_path).path == second.path
    assert find_run(None, tmp_path).path == second.path
    assert len(find_runs(tmp_path)) == 2 and find_runs(tmp_path / "nope") == []
    with pytest.raises(RunNotFound, match="did you mean 'anna'"):
        find_run("ana", tmp_path / ".." / tmp_path.name)


def test_a_part_of_several_names_means_none_of_them(tmp_path: Path) -> None:
    """A command that stops, renames or ends a run never takes one that was not meant."""
    for name in ("long", "failing", "long-again"):
        make(tmp_path, name, f"own-{name}")
    assert find_run("again", tmp_path).path.name == "long-again"
    assert find_run("long", tmp_path).path.name == "long"
    for part in ("l", "lon"):
        with pytest.raises(RunNotFound, match=r"is part of several names, '.*: write the whole name"):
            find_run(part, tmp_path)


def test_of_one_name_the_run_that_trains_is_meant(tmp_path: Path) -> None:
    old = logged(make(tmp_path, "2026-01-01-1000-dog", "dog"), ("run", {"v": 1, "name": "dog", "steps": 9}))
    new = make(tmp_path, "2026-01-02-1000-dog", "dog")
    logged(new, ("run", {"v": 1, "name": "dog", "steps": 9}), ("end", {"status": "completed", "step": 9}))
    assert find_run("dog", tmp_path).path == new.path
    lock = RunLock(old.lock)
    try:
        assert find_run("dog", tmp_path).path == old.path
    finally:
        lock.release()


def test_a_path_inside_a_run_names_the_run(tmp_path: Path) -> None:
    place = tmp_path / "runs" / "r" / "checkpoints" / "step-000010"
    place.mkdir(parents=True)
    (tmp_path / "runs" / "r" / "config.toml").touch()
    (place / "lora.safetensors").touch()
    for inside in (place, place / "lora.safetensors"):
        with pytest.raises(RunNotFound, match=r"is inside a run; name the run itself: .*runs/r$"):
            find_run(str(inside), tmp_path / "other")


def test_a_new_run_holds_what_was_chosen_and_what_was_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answers = Answers("face", {"name": "anna", "dataset.path": "/pictures"})
    resolved = resolve(answers, {}, 6)
    first, second = create_run(resolved, answers), create_run(resolved, answers)
    assert first.path.parent == tmp_path / "runs"
    assert first.path.name.endswith("-anna") and second.path.name == first.path.name + "-2"
    assert load_config(first.config) == resolved.config
    assert read_answers(first.answers).values == answers.values


def test_a_folder_that_cannot_be_used_leaves_nothing_behind(tmp_path: Path) -> None:
    answers = Answers("face", {"name": "anna"})
    resolved = resolve(answers)
    taken = create_run(resolved, answers, tmp_path / "a" / "b" / "run")
    assert taken.path.is_dir()
    (tmp_path / "file").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    for out in (taken.path, tmp_path / "file", tmp_path / "file" / "run", tmp_path / "a", Path("/proc/x/run")):
        with pytest.raises(LaunchError):
            create_run(resolved, answers, out)
    assert sorted(tmp_path.rglob("*")) == before
    empty = tmp_path / "empty"
    empty.mkdir()
    assert create_run(resolved, answers, empty).config.exists()


def test_the_trainer_is_an_argument_list_and_no_file_of_the_folder_is_run(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "a; rm -rf x")
    assert trainer_command(run)[1:] == ["-m", "trainer", str(run.config)]
    many = trainer_command(run, 2)
    assert many[-3:] == ["-m", "trainer", str(run.config)] and many[many.index("--num_processes") + 1] == "2"
    environment = trainer_environment(3)
    assert (environment["OMP_NUM_THREADS"], environment["PYTHONSAFEPATH"]) == ("3", "1")


def followed(run: RunDir) -> tuple[int, str]:
    out = io.StringIO()
    return follow(run, out), out.getvalue()


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([("end", {"status": "completed", "step": 10, "files": ["export/a.safetensors"]})], exits.DONE),
        ([("end", {"status": "stopped", "step": 5, "files": []})], exits.STOPPED),
        ([("error", {"kind": "oom", "message": "m", "advice": ["a"]}), ("end", {"status": "failed"})], exits.MEMORY),
        ([("error", {"kind": "data", "message": "m", "advice": []}), ("end", {"status": "failed"})], exits.DATASET),
        ([("error", {"kind": "nan", "message": "m", "advice": []}), ("end", {"status": "failed"})], exits.FAILED),
        ([], exits.FAILED),
    ],
)
def test_the_exit_code_of_a_followed_run_is_its_end(
    tmp_path: Path, events: list[tuple[str, dict[str, object]]], code: int
) -> None:
    assert followed(logged(make(tmp_path, "run"), RUN, *events))[0] == code


def test_a_resumed_run_is_judged_by_its_last_end(tmp_path: Path) -> None:
    stopped, done = ("end", {"status": "stopped", "step": 3}), ("end", {"status": "completed", "step": 10})
    run = logged(make(tmp_path, "run"), RUN, stopped, ("run", {**RUN[1], "resumed_from": 3}), done)
    code, said = followed(run)
    assert code == exits.DONE and "resumed from the checkpoint at step 3" in said


def test_everything_that_happened_is_a_line(tmp_path: Path) -> None:
    rates = {"unet": {"lr": 1.0, "d": 2e-5, "effective": 1.8e-5}, "embeddings": {"lr": 1.0, "d": None, "effective": 3}}
    run = logged(
        make(tmp_path, "run"),
        RUN,
        ("phase", {"name": "cache", "done": 0, "total": 4}),
        ("step", {"step": 9, "loss": 0.123, "rates": rates, "s": 0.5}),
        ("pivot", {"step": 9}),
        ("sample", {"step": 9, "index": 0, "prompt": "a TOK", "path": "samples/x.png"}),
        ("checkpoint", {"step": 9, "path": "checkpoints/step-000009"}),
        ("warn", {"code": "x", "message": "mind this", "advice": "do that"}),
        ("step", {"step": 10, "loss": float("nan"), "s": 0.5}),
        ("end", {"status": "completed", "step": 10, "seconds": 65, "files": ["export/a.safetensors"]}),
    )
    _, said = followed(run)
    for words in (
        "encoding the pictures",
        "step 9/10  loss 0.123  unet: d 2e-05, rate 1.8e-05",
        "pivot at step 9: the new tokens are frozen",
        "samples/x.png",
        "checkpoint at step 9",
        "mind this (do that)",
        "loss not finite",
        "completed at step 10 after 1:05",
        "file: export/a.safetensors",
    ):
        assert words in said, words


def test_hostile_words_in_a_log_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    bad = "x\x1b]52;c;aGk=\x07\u202e\x9b"
    run = make(tmp_path, "run")
    logged(
        run,
        ("run", {"v": 1, "name": bad, "steps": 1, "gpu": bad}),
        ("sample", {"step": 1, "path": bad, "prompt": bad}),
        ("warn", {"message": bad, "advice": bad}),
        ("command", {"id": "1", "cmd": bad, "ok": True, "message": bad}),
        ("error", {"kind": bad, "message": bad, "advice": [bad]}),
    )
    run.log.write_text(bad * 3)
    _, said = followed(run)
    assert not set(said) & set("\x1b\x07\u202e\x9b") and "␛]52" in said


def test_a_dead_trainer_shows_the_end_of_its_log(tmp_path: Path) -> None:
    run = logged(make(tmp_path, "run"), RUN)
    run.log.write_text("".join(f"line {number}\n" for number in range(100)))
    code, said = followed(run)
    assert code == exits.FAILED
    assert "line 99" in said and "line 80\n" not in said and "loratui resume" in said


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([("end", {"status": "completed"})], exits.DONE),
        ([("end", {"status": "stopped"})], exits.STOPPED),
        ([("error", {"kind": "oom"}), ("end", {"status": "failed"})], exits.MEMORY),
        ([("error", {"kind": "nan"}), ("end", {"status": "failed"})], exits.FAILED),
        ([("error", {"kind": "oom"}), ("end", {"status": "failed"}), ("run", {})], exits.FAILED),
        ([("error", {"kind": "oom"}), ("run", {}), ("end", {"status": "completed"})], exits.DONE),
    ],
)
def test_leaving_the_screen_of_an_ended_run_gives_its_exit_code(
    tmp_path: Path, events: list[tuple[str, dict[str, object]]], code: int
) -> None:
    run = logged(make(tmp_path, "a"), ("run", {}), *events)
    assert exit_code_of(run) == code
    lock = RunLock(run.lock)
    assert exit_code_of(run) == exits.DONE  # it trains on
    lock.release()


def test_what_a_program_of_the_trainer_says_is_made_safe(capfd: pytest.CaptureFixture[str]) -> None:
    """Its lines as they come, on the stream where they were said; a progress bar's states are not lines."""
    bar, words = r"10 %\r20 %\roh \u202e\n", r"a\x1b]2;x\x07\nb\n"
    say = f"import sys; sys.stdout.write('{words}'); sys.stderr.write('{bar}'); sys.exit(7)"
    assert run_shown([sys.executable, "-c", say], {**os.environ, "PYTHONIOENCODING": "utf-8"}) == 7
    out, err = capfd.readouterr()
    assert out == "a␛]2;x␇\nb\n"
    assert err == "oh \\u202e\n"


def test_a_program_that_was_killed_is_said_to_have_been(capfd: pytest.CaptureFixture[str]) -> None:
    kill = "import os; os.kill(os.getpid(), 9)"
    assert run_shown([sys.executable, "-c", kill], os.environ) == exits.FAILED
    told = capfd.readouterr().err
    assert told.startswith("the program was ended from outside by SIGKILL, as Linux does where memory runs out")
