"""The held-out loss of a trained concept, from the files on disk, read the same way whoever wrote them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import DDPMScheduler, StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional

from trainer.contract.basemodel.inspect import small_model
from trainer.data import images
from trainer.demo.concepts import CONCEPTS, SIDE, TOKEN, Shot
from trainer.demo.draw import COLOURS, SHAPES, Ground, Spec, draw, mix, named
from trainer.model.parts import fix_pooling

CONCEPT = "mascot"
STYLE = "sunset"  # of which other shapes are held out, in place of other grounds
HELD_OUT = 16  # pictures
RESOLUTION = 64  # px
TIMESTEPS = tuple(range(50, 1000, 100))
NEW_TOKENS = ("<s0>", "<s1>")
PROMPT = f"a {TOKEN}"
LORA = "pytorch_lora_weights.safetensors"

# ui: BOS and EOS, the pooled vector at EOS, as user interfaces read a prompt.
# argmax: the pooled vector at the highest id, which transformers takes for eos_token_id = 2.
# bare: as argmax, and without BOS and EOS, as the reference trains a text-encoder LoRA.
Reading = Literal["ui", "argmax", "bare"]


@dataclass(frozen=True)
class Exam:
    """Pictures as latents (n, 4, h, w) with their prompts."""

    latents: torch.Tensor
    prompts: tuple[str, ...]


def training_shots(concept: str = CONCEPT) -> tuple[Shot, ...]:
    """What is trained on."""
    return CONCEPTS[concept]()


def held_out_shots(concept: str = CONCEPT) -> tuple[Shot, ...]:
    """The same figure where it was never seen: other places, sizes, angles and grounds, drawn from one seed.

    Of a style: other shapes too, two of which it was never trained on, before the same sky.
    """
    rng, names, spec = random.Random(20261123), list(COLOURS), training_shots(concept)[0].spec
    if concept == STYLE:
        return tuple(_styled(rng, spec, SHAPES[place % len(SHAPES)]) for place in range(HELD_OUT))
    shots = []
    for place in range(HELD_OUT):
        name = names[place % len(names)]
        gradient = place % 4 == 3
        second = mix(COLOURS[name], COLOURS["white"], 0.5) if gradient else COLOURS[name]
        words = f"gradient {name}" if gradient else name
        moved = replace(
            spec,
            ground=Ground("gradient" if gradient else "plain", COLOURS[name], second),
            x=0.5 + rng.uniform(-0.08, 0.08),
            y=0.53 + rng.uniform(-0.06, 0.06),
            radius=rng.uniform(0.31, 0.39),
            angle=rng.uniform(-9, 9),
        )
        article = "an" if words[0] in "aeiou" else "a"
        shots.append(Shot(moved, f"a {TOKEN} on {article} {words} background"))
    return tuple(shots)


def _styled(rng: random.Random, spec: Spec, shape: str) -> Shot:
    x, y, radius, angle = (rng.uniform(*span) for span in ((0.4, 0.6), (0.4, 0.6), (0.24, 0.38), (-12, 12)))
    moved = replace(spec, parts=named(shape, COLOURS["black"]), x=x, y=y, radius=radius, angle=angle)
    return Shot(moved, f"{'an' if shape[0] in 'aeiou' else 'a'} {shape} in the style of {TOKEN}")


@torch.no_grad()
def make_exam(shots: tuple[Shot, ...], captions: bool) -> Exam:
    """Encode the pictures with the base model's VAE: the posterior's mean, scaled."""
    pipe = load_trained(None, None)
    geometry = images.fit(SIDE, SIDE, (RESOLUTION, RESOLUTION))
    squares = torch.stack([images.pixels(draw(shot.spec, SIDE), geometry) for shot in shots])
    latents = pipe.vae.encode(squares).latent_dist.mean * pipe.vae.config.scaling_factor
    return Exam(latents, tuple(shot.caption if captions else PROMPT for shot in shots))


def load_trained(lora: Path | None, embeddings: Path | None) -> Any:
    """The base pipeline with what was trained: the embeddings into both encoders, then the diffusers LoRA.

    Raises ValueError if a layer of the file was not taken.
    """
    pipe = StableDiffusionXLPipeline.from_pretrained(small_model())
    pipe.set_progress_bar_config(disable=True)
    if embeddings is not None:
        rows = load_file(embeddings)
        for key, encoder, tokenizer in (
            ("clip_l", pipe.text_encoder, pipe.tokenizer),
            ("clip_g", pipe.text_encoder_2, pipe.tokenizer_2),
        ):
            pipe.load_textual_inversion(rows[key], token=list(NEW_TOKENS), text_encoder=encoder, tokenizer=tokenizer)
    if lora is not None:
        pipe.load_lora_weights(lora.parent, weight_name=lora.name)
        _check_taken(pipe, load_file(lora))
    return pipe


def _check_taken(pipe: Any, tensors: dict[str, torch.Tensor]) -> None:
    live: dict[str, torch.Tensor] = {}
    for part in (pipe.unet, pipe.text_encoder, pipe.text_encoder_2):
        for name, tensor in part.named_parameters():
            if ".lora_A." in name or ".lora_B." in name:
                live[f"{id(part)}.{name}"] = tensor.detach()
    expected, found = sum(float(one.double().square().sum()) for one in tensors.values()), 0.0
    found = sum(float(one.double().square().sum()) for one in live.values())
    if len(live) != len(tensors) or abs(found - expected) > 1e-6 * expected:
        raise ValueError(f"{len(live)} of {len(tensors)} LoRA tensors were taken ({found:.6g} of {expected:.6g})")


def loss_of(pipe: Any, exam: Exam, reading: Reading, rewrite: Callable[[str], str] = str) -> float:
    """Mean squared error of the predicted noise over all pictures and TIMESTEPS, with noise fixed by their places."""
    return float(errors_of(pipe, exam, reading, rewrite).mean())


@torch.no_grad()
def errors_of(pipe: Any, exam: Exam, reading: Reading, rewrite: Callable[[str], str] = str) -> torch.Tensor:
    """The same of each picture at each place, (pictures, h, w) in the size of latents."""
    hidden, pooled = encode(pipe, [rewrite(one) for one in exam.prompts], reading)
    scheduler = DDPMScheduler.from_config(pipe.scheduler.config)
    sizes = torch.tensor([[SIDE, SIDE, 0, 0, RESOLUTION, RESOLUTION]], dtype=torch.float32).expand(len(hidden), -1)
    total = torch.zeros_like(exam.latents[:, 0])
    for t in TIMESTEPS:
        noise = torch.randn(exam.latents.shape, generator=torch.Generator().manual_seed(t))
        steps = torch.full((len(hidden),), t)
        answer = pipe.unet(
            scheduler.add_noise(exam.latents, noise, steps),
            steps,
            encoder_hidden_states=hidden,
            added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes},
        ).sample
        total += functional.mse_loss(answer, noise, reduction="none").mean(dim=1)
    return total / len(TIMESTEPS)


@torch.no_grad()
def encode(pipe: Any, prompts: list[str], reading: Reading) -> tuple[torch.Tensor, torch.Tensor]:
    """The prompts as the unet is told of them: hidden (n, tokens, width) and pooled (n, width)."""
    encoders, tokenizers = (pipe.text_encoder, pipe.text_encoder_2), (pipe.tokenizer, pipe.tokenizer_2)
    if reading == "ui":
        fix_pooling(encoders, tokenizers)
    else:
        for module in (one for encoder in encoders for one in encoder.modules() if hasattr(one, "eos_token_id")):
            module.eos_token_id = 2
    hidden, pooled = [], None
    for encoder, tokenizer in zip(encoders, tokenizers, strict=True):
        ids = tokenizer(
            prompts,
            padding="max_length",
            max_length=tokenizer.model_max_length,
            truncation=True,
            add_special_tokens=reading != "bare",
            return_tensors="pt",
        ).input_ids
        found = encoder(ids, output_hidden_states=True)
        hidden.append(found.hidden_states[-2])
        pooled = getattr(found, "text_embeds", None)
    assert pooled is not None
    return torch.cat(hidden, -1), pooled


def write_pictures(folder: Path, concept: str = CONCEPT) -> list[tuple[str, str]]:
    """Draw the training pictures; returns (file name, caption) of each."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for place, shot in enumerate(training_shots(concept)):
        picture: Image.Image = draw(shot.spec, SIDE)
        picture.save(folder / f"{place}.png")
        found.append((f"{place}.png", shot.caption))
    return found
