"""Bad ends of real trainings: no memory, a full disk, a broken picture; each is told as what it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loratui.events.history import History
from loratui.recovery.remedies import case_of, remedies
from tests.trainer.conftest import draw_dataset, make_config, make_run, train
from trainer.contract.run import exits
from trainer.contract.run.events import Tail
from trainer.data.dataset import DataError, read_dataset
from trainer.failures import explain

# the trainer in a process that may take 350 MB more than its libraries do: a step of 256 pictures takes 1.5 GB
LIMITED = """# starts warm
import resource, sys
from pathlib import Path
from tests.warm.server import load_all
from trainer.__main__ import main

load_all()
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 350_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_memory_that_runs_out_in_a_step_is_told_and_cured(pictures: Path, tmp_path: Path) -> None:
    own = make_config(pictures, train__batch=256, train__steps=2, sample__steps=1, train__device="cpu")
    run = make_run(tmp_path / "run", own)
    with run.log.open("wb") as log:
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, str(run.config)], stdout=log, stderr=log, timeout=300, check=False
        )
    said = run.log.read_text()
    assert done.returncode == exits.MEMORY, said
    history = History()
    history.absorb(Tail(run.events).read())
    assert history.error is not None and history.error["kind"] == "oom"
    assert history.doing == "train"
    found = remedies(case_of(run, history))
    assert found[0].changes == {"train.gradient_checkpointing": "blocks"}
    assert found[1].changes == {"train.batch": 128, "train.accumulation": 2}
    assert found[0].goes == "beginning"  # no step was taken


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "oom"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
            "oom",
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "oom"),
        (RuntimeError("could not create a primitive"), "oom"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "exception"),
    ],
)
def test_an_error_has_its_kind_however_torch_words_it(error: Exception, kind: str) -> None:
    assert explain(error)[0] == kind


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_disk_that_is_full_is_told_as_that() -> None:
    with pytest.raises(OSError) as refused, Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")
    kind, message, advice = explain(refused.value)
    assert (kind, "the disk is full" in message) == ("disk", True)
    assert advice


@pytest.mark.slow
def test_a_disk_that_refuses_pictures_ends_nothing(pictures: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_config(pictures, train__steps=2, sample__steps=1))
    (run.samples / "000002-0.jpg").mkdir(parents=True)  # no file takes the place of a folder
    events = train(run)
    assert "sample-failed" in [event["code"] for event in events if event["type"] == "warn"]
    assert events[-1]["status"] == "completed"


def test_a_broken_picture_is_named_so_that_it_can_be_left_out(tmp_path: Path) -> None:
    folder = draw_dataset(tmp_path / "pictures")
    whole = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(whole[: len(whole) // 2])
    own: dict[str, Any] = {}
    with pytest.raises(DataError) as refused:
        read_dataset(make_config(folder, **own))
    assert refused.value.files == ("1.png",)
    assert len(read_dataset(make_config(folder, dataset__skip=["1.png"]))) == 4
