"""How far the pictures drawn with a trained concept are from those held out, by colour and shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tests.bench.reference_eval import RESOLUTION, STYLE, Reading, encode, held_out_shots
from trainer.demo.concepts import SIDE
from trainer.demo.draw import draw
from trainer.demo.measure import concept_distance

STEPS, GUIDANCE = 20, 2.5  # what the small SDXL draws best with, by trainer/demo/README.md
EACH = 8  # pictures: three seconds beside the seventeen of a training


@torch.no_grad()
def picture_distance(
    pipe: Any, concept: str, prompts: tuple[str, ...], reading: Reading, rewrite: Callable[[str], str] = str
) -> float:
    """From 0, alike, to 1: a figure's colours and outline, of a style the colours of the whole picture.

    A picture for each of the first prompts, from noise that is fixed by its place: the same whoever trained.
    """
    prompts = prompts[:EACH]
    hidden, pooled = encode(pipe, [rewrite(one) for one in prompts], reading)
    made = pipe(
        prompt_embeds=hidden,
        pooled_prompt_embeds=pooled,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        height=RESOLUTION,
        width=RESOLUTION,
        original_size=(SIDE, SIDE),
        target_size=(RESOLUTION, RESOLUTION),
        generator=[torch.Generator().manual_seed(place) for place in range(len(prompts))],
    ).images
    found = concept_distance(made, [draw(shot.spec, SIDE) for shot in held_out_shots(concept)])
    return found.palette if concept == STYLE else found.total
