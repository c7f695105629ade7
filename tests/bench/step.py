"""A whole step of the trainer against PEFT and prodigyopt on the same small model: `python -m tests.bench.step`.

Interleaved A B B A in one process on one thread, medians of the blocks: only the ratio means anything.
"""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from peft import LoraConfig
from prodigyopt import Prodigy
from torch.nn import functional

from tests.trainer.conftest import draw_dataset, make_config
from tests.trainer.step.test_counts import stepper
from trainer.contract.basemodel.inspect import small_model
from trainer.model.prompts import tokenise

BLOCKS, STEPS, BATCH, RANK = 9, 6, 1, 32


def ours(folder: Path) -> Callable[[], None]:
    """A step of ours before the pivot: both text encoders with the gradient to the new rows, unet, optimizer."""
    own = make_config(draw_dataset(folder / "pictures"), train__batch=BATCH, train__rank=RANK, train__steps=100_000)
    taker, done = stepper(own, folder / "cache"), iter(range(1, 100_000))
    return lambda: taker.take(next(done)) and None


def theirs() -> Callable[[], None]:
    """The same work as other trainers do it: whole embedding tables trained, PEFT, one tensor after the other."""
    pipe = StableDiffusionXLPipeline.from_pretrained(small_model())
    encoders, tokenizers = (pipe.text_encoder, pipe.text_encoder_2), (pipe.tokenizer, pipe.tokenizer_2)
    for part in (pipe.unet, *encoders):
        part.requires_grad_(False)
    tables = [encoder.get_input_embeddings().weight.requires_grad_(True) for encoder in encoders]
    targets = ["to_q", "to_k", "to_v", "to_out.0"]
    pipe.unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, init_lora_weights="gaussian", target_modules=targets))
    trained = [one for one in pipe.unet.parameters() if one.requires_grad] + tables
    with redirect_stdout(io.StringIO()):
        optimizer = Prodigy(trained, lr=1.0, weight_decay=0.01, use_bias_correction=True, safeguard_warmup=True)
    side = pipe.unet.config.sample_size
    kept = [table.detach().clone() for table in tables]

    def take() -> None:
        optimizer.zero_grad()
        hidden, pooled = [], None
        for encoder, tokenizer in zip(encoders, tokenizers, strict=True):
            found = encoder(tokenise(tokenizer, ["a photo of a star"] * BATCH), output_hidden_states=True)
            hidden.append(found.hidden_states[-2])
            pooled = getattr(found, "text_embeds", None)
        noisy, t = torch.randn(BATCH, 4, side, side), torch.randint(0, 1000, (BATCH,))
        added = {"text_embeds": pooled, "time_ids": torch.full((BATCH, 6), 64.0)}
        answer = pipe.unet(noisy, t, encoder_hidden_states=torch.cat(hidden, -1), added_cond_kwargs=added).sample
        functional.mse_loss(answer, torch.randn_like(noisy)).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        with torch.no_grad():  # every row but the new ones is put back
            for table, before in zip(tables, kept, strict=True):
                table[:-2] = before[:-2]

    return take


def block(take: Callable[[], None]) -> float:
    """Seconds a step."""
    began = time.perf_counter()
    for _ in range(STEPS):
        take()
    return (time.perf_counter() - began) / STEPS


def main() -> None:
    """Print both medians and their ratio."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    with tempfile.TemporaryDirectory() as folder:
        first, second = ours(Path(folder)), theirs()
        for take in (first, second):
            block(take)
        times: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(BLOCKS):
            times["ours"].append(block(first))
            times["theirs"].extend([block(second), block(second)])
            times["ours"].append(block(first))
    mine, other = statistics.median(times["ours"]), statistics.median(times["theirs"])
    print(f"ours {mine * 1e3:.1f} ms a step, PEFT and prodigyopt {other * 1e3:.1f} ms: {other / mine:.2f} times")


if __name__ == "__main__":
    main()
