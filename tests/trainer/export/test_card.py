"""The model card as the hub reads it: its front matter, and the pictures of the step that is exported."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from diffusers import EulerDiscreteScheduler

from tests.trainer.checkpoints import write_small
from tests.trainer.conftest import make_config, make_run
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.model import SDXL
from trainer.export.card import model_card
from trainer.export.files import _copy_samples
from trainer.model.single_file import load_scheduler

ODD = 'a TOK "star": \\ [x](y)\nlicense: mine # no'


def front(card: str) -> dict[str, Any]:
    """The YAML between the first two lines of three dashes."""
    found: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return found


def test_the_front_matter_holds_base_licence_and_pictures_with_their_prompts(
    settings: Callable[..., TrainConfig],
) -> None:
    config = settings(model__base=SDXL, sample__prompts=["a TOK star", ODD], dataset__instance_prompt=ODD)
    found = front(model_card(config, 5, 6, ["sample-0.png", "sample-1.png"]))
    assert found["base_model"] == SDXL
    assert found["license"] == "openrail++"
    assert found["instance_prompt"] == ODD
    assert found["widget"] == [
        {"text": "a TOK star", "output": {"url": "sample-0.png"}},
        {"text": ODD, "output": {"url": "sample-1.png"}},
    ]
    assert {"text-to-image", "lora", "diffusers"} < set(found["tags"])


def test_of_another_base_model_no_licence_is_claimed_and_no_folder_is_told(
    settings: Callable[..., TrainConfig],
) -> None:
    found = front(model_card(settings(model__base="/data/my-xl"), 5, 6, []))
    assert not {"license", "base_model", "widget"} & set(found)
    assert front(model_card(settings(), 5, 6, []))["base_model"] == "owner/name"  # its folder is one of the hub's cache
    assert "license" not in front(model_card(settings(model__base="someone/other-xl"), 5, 6, []))


def test_where_the_pictures_are_gone_no_number_is_made_up(settings: Callable[..., TrainConfig]) -> None:
    there, gone = (model_card(settings(), images, 6, []) for images in (5, 0))
    for words in ("on 5 pictures", "| pictures | 5 |", "| views per image |"):
        assert words in there
    assert "pictures, 6" not in gone and "| pictures |" not in gone and "views per image" not in gone


def script_of(card: str) -> str:
    return re.search(r"```python\n(.*?)```", card, re.S)[1]


def test_the_script_reads_the_variant_that_the_run_read_and_can_read_the_hub(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(small_model(), base)
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        for path in (base / part).glob("*.safetensors"):
            path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))
    own = {"model__base": str(base), "train__precision": "bf16"}
    code = script_of(model_card(settings(**own), 5, 6, []))
    compile(code, "the script", "exec")
    assert "from_pretrained(base, torch_dtype=torch.bfloat16, variant='fp16')" in code
    assert str(tmp_path) not in code
    assert "variant" not in script_of(model_card(settings(**own | {"model__base": str(small_model())}), 5, 6, []))
    assert 'repository = ""' in code and "hf_hub_download(repository, name)" in code


def test_a_single_file_with_v_prediction_is_sampled_as_it_was_trained(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    for name, more in (("plain", {}), ("v", {"v_pred": torch.zeros(1), "ztsnr": torch.zeros(1)})):
        shutil.rmtree(write_small(tmp_path / f"{name}.safetensors", more).with_suffix("") / "scheduler")
        code = script_of(model_card(settings(model__base=str(tmp_path / f"{name}.safetensors")), 5, 6, []))
        compile(code, "the script", "exec")
        lines = [line for line in code.splitlines() if line.startswith("pipe.scheduler = ")]
        assert len(lines) == len(more) // 2
    made = eval(lines[0].partition(" = ")[2], {"EulerDiscreteScheduler": EulerDiscreteScheduler})
    own = load_scheduler(tmp_path / "v.safetensors")
    assert made.config.prediction_type == "v_prediction" and made.config.rescale_betas_zero_snr
    assert torch.equal(made.alphas_cumprod, own.alphas_cumprod)
    assert made.config.timestep_spacing == own.config.timestep_spacing == "trailing"


@pytest.mark.parametrize("axis", ["input", "output"])
def test_of_a_dora_only_the_programs_that_compute_it_are_shown(settings: Callable[..., TrainConfig], axis: str) -> None:
    card = model_card(settings(train__dora=True, train__dora_axis=axis), 5, 6, [])
    assert ("### ComfyUI" in card, "### diffusers" in card) == (axis == "input", axis == "output")
    assert ("diffusers" in front(card)["tags"]) == ("library_name" in front(card)) == (axis == "output")
    good, bad = "diffusers, PEFT", "ComfyUI, AUTOMATIC1111, Forge, SD.Next, InvokeAI, SwarmUI"
    if axis == "input":
        good, bad = bad, good
    assert f"Programs that compute it: {good}; not {bad}, kohya's scripts, stable-diffusion.cpp." in card


def test_each_interface_has_its_own_prompt(settings: Callable[..., TrainConfig]) -> None:
    own = settings(name="mascot", sample__prompts=["a (small) TOK, [red], with TOK."])
    card = model_card(own, 5, 6, [])
    assert r"`a \(small\) mascot_emb, \[red\], with mascot_emb. <lora:mascot:1>`" in card
    assert r"`a \(small\) embedding:mascot_emb , [red], with embedding:mascot_emb .`" in card
    assert r"`a \(small\) <mascot_emb>, [red], with <mascot_emb>.`" in card
    assert r"`a \(small\) <embed:mascot_emb>, \[red\], with <embed:mascot_emb>. <lora:mascot:1>`" in card
    assert "in the model manager; add" in card
    assert "`mascot_猫_emb` a name of Latin letters there" in model_card(
        settings(name="mascot", dataset__trigger="TOK,猫"), 5, 6, []
    )
    assert "as AUTOMATIC1111, Forge and ComfyUI read it" in card and "SD.Next and InvokeAI" in card


@pytest.mark.parametrize("odd", [ODD, "TOK ``` x\n```", "TOK \u0085 \U0001f600 \u2028 'q' \\", 'TOK """ {x} %s'])
def test_no_value_gets_out_of_its_place(settings: Callable[..., TrainConfig], odd: str) -> None:
    own = settings(dataset__instance_prompt=odd, sample__prompts=[odd], model__base="someone/other-xl")
    card = model_card(own, 5, 6, ["sample-0.png"])
    found = front(card)
    assert found["instance_prompt"] == odd and found["widget"][0]["text"] == odd
    tree = ast.parse(script_of(card))
    calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call) and getattr(one.func, "id", "") == "pipe"]
    assert calls[0].args[0].value == odd.replace("TOK", "<s0><s1>")
    assert card.count("\n## ") == 2  # use and training: no line of a prompt became a heading
    picture = next(line for line in card.splitlines() if line.startswith("!["))
    assert picture.endswith("](sample-0.png)") and not re.search(r"(?<!\\)\](?!\(sample-0)", picture)


def test_the_pictures_are_the_newest_up_to_the_step_and_never_the_base_models(tmp_path: Path, pictures: Path) -> None:
    run: RunDir = make_run(tmp_path / "run", make_config(pictures))
    run.samples.mkdir()
    for name in ("000000-0", "000300-0", "000300-1", "000600-0"):
        (run.samples / f"{name}.png").write_text(name)

    def copied(step: int) -> dict[str, str]:
        out = tmp_path / str(step)
        out.mkdir()
        assert sorted(_copy_samples(run, out, 2, step)) == sorted(path.name for path in out.iterdir())
        return {path.name: path.read_text() for path in out.iterdir()}

    assert copied(200) == {}
    assert copied(300) == {"sample-0.png": "000300-0", "sample-1.png": "000300-1"}
    assert copied(599) == {"sample-0.png": "000300-0", "sample-1.png": "000300-1"}
    assert copied(600) == {"sample-0.png": "000600-0"}
