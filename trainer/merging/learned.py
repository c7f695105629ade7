"""ZipLoRA (Shah et al. 2023): for each column of both LoRAs a factor, learned so that each concept stays what it is.

The change of a layer is m_a * A + m_b * B, a factor for each column. The merged model is to answer prompts of the first
concept as the first LoRA alone does, and those of the second as the second; and the two vectors of factors of a layer
are pushed apart, so that the columns that both would write to go to one of them.

What they are asked about are noisy pictures. The paper takes those that were trained on; a LoRA file has none, so each
LoRA first draws some of its own prompts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from trainer.contract.settings.config import TrainConfig
from trainer.ground import draws
from trainer.merging.layers import Factors, Layers, added
from trainer.merging.sources import NotMerged, Source, insert_words
from trainer.model.parts import Parts, checkpoint_activations
from trainer.model.prompts import Encoded, encode
from trainer.samples.drawing import draw_latents, negative_prompt
from trainer.step.diffusion import Diffusion, make_diffusion

STEPS = 100  # the paper's
PICTURES = 4  # that each LoRA draws
DRAWING = 20  # denoising steps of each
RATE = 0.01  # the paper's learning rate
APART = 0.01  # the paper's lambda, of the mean over all layers
Shown = Literal["first", "second", "both"]
NAMES: tuple[Shown, Shown] = ("first", "second")
Progress = Callable[[str, int, int], None]


@dataclass
class Mix:
    """Which of the LoRAs all layers show."""

    shown: Shown = "both"


class ZipLinear(nn.Module):
    """A frozen Linear with one layer of each LoRA, or of one of them, and a trained factor for each column of both.

    forward: (..., in) -> (..., out); shown alone, a LoRA is as it was trained.
    """

    def __init__(self, base: nn.Module, pairs: dict[str, Factors], mix: Mix, place: torch.Tensor) -> None:
        super().__init__()
        self.base, self._mix = base, mix
        self._pairs = {name: (one.down.to(place), one.up.to(place)) for name, one in pairs.items()}
        width = next(iter(pairs.values())).down.shape[1]
        self.factors = nn.ParameterDict(
            {name: nn.Parameter(torch.ones(width, device=place.device)) for name in self._pairs}
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The base product, and the small ones of what is shown."""
        found = self.base(x)
        for name, (down, up) in self._pairs.items():
            if self._mix.shown == "both":
                found = found + functional.linear(functional.linear(x * self.factors[name].to(x.dtype), down), up)
            elif self._mix.shown == name:
                found = found + functional.linear(functional.linear(x, down), up)
        return found

    def likeness(self) -> torch.Tensor:
        """The cosine between both vectors of factors, without its sign; 0 where only one LoRA has the layer."""
        if len(self.factors) < 2:
            return torch.zeros((), device=next(iter(self.factors.values())).device)
        return functional.cosine_similarity(self.factors["first"], self.factors["second"], dim=0).abs()


@dataclass(frozen=True)
class _Lesson:
    """What one concept is asked about: latents (n, 4, h, w), of each its prompt, and the geometry told to the unet."""

    shown: Shown
    latents: torch.Tensor
    prompts: list[Encoded]
    geometry: torch.Tensor


@dataclass(frozen=True)
class Learned:
    """What came of it: the merged layers, and the mean error against each LoRA alone in the first and last steps."""

    layers: dict[str, Factors]
    before: float
    after: float


def learn(
    parts: Parts,
    config: TrainConfig,
    sources: tuple[Source, Source],
    layers: tuple[Layers, Layers],
    steps: int,
    seed: int,
    progress: Progress,
) -> Learned:
    """Learn the factors on the base model in `parts`; the last bits follow from `seed`. Raises NotMerged."""
    words, negative = _encoded(parts, sources)
    parts.release_encoders()
    parts.place_unet()
    mix = Mix()
    zips = _insert(parts, layers, mix)
    size = config.train.resolution
    geometry = torch.tensor([[size, size, 0, 0, size, size]], dtype=torch.float32, device=parts.device)
    lessons = []
    for place, shown in enumerate(NAMES):
        mix.shown = shown
        drawn, prompts = [], [words[place][number % len(words[place])] for number in range(PICTURES)]
        with torch.no_grad(), parts.vae_in_place():
            for number, prompt in enumerate(prompts):
                progress(f"drawing what {sources[place].title} shows", number, PICTURES)
                drawing = (DRAWING, config.sample.guidance, [seed * PICTURES + number])
                drawn.append(draw_latents(parts, prompt, negative, (size, size), *drawing))
        lessons.append(_Lesson(shown, torch.cat(drawn).float(), prompts, geometry))
    errors = _teach(parts, config, mix, zips, lessons, steps, seed, progress)
    tail = max(1, min(10, steps // 4))
    merged = added(
        *(
            {path: one.by_columns(zips[path].factors[name].detach().cpu()) for path, one in own.items()}
            for name, own in zip(NAMES, layers, strict=True)
        )
    )
    return Learned(merged, sum(errors[:tail]) / tail, sum(errors[-tail:]) / tail)


@torch.no_grad()
def _encoded(parts: Parts, sources: tuple[Source, Source]) -> tuple[list[list[Encoded]], Encoded | None]:
    """The prompts of both with all new tokens in place, and what guidance leads away from."""
    vocabulary = insert_words(parts, sources)
    words = [[encode(parts, [vocabulary.write(one)]) for one in source.prompts] for source in sources]
    return words, negative_prompt(parts, "", lambda text: encode(parts, [text]))


def _insert(parts: Parts, layers: tuple[Layers, Layers], mix: Mix) -> dict[str, ZipLinear]:
    zips, place = {}, torch.empty(0, device=parts.device, dtype=parts.dtype)
    for path in dict.fromkeys(path for one in layers for path in one):
        parent, _, name = path.rpartition(".")
        holder = parts.unet.get_submodule(parent)
        pairs = {who: own[path] for who, own in zip(NAMES, layers, strict=True) if path in own}
        zips[path] = ZipLinear(getattr(holder, name), pairs, mix, place)
        setattr(holder, name, zips[path])
    return zips


def _teach(
    parts: Parts,
    config: TrainConfig,
    mix: Mix,
    zips: dict[str, ZipLinear],
    lessons: list[_Lesson],
    steps: int,
    seed: int,
    progress: Progress,
) -> list[float]:
    """Take the steps; the error of each, without what pushes apart. Raises NotMerged where it is no number."""
    if parts.device.type != "cpu":
        checkpoint_activations(parts)
    factors = [one for layer in zips.values() for one in layer.factors.values()]
    optimizer = torch.optim.AdamW(factors, lr=RATE, weight_decay=0.0)
    diffusion = make_diffusion(parts.scheduler, config, parts.device)
    larger = 1024.0 if parts.dtype == torch.float16 else 1.0  # else small gradients become 0; Adam's step has no scale
    errors = []
    for step in range(steps):
        progress("learning how they go together", step, steps)
        optimizer.zero_grad()
        error = 0.0
        for place, lesson in enumerate(lessons):
            loss = _lesson_loss(parts, diffusion, mix, lesson, seed, step, place)
            (loss * larger).backward()
            error += float(loss.detach())
        mix.shown = "both"
        apart = torch.stack([one.likeness() for one in zips.values()]).mean()
        (apart * APART * larger).backward()
        if not error < float("inf"):
            raise NotMerged(
                "the error of the merge is no longer a number: it overflows in fp16; train one of the runs in bf16 or "
                "fp32, or merge with --weights"
            )
        optimizer.step()
        errors.append(error)
    progress("learning how they go together", steps, steps)
    return errors


def _lesson_loss(
    parts: Parts, diffusion: Diffusion, mix: Mix, lesson: _Lesson, seed: int, step: int, place: int
) -> torch.Tensor:
    """The mean squared difference of the merged answer from that of one LoRA alone, on one noisy picture; fp32."""
    at = (step + place) % len(lesson.latents)
    latents = lesson.latents[at : at + 1]
    noise = draws.normal(tuple(latents.shape), seed, "noise", step, place).to(latents.device)
    level = (draws.uniform(seed, "levels", place) + step * draws.GOLDEN) % 1.0  # spread evenly, however few the steps
    t = torch.tensor([int(level * diffusion.timesteps)], device=latents.device)
    words, noisy = lesson.prompts[at], diffusion.noisy(latents, noise, t).to(parts.dtype)

    def answer(shown: Shown) -> torch.Tensor:
        mix.shown = shown
        found = parts.unet(
            noisy,
            diffusion.times(t),
            encoder_hidden_states=words.hidden.to(parts.dtype),
            added_cond_kwargs={"text_embeds": words.pooled.to(parts.dtype), "time_ids": lesson.geometry},
            return_dict=False,
        )[0]
        return found.float()

    with torch.no_grad():
        alone = answer(lesson.shown)
    return functional.mse_loss(answer("both"), alone)
