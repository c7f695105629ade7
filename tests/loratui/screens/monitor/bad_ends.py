"""Runs that ended badly, as the real trainer leaves them: events, log, configuration, checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.loratui.screens.conftest import fake_run, training
from tests.trainer.conftest import make_config
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import dump_config

GPU = "NVIDIA GeForce RTX 4090"
FULL_SIZE = {
    "name": "dog",
    "model__base": "stabilityai/stable-diffusion-xl-base-1.0",
    "train__precision": "bf16",
    "train__batch": 4,
    "train__rank": 32,
    "train__resolution": 1024,
    "train__steps": 100,
}
END = {"type": "end", "status": "failed", "step": None, "seconds": 20.0, "files": []}
ERRORS: dict[str, dict[str, Any]] = {
    "oom": {"message": "out of memory", "advice": [], "vram": 24.8e9, "vram_total": 25.4e9},
    "nan": {
        "message": "the loss of step 41 is not finite. It was made from dog_1.png at timestep 72 ('a TOK dog'). The "
        "step was not applied.",
        "advice": [],
        "step": 41,
        "pictures": ["dog_1.png"],
        "cause": {
            "kind": "layer",
            "words": "mid_block.attentions.0.transformer_blocks.3.ff.net.2 of the U-Net is the first whose answer is "
            "not finite for dog_1.png, to numbers of up to 6.1e+04, with a LoRA that reaches 3.4",
            "pictures": ["dog_1.png"],
        },
    },
    "disk": {"message": "the disk is full: samples/.000040-0.jpg.part", "advice": []},
    "data": {
        "message": "dog_3.png: it is cut short; repair it, or add it to skip",
        "advice": [],
        "pictures": ["dog_3.png"],
    },
    "moved": {
        "message": "the run's folder is dog-moved now",
        "advice": ["'loratui resume' with its new place takes it up"],
    },
    "exception": {"message": "RuntimeError: something new", "advice": []},
    "base": {"kind": "data", "message": "model.base: it is not whole on this disk", "advice": []},
}
LOGS = {
    "oom": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\nout of memory\n",
    "nan": "trainer.step.NotFinite: the loss of step 41 is not finite.\n",
}


def ended(folder: Path, kind: str, steps: int = 40, **own: Any) -> RunDir:
    """A full-size run that ended at step `steps` of 100 with an error of `kind`, or without a word for "crash"."""
    events = training(steps, gpu=GPU)
    for one in events:
        one.pop("vram", None)  # what another run held: measured, it would correct the estimates of this one
    if kind != "crash":
        events += [{"type": "error", "kind": kind} | ERRORS[kind], END]
    run = fake_run(folder, events)
    run.config.write_text(dump_config(make_config(Path("photos").absolute(), **(FULL_SIZE | own))))
    run.log.write_text("loading\n" + LOGS.get(kind, ""))
    if steps >= 30:
        run.checkpoint(30).mkdir(parents=True)
        (run.checkpoint(30) / "manifest.json").write_text("{}")
    return run
