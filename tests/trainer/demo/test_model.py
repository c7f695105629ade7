"""The small SDXL that ships with the package keeps SDXL's form, its traps and its promises about pictures."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

from trainer.contract.basemodel.inspect import small_model
from trainer.demo import concepts
from trainer.demo.captions import example, picture
from trainer.demo.measure import concept_distance

MODEL_DIR = small_model()
CONCEPTS_DIR = MODEL_DIR.parent / "concepts"

LIMIT = 10_000_000  # bytes of weights, tokenizers and concept pictures together
PARTS = {
    "vae": "AutoencoderKL",
    "unet": "UNet2DConditionModel",
    "text_encoder": "CLIPTextModel",
    "text_encoder_2": "CLIPTextModelWithProjection",
    "tokenizer": "CLIPTokenizer",
    "tokenizer_2": "CLIPTokenizer",
    "scheduler": "EulerDiscreteScheduler",
}


@pytest.fixture(scope="module")
def pipe():
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    pipe = StableDiffusionXLPipeline.from_pretrained(MODEL_DIR)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def sample(pipe, prompt: str, seeds: int, steps: int = 20) -> list[Image.Image]:
    draws = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
    return pipe([prompt] * seeds, num_inference_steps=steps, guidance_scale=5.0, generator=draws).images


def test_the_layout_is_that_of_sdxl():
    index = json.loads((MODEL_DIR / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionXLPipeline"
    assert index["force_zeros_for_empty_prompt"] is True
    assert {name: index[name][1] for name in PARTS} == PARTS


def test_model_and_concepts_are_under_ten_megabytes():
    files = [file for folder in (MODEL_DIR, CONCEPTS_DIR) for file in folder.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < LIMIT


def test_the_plain_pipeline_loads_it(pipe):
    assert {name: type(getattr(pipe, name)).__name__ for name in PARTS} == PARTS
    assert pipe.unet.config.addition_embed_type == "text_time"
    assert pipe.default_sample_size * pipe.vae_scale_factor == 64
    assert not pipe.vae.config.force_upcast
    assert {part.dtype for part in (pipe.unet, pipe.vae, pipe.text_encoder, pipe.text_encoder_2)} == {torch.float32}


def test_the_blocks_of_b_lora_exist(pipe):
    assert len(pipe.unet.up_blocks[0].attentions) == 2


def test_the_eos_trap_of_real_sdxl_is_there(pipe):
    for encoder, tokenizer in ((pipe.text_encoder, pipe.tokenizer), (pipe.text_encoder_2, pipe.tokenizer_2)):
        assert encoder.config.eos_token_id == 2
        assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (len(tokenizer) - 2, len(tokenizer) - 1)
        assert encoder.get_input_embeddings().num_embeddings == len(tokenizer)


def test_padding_is_that_of_sdxl(pipe):
    assert pipe.tokenizer.pad_token_id == pipe.tokenizer.eos_token_id
    assert (pipe.tokenizer_2.pad_token, pipe.tokenizer_2.pad_token_id) == ("!", 0)


@pytest.mark.parametrize("text", ["a red star on a blue background", "naïve zebras, 42 of them?", "ein großes 猫"])
def test_any_text_survives_the_tokenizers(pipe, text):
    for tokenizer in (pipe.tokenizer, pipe.tokenizer_2):
        ids = tokenizer(text).input_ids
        assert (ids[0], ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
        back = tokenizer.decode(ids, skip_special_tokens=True)
        assert back.replace(" ", "") == text.replace(" ", "")


def test_known_words_are_one_token_each(pipe):
    assert len(pipe.tokenizer("a photo of a red star on a striped blue background").input_ids) == 11 + 2


def test_a_red_star_on_blue_is_reddish_in_the_middle_and_blue_around(pipe):
    for image in sample(pipe, "a red star on a blue background", seeds=2):
        pixels = np.asarray(image).astype(int)
        assert pixels.shape == (64, 64, 3)
        border = np.concatenate([pixels[:4].reshape(-1, 3), pixels[-4:].reshape(-1, 3)])
        blue = (border[:, 2] > border[:, 0] + 40) & (border[:, 2] > border[:, 1] + 40)
        assert blue.mean() > 0.8
        red, green, blue = pixels[28:36, 28:36].mean(axis=(0, 1))
        assert red > green + 50
        assert red > blue + 50


def test_the_vae_works_in_bfloat16(pipe):
    x = torch.from_numpy(np.array(picture(example(3)))).permute(2, 0, 1)[None].float() / 127.5 - 1
    vae = type(pipe.vae).from_pretrained(MODEL_DIR / "vae", dtype=torch.bfloat16)
    with torch.no_grad():
        back = vae.decode(vae.encode(x.bfloat16()).latent_dist.mean).sample.float()
    assert (back - x).abs().mean() < 0.06


@pytest.mark.parametrize("name", sorted(concepts.CONCEPTS))
def test_concept_pictures_are_what_draw_makes(name):
    files = sorted((CONCEPTS_DIR / name).glob("*.png"))
    assert len(files) == len(concepts.pictures(name)) >= 6
    for file, shot, drawn in zip(files, concepts.CONCEPTS[name](), concepts.pictures(name), strict=True):
        with Image.open(file) as stored:
            assert np.array_equal(np.asarray(stored), np.asarray(drawn))
        assert file.with_suffix(".txt").read_text().strip() == shot.caption
        assert "TOK" in shot.caption


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mascot", "rocket"])
def test_distance_tells_a_concept_from_anything_else(name):
    own = concepts.pictures(name)
    left_out = [concept_distance([own[i]], own[:i] + own[i + 1 :]).total for i in (0, 3, 6)]
    others = [concept_distance([picture(example(i))], own).total for i in range(12)]
    assert max(left_out) < 0.35
    assert np.mean(others) > 2 * max(left_out)


def test_the_palette_tells_the_style(name="sunset"):
    own = concepts.pictures(name)
    assert concept_distance(own[:1], own[1:]).palette < 0.1
    assert concept_distance([picture(example(i)) for i in range(12)], own).palette > 0.7


def test_paths_and_distance_need_no_torch():
    code = "import sys, trainer.demo, trainer.demo.measure, trainer.demo.concepts; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
