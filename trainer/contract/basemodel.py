"""What can be said of a base model before torch is loaded: where it is, whether it is SDXL, its native size."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.contract.config import SMALL
from trainer.contract.headers import BadHeader, read_shapes

PARTS = ("unet", "text_encoder", "text_encoder_2", "vae", "tokenizer", "tokenizer_2", "scheduler")
WEIGHTED = ("unet", "text_encoder", "text_encoder_2", "vae")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class NotSDXL(ValueError):
    """The base model cannot be trained: missing, incomplete, or another family."""


@dataclass(frozen=True)
class BaseModel:
    """A base model as far as it can be known without loading it."""

    folder: Path | None  # None: on the hub, not looked into
    native: int  # px; the side of the pictures that it was made for
    factor: int  # pixels per latent
    edm: bool = False  # made for EDM's preconditioning, as the name of its scheduler says


def small_model() -> Path:
    """The folder of the small SDXL that ships with the package."""
    return Path(__file__).parents[1] / "demo" / "sdxl-small"


def inspect_base(base: str) -> BaseModel:
    """Look at `base`: sdxl-small, a local folder, or a hub id. Raises NotSDXL with a sentence."""
    if base == SMALL:
        return _inspect_folder(small_model())
    folder = Path(base).expanduser()
    if folder.is_dir():
        return _inspect_folder(folder)
    if folder.exists():
        raise NotSDXL(f"'{base}' is a file; give a diffusers folder (with model_index.json) or a hub id")
    if HUB_ID.fullmatch(base) and not base.startswith((".", "~", "/")):
        return BaseModel(None, 1024, 8)
    raise NotSDXL(f"there is no base model '{base}': neither a folder here nor a hub id such as owner/name")


def _inspect_folder(folder: Path) -> BaseModel:
    index = _json(folder / "model_index.json")
    family = index.get("_class_name")
    if not str(family).startswith("StableDiffusionXL"):
        raise NotSDXL(f"'{folder}' is a {family}, not a StableDiffusionXLPipeline; loratui trains SDXL only")
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    missing += [f"{part}/*.safetensors" for part in WEIGHTED if part not in missing and not _weights(folder / part)]
    if missing:
        raise NotSDXL(f"'{folder}' is not complete: {', '.join(missing)} missing (only safetensors are read)")
    if bad := _damaged(folder):
        raise NotSDXL(f"'{folder}' is damaged; download it again: {'; '.join(bad)}")
    unet, vae = _json(folder / "unet" / "config.json"), _json(folder / "vae" / "config.json")
    if unet.get("addition_embed_type") != "text_time":
        raise NotSDXL(f"the unet of '{folder}' has no SDXL conditioning (addition_embed_type is not text_time)")
    factor = 2 ** (len(vae.get("block_out_channels", (0, 0, 0, 0))) - 1)
    scheduler = (index.get("scheduler") or ["", ""])[-1]
    return BaseModel(folder, int(unet.get("sample_size") or 128) * factor, factor, is_edm_scheduler(str(scheduler)))


def is_edm_scheduler(name: str) -> bool:
    """Whether a scheduler's class name says that its model has EDM's preconditioning."""
    return name.startswith("EDM")


def _weights(part: Path) -> list[Path]:
    return sorted(part.glob("*.safetensors"))


def _damaged(folder: Path) -> list[str]:
    """What is wrong with the weights, by their headers; a file on its way back from the net is often cut short."""
    found = []
    for path in (one for part in WEIGHTED for one in _weights(folder / part)):
        try:
            read_shapes(path)
        except BadHeader as error:
            found.append(f"{path.parent.name}/{path.name}: {error}")
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotSDXL(f"'{path}' is missing: this is no SDXL model in diffusers' layout") from None
    except (OSError, ValueError) as error:
        raise NotSDXL(f"'{path}' cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise NotSDXL(f"'{path}' is no JSON object")
    return found
