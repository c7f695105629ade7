"""Operations and processor time of a step after the pivot, stage by stage: `python -m tests.bench.operations`.

On an SDXL unet of full depth and tiny width, batch 1, rank 8: forward, backward and optimizer, in turns in one process
on one thread, medians. Counted are operations that are no views; only the ratios of the times mean anything.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import runpy
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import chdir, redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch
from diffusers import StableDiffusionXLPipeline
from peft import LoraConfig
from PIL import Image
from prodigyopt import Prodigy

import trainer.step.prodigy
from tests.bench.adv.shim import stand_in_for_torchvision
from tests.bench.adv.stopped import Counter, Enough, adv_arguments
from tests.trainer.model.full_depth import POOLED, SIDE, WORDS, Operations, full_depth_inputs, full_depth_unet
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.basemodel.single_file import CONFIGS
from trainer.contract.settings.config import TrainConfig
from trainer.model.adapters import add_lora
from trainer.model.full_size import FULL, full_tokenizer
from trainer.model.fused.captions import CaptionProducts
from trainer.model.fused.unet import KNOWN, FusedUnet
from trainer.model.times import TOLD, TimeEmbeddings
from trainer.step.prodigy import FlatProdigy
from trainer.step.trainee import lora_group
from trainer.step.working_copy import WorkingCopy

RANK = 8
WARM = 2  # steps of the script behind its pivot that are not measured
Way = Callable[[torch.dtype], Callable[[], None]]


def ours(fused: bool) -> Way:
    """The trainer's layers with the flat buffer and its Prodigy; block by block as one node, or layer by layer."""

    def made(dtype: torch.dtype) -> Callable[[], None]:
        config = TrainConfig.model_validate({"train": {"rank": RANK, "targets": "attention"}})
        unet, own = full_depth_unet(dtype), full_depth_inputs(dtype)
        layers = add_lora(unet, config)
        group = lora_group("unet", layers, 1.0, 0.01)
        copy, optimizer = WorkingCopy(group, layers, dtype, [unet]), FlatProdigy([group], config)
        if fused:
            blocks = FusedUnet(unet, layers, copy.stack)
            known = CaptionProducts(blocks, 2**30).of(["one"], own["encoder_hidden_states"])
            times = TimeEmbeddings(unet).of([500], [(64.0,) * 6], lambda t: t, dtype, torch.device("cpu"))
            own["added_cond_kwargs"] |= {KNOWN: known, TOLD: times}

        def take() -> None:
            group.grad.zero_()
            unet(**own)[0].float().square().mean().backward()
            copy.collect()
            optimizer.step(1.0)

        return take

    return made


def peft(dtype: torch.dtype) -> Callable[[], None]:
    """PEFT's layers and prodigyopt, a tensor at a time."""
    unet, own = full_depth_unet(dtype), full_depth_inputs(dtype)
    targets = ["to_q", "to_k", "to_v", "to_out.0"]
    unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=targets))
    trained = [one for one in unet.parameters() if one.requires_grad]
    for one in trained:
        one.data = one.data.float()
    with redirect_stdout(io.StringIO()):
        optimizer = Prodigy(trained, lr=1.0, weight_decay=0.01, use_bias_correction=True, safeguard_warmup=True)

    def take() -> None:
        optimizer.zero_grad()
        unet(**own)[0].float().square().mean().backward()
        optimizer.step()

    return take


def floor(dtype: torch.dtype) -> Callable[[], None]:
    """The bare unet, forward and backward to its first transformer block: no LoRA, no optimizer."""
    unet, own = full_depth_unet(dtype), full_depth_inputs(dtype)
    first = next(one for name, one in unet.named_modules() if name.endswith("transformer_blocks.0"))
    first.register_forward_pre_hook(lambda _, seen: (seen[0].detach().requires_grad_(True), *seen[1:]))
    return lambda: unet(**own)[0].float().square().mean().backward()


WAYS: dict[str, Way] = {
    "PEFT + prodigyopt": peft,
    "flat buffer, cast once": ours(fused=False),
    "one node a block": ours(fused=True),
    "the bare unet": floor,
}


def counted(take: Callable[[], None]) -> int:
    """Operations of a step as a GPU takes it: the optimizer in one piece, which is cut on a processor alone."""
    with patch.object(trainer.step.prodigy, "PIECE", 2**40), Operations() as seen:
        take()
    return seen.count


# -- diffusers' advanced script ---------------------------------------------------------------------------------------


class InTurns(Counter):
    """Processor time of a script's steps, a step of PEFT + prodigyopt after each; of the last one its operations."""

    def __init__(self, beside: Callable[[], None], skipped: int, rounds: int) -> None:
        super().__init__(skipped + rounds + 1)
        self.times: list[tuple[float, float]] = []  # seconds of processor: the script's, and beside it
        self.operations = Operations()
        self._beside, self._skipped, self._done, self._cpu = beside, skipped, 0, 0.0

    def begin(self) -> None:
        """A step of the script begins."""
        if self._done == self._last:
            self.operations.__enter__()
        self._cpu = time.process_time()

    @property
    def _last(self) -> int:
        return self._steps - 1

    def step(self) -> None:
        """One ended. Raises Enough with the last."""
        took = time.process_time() - self._cpu
        if self._done == self._last:
            self.operations.__exit__(None, None, None)
            raise Enough
        if self._done >= self._skipped:
            began = time.process_time()
            self._beside()
            self.times.append((took, time.process_time() - began))
        self._done += 1
        self.begin()


def adv_folder(folder: Path) -> Path:
    """The unet with what goes before it, as the script loads them: encoders of SDXL's depth as narrow as the unet."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    small = StableDiffusionXLPipeline.from_pretrained(small_model())
    encoders = []
    for name, kind in (("text_encoder", CLIPTextModel), ("text_encoder_2", CLIPTextModelWithProjection)):
        own = json.loads((CONFIGS / f"{name}.json").read_text())
        narrow = {"hidden_size": WORDS // 2, "intermediate_size": 2 * WORDS, "num_attention_heads": 1}
        own = {key: value for key, value in own.items() if key != "torch_dtype"} | narrow | {"projection_dim": POOLED}
        encoders.append(kind(CLIPTextConfig(**own)).eval())
    StableDiffusionXLPipeline(
        vae=small.vae,
        text_encoder=encoders[0],
        text_encoder_2=encoders[1],
        tokenizer=full_tokenizer("tokenizer", FULL.vocabulary),
        tokenizer_2=full_tokenizer("tokenizer_2", FULL.vocabulary),
        unet=full_depth_unet(torch.float32),
        scheduler=small.scheduler,
        add_watermarker=False,
    ).save_pretrained(folder)
    return folder


def adv(script: Path, precision: str, rounds: int) -> None:
    """Run the script for some steps behind its pivot, and print its row."""
    steps = 2 * (WARM + rounds + 1)
    own = {"train": {"rank": RANK, "batch": 1, "steps": steps, "precision": precision, "resolution": 4 * SIDE}}
    own["train"] |= {"gradient_checkpointing": "off", "targets": "attention"}
    config = TrainConfig.model_validate({**own, "pivotal": {"fraction": 0.5}, "prior": {"enabled": False}})
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    beside = peft(dtype)
    beside()
    found = InTurns(beside, steps // 2 + WARM, rounds)
    if importlib.util.find_spec("torchvision") is None:
        stand_in_for_torchvision()
    found.attach()
    with TemporaryDirectory() as place, chdir(place):
        pictures = Path(place) / "pictures"
        pictures.mkdir()
        Image.effect_noise((4 * SIDE, 4 * SIDE), 64).convert("RGB").save(pictures / "0.png")
        sys.argv = [str(script), *adv_arguments(config, adv_folder(Path(place) / "base"), pictures)]
        with suppress(Enough):
            runpy.run_path(str(script), run_name="__main__")
    theirs, others = (statistics.median(one) for one in zip(*found.times, strict=True))
    counted = found.operations.count
    print(f"| ADV's whole step | {dtype} | {counted:,} | {theirs * 1e3:.0f} ms | {others / theirs:.2f} |", flush=True)


def main() -> None:
    """Print a row for each way."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.operations", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--adv", type=Path, help="diffusers' train_dreambooth_lora_sdxl_advanced.py: its row alone")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of --adv")
    given = parser.parse_args()
    rounds = given.rounds
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if given.adv is not None:
        adv(given.adv.resolve(), given.precision, rounds)
        return
    for dtype in (torch.float32, torch.bfloat16):
        takes = {name: way(dtype) for name, way in WAYS.items()}
        counts: dict[str, int] = {}
        for name, take in takes.items():
            take()
            counts[name] = counted(take)
        times: dict[str, list[float]] = {name: [] for name in takes}
        for turn in range(rounds):
            for name in list(takes)[:: 1 if turn % 2 else -1]:
                began = time.process_time()
                takes[name]()
                times[name].append(time.process_time() - began)
        medians = {name: statistics.median(one) for name, one in times.items()}
        base = medians["PEFT + prodigyopt"]
        for name, count in counts.items():
            print(f"| {name} | {dtype} | {count:,} | {medians[name] * 1e3:.0f} ms | {base / medians[name]:.2f} |")


if __name__ == "__main__":
    main()
