"""Whether a full-size SDXL can be trained on this machine, and what to do about what will not work; nothing heavy."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from loratui.planning.hardware import gpus, ram, read_gpu
from loratui.planning.ram import ram_trouble
from loratui.runs.find import RUNS
from loratui.runs.place import runs_trouble
from loratui.terminal.glyphs import GLYPHS
from loratui.terminal.layout import wrapped
from loratui.terminal.text import safe_text, show_path
from loratui.terminal.units import in_bytes
from trainer.contract.basemodel.hub_cache import hub_cache
from trainer.contract.paths import can_see

NEEDED = ("torch", "diffusers", "transformers", "accelerate", "peft", "prodigyopt", "safetensors", "textual", "pillow")
DOWNLOAD = "about 7 GB"
ROOM = 15e9  # bytes: SDXL base and its VAE (7 GB) and a run with its checkpoints


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, what was found, and what to do if it is not well.

    `lacks`: how the verdict says that, in a few words; empty where one can train all the same.
    """

    name: str
    found: str
    ok: bool
    remedy: str = ""
    lacks: str = ""
    nothing_runs: bool = False  # where it is not well, the small SDXL of the demo cannot be trained either
    whole: bool = False  # a base model that is all here


def checks() -> Iterator[Check]:
    """Every check, in the order in which they matter."""
    yield from _packages()
    yield from _gpu()
    yield _disk("disk here", Path.cwd(), "too little room on the disk")
    if trouble := runs_trouble(RUNS):
        yield Check("runs", "there can be none here", False, trouble, "a folder for runs", nothing_runs=True)
    models = list(_base_models())
    whole = any(one.ok and one.whole for one in models)
    yield _disk("disk for models", hub_cache(), "" if whole else "too little room on the disk")
    yield from models
    yield _terminal()
    yield _login()


def doctor_lines(found: list[Check]) -> list[str]:
    """The verdict, then the checks as lines; a remedy stands under what is not well."""
    width = max(len(one.name) for one in found)
    lines = [*(part for line in verdict_lines(found) for part in wrapped(line)), ""]
    for one in found:
        tone = "good" if one.ok else "bad" if one.nothing_runs else "warn"
        lines += wrapped(f"{GLYPHS[tone]} {one.name:<{width}}  {one.found}", hang=width + 4)
        for words in one.remedy.split("\n") if one.remedy and not one.ok else ():
            lines += wrapped(words, indent=" " * (width + 4), hang=0)
    return lines


def verdict_lines(found: list[Check]) -> list[str]:
    """Whether one can train a full-size SDXL here; else why not, and what one can do all the same."""
    wrong = [one for one in found if not one.ok and one.lacks]
    if missing := [one.lacks for one in wrong if one.nothing_runs]:
        return [f"{GLYPHS['bad']} Not ready: nothing can be trained here without {', '.join(missing)}."]
    if wrong:
        why = ", ".join(dict.fromkeys(one.lacks for one in wrong))
        return [
            f"{GLYPHS['warn']} Not ready to train SDXL here: {why}.",
            "  What you can do here: loratui demo trains a small one.",
        ]
    later = "" if any(one.whole for one in found) else f"; the first run downloads {DOWNLOAD} first"
    return [f"{GLYPHS['good']} Ready to train SDXL here{later}."]


def _packages() -> Iterator[Check]:
    """Python and what it needs: what is there in one line, for the verdict to stay on the screen, else one each."""
    version, new = platform.python_version(), sys.version_info >= (3, 11)
    python = Check("python", version, new, "install Python 3.11 or newer", "Python 3.11", nothing_runs=True)
    found = [python, *map(_package, NEEDED)]
    if there := [f"{one.name} {one.found}" for one in found if one.ok]:
        yield Check("packages", ", ".join(there), True)
    yield from (one for one in found if not one.ok)


def _package(name: str) -> Check:
    try:
        return Check(name, metadata.version(name), True)
    except metadata.PackageNotFoundError:
        remedy = f"install it: {Path(sys.executable).name} -m pip install {name}"
        return Check(name, "missing", False, remedy, name, nothing_runs=True)


def _gpu() -> Iterator[Check]:
    names = gpus()
    if not names:
        remedy = f"the demo runs on the CPU; a full-size SDXL wants an NVIDIA GPU and its driver: {wanted_memory()}"
        yield Check("GPU", "none that nvidia-smi shows", False, remedy, "no GPU")
        return
    for number, name in enumerate(names):
        yield Check(f"GPU {number}", safe_text(name), True)
    known = [one.total for one in map(read_gpu, names) if one is not None]
    if known and max(known) < least_memory():
        remedy = f"a full-size SDXL wants {wanted_memory()}"
        yield Check("GPU memory", f"{in_bytes(max(known))} at most", False, remedy, "too little GPU memory")
    yield _ram()
    torch_built = metadata.version("torch") if _package("torch").ok else ""
    if "+cpu" in torch_built:
        remedy = "install the CUDA build, without a CPU index or constraint:\npip install --force-reinstall torch"
        yield Check("torch and GPU", f"torch {torch_built} cannot use it", False, remedy, "torch cannot use the GPU")


def _ram() -> Check:
    """Whether the run as it is set has the RAM that it takes beside a GPU."""
    from trainer.contract.plan.estimate import estimate
    from trainer.contract.settings.config import TrainConfig

    there = ram()
    short = ram_trouble(estimate(TrainConfig(), 1).ram, there.free)
    return Check(
        "RAM", f"{in_bytes(there.free)} free of {in_bytes(there.total)}", not short, short, "too little free RAM"
    )


def wanted_memory() -> str:
    """The memory that a full-size SDXL takes, by the plan's own figures."""
    from trainer.contract.plan.estimate import estimate
    from trainer.contract.settings.config import TrainConfig

    usual = estimate(TrainConfig(), 1).memory_total
    return f"about {in_bytes(usual)} of memory as it is set, {in_bytes(least_memory())} at the very least"


def least_memory() -> int:
    """The bytes that it takes where everything is set to save memory."""
    from loratui.planning.fitting import propose
    from trainer.contract.settings.config import TrainConfig

    return propose(TrainConfig(), 1, 0).total


def _disk(name: str, path: Path, lacks: str) -> Check:
    there = next((one for one in (path, *path.parents) if can_see(one)), Path("/"))
    free = shutil.disk_usage(there).free
    found = f"{in_bytes(free)} free in {show_path(there)}"
    remedy = f"make room: a full-size run with its model wants {in_bytes(ROOM)}"
    return Check(name, found, free >= ROOM, remedy, lacks)


def _base_models() -> Iterator[Check]:
    """What of the hub's models is on this disk; where none is, whether the usual one can be had, as the plan judges."""
    from loratui.basemodels.facts import ask_missing, cached_models
    from loratui.basemodels.words import base_errors
    from trainer.contract.settings.config import TrainConfig, flat

    found = list(cached_models())
    for repo, whole in found:
        said = "on disk" if whole else "begun; the next run on it fetches the rest"
        yield Check("base model", f"{safe_text(repo, 60)} {said}", True, whole=whole)
    if any(whole for _, whole in found):
        return
    ask_missing(flat(TrainConfig()), again=True)
    why = next(iter(base_errors(TrainConfig())), "")
    if why or not found:
        said = "none on disk" if why else f"none on disk yet; a run on SDXL downloads {DOWNLOAD} first"
        yield Check("base model", said, not why, why, "no base model")


def _terminal() -> Check:
    term = os.environ.get("TERM", "")
    if not sys.stdout.isatty() or term in ("", "dumb"):
        return Check("terminal", "none; lines instead of screens", True)
    if os.environ.get("NO_COLOR"):
        return Check("terminal", f"{safe_text(term)}, NO_COLOR", True)
    if os.environ.get("COLORTERM", "") in ("truecolor", "24bit"):
        return Check("terminal", f"{safe_text(term)}, 16 million colours", True)
    remedy = "if yours can show more, for better thumbnails: export COLORTERM=truecolor (ssh does not pass it on)"
    return Check("terminal", f"{safe_text(term)}, {256 if '256' in term else 16} colours", False, remedy)


def _login() -> Check:
    """Whether there is a login for the hub; the token itself is never read."""
    from huggingface_hub import constants

    there = bool(os.environ.get("HF_TOKEN")) or can_see(Path(constants.HF_TOKEN_PATH))
    return Check(
        "hub login", "yes" if there else "no (needed only for gated models and for uploads: hf auth login)", True
    )
