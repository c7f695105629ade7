"""What of this machine will work, and what to do about what will not; nothing heavy is loaded."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from loratui.planning.hardware import gpus, ram
from loratui.planning.ram import ram_trouble
from loratui.terminal.text import safe_text, show_path
from loratui.terminal.units import in_bytes
from trainer.contract.basemodel.hub_cache import hub_cache
from trainer.contract.paths import can_see

NEEDED = ("torch", "diffusers", "transformers", "accelerate", "peft", "prodigyopt", "safetensors", "textual", "pillow")
ROOM = 15e9  # bytes: SDXL base and its VAE (7 GB) and a run with its checkpoints


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, what was found, and what to do if it is not well."""

    name: str
    found: str
    ok: bool
    remedy: str = ""


def checks() -> Iterator[Check]:
    """Every check, in the order in which they matter."""
    version = platform.python_version()
    yield Check("python", version, sys.version_info >= (3, 11), "install Python 3.11 or newer")
    yield from map(_package, NEEDED)
    yield from _gpu()
    yield _disk("disk here", Path.cwd())
    yield _disk("disk for models", hub_cache())
    yield from _base_models()
    yield _terminal()
    yield _login()


def doctor_lines(found: list[Check]) -> list[str]:
    """The checks as lines; a remedy stands under what is not well."""
    width = max(len(one.name) for one in found)
    lines = []
    for one in found:
        lines.append(f"{'+ ok  ' if one.ok else '! look'}  {one.name:<{width}}  {one.found}")
        if not one.ok and one.remedy:
            lines.append(f"        {'':<{width}}  {one.remedy}")
    return lines


def _package(name: str) -> Check:
    try:
        return Check(name, metadata.version(name), True)
    except metadata.PackageNotFoundError:
        return Check(name, "missing", False, f"install it: {Path(sys.executable).name} -m pip install {name}")


def _gpu() -> Iterator[Check]:
    names = gpus()
    if not names:
        remedy = f"the demo runs on the CPU; a full-size SDXL wants an NVIDIA GPU and its driver: {wanted_memory()}"
        yield Check("GPU", "none that nvidia-smi shows", False, remedy)
        return
    for number, name in enumerate(names):
        yield Check(f"GPU {number}", safe_text(name), True)
    yield _ram()
    torch_built = metadata.version("torch") if _package("torch").ok else ""
    if "+cpu" in torch_built:
        remedy = "install the CUDA build: pip install --force-reinstall torch (without a CPU index or constraint)"
        yield Check("torch and GPU", f"torch {torch_built} cannot use it", False, remedy)


def _ram() -> Check:
    """Whether the run as it is set has the RAM that it takes beside a GPU."""
    from trainer.contract.plan.estimate import estimate
    from trainer.contract.settings.config import TrainConfig

    there = ram()
    short = ram_trouble(estimate(TrainConfig(), 1).ram, there.free)
    return Check("RAM", f"{in_bytes(there.free)} free of {in_bytes(there.total)}", not short, short)


def wanted_memory() -> str:
    """The memory that a full-size SDXL takes, by the plan's own figures."""
    from loratui.planning.fitting import propose
    from trainer.contract.plan.estimate import estimate
    from trainer.contract.settings.config import TrainConfig

    usual, least = estimate(TrainConfig(), 1).memory_total, propose(TrainConfig(), 1, 0).total
    return f"about {in_bytes(usual)} of memory as it is set, {in_bytes(least)} at the very least"


def _disk(name: str, path: Path) -> Check:
    there = next((one for one in (path, *path.parents) if can_see(one)), Path("/"))
    free = shutil.disk_usage(there).free
    found = f"{in_bytes(free)} free in {show_path(there)}"
    return Check(name, found, free >= ROOM, f"make room: a full-size run with its model wants {in_bytes(ROOM)}")


def _base_models() -> Iterator[Check]:
    """What of the hub's models is on this disk; where none is, whether the usual one can be had, as the plan judges."""
    from loratui.basemodels.facts import ask_missing, cached_models
    from loratui.basemodels.words import base_errors
    from trainer.contract.settings.config import TrainConfig, flat

    found = list(cached_models())
    for repo, whole in found:
        said = "on disk" if whole else "begun; the next run on it fetches the rest"
        yield Check("base model", f"{safe_text(repo, 60)} {said}", True)
    if any(whole for _, whole in found):
        return
    ask_missing(flat(TrainConfig()), again=True)
    why = next(iter(base_errors(TrainConfig())), "")
    if why or not found:
        said = "none on disk" if why else "none on disk yet; a run on SDXL downloads about 7 GB first"
        yield Check("base model", said, not why, why)


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
