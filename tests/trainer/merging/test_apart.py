"""B-LoRA at use: the content of one LoRA in the style of another, as diffusers draws it with the two halves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.trainer.conftest import make_config
from tests.trainer.merging.test_merging import a_run
from trainer.contract.run import exits
from trainer.contract.run.exports import B_LORA, DIFFUSERS
from trainer.merging.apart import main as generate
from trainer.model.parts import fix_pooling

pytestmark = pytest.mark.slow
PROMPT = "a TOK in the style of a VOG"


@pytest.fixture(scope="module")
def runs(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two B-LoRAs without new tokens; the second has an alpha of its own."""
    folder = tmp_path_factory.mktemp("halves")
    own = {"train__blocks": list(B_LORA.values()), "pivotal__enabled": False, "export__precision": "fp32"}
    first = a_run(folder / "one", make_config(pictures, name="one", **own), 1)
    vog = {"dataset__trigger": "VOG", "dataset__instance_prompt": "a VOG", "sample__prompts": ["a VOG"]}
    second = a_run(folder / "two", make_config(pictures, name="two", train__alpha=8.0, **own, **vog), 2)
    return first.path, second.path


def drawn(out: Path, *words: str) -> np.ndarray:
    assert generate([*words, "--steps", "2", "--seed", "7", "--out", str(out), "--", PROMPT]) == exits.DONE
    return np.asarray(Image.open(out)).astype(int)


def half(run: Path, part: str) -> dict[str, torch.Tensor]:
    return {name: one for name, one in load_file(run / "export" / DIFFUSERS).items() if f"{B_LORA[part]}." in name}


def test_content_and_style_are_drawn_as_diffusers_draws_them(runs: tuple[Path, Path], tmp_path: Path) -> None:
    from diffusers import StableDiffusionXLPipeline

    own = drawn(tmp_path / "both.png", "--content", str(runs[0]), "--style", str(runs[1]))
    pipe = StableDiffusionXLPipeline.from_pretrained(make_config(runs[0]).model.base, variant="fp16")
    fix_pooling((pipe.text_encoder, pipe.text_encoder_2), (pipe.tokenizer, pipe.tokenizer_2))
    pipe.load_lora_weights(half(runs[0], "content"), adapter_name="content")
    pipe.load_lora_weights(half(runs[1], "style"), adapter_name="style")
    pipe.set_adapters(["content", "style"])
    generator = torch.Generator().manual_seed(7)
    told = {"height": 64, "width": 64, "num_inference_steps": 2, "guidance_scale": 5.0, "output_type": "pil"}
    theirs = np.asarray(pipe.to(torch.float32)(PROMPT, generator=generator, **told).images[0]).astype(int)
    assert abs(own - theirs).max() <= 2
    other = drawn(tmp_path / "other.png", "--content", str(runs[1]), "--style", str(runs[0]))
    alone = drawn(tmp_path / "alone.png", "--content", str(runs[0]))
    assert min(abs(own - other).max(), abs(own - alone).max()) > 4


def test_what_has_no_such_half_is_said(
    runs: tuple[Path, Path], pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(["--", PROMPT]) == exits.USAGE
    assert "name a LoRA with --content, with --style, or both" in capsys.readouterr().err
    style = runs[1] / "export" / "two_style.safetensors"
    base = make_config(runs[0]).model.base
    assert generate(["--content", str(style), "--model", base, "--", PROMPT]) == exits.USAGE
    assert (
        "two_style changes nothing in up_blocks.0.attentions.0, where SDXL has the content" in capsys.readouterr().err
    )
    assert generate(["--style", str(style), "--", PROMPT]) == exits.USAGE
    assert "two_style.safetensors: no run is among them" in capsys.readouterr().err
    whole = a_run(tmp_path / "whole", make_config(pictures, name="whole"), 3)
    words = ["--content", str(whole.path), "--steps", "1", "--out", str(tmp_path / "one.png"), "--", PROMPT]
    assert generate(words) == exits.DONE
    assert "of whole the content alone is taken: it changes other blocks too" in capsys.readouterr().err
