"""Runs another trainer's script, diffusers' advanced SDXL one, and times its steps: what tests/bench/gpu.py calls.

`python -m tests.bench.gpu_adv SCRIPT.py ANSWER.json STEPS ARGUMENTS...` runs the script in this process until its
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

from tests.bench.reference_shim import stand_in_for_torchvision
from trainer.ground.machine import resident


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
