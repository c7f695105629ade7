"""A task for SkyPilot: by its own schema where it is installed, nothing private in it, and its run command for real."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hostname import names_the_host
from tests.loratui.conftest import LoraTUI
from tests.slow_motion import slow_motion
from tests.trainer.conftest import draw_dataset
from tests.warm.client import warm_environment
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir

ANSWERS = """schema = 1
preset = "object"
name = "dog"

[model]
base = "sdxl-small"

[dataset]
path = "~/photos/dog"

[train]
steps = 8
batch = 2
resolution = 64
checkpoint_every = 2
sample_every = 0
device = "cpu"
"""
CHECK = """
import sys, sky, yaml
from sky.utils import common_utils, schemas
task = yaml.safe_load(open(sys.argv[1]))
common_utils.validate_schema(task, schemas.get_task_schema(), "")
given = [("HF_TOKEN", "given at the start")] if task.get("secrets") else None
read = sky.Task.from_yaml_config(task, secrets_overrides=given)
print(sorted(str(one.accelerators) for one in read.resources), all(one.use_spot for one in read.resources))
"""


@pytest.fixture
def home(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with pictures and an answer file; its name is one that would be known again."""
    folder = tmp_path / "home-of-alice"
    draw_dataset(folder / "photos" / "dog")
    (folder / "work").mkdir()
    (folder / "work" / "answers.toml").write_text(ANSWERS)
    environment |= {"HOME": str(folder), "HF_TOKEN": "hf_a_secret_of_mine"}
    monkeypatch.chdir(folder / "work")
    return folder


def exported(loratui: LoraTUI, *words: str) -> tuple[str, dict[str, Any]]:
    done = loratui("export-job", "answers.toml", "--sky", *words, cwd=Path.cwd())
    assert done.returncode == 0, done.stderr
    text = Path("answers.sky.yaml").read_text()
    return text, yaml.safe_load(text)


def test_the_file_says_what_is_needed_and_nothing_of_this_machine(home: Path, loratui: LoraTUI) -> None:
    text, task = exported(loratui)
    assert task["file_mounts"]["~/loratui-job/1-dog"] == "../photos/dog"
    assert task["resources"]["use_spot"] and task["resources"]["job_recovery"]["recover_on_exit_codes"] == [130]
    assert 'path = "~/loratui-job/1-dog"' in task["envs"]["LORATUI_ANSWERS"]
    for private in (str(home), "alice", "hf_a_secret_of_mine"):
        assert private not in text
    assert not names_the_host(text.encode())
    assert "secrets" not in task, "nothing of the hub is fetched"
    again = loratui("export-job", "answers.toml", "--sky", cwd=Path.cwd())
    assert again.returncode == 2 and "is there already" in again.stderr
    refused = loratui("export-job", "answers.toml", "--sky", "--replace", "--bucket", "My runs", cwd=Path.cwd())
    assert refused.returncode == 2 and "--bucket: 'My runs' can name no bucket" in refused.stderr
    for device, warned in (("cpu", True), ("auto", False)):
        words = ("--sky", "--replace", "--set", f"train.device={device}")
        done = loratui("export-job", "answers.toml", *words, cwd=Path.cwd())
        assert done.returncode == 0 and ("! warning: train.device is cpu" in done.stdout) is warned, done.stderr


def test_from_a_folder_outside_a_home_its_pictures_are_named_from_there(
    home: Path, loratui: LoraTUI, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    done = loratui(
        "export-job", "answers.toml", "--sky", "--into", str(tmp_path / "elsewhere" / "job.yaml"), cwd=Path.cwd()
    )
    assert done.returncode == 0, done.stderr
    task = yaml.safe_load((tmp_path / "elsewhere" / "job.yaml").read_text())
    assert task["file_mounts"]["~/loratui-job/1-dog"] == "~/photos/dog"


def test_a_model_of_the_hub_wants_a_token_by_name_and_a_card_that_it_fits_on(home: Path, loratui: LoraTUI) -> None:
    own = ["model.base=stabilityai/stable-diffusion-xl-base-1.0", "train.device=auto", "train.resolution=1024"]
    sets = [word for one in (*own, "train.batch=4", 'dataset.accept=["low-resolution"]') for word in ("--set", one)]
    text, task = exported(loratui, *sets, "--gpus", "2")
    assert task["secrets"] == {"HF_TOKEN": None} and "hf_a_secret_of_mine" not in text
    assert set(task["resources"]["accelerators"].values()) == {2}
    assert "--gpus 2" in task["run"]
    wide = [word for one in (*own, "train.batch=8", 'dataset.accept=["low-resolution"]') for word in ("--set", one)]
    wide += ["--set", "train.gradient_checkpointing=false"]
    _, larger = exported(loratui, *wide, "--replace")
    assert set(larger["resources"]["accelerators"]) < set(task["resources"]["accelerators"])


def sky_python() -> str | None:
    """The interpreter that has SkyPilot: this one, or another that LORATUI_SKY_PYTHON names (it brings much)."""
    return sys.executable if importlib.util.find_spec("sky") else os.environ.get("LORATUI_SKY_PYTHON")


@pytest.mark.slow
@pytest.mark.skipif(
    sky_python() is None, reason="SkyPilot is not installed, and LORATUI_SKY_PYTHON names no python with it"
)
def test_skypilot_itself_reads_it(home: Path, loratui: LoraTUI) -> None:
    own = ["--set", "model.base=stabilityai/stable-diffusion-xl-base-1.0", "--set", 'dataset.accept=["low-resolution"]']
    for words in ((), (*own, "--replace")):
        exported(loratui, *words)
        done = subprocess.run(
            [str(sky_python()), "-c", CHECK, "answers.sky.yaml"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "{'L4': 1}" in done.stdout and done.stdout.strip().endswith("True")


def machine(folder: Path, task: dict[str, Any], bucket: Path) -> subprocess.Popen[bytes]:
    """What SkyPilot lays out on a fresh machine, and the run command started there; setup is a link to this program."""
    for there, source in task["file_mounts"].items():
        place = folder / there.removeprefix("~/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, dict):
            place.symlink_to(bucket)
        else:
            shutil.copytree(source, place)
    program = folder / "loratui-env" / "bin" / "loratui"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m loratui "$@"\n')
    program.chmod(0o755)
    places = {"HOME": folder, **{f"XDG_{one}_HOME": folder / one.lower() for one in ("CACHE", "CONFIG", "STATE")}}
    (folder / "sky_workdir").mkdir()
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            ["bash", "-c", task["run"]],
            cwd=folder / "sky_workdir",
            env={**os.environ, **warm_environment(), **{key: str(one) for key, one in places.items()}, **task["envs"]},
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


@pytest.mark.slow
@pytest.mark.usefixtures("warm_trainer")
def test_its_run_command_trains_and_goes_on_elsewhere_when_the_machine_is_taken_away(
    home: Path, loratui: LoraTUI, tmp_path: Path
) -> None:
    _, task = exported(loratui)
    bucket, other = tmp_path / "bucket", tmp_path / "other bucket"
    bucket.mkdir()
    other.mkdir()
    run = RunDir(bucket / "dog")
    with slow_motion(run):
        first = machine(tmp_path / "first", task, bucket)
        end = time.monotonic() + 120
        while not list(run.checkpoints.glob("step-*/manifest.json")):
            assert first.poll() is None and time.monotonic() < end, (tmp_path / "first" / "log").read_text()
            time.sleep(0.05)
        for number in (first.pid, next(iter(Tail(run.events).read()))["pid"]):
            os.killpg(number, signal.SIGKILL)
    first.wait()
    shutil.rmtree(tmp_path / "first" / "loratui-job")  # that machine is gone: only the bucket is left
    for name, place in (("second", bucket), ("third", bucket), ("alone", other)):
        done = machine(tmp_path / name, task, place)
        assert done.wait(180) == 0, (tmp_path / name / "log").read_text()
    starts = [one for one in Tail(run.events).read() if one["type"] == "run"]
    assert [one["resumed_from"] is None for one in starts] == [True, False], "what is completed is not begun again"
    assert "is completed" in (tmp_path / "third" / "log").read_text()
    ours, theirs = (one / "dog" / "checkpoints" / "step-000008" / "lora.safetensors" for one in (bucket, other))
    assert ours.read_bytes() == theirs.read_bytes()
