"""A run's folder from elsewhere: whatever name of the run's own is a link, it is refused by that name, and stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.outside import FILE, ended_process, untouched
from trainer.__main__ import main
from trainer.contract.entries import BadEntry
from trainer.contract.run import exits
from trainer.contract.run.control import Inbox, send
from trainer.contract.run.events import EventLog
from trainer.contract.run.folder import FILES, FOLDERS, OWN, refuse_links, sweep_strays
from trainer.contract.run.lock import RunLock, lock_holder
from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import spawn

DEEPER = [
    "checkpoints/step-000002",
    "checkpoints/step-000002/manifest.json",
    "control/1-stop.json",
    "samples/000002-0.png",
    "export/diffusers",
    "export/README.md",
    "trackers/tensorboard",
    "generated/a-dog-0.png",
    "cache/latents/0.safetensors",
]
NAMES = [*FILES, *FOLDERS, "config.toml", "config.1.toml", "answers.toml", *DEEPER]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run that can be read; the folder of all runs is reached through a link, as people have it."""
    (tmp_path / "disk" / "run").mkdir(parents=True)
    (tmp_path / "runs").symlink_to("disk")
    run = RunDir(tmp_path / "runs" / "run")
    run.config.write_text('name = "toy"\n')
    return run


def linked(run: RunDir, name: str, victim: Path) -> None:
    """Put a link into a run's folder: to the victim's folder where a folder is meant, else to its file."""
    path = run.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(victim if name in FOLDERS or "." not in path.name else victim / FILE)


@pytest.mark.parametrize("name", NAMES)
def test_trainer_and_starter_refuse_a_link_by_its_name(
    run: RunDir, victim: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    linked(run, name, victim)
    with pytest.raises(BadEntry, match=f"'{name}' is a link"):
        refuse_links(run)
    with pytest.raises(BadEntry, match=f"'{name}' is a link"):
        spawn(run)
    assert main([str(run.config)]) == exits.USAGE
    assert f"'{name}' is a link" in capsys.readouterr().err
    assert untouched(victim)
    assert not run.events.exists() or run.events.is_symlink()


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_where_a_folder_must_be_is_called_what_it_is(run: RunDir, name: str) -> None:
    (run.path / name).touch()
    with pytest.raises(BadEntry, match=f"^'{name}' is a file and not a folder: "):
        refuse_links(run)


@pytest.mark.parametrize("name", ["lock", "events.jsonl"])
def test_a_folder_where_a_file_must_be_is_a_sentence(
    run: RunDir, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.path / name).mkdir()
    assert main([str(run.config)]) == exits.USAGE
    said = capsys.readouterr().err
    assert name in said and len(said.splitlines()) == 1
    assert lock_holder(run.lock) is None


def test_what_is_not_the_runs_own_may_be_a_link(run: RunDir, victim: Path) -> None:
    for name in ("notes", ".export.part", "trackers/wandb/latest-run"):  # wandb makes the last one itself
        linked(run, name, victim)
    refuse_links(run)
    refuse_links(RunDir(run.path.with_name("nothing")))


def test_every_name_that_a_run_has_is_looked_at() -> None:
    run = RunDir(Path("run"))
    own = {getattr(run, name).name for name, one in vars(RunDir).items() if isinstance(one, property)}
    assert {name for name in own if OWN.fullmatch(name)} == own
    assert set(FILES) | set(FOLDERS) < own


def test_a_list_of_runs_looks_at_the_first_level_alone(run: RunDir, victim: Path) -> None:
    linked(run, "samples/000002-0.png", victim)
    refuse_links(run, deep=False)
    linked(run, "lock", victim)
    with pytest.raises(BadEntry, match="'lock'"):
        refuse_links(run, deep=False)


def test_links_that_come_after_the_look_are_not_followed_either(run: RunDir, victim: Path) -> None:
    inbox = Inbox(run)
    run.control.rename(run.path / "kept")
    for name in ("control", "lock", "events.jsonl"):
        linked(run, name, victim)
    assert inbox.take() == []
    with pytest.raises(BadEntry, match="'control' is a link"):
        send(run, "stop")
    with pytest.raises(BadEntry, match=r"'lock' is a link"):
        RunLock(run.lock)
    with pytest.raises(BadEntry, match=r"'events.jsonl' is a link"):
        EventLog(run.events)
    assert lock_holder(run.lock) is None
    assert untouched(victim)


def test_a_start_sweeps_what_a_killed_one_left(run: RunDir) -> None:
    child = ended_process()
    stray = f".loratui-{child}-0123456789ab.part"
    for folder in (run.path, run.checkpoints, run.checkpoint(2), run.samples):
        (folder / stray).mkdir(parents=True)
        (folder / stray / "half").write_text("half")
    run.export.mkdir()
    (run.export / stray).write_text("half")
    (run.export / "mine.part").write_text("a person's")
    run.config.write_text('name = "toy"\n[dataset]\npath = "/nonexistent"\n')
    assert main([str(run.config)]) != exits.DONE
    assert [path.name for path in run.path.rglob("*.part")] == ["mine.part"]
    sweep_strays(RunDir(run.path / "nothing"))
