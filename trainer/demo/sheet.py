"""A contact sheet: what a small SDXL draws for a list of prompts, a row of seeds each, for a person to judge."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

from trainer.contract.basemodel.inspect import small_model

PROMPTS = (
    "a red star on a blue background",
    "a photo of a yellow circle on a black background",
    "a green heart on a white background",
    "a small orange square on a purple background",
    "a large pink crescent on a grey background",
    "a blue striped triangle on a yellow background",
    "a white dotted ring on a red background",
    "a cyan checked diamond on a brown background",
    "a purple arrow on a striped green background",
    "a black cross on a gradient orange background",
    "a star",
    "a TOK on a white background",
)


def sheet(pipe: StableDiffusionXLPipeline, prompts: list[str], seeds: int, steps: int, guidance: float) -> Image.Image:
    """A row for each prompt, a column for each seed; pictures are enlarged to 96 px."""
    pipe.set_progress_bar_config(disable=True)
    paper = Image.new("RGB", (seeds * 100, len(prompts) * 100), "white")
    for row, prompt in enumerate(prompts):
        draws = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
        made = pipe([prompt] * seeds, num_inference_steps=steps, guidance_scale=guidance, generator=draws).images
        for column, image in enumerate(made):
            paper.paste(image.resize((96, 96), Image.Resampling.NEAREST), (column * 100, row * 100))
    return paper


def main() -> None:
    """The command line: `python -m trainer.demo.sheet OUT.png [--model DIR] [--steps N] [--guidance G] [PROMPT...]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("prompts", nargs="*", default=list(PROMPTS))
    parser.add_argument("--model", type=Path, default=small_model())
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=5.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    pipe = StableDiffusionXLPipeline.from_pretrained(args.model)
    sheet(pipe, args.prompts, args.seeds, args.steps, args.guidance).save(args.out)


if __name__ == "__main__":
    main()
