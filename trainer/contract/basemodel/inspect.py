"""What can be said of a base model before torch is loaded: where it is, whether it is SDXL, its native size."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.contract.basemodel.headers import BadHeader, Shapes, part_shapes, read_shapes
from trainer.contract.basemodel.hub_cache import cached_base
from trainer.contract.basemodel.single_file import PICKLES, BadCheckpoint, config_of, read_checkpoint
from trainer.contract.settings.config import SMALL

PARTS = ("unet", "text_encoder", "text_encoder_2", "vae", "tokenizer", "tokenizer_2", "scheduler")
WEIGHTED = ("unet", "text_encoder", "text_encoder_2", "vae")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class NotSDXL(ValueError):
    """The base model cannot be trained: missing, incomplete, or another family."""


@dataclass(frozen=True)
class BaseModel:
    """A base model as far as it can be known without loading it."""

    folder: Path | None  # None: a file, or on the hub and not looked into
    native: int  # px; the side of the pictures that it was made for
    factor: int  # pixels per latent
    edm: bool = False  # made for EDM's preconditioning, as the name of its scheduler says
    file: Path | None = None  # a single .safetensors checkpoint
    vae: bool = True  # whether it brings its VAE

    @property
    def source(self) -> Path | None:
        """Folder or file; None: on the hub, and not on this disk."""
        return self.folder or self.file

    def config(self, part: str) -> dict[str, Any]:
        """The configuration of a part. Raises NotSDXL; of a model that is on this disk only."""
        if self.file is None:
            assert self.folder is not None
            return _json(self.folder / part / "config.json")
        try:
            return config_of(self.file, part)
        except BadCheckpoint as error:
            raise NotSDXL(f"'{self.file}' {error}") from None

    def shapes(self) -> dict[str, Shapes]:
        """The tensors of each part with weights, by diffusers' names; empty for what is not on this disk."""
        if self.file is not None:
            return read_checkpoint(self.file).parts
        return {} if self.folder is None else {part: part_shapes(self.folder / part) for part in WEIGHTED}


def small_model() -> Path:
    """The folder of the small SDXL that ships with the package."""
    return Path(__file__).parents[2] / "demo" / "sdxl-small"


def inspect_base(base: str) -> BaseModel:
    """Look at `base`: sdxl-small, a local folder, a .safetensors file, or a hub id. Raises NotSDXL with a sentence.

    One of the hub is looked into where the hub's cache has all of it; nothing is asked or downloaded.
    """
    if base == SMALL:
        return _inspect_folder(small_model())
    folder = Path(base).expanduser()
    if folder.is_dir():
        return _inspect_folder(folder)
    if folder.is_file():
        return _inspect_file(folder)
    if is_hub_id(base):
        there = cached_base(base)
        # a VAE of the person's own choice stands in for that of the model, which is then not downloaded
        return BaseModel(None, 1024, 8) if there is None else _inspect_folder(there, vae_needed=False)
    raise NotSDXL(
        f"there is no base model '{base}': neither a folder nor a .safetensors file here, "
        "nor a hub id such as owner/name"
    )


def is_hub_id(base: str) -> bool:
    """Whether `base` has the form owner/name and no file or folder here goes by it."""
    if not HUB_ID.fullmatch(base) or base.lower().endswith((".safetensors", *PICKLES)):
        return False
    return not Path(base).expanduser().exists()


def _inspect_file(path: Path) -> BaseModel:
    try:
        found = read_checkpoint(path)
        unet, vae = config_of(path, "unet"), config_of(path, "vae")
    except BadCheckpoint as error:
        raise NotSDXL(f"'{path}' {error}") from None
    factor = _factor(vae)
    native = int(unet.get("sample_size") or 128) * factor
    return BaseModel(None, native, factor, found.edm, path, bool(found.parts["vae"]))


def _inspect_folder(folder: Path, vae_needed: bool = True) -> BaseModel:
    index = _json(folder / "model_index.json")
    family = index.get("_class_name")
    if not str(family).startswith("StableDiffusionXL"):
        raise NotSDXL(f"'{folder}' is a {family}, not a StableDiffusionXLPipeline; loratui trains SDXL only")
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    weighted = WEIGHTED if vae_needed else tuple(part for part in WEIGHTED if part != "vae")
    missing += [f"{part}/*.safetensors" for part in weighted if part not in missing and not _weights(folder / part)]
    if missing:
        raise NotSDXL(f"'{folder}' is not complete: {', '.join(missing)} missing (only safetensors are read)")
    if bad := _damaged(folder):
        raise NotSDXL(f"'{folder}' is damaged; download it again: {'; '.join(bad)}")
    unet, vae = _json(folder / "unet" / "config.json"), _json(folder / "vae" / "config.json")
    if unet.get("addition_embed_type") != "text_time":
        raise NotSDXL(f"the unet of '{folder}' has no SDXL conditioning (addition_embed_type is not text_time)")
    factor = _factor(vae)
    scheduler = (index.get("scheduler") or ["", ""])[-1]
    native = int(unet.get("sample_size") or 128) * factor
    edm, own_vae = is_edm_scheduler(str(scheduler)), bool(_weights(folder / "vae"))
    return BaseModel(folder, native, factor, edm, vae=own_vae)


def _factor(vae: dict[str, Any]) -> int:
    return int(2 ** (len(vae.get("block_out_channels", (0, 0, 0, 0))) - 1))


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
