"""What the parts of a base model are known by: the contents of their weights and the meaning of their configurations.

Nothing here depends on where a model lies, what its files are called, which library wrote them, or which reads them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainer.contract.basemodel.folder import WEIGHTED, read_config
from trainer.contract.basemodel.hub_cache import cached_vae
from trainer.contract.basemodel.inspect import base_of
from trainer.contract.basemodel.names import is_hub_id
from trainer.contract.basemodel.single_file import CONFIGS, config_of
from trainer.contract.basemodel.vae import vae_file_config
from trainer.contract.basemodel.weights import part_weights
from trainer.contract.documents.files import read_json, shipped_json
from trainer.contract.documents.regular import open_regular
from trainer.contract.entries import make_private, write_atomic
from trainer.contract.paths import expanded, is_file, is_folder
from trainer.contract.run.rundir import cache_folder
from trainer.contract.settings.config import TrainConfig, vae_source


def file_digest(path: Path) -> str:
    """sha256 of a file; read again only where size, time or place changed since the last time."""
    info = path.stat()
    seen = [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]
    folder = cache_folder() / "digests"
    note = folder / f"{hashlib.blake2b(str(path.resolve()).encode(), digest_size=16).hexdigest()}.json"
    known = read_json(note, dict).value or {}
    if known.get("seen") == seen and isinstance(known.get("sha256"), str):
        return str(known["sha256"])
    with os.fdopen(open_regular(path), "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with contextlib.suppress(OSError):  # it is read again the next time
        make_private(folder)
        write_atomic(note, json.dumps({"seen": seen, "sha256": digest}))
    return digest


def words_digest(words: Any) -> str:
    """A digest of something that JSON can hold."""
    return hashlib.blake2b(json.dumps(words, sort_keys=True).encode(), digest_size=16).hexdigest()


def base_digests(config: TrainConfig) -> dict[str, str]:
    """A digest of each part with weights that lies on this disk, from its files: nothing is loaded for it.

    Raises NotSDXL, BadFolder or BadCheckpoint for a base model that cannot be read, OSError for a file that cannot.
    """
    found = {}
    for part in WEIGHTED:
        weights, words = _files(config, part)
        if weights:
            precision = f"{config.train.precision} {config.model.vae_precision if part == 'vae' else ''}"
            found[part] = words_digest([part, precision, [file_digest(one) for one in weights], meaning(part, words)])
    return found


def meaning(part: str, config: dict[str, Any]) -> dict[str, Any]:
    """What a part's configuration says of the mathematics, each value as it counts where the file leaves it out.

    Who wrote the file, with what and from where, is none of it, nor what only drawing or training the part would
    read. What a file leaves out counts as in diffusers 0.42 and transformers 5 (`configs/defaults.json`), whatever
    the libraries that are installed have: the file is the same.
    """
    known = _defaults()["text_encoder" if part == "text_encoder_2" else part]
    return {key: _plain(config.get(key, value)) for key, value in known.items()}


@lru_cache(maxsize=1)
def _defaults() -> dict[str, dict[str, Any]]:
    return shipped_json(CONFIGS / "defaults.json")


def _plain(value: Any) -> Any:
    """A file may write 1 where another writes 1.0."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def own_vae(config: TrainConfig) -> str:
    """The VAE of the settings as a path where it is on this disk, else its hub id; empty: the base model's own."""
    own = vae_source(config.model)
    if not own or is_hub_id(own):
        return str((own and cached_vae(own, config.model.vae_revision)) or own)
    return str(expanded(own))


def _files(config: TrainConfig, part: str) -> tuple[list[Path], dict[str, Any]]:
    """The weight files that are read of a part, and its configuration; none of what is not on this disk."""
    base, own = base_of(config.model), own_vae(config) if part == "vae" else ""
    if own and is_file(Path(own)):
        return [Path(own)], vae_file_config(Path(own), base)
    if not own and base.file is not None:
        return [base.file], config_of(base.file, part)
    folder = Path(own) if own else base.folder and base.folder / part
    if folder is None or not is_folder(folder):
        return [], {}
    half = part != "vae" and config.train.precision != "fp32"  # the VAE is read in fp32, in which it encodes
    weights = part_weights(folder, part, half=half).files
    return [folder / name for name in weights], read_config(folder, "config.json")
