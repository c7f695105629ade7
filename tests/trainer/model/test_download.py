"""A base model of the hub comes onto the disk before it is loaded: from a real server, with its faults."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.hubplace import hub_at
from tests.hubserver import GATED, Hub, files_of, serving
from tests.trainer.conftest import make_config, make_run
from trainer.contract.basemodel.hub_cache import base_files, cached_base, part_files
from trainer.contract.basemodel.inspect import inspect_base, small_model
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import SDXL, SDXL_VAE, TrainConfig, dump_config

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
NAME = "owner/small-sdxl"
# `python -c` with the library's own reading of HF_ENDPOINT and HF_HOME; torch is not loaded for it
BRING = """
import json, sys
from pathlib import Path
from trainer.contract.settings.config import load_config
from trainer.model.download import NotFetched, bring
try:
    bring(load_config(Path(sys.argv[1])), lambda done, total: print(json.dumps([done, total]), flush=True))
except NotFetched as error:
    print(json.dumps({"said": str(error), "advice": error.advice, "full": error.full}))
print(json.dumps({"torch": "torch" in sys.modules}))
"""


@dataclass(frozen=True)
class Trained:
    """Two runs of one process, their exit codes, what it said on stderr, and the files that it fetched."""

    gated: RunDir
    free: RunDir
    codes: tuple[int, ...]
    said: str
    fetched: list[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small SDXL as its owner would have put it on the hub: with what nobody needs beside it."""
    folder = tmp_path_factory.mktemp("hub") / "small-sdxl"
    shutil.copytree(small_model(), folder)
    for junk in ("small.safetensors", "unet/diffusion_pytorch_model.bin", "unet/model.onnx", "vae_1_0/x.safetensors"):
        (folder / junk).parent.mkdir(exist_ok=True)
        (folder / junk).write_bytes(b"junk" * 1000)
    (folder / "README.md").write_text("---\nlicense: openrail++\n---\n")
    return folder


@pytest.fixture
def config(pictures: Path) -> TrainConfig:
    return make_config(pictures, model__base=NAME, train__steps=2)


def environment(hub: Hub, home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return kept | {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_XET": "1"}


def started(config: TrainConfig, hub: Hub, home: Path, code: str = BRING, **own: str) -> subprocess.Popen[str]:
    home.mkdir(parents=True, exist_ok=True)
    path = home / "config.toml"
    path.write_text(dump_config(config))
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.Popen(command, env=environment(hub, home) | own, stdout=subprocess.PIPE, text=True)


def brought(config: TrainConfig, hub: Hub, home: Path, **own: str) -> tuple[list[list[int]], dict[str, Any]]:
    """What `bring` told of its progress, and the sentence with which it gave up, if it did."""
    out, _ = started(config, hub, home, **own).communicate(timeout=60)
    told = [json.loads(line) for line in out.splitlines()]
    assert told.pop() == {"torch": False}
    return [one for one in told if isinstance(one, list)], next((one for one in told if isinstance(one, dict)), {})


def test_only_what_is_read_is_fetched_with_its_bytes_told_and_only_once(
    model: Path, config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({NAME: model}) as hub:
        told, error = brought(config, hub, tmp_path)
        needed = set(files_of(small_model())) | {"README.md"}
        # both tokenizers are made of the same files, which the cache keeps once
        twice = {"tokenizer_2/vocab.json", "tokenizer_2/merges.txt"}
        assert error == {} and set(hub.fetched()) | twice == needed and len(hub.fetched()) <= len(needed)
        size = sum((model / name).stat().st_size for name in needed)
        assert told[0] == [0, size] and told[-1] == [size, size]
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        before = len(hub.asked)
        assert brought(config, hub, tmp_path) == ([], {})
        assert len(hub.asked) == before  # what is here is not asked for
    hub_at(monkeypatch, tmp_path)
    there = cached_base(NAME, with_vae=True)
    assert there is not None and inspect_base(NAME).folder == there and inspect_base(NAME).native == 64
    assert all((there / name).read_bytes() == (small_model() / name).read_bytes() for name in files_of(small_model()))
    # a link whose blob is gone is no file
    (there / "unet" / "diffusion_pytorch_model.safetensors").resolve().unlink()
    assert cached_base(NAME) is None and inspect_base(NAME).folder is None


def test_a_killed_download_goes_on_with_the_files_that_are_not_whole(
    model: Path, config: TrainConfig, tmp_path: Path
) -> None:
    with serving({NAME: model}, slow=0.05) as hub:
        child = started(config, hub, tmp_path)
        end = time.monotonic() + 60
        while not any((tmp_path / "hub").rglob("snapshots/*/*/*.safetensors")) and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        whole = {str(one.relative_to(one.parents[1])) for one in (tmp_path / "hub").rglob("snapshots/*/*/*")}
        assert any(name.endswith(".safetensors") for name in whole)
        assert "unet/diffusion_pytorch_model.safetensors" not in whole
        hub.slow = 0
        hub.asked.clear()
        told, error = brought(config, hub, tmp_path)
    assert error == {} and not set(hub.fetched()) & whole
    assert told[0][1] == told[-1][0] < sum((small_model() / name).stat().st_size for name in files_of(small_model()))


STOP = """
import sys
from pathlib import Path
from trainer.contract.settings.config import load_config
from trainer.model.download import bring
calls = []
def progress(done, total):
    calls.append(done)
    if done:
        raise InterruptedError("stop asked for")
try:
    bring(load_config(Path(sys.argv[1])), progress)
except InterruptedError as error:
    print(error, len(calls))
"""


def test_a_stop_asked_for_during_the_download_ends_it_in_every_thread(
    model: Path, config: TrainConfig, tmp_path: Path
) -> None:
    with serving({NAME: model}, slow=0.05) as hub:
        child = started(config, hub, tmp_path, code=STOP)
        said, _ = child.communicate(timeout=60)
    assert said.strip() == "stop asked for 2" and child.returncode == 0
    assert not any((tmp_path / "hub").rglob("snapshots/*/unet/*.safetensors"))


FAULTS: dict[str, tuple[str, dict[str, Any], dict[str, str], str, str]] = {
    "gated": (GATED, {}, {}, "is gated", "hf auth login"),
    "unknown": ("owner/nothing", {}, {}, "has no model 'owner/nothing'", "spelling"),
    "cut": (NAME, {"cut_after": 1 << 16}, {}, "cannot be reached", "whole files are kept"),
    "offline": (NAME, {}, {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE forbids", "unset HF_HUB_OFFLINE"),
    "no network": (NAME, {}, {"HF_ENDPOINT": "http://127.0.0.1:9"}, "the hub cannot be reached", "network is back"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_stands_in_the_way_is_said_with_what_to_do(
    fault: str, model: Path, config: TrainConfig, tmp_path: Path
) -> None:
    name, hub_is, own, said, advice = FAULTS[fault]
    config = config.model_copy(update={"model": config.model.model_copy(update={"base": name})})
    with serving({NAME: model, GATED: model}, **hub_is) as hub:
        _, error = brought(config, hub, tmp_path, **own)
    assert said in error["said"] and advice in " ".join(error["advice"])
    assert error["full"] is False


def test_a_model_without_safetensors_is_refused_before_anything_is_fetched(config: TrainConfig, tmp_path: Path) -> None:
    pickled = tmp_path / "pickled"
    (pickled / "unet").mkdir(parents=True)
    (pickled / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"x" * 9)
    (pickled / "model_index.json").write_text("{}")
    with serving({NAME: pickled}) as hub:
        _, error = brought(config, hub, tmp_path / "home")
    assert "has no .safetensors" in error["said"] and hub.fetched() == []


def test_a_disk_that_is_too_small_is_said_before_the_first_byte(
    model: Path, config: TrainConfig, tmp_path: Path
) -> None:
    with serving({NAME: tmp_path / "vast"}) as hub:
        (tmp_path / "vast" / "unet").mkdir(parents=True)
        (tmp_path / "vast" / "model_index.json").write_text("{}")
        with (tmp_path / "vast" / "unet" / "diffusion_pytorch_model.safetensors").open("wb") as file:
            file.truncate(shutil.disk_usage(tmp_path).free + (1 << 33))  # sparse: it only says that it is so large
        _, error = brought(config, hub, tmp_path / "home")
    assert error["full"] and "are free in" in error["said"] and "HF_HOME" in error["advice"][0]
    assert hub.fetched() == []


def test_of_sdxl_itself_the_half_precision_files_are_taken_and_its_own_vae_is_left() -> None:
    # as the hub lists stabilityai/stable-diffusion-xl-base-1.0
    parts = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "vae_1_0": "diffusion_pytorch_model"}
    parts |= {"text_encoder": "model", "text_encoder_2": "model"}
    names = ["model_index.json", "README.md", "sd_xl_base_1.0.safetensors", "scheduler/scheduler_config.json", "01.png"]
    names += ["sd_xl_base_1.0_0.9vae.safetensors", "sd_xl_offset_example-lora_1.0.safetensors"]
    for part, stem in parts.items():
        names += [f"{part}/{one}" for one in ("config.json", f"{stem}.safetensors", f"{stem}.fp16.safetensors")]
        names += [f"{part}/{one}" for one in ("openvino_model.bin", "model.onnx", "flax_model.msgpack")]
    names += [f"{one}/{name}" for one in ("tokenizer", "tokenizer_2") for name in ("vocab.json", "merges.txt")]
    half = base_files(names, half=True, vae=False)
    assert [name for name in half if name.endswith(".safetensors")] == [
        "text_encoder/model.fp16.safetensors",
        "text_encoder_2/model.fp16.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
    ]
    assert "vae/config.json" in half and "tokenizer_2/merges.txt" in half and "README.md" in half
    assert not [name for name in half if name.startswith(("vae_1_0", "sd_xl", "01"))]
    full = base_files(names, half=False, vae=True)
    assert "unet/diffusion_pytorch_model.safetensors" in full and "vae/diffusion_pytorch_model.safetensors" in full
    assert not [name for name in full if "fp16" in name]
    both = base_files(names, half=True, vae=True)  # the VAE encodes in fp32, whatever the rest is in
    assert [name for name in both if name.startswith("vae/") and name.endswith(".safetensors")] == [
        "vae/diffusion_pytorch_model.safetensors"
    ]
    vae = ["config.json", "diffusion_pytorch_model.bin", "diffusion_pytorch_model.safetensors", "sdxl_vae.safetensors"]
    assert part_files(vae, "", True) == ["config.json", "diffusion_pytorch_model.safetensors"]
    shards = [f"unet/diffusion_pytorch_model-0000{one}-of-00002.safetensors" for one in (1, 2)]
    shards.append("unet/diffusion_pytorch_model.safetensors.index.json")
    assert part_files(shards, "unet", True) == shards
    assert SDXL_VAE.startswith("madebyollin/") and SDXL.endswith("xl-base-1.0")


# `python -m trainer` for each in turn; what they import is imported once
TRAIN_EACH = """
import json, sys
from trainer.__main__ import main
print(json.dumps([main([path]) for path in sys.argv[1:]]))
"""


@pytest.fixture(scope="module")
def trained(model: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run on a gated model of the hub, then one on a model that all may fetch."""
    folder = tmp_path_factory.mktemp("trained")
    gated = make_run(folder / "gated", make_config(pictures, model__base=GATED, train__steps=2))
    free = make_run(folder / "free", make_config(pictures, model__base=NAME, train__steps=2))
    with serving({NAME: model, GATED: model}, slow=0.03) as hub:
        command = [sys.executable, "-c", TRAIN_EACH, str(gated.config), str(free.config)]
        own = environment(hub, folder / "home")
        done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        return Trained(gated, free, tuple(json.loads(done.stdout.splitlines()[-1])), done.stderr, hub.fetched())


def test_a_run_on_a_model_of_the_hub_tells_the_download_and_trains(trained: Trained) -> None:
    assert trained.codes[1] == 0, trained.said
    events = Tail(trained.free.events).read()
    told = [event for event in events if event["type"] == "phase" and event["name"] == "download"]
    assert len(told) >= 3 and told[0]["done"] == 0 and told[-1]["done"] == told[-1]["total"] > 1e6
    # never more than two a second, but for the first and the last
    times = [event["t"] for event in told]
    assert all(later - one >= 0.45 for one, later in pairwise(times[1:-1]))
    assert len(trained.fetched) <= len(files_of(small_model())) + 1
    assert events[-1]["status"] == "completed"


def test_a_run_whose_model_is_gated_says_so_and_what_to_do(trained: Trained) -> None:
    assert trained.codes[0] == 2
    error = next(event for event in Tail(trained.gated.events).read() if event["type"] == "error")
    assert "is gated" in error["message"] and any("hf auth login" in one for one in error["advice"])
    assert "Traceback" not in trained.said
