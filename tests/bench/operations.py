"""Operations and processor time of a step after the pivot, stage by stage: `python -m tests.bench.operations`.

On an SDXL unet of full depth and tiny width, batch 1, rank 8: forward, backward and optimizer, in turns in one process
on one thread, medians. Counted are operations that are no views; only the ratios of the times mean anything.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from unittest.mock import patch

import torch
from peft import LoraConfig
from prodigyopt import Prodigy

import trainer.step.prodigy
from tests.trainer.model.full_depth import Operations, full_depth_inputs, full_depth_unet
from trainer.contract.settings.config import TrainConfig
from trainer.model.adapters import add_lora
from trainer.model.fused.captions import CaptionProducts
from trainer.model.fused.unet import KNOWN, FusedUnet
from trainer.model.times import TOLD, TimeEmbeddings
from trainer.step.prodigy import FlatProdigy
from trainer.step.trainee import lora_group
from trainer.step.working_copy import WorkingCopy

RANK = 8
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


def main() -> None:
    """Print a row for each way."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.operations", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
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
