"""What can be said of a base model before torch is loaded: where it is, whether it can be trained, its native size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainer.contract.basemodel.folder import (
    PARTS,
    WEIGHTED,
    BadFolder,
    Folder,
    folder_shapes,
    read_config,
    read_folder,
)
from trainer.contract.basemodel.headers import Shapes
from trainer.contract.basemodel.hub_cache import cached_base
from trainer.contract.basemodel.loss import Loss, as_said
from trainer.contract.basemodel.names import is_hub_id, not_here
from trainer.contract.basemodel.single_file import BadCheckpoint, config_of, read_checkpoint
from trainer.contract.paths import expanded, is_file, is_folder
from trainer.contract.settings.config import SMALL
from trainer.contract.settings.model import Model


class NotSDXL(ValueError):
    """The base model cannot be trained: missing, incomplete, or another family."""


@dataclass(frozen=True)
class BaseModel:
    """A base model as far as it can be known without loading it."""

    folder: Path | None  # None: a file, or on the hub and not looked into
    native: int  # px; the side of the pictures that it was made for
    factor: int  # pixels per latent
    file: Path | None = None  # a single .safetensors checkpoint
    vae: bool = True  # whether it brings its VAE
    loss: Loss | None = None  # what decides the loss; None: on the hub and not looked into
    beside: tuple[str, ...] = ()  # tensors that SDXL does not have; they are passed over

    @property
    def edm(self) -> bool:
        """Whether it was made for EDM's preconditioning."""
        return self.loss is not None and self.loss.edm

    @property
    def source(self) -> Path | None:
        """Folder or file; None: on the hub, and not on this disk."""
        return self.folder or self.file

    def config(self, part: str) -> dict[str, Any]:
        """The configuration of a part. Raises NotSDXL; of a model that is on this disk only."""
        try:
            if self.file is not None:
                return config_of(self.file, part)
            assert self.folder is not None
            return read_config(self.folder, f"{part}/config.json")
        except (BadCheckpoint, BadFolder) as error:
            raise NotSDXL(f"'{self.source}' {error}") from None

    def shapes(self) -> dict[str, Shapes]:
        """The tensors of each part with weights, by diffusers' names; empty for what is not on this disk."""
        if self.file is not None:
            return read_checkpoint(self.file).parts
        return {} if self.folder is None else {part: folder_shapes(self.folder, part) for part in WEIGHTED}


def small_model() -> Path:
    """The folder of the small SDXL that ships with the package."""
    return Path(__file__).parents[2] / "demo" / "sdxl-small"


def base_of(model: Model) -> BaseModel:
    """The base model of the settings. Raises NotSDXL with a sentence."""
    return inspect_base(model.base, model.revision)


def loss_of(model: Model) -> Loss | None:
    """What of the base model, or of the settings in its place, decides the loss; None where nobody knows it yet.

    The plan, the trainer and every file that a run makes have it from here. Raises NotSDXL.
    """
    found = base_of(model).loss
    if found is None:  # on the hub: what is said by hand is known all the same
        said = as_said(Loss(), model)
        return said if said.by_hand and model.prediction != "auto" else None
    return as_said(found, model)


def inspect_base(base: str, revision: str = "") -> BaseModel:
    """Look at `base`: sdxl-small, a local folder, a .safetensors file, or a hub id. Raises NotSDXL with a sentence.

    One of the hub is looked into where the hub's cache has all of its `revision` ("": main); nothing is asked or
    downloaded. What was found is kept as long as no file of the model changes.
    """
    if base == SMALL:
        return _in_folder(small_model(), base)
    path = expanded(base)
    if is_folder(path):
        return _in_folder(path, base)
    if is_file(path):
        return _in_file(path)
    if is_hub_id(base):
        there = cached_base(base, revision=revision)
        # a VAE of the person's own choice stands in for that of the model, which is then not downloaded
        return BaseModel(None, 1024, 8) if there is None else _in_folder(there, base, vae_needed=False)
    raise NotSDXL(not_here(base, "base model", "model.base"))


def _in_file(path: Path) -> BaseModel:
    try:
        found = read_checkpoint(path)
        unet, vae = config_of(path, "unet"), config_of(path, "vae")
    except BadCheckpoint as error:
        raise NotSDXL(f"'{path}' {error}") from None
    factor = _factor(vae)
    return BaseModel(None, _native(unet, factor), factor, path, bool(found.parts["vae"]), found.loss, found.beside)


def _in_folder(path: Path, name: str, vae_needed: bool = True) -> BaseModel:
    try:
        found = _read_folder(path, name, vae_needed, _seen(path))
    except BadFolder as error:
        raise NotSDXL(f"'{name}' {error}") from None
    factor = _factor(found.vae)
    native = _native(found.unet, factor)
    return BaseModel(path, native, factor, vae=found.has_vae, loss=found.loss, beside=found.beside)


@lru_cache(maxsize=16)
def _read_folder(path: Path, name: str, vae_needed: bool, _seen: tuple[tuple[str, int, int], ...]) -> Folder:
    return read_folder(path, name, vae_needed)


def _seen(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of every file of the model."""
    found = []
    for place in (path, *(path / part for part in PARTS)):
        for one in sorted(place.glob("*")) if is_folder(place) else ():
            try:
                info = one.stat()
            except OSError:
                continue  # a link that leads nowhere
            found.append((f"{place.name}/{one.name}", info.st_size, info.st_mtime_ns))
    return tuple(found)


def _native(unet: dict[str, Any], factor: int) -> int:
    side = unet.get("sample_size")
    return (side if isinstance(side, int) and side > 0 else 128) * factor


def _factor(vae: dict[str, Any]) -> int:
    levels = vae.get("block_out_channels")
    return int(2 ** ((len(levels) if isinstance(levels, list) else 4) - 1))
