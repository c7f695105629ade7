"""A run whose folder is moved or removed while it trains: found out at the next step, said, and in one place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainer.begun import Begun, begun_run, of
from tests.trainer.conftest import make_config
from trainer.checkpoints.snapshot import newest_checkpoint
from trainer.contract.run import exits
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.ground.whereabouts import FolderGone, Whereabouts


def test_a_folder_is_known_again_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    place = Whereabouts(tmp_path / "run")
    place.check()
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    with pytest.raises(FolderGone) as gone:
        place.check()
    assert gone.value.now == tmp_path / "elsewhere"
    (tmp_path / "run").mkdir()  # another one in its place
    with pytest.raises(FolderGone, match="moved to"):
        place.check()
    (tmp_path / "elsewhere").rmdir()
    with pytest.raises(FolderGone, match="removed") as gone:
        place.check()
    assert gone.value.now is None
    place.close()


@pytest.fixture
def begun(pictures: Path, tmp_path: Path) -> Iterator[Begun]:
    own = make_config(pictures, train__steps=50_000, train__checkpoint_every=3, train__keep_checkpoints=2)
    with begun_run(tmp_path / "here" / "run", own, lambda events: len(of(events, "checkpoint")) >= 1) as found:
        yield found


@pytest.mark.slow
def test_a_run_that_is_moved_ends_in_its_new_place_with_its_last_step(begun: Begun, tmp_path: Path) -> None:
    run, process = begun
    moved = RunDir(tmp_path / "there")
    run.path.rename(moved.path)
    assert process.wait(60) == exits.FAILED
    assert not run.path.exists() and list(run.path.parent.iterdir()) == []
    events = Tail(moved.events).read()
    last = of(events, "step")[-1]["step"]
    (error,) = of(events, "error")
    said = f"the run's folder was moved to '{moved.path}' while it trained; step {last} is saved there"
    assert (error["kind"], error["message"]) == ("moved", said)
    assert newest_checkpoint(moved).step == last
    assert "Traceback" not in moved.log.read_text()


@pytest.mark.slow
def test_a_run_that_is_removed_ends_and_leaves_nothing(begun: Begun) -> None:
    run, process = begun
    log = run.log.open()
    while run.path.exists():  # a file may be made while they are removed
        shutil.rmtree(run.path, ignore_errors=True)
    assert process.wait(60) == exits.FAILED
    assert not run.path.exists() and list(run.path.parent.iterdir()) == []
    assert "the run's folder was removed while it trained" in log.read()
