"""Makes the small SDXL and the concepts from nothing: `python -m trainer.demo.make_model OUT [--work DIR]`.

Every stage keeps its result in the work directory and is skipped when it is there, so a stopped run goes on.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline

from trainer.contract.units import in_time
from trainer.demo.captions import corpus
from trainer.demo.concepts import write_concepts
from trainer.demo.parts import new_pipeline
from trainer.demo.picture_pool import pictures
from trainer.demo.train_unet import UnetPlan, prepare, train_unet
from trainer.demo.train_vae import train_vae
from trainer.demo.vocabulary import save_tokenizers


def save(pipe: StableDiffusionXLPipeline, tokenizers: Path, out: Path) -> None:
    """Saves fp16 weights in diffusers' layout, written aside and then renamed over what was there."""
    aside, old = out.with_name(f".{out.name}.new"), out.with_name(f".{out.name}.old")
    _remove(aside)
    _remove(old)
    pipe.to(dtype=torch.float16)
    pipe.save_pretrained(aside)
    pipe.to(dtype=torch.float32)
    for name in (
        "tokenizer",
        "tokenizer_2",
    ):  # the hub's layout: vocab.json and merges.txt beside tokenizer.json
        shutil.copytree(tokenizers / name, aside / name, dirs_exist_ok=True)
    for name in ("text_encoder", "text_encoder_2"):
        # transformers loads in the configuration's dtype unless told otherwise, diffusers in float32: make them agree.
        path = aside / name / "config.json"
        path.write_text(path.read_text().replace('"dtype": "float16"', '"dtype": "float32"'))
    for file in aside.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)
    if out.exists():
        out.rename(old)
    aside.rename(out)
    _remove(old)


def _remove(path: Path) -> None:
    """Removes a folder, or the link in its place; nothing there is fine."""
    if path.is_symlink():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def make(out: Path, work: Path, plan: UnetPlan) -> None:
    """Writes OUT/sdxl-small and OUT/concepts."""
    began = time.perf_counter()
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    tokenizers = work / "tokenizers"
    save_tokenizers(tokenizers, corpus())
    pixels = pictures(work)
    pipe = new_pipeline(tokenizers, train_vae(pixels, work / "vae"))
    lessons = prepare(pipe, pixels, work)
    train_unet(pipe, lessons, work / "unet.safetensors", plan)
    save(pipe, tokenizers, out / "sdxl-small")
    write_concepts(out / "concepts")
    print(f"made {out} in {in_time(time.perf_counter() - began)}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder for sdxl-small/ and concepts/")
    parser.add_argument("--work", type=Path, default=Path("demo-build"), help="folder for what the stages keep")
    parser.add_argument("--steps", type=int, default=UnetPlan.steps, help="steps of the U-Net (default %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    make(args.out, args.work, UnetPlan(steps=args.steps))


if __name__ == "__main__":
    main()
