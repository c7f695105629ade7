"""Several processes share a step, on one machine or several: the same run as one process, and only the first writes."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.conftest import MEASURED, make_config, make_run, train
from tests.warm.client import warm_environment
from trainer.contract.run.control import send
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import trainer_command
from trainer.ground.world import Uneven, World


@pytest.mark.parametrize(("batch", "accumulation"), [(4, 1), (1, 4), (2, 2), (3, 2), (2, 3)])
def test_a_step_is_dealt_out_once_and_completely(batch: int, accumulation: int) -> None:
    places = [(micro, k) for micro in range(accumulation) for k in range(batch)]
    dealt = [
        (micro, k)
        for rank in range(2)
        for micro, part in World(rank, 2).share(batch, accumulation)
        for k in range(batch)[part]
    ]
    assert sorted(dealt) == places


def test_a_step_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(Uneven, match="a multiple of 2"):
        World(0, 2).share(3, 1)


OWN = {
    "train__steps": 10,
    "train__batch": 2,
    "train__device": "cpu",
    "prodigy__d0": 1e-3,
    "train__timesteps": "stratified",
}
OWN |= {"train__noise_pairs": True, **MEASURED}


@pytest.fixture(scope="module")
def expected(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The steps of the same run in one process."""
    alone = make_run(tmp_path_factory.mktemp("alone") / "run", make_config(pictures, **OWN))
    return [event for event in train(alone) if event["type"] == "step"]


@pytest.fixture(scope="module")
def shared(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """The same run shared by two processes of one machine, as `loratui replay --gpus 2` starts them; nothing befell it.

    Without a GPU they talk through gloo.
    """
    both = make_run(tmp_path_factory.mktemp("shared") / "both", make_config(pictures, **OWN))
    with both.log.open("w") as log:
        done = subprocess.run(
            trainer_command(both, 2),
            stdout=log,
            stderr=log,
            env={**os.environ, **warm_environment(), "OMP_NUM_THREADS": "1"},
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, both.log.read_text()
    return both


@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one(shared: RunDir, expected: list[dict[str, Any]]) -> None:
    events = Tail(shared.events).read()
    assert [event["world"] for event in events if event["type"] == "run"] == [2]
    steps = [event for event in events if event["type"] == "step"]
    assert [event["step"] for event in steps] == [event["step"] for event in expected]
    for name in ("loss", "grad_norm"):
        assert [one[name] for one in steps] == pytest.approx([one[name] for one in expected], rel=1e-4)
    assert events[-1]["status"] == "completed"
    # rank 0 alone writes: each event stands there once, and so does each file
    assert len([event for event in events if event["type"] == "sample"]) == 2
    assert len([event for event in events if event["type"] == "checkpoint"]) == 5


CLUSTERS = Path(__file__).parents[3] / "docs" / "clusters.md"
PROGRAMS = {"torchrun": ["torch.distributed.run"], "accelerate": ["accelerate.commands.accelerate_cli"]}
GONE = "another of the 2 processes that share this run is gone; its own log says why"


@dataclass
class Machine:
    """One of two machines that see each other over loopback alone: a home, caches and a temporary folder of its own."""

    line: list[str]
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self) -> None:
        names = {"XDG_CACHE_HOME": "cache", "XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state", "TMPDIR": "tmp"}
        places = {name: self.folder / place for name, place in {**names, "HOME": "home"}.items()}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        own = {name: str(place) for name, place in places.items()}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.line,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env={**os.environ, **warm_environment(), **own, "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )

    def lose(self) -> None:
        """What a power cut does: all of its processes, which work in its folder, are gone at once."""
        for one in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (one / "cwd").readlink() == self.folder:
                    os.kill(int(one.name), signal.SIGKILL)
        assert self.process is not None
        self.process.wait()


def documented(name: str) -> list[list[str]]:
    """The line for each machine that docs/clusters.md has for the launcher `name`, with a port that is free here."""
    block = re.search(rf"<!-- {name} -->\n```\n(.*?)```", CLUSTERS.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    lines = [shlex.split(one.replace("10.0.0.1", "127.0.0.1").replace("29500", port)) for one in block[1].splitlines()]
    return [[sys.executable, "-m", *PROGRAMS[name], *line[1:]] for line in lines]


@contextmanager
def two_machines(launcher: str, folder: Path) -> Iterator[list[Machine]]:
    machines = [Machine(line, folder / str(place)) for place, line in enumerate(documented(launcher))]
    for one in machines:
        one.folder.mkdir()
    try:
        yield machines
    finally:
        for one in machines:
            if one.process is not None and one.process.poll() is None:
                one.lose()


def wait_for(found: Callable[[], bool], machines: list[Machine]) -> None:
    end = time.monotonic() + 120
    while not found():
        assert time.monotonic() < end, [one.log for one in machines]
        assert all(one.process is not None and one.process.poll() is None for one in machines), [
            one.log for one in machines
        ]
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "lost", "common"), [("torchrun", 1, True), ("accelerate", 0, False)], ids=["second", "first"]
)
def test_two_machines_share_a_run_and_one_that_is_lost_ends_the_other(
    pictures: Path, tmp_path: Path, shared: RunDir, launcher: str, lost: int, common: bool
) -> None:
    with two_machines(launcher, tmp_path) as machines:
        run = make_run(tmp_path / "0" / "runs" / "dog", make_config(pictures, **OWN))
        (tmp_path / "1" / "runs").mkdir()
        if common:
            (tmp_path / "1" / "runs" / "dog").symlink_to(run.path)
        else:  # its own copy of the pictures and of config.toml, and nothing else
            shutil.copytree(pictures, tmp_path / "copy")
            make_run(tmp_path / "1" / "runs" / "dog", make_config(tmp_path / "copy", **OWN))
        events = Tail(run.events)
        seen: list[dict[str, Any]] = []

        def has(kind: str, count: int = 1) -> bool:
            seen.extend(events.read())
            return sum(one["type"] == kind for one in seen) >= count

        for one in machines:
            one.start()
        wait_for(lambda: has("checkpoint"), machines)  # what there is to go on from
        send(run, "pause")  # all of them wait: none is ahead when one is lost
        wait_for(lambda: has("command"), machines)
        machines[lost].lose()
        send(run, "resume")
        other = machines[1 - lost]
        assert other.process is not None and other.process.wait(60) != 0
        assert GONE in other.log
        if not lost:
            assert not (tmp_path / "1" / "runs" / "dog" / "events.jsonl").exists(), "only the first writes"
            for one in machines:
                one.start()
            wait_for(lambda: has("run", 2), machines)
            assert machines[1].process is not None
            machines[1].process.terminate()  # told to go in good time: the first saves, whatever step it is at
            assert all(one.process.wait(60) != 0 for one in machines if one.process)
            seen.extend(events.read())
            assert seen[-1]["status"] == "stopped"
        for one in machines:
            one.start()
        assert [one.process.wait(120) for one in machines if one.process] == [0, 0], [one.log for one in machines]
    seen.extend(events.read())
    starts = [one for one in seen if one["type"] == "run"]
    assert [one["world"] for one in starts] == [2, 2, 2][lost:] and starts[1]["resumed_from"] >= 2
    assert seen[-1]["status"] == "completed"
    for name in ("lora.safetensors", "embeddings.safetensors", "optimizer.safetensors"):
        ours, theirs = (one.checkpoint(10) / name for one in (run, shared))
        assert ours.read_bytes() == theirs.read_bytes(), "to the bit, as on one machine and as if nothing had happened"


@pytest.mark.slow
def test_machines_with_other_pictures_are_told_so(pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(pictures, tmp_path / "copy")
    (tmp_path / "copy" / "0.txt").write_text("another TOK caption")
    with two_machines("torchrun", tmp_path) as machines:
        run = make_run(tmp_path / "0" / "runs" / "dog", make_config(pictures, **OWN))
        make_run(tmp_path / "1" / "runs" / "dog", make_config(tmp_path / "copy", **OWN))
        for one in machines:
            one.start()
        assert [one.process.wait(120) for one in machines if one.process] == [1, 1]
        assert "not the run of the first process:\npictures.0.png" in machines[1].log
        errors = [one for one in Tail(run.events).read() if one["type"] == "error"]
        assert [one["message"] for one in errors] == [
            "another process has other settings, pictures or another base model: its log names them"
        ]
