"""Runs another trainer's script, diffusers' advanced SDXL one, and times its steps: what tests/bench/gpu.py calls.

`python -m tests.bench.adv.stopped SCRIPT.py ANSWER.json STEPS ARGUMENTS...` runs the script in this process until its
progress bar has counted STEPS, then writes to ANSWER.json for each step the seconds since the one before and the
peak of memory in bytes. The script is not part of this repository: whoever compares fetches it.
"""

from __future__ import annotations

import importlib.util
import json
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import torch

from tests.bench.adv.shim import stand_in_for_torchvision
from trainer.contract.settings.config import TrainConfig
from trainer.ground.machine import resident


def adv_arguments(config: TrainConfig, base: Path, pictures: Path) -> list[str]:
    """The same settings in the words of the other script."""
    train, prodigy = config.train, config.prodigy
    options = {
        "pretrained_model_name_or_path": base,
        "instance_data_dir": pictures,
        "instance_prompt": config.dataset.instance_prompt,
        "token_abstraction": config.dataset.trigger,
        "num_new_tokens_per_abstraction": config.pivotal.tokens,
        "train_text_encoder_ti_frac": config.pivotal.fraction,
        "output_dir": "out",  # a name with a slash is more than it bears
        "resolution": train.resolution,
        "train_batch_size": train.batch,
        "max_train_steps": train.steps,
        "rank": train.rank,
        "seed": train.seed,
        "mixed_precision": {"bf16": "bf16", "fp16": "fp16", "fp32": "no"}[train.precision],
        "optimizer": "prodigy",
        "learning_rate": 1.0,
        "text_encoder_lr": 1.0,
        "adam_beta1": prodigy.beta1,
        "adam_beta2": prodigy.beta2,
        "adam_weight_decay": train.weight_decay,
        "adam_weight_decay_text_encoder": train.embedding_weight_decay,
        "prodigy_use_bias_correction": True,
        "prodigy_safeguard_warmup": True,
        "snr_gamma": train.min_snr_gamma,
        "lr_scheduler": "constant",
        "lr_warmup_steps": 0,
        "checkpointing_steps": 10 * train.steps,
    }
    flags = ["--train_text_encoder_ti", "--cache_latents", "--center_crop"]
    flags += ["--gradient_checkpointing"] if train.gradient_checkpointing != "off" else []
    return [f"--{name}={value}" for name, value in options.items()] + flags


class Enough(BaseException):
    """All steps were counted; a BaseException, so that nobody on the way takes it for a fault."""


class Counter:
    """Times the updates of the bar that is called "Steps"."""

    def __init__(self, steps: int) -> None:
        self.seen: list[tuple[float, int]] = []
        self._steps, self._gpu = steps, torch.cuda.is_available()
        self._began = 0.0

    def attach(self) -> None:
        """Look at every progress bar that is made from now on."""
        import tqdm.auto

        counter, inherited = self, tqdm.auto.tqdm

        class Bar(inherited):
            def __init__(self, *words: Any, **options: Any) -> None:
                super().__init__(*words, **options)
                if options.get("desc") == "Steps":
                    counter.begin()

            def update(self, n: float = 1) -> bool | None:
                if self.desc.startswith("Steps"):
                    counter.step()
                return super().update(n)

        tqdm.auto.tqdm = Bar

    def begin(self) -> None:
        """What was before is no part of a step."""
        if self._gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self._began = time.perf_counter()

    def step(self) -> None:
        """A step ended. Raises Enough with the last one."""
        if self._gpu:
            torch.cuda.synchronize()  # the script reads its loss here anyway
        peak = torch.cuda.max_memory_allocated() if self._gpu else resident()
        self.seen.append((time.perf_counter() - self._began, peak))
        if len(self.seen) == self._steps:
            raise Enough
        self.begin()


def main() -> None:
    """Run the script and write what was seen."""
    script, answer, steps, *arguments = sys.argv[1:]
    counter = Counter(int(steps))
    if importlib.util.find_spec("torchvision") is None:
        stand_in_for_torchvision()
    counter.attach()
    sys.argv = [script, *arguments]
    try:
        runpy.run_path(script, run_name="__main__")
    except Enough:
        Path(answer).write_text(json.dumps(counter.seen))


if __name__ == "__main__":
    main()
