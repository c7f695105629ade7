"""What the VAE is that stands in for the base model's own: a hub id, a folder, or a single file; or why it is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainer.contract.basemodel.families import file_kind, is_vae
from trainer.contract.basemodel.fit import misfit
from trainer.contract.basemodel.folder import (
    BadFolder,
    damaged_words,
    folder_shapes,
    missing_words,
    part_troubles,
    read_config,
)
from trainer.contract.basemodel.headers import Shapes
from trainer.contract.basemodel.hub_cache import cached_vae
from trainer.contract.basemodel.inspect import BaseModel
from trainer.contract.basemodel.names import is_hub_id, not_here
from trainer.contract.basemodel.sgm import PREFIXES, SgmName, changed_shapes, places
from trainer.contract.basemodel.single_file import CONFIGS, BadCheckpoint, companion, read_weights
from trainer.contract.basemodel.tensors import OLD_NAMES
from trainer.contract.documents.document import Document
from trainer.contract.documents.files import read_json, shipped_json
from trainer.contract.paths import can_see, expanded, is_file, is_folder

OUTER = (PREFIXES["vae"], "vae.")


class NoVae(ValueError):
    """The VAE of the settings cannot be used; a sentence."""


def check_vae(value: str, base: BaseModel, revision: str = "") -> None:
    """Look at `value`, a VAE beside `base`, without loading a tensor. Raises NoVae.

    One of the hub is looked into where the hub's cache has that `revision`; nothing is asked or downloaded.
    """
    path = expanded(value)
    try:
        if is_folder(path):
            _fits(read_vae_folder(path), base)
        elif is_file(path):
            _fits(vae_file_config(path, base), base)
        elif not is_hub_id(value):
            raise NoVae(not_here(value, "VAE", "model.vae"))
        elif (there := cached_vae(value, revision)) is not None:
            _fits(read_vae_folder(there), base)
    except (BadFolder, BadCheckpoint) as error:
        raise NoVae(f"'{value}' {error}") from None


def read_vae_folder(path: Path) -> dict[str, Any]:
    """The configuration of a VAE's folder that can be loaded. Raises BadFolder."""
    if not can_see(path / "config.json"):
        if is_file(path / "vae" / "config.json"):
            raise BadFolder(f"is a whole model; give the folder of its VAE: '{path / 'vae'}'")
        files = sorted(one for one in path.glob("*.safetensors") if is_file(one))
        rest = f"; give the file itself: '{files[0]}'" if files else "; give a VAE's folder or its .safetensors file"
        raise BadFolder(f"has no config.json, so it is not a VAE's folder{rest}")
    config = read_config(path, "config.json")
    if config.get("_class_name", "AutoencoderKL") != "AutoencoderKL":
        raise BadFolder(f"is a {config['_class_name']}, not an AutoencoderKL as SDXL has it")
    missing, damaged = part_troubles(path, "")
    if missing:
        raise BadFolder(f"is not complete: {missing_words(missing)}")
    if damaged:
        raise BadFolder(damaged_words(damaged))
    if said := misfit("vae", config, folder_shapes(path, "")):
        raise BadFolder(f"cannot be loaded: it does not fit its configuration: {said}")
    return config


def vae_file_config(path: Path, base: BaseModel) -> dict[str, Any]:
    """The configuration of a VAE in one file: that in the folder of its name beside it, else that of the base model's.

    Raises BadCheckpoint where the file is another kind, or has other tensors.
    """
    header = read_weights(path)
    names = header.shapes
    if not is_vae(names) or any(name.startswith(PREFIXES["unet"]) for name in names):
        what = file_kind(names) or "a whole checkpoint"
        raise BadCheckpoint(f"is {what.partition(';')[0]}; give a VAE by itself: its .safetensors file or its folder")
    if header.coarse:
        raise BadCheckpoint(f"holds {header.coarse} numbers, too coarse to train with; take its fp16 or fp32 version")
    beside = companion(path) / "config.json"
    found = read_json(beside, dict) if is_file(beside) else Document(_config_of(base))
    if found.value is None:
        raise BadCheckpoint(f"has a configuration beside it that cannot be used: '{beside}': {found.reason}")
    config = found.value
    if said := misfit("vae", config, vae_shapes(names)):
        latent = vae_shapes(names).get("decoder.conv_in.weight", (0, 0))[1]
        if latent != (own := config.get("latent_channels", 4)):
            said = f"it has {latent} latent channels in place of {own}, so it is that of another family"
        raise BadCheckpoint(f"does not fit the base model's VAE: {said}")
    return dict(config)


def vae_places(names: Shapes) -> dict[str, SgmName]:
    """Where each tensor of a VAE in one file goes, by its name in the file: Stability's names, or diffusers'."""
    bare = {name: _bare(name) for name in names}
    if any(".down_blocks." in one or ".up_blocks." in one for one in bare.values()):
        return {name: _diffusers_name(one, names[name]) for name, one in bare.items()}
    prefixed = {PREFIXES["vae"] + one: names[name] for name, one in bare.items()}
    known = places(prefixed).known
    return {name: known[PREFIXES["vae"] + one] for name, one in bare.items() if PREFIXES["vae"] + one in known}


def vae_shapes(names: Shapes) -> Shapes:
    """Name and shape of each tensor of a VAE in one file, as diffusers has them."""
    found: Shapes = {}
    for name, place in vae_places(names).items():
        found.update(changed_shapes(place, names[name]))
    return found


def _bare(name: str) -> str:
    outer = next((one for one in OUTER if name.startswith(one)), "")
    return name.removeprefix(outer)


def _diffusers_name(name: str, shape: tuple[int, ...]) -> SgmName:
    head, _, kind = name.rpartition(".")
    before, _, last = head.rpartition(".")
    if ".attentions." not in name:
        return SgmName("vae", (name,))
    return SgmName("vae", (f"{before}.{OLD_NAMES.get(last, last)}.{kind}",), "flat" if len(shape) == 4 else "")


def _config_of(base: BaseModel) -> dict[str, Any]:
    if base.source is not None:
        return base.config("vae")
    return shipped_json(CONFIGS / "vae.json")


def _fits(config: dict[str, Any], base: BaseModel) -> None:
    """Raises BadFolder where its latents are not those that the base model's unet reads."""
    own = _config_of(base)
    for key, word in (("latent_channels", "latent channels"), ("block_out_channels", "levels")):
        here, there = config.get(key, 4), own.get(key, 4)
        counts = (len(here), len(there)) if isinstance(here, list) and isinstance(there, list) else (here, there)
        if counts[0] != counts[1]:
            raise BadFolder(
                f"is the VAE of another family: it has {counts[0]} {word}, the base model's has {counts[1]}"
            )
