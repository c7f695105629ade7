"""`python -m tests.trainer.forkserver`: starts trainers without importing torch anew; each is a process of its own.

A line on stdin is the path of a configuration; the answers are the process id, and "ended CODE" when it is gone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def become_trainer(config: str) -> None:
    """What the child does: the program's own entry, its output in the run's log as loratui has it."""
    os.setsid()
    log = os.open(Path(config).parent / "trainer.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    from trainer.__main__ import main

    code = 1
    try:
        code = main([config])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def load_all() -> None:
    """What takes a trainer seconds before its first step; the libraries load their parts when they are asked for."""
    import diffusers
    import transformers

    import trainer.loop
    import trainer.trackers  # noqa: F401

    for name in ("UNet2DConditionModel", "AutoencoderKL", "StableDiffusionXLPipeline", "EulerDiscreteScheduler"):
        getattr(diffusers, name)
    for name in ("CLIPTextModel", "CLIPTextModelWithProjection", "CLIPTokenizer"):
        getattr(transformers, name)


def serve() -> None:
    """Fork a trainer for each line, and wait for its end."""
    load_all()

    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            become_trainer(line.rstrip("\n"))
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(f"ended {os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    serve()
