"""A run on a base of SDXL's own shape goes on in another process: what it is known by is no process's own."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
from transformers import CLIPTextConfig

from loratui.errors import Refusal
from loratui.recovery.settings_change import amend
from tests.shaped import shaped_model
from tests.trainer.conftest import make_config, make_run, real_shape_file, train
from trainer.checkpoints.snapshot import OtherRun, Snapshot, check_identity
from trainer.contract.basemodel.digests import meaning
from trainer.contract.basemodel.folder import WEIGHTED
from trainer.contract.basemodel.single_file import CONFIGS
from trainer.contract.run import exits
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, load_config
from trainer.contract.settings.model import SDXL as SDXL_ID
from trainer.model.parts import forward_process

DDPMScheduler: Any = diffusers.DDPMScheduler
EDMEulerScheduler: Any = diffusers.EDMEulerScheduler
EulerDiscreteScheduler: Any = diffusers.EulerDiscreteScheduler

REAL: dict[str, Any] = json.loads((CONFIGS / "scheduler.json").read_text())
TOLD = ("_diffusers_version", "architectures", "torch_dtype", "transformers_version")
SDXL = (
    "DDPM beta_end=0.012 beta_schedule=scaled_linear beta_start=0.00085 num_train_timesteps=1000.0 "
    "prediction_type=epsilon rescale_betas_zero_snr=False trained_betas=None"
)


# each run by the program's own entry, in a process whose sets have another order than the one that began them
MANY = "import sys; from trainer.__main__ import main; print([main([path]) for path in sys.argv[1:]])"
SHORT: dict[str, Any] = {"train__steps": 2, "train__checkpoint_every": 1, "sample__steps": 1}


def cut(whole: RunDir, folder: Path, config: TrainConfig) -> RunDir:
    """The run as a power cut after its first step would leave it, with these settings."""
    shutil.copytree(whole.path, folder)
    shutil.rmtree(RunDir(folder).checkpoint(2))
    return make_run(folder, config)


def last_lora(run: RunDir) -> bytes:
    return (run.checkpoint(2) / "lora.safetensors").read_bytes()


def steps(run: RunDir) -> list[int]:
    return [one["step"] for one in Tail(run.events).read() if one["type"] == "step"]


@pytest.fixture(scope="module")
def begun(
    real_shape_base: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, RunDir]]:
    """A run of two steps on SDXL's own files: from a folder, from the hub's cache, and from a single file."""
    place = tmp_path_factory.mktemp("begun")
    bases = {"folder": str(real_shape_base), "hub": "owner/name"}
    bases["file"] = str(real_shape_file(place / "own-xl.safetensors"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(real_shape_base.parents[2]))
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(real_shape_base.parents[2]))
        runs = {
            kind: make_run(place / kind, make_config(pictures, model__base=one, **SHORT)) for kind, one in bases.items()
        }
        for run in runs.values():
            train(run)
        yield runs


@pytest.mark.slow
def test_a_run_on_sdxls_own_files_goes_on_in_another_process(begun: dict[str, RunDir], tmp_path: Path) -> None:
    runs = {kind: cut(run, tmp_path / kind, load_config(run.config)) for kind, run in begun.items()}
    seed = "1" if os.environ.get("PYTHONHASHSEED") == "2" else "2"
    done = subprocess.run(
        [sys.executable, "-c", MANY, *(str(run.config) for run in runs.values())],
        env=os.environ | {"PYTHONHASHSEED": seed, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.splitlines()[-1] == "[0, 0, 0]", done.stdout + done.stderr
    for kind, run in runs.items():
        state = json.loads((run.checkpoint(2) / "state.json").read_text())
        assert state["identity"]["base"]["scheduler"] == SDXL
        assert not {"model.base", "model.vae"} & set(state["identity"]["settings"])
        assert steps(run) == [1, 2, 2] and last_lora(run) == last_lora(begun[kind])


def saved_anew(base: Path, folder: Path) -> Path:
    """The same model in another place, saved by other libraries: other names, other words, the same contents."""
    shutil.copytree(base, folder)
    for path in folder.rglob("*.fp16.safetensors"):
        path.rename(path.with_name(path.name.replace(".fp16", "")))
    for path in folder.glob("*/config.json"):
        words = {key: one for key, one in json.loads(path.read_text()).items() if key not in TOLD}
        words |= {"_name_or_path": "/elsewhere", "_diffusers_version": "9"}
        if path.parent.name == "unet":
            words |= {"mid_block_type": "UNetMidBlock2DCrossAttn", "dropout": 0.0}  # as the library has them
        path.write_text(json.dumps(words))
    return folder


@pytest.mark.slow
def test_a_run_goes_on_where_its_base_lies_elsewhere_and_not_on_another(
    begun: dict[str, RunDir], real_shape_base: Path, pictures: Path, tmp_path: Path
) -> None:
    moved = saved_anew(real_shape_base, tmp_path / "moved")
    gone = make_config(pictures, model__base=str(tmp_path / "gone"), **SHORT)
    run = cut(begun["folder"], tmp_path / "run", gone)
    (error,) = [one for one in train(run, code=exits.USAGE) if one["type"] == "error"]
    assert error["advice"][-1] == "if it lies elsewhere now: loratui resume RUN --set model.base=PLACE"
    config = moved / "unet" / "config.json"
    right = config.read_text()
    config.write_text(json.dumps(json.loads(right) | {"norm_eps": 1e-3}))
    with pytest.raises(Refusal, match=r"model\.base: .* was trained on another unet; name the same model"):
        amend(run, {"model.base": str(moved)})
    assert load_config(run.config) == gone
    config.write_text(right)
    assert [one.key for one in amend(run, {"model.base": str(moved)})] == ["model.base"]
    train(run)
    assert steps(run) == [1, 2, 2] and last_lora(run) == last_lora(begun["folder"])


def test_where_a_base_is_renamed_the_vae_that_went_with_its_name_is_held(pictures: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_config(pictures, model__base=SDXL_ID))
    changed = {one.key: one.new for one in amend(run, {"model.base": str(shaped_model())})}
    assert changed == {"model.base": str(shaped_model()), "model.vae": "madebyollin/sdxl-vae-fp16-fix"}


def test_a_configuration_is_known_by_what_it_means_alone() -> None:
    for part in WEIGHTED:
        real = json.loads((CONFIGS / f"{part}.json").read_text())
        words = {"_name_or_path": "x", "_diffusers_version": "9", "transformers_version": "9", "torch_dtype": "float32"}
        assert meaning(part, real | words) == meaning(part, real) == meaning(part, real | meaning(part, real))
    unet = json.loads((CONFIGS / "unet.json").read_text())
    for key, value in (("norm_eps", 1e-3), ("act_fn", "gelu"), ("attention_head_dim", [5, 10, 10])):
        assert meaning("unet", unet | {key: value}) != meaning("unet", unet)


def test_what_a_configuration_leaves_out_is_what_the_libraries_take() -> None:
    for part, family in (("unet", diffusers.UNet2DConditionModel), ("vae", diffusers.AutoencoderKL)):
        taken = {key: one.default for key, one in inspect.signature(family.__init__).parameters.items()}
        assert meaning(part, {}) == {
            key: meaning(part, json.loads(json.dumps({key: taken[key]})))[key] for key in meaning(part, {})
        }
        assert set(taken) - set(meaning(part, {})) <= {"self", "sample_size", "dropout"}
    taken = CLIPTextConfig().to_dict()
    assert meaning("text_encoder", {}) == meaning("text_encoder", taken)


def test_a_scheduler_is_known_by_what_training_reads_of_it_alone() -> None:
    file = {name: value for name, value in REAL.items() if not name.startswith("_")}
    assert forward_process(EulerDiscreteScheduler.from_config(REAL)) == SDXL
    assert forward_process(EulerDiscreteScheduler.from_config(file | {"timestep_spacing": "trailing"})) == SDXL
    assert forward_process(DDPMScheduler.from_config(file)) == SDXL
    for name, value in (("beta_end", 0.02), ("prediction_type", "v_prediction"), ("rescale_betas_zero_snr", True)):
        assert forward_process(EulerDiscreteScheduler.from_config(file | {name: value})) != SDXL
    assert forward_process(EDMEulerScheduler()).startswith("EDM num_train_timesteps=1000.0 prediction_type=epsilon")


def test_a_checkpoint_with_the_old_digest_goes_on_and_another_forward_process_does_not() -> None:
    def check(before: str, unet: str = "u") -> None:
        check_identity(Snapshot(1, {}, {}, {}, {"base": {"scheduler": before, "unet": unet}}), now, only=("base",))

    now = {"base": {"scheduler": SDXL, "unet": "u"}}
    check(SDXL)
    check("0123456789abcdef" * 2)
    with pytest.raises(OtherRun, match=r"base\.unet"):
        check("0123456789abcdef" * 2, unet="another")
    with pytest.raises(OtherRun, match=r"base\.scheduler"):
        check(SDXL.replace("epsilon", "v_prediction"))
