"""The small SDXL in the shape of the real one: what every test loads that does not ask for the shipped files."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from trainer.contract.basemodel.digests import meaning
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.basemodel.single_file import CONFIGS

COMMIT = "0" * 40


@lru_cache(maxsize=1)
def shaped_model() -> Path:
    """The snapshot of owner/name in a hub cache: the small SDXL with the files, names and keys of the real one.

    Its configurations have the keys that SDXL's own have, its scheduler's and its index are SDXL's, its weights are
    fp16 and called so, and every file is a link to a blob. Made once a process, in 0.1 s; it ends with that.
    """
    place = Path(tempfile.mkdtemp(prefix="loratui-hub-"))
    atexit.register(_remove, place, os.getpid())
    cache = place / "models--owner--name"
    files, blobs = cache / "snapshots" / COMMIT, cache / "blobs"
    blobs.mkdir(parents=True)
    for path in sorted(one for one in small_model().rglob("*") if one.is_file()):
        name = path.relative_to(small_model())
        blob = blobs / hashlib.sha256(str(name).encode()).hexdigest()
        if path.suffix == ".safetensors":
            name = name.with_name(f"{path.stem}.fp16.safetensors")
            save_file({key: one.astype(np.float16) for key, one in load_file(path).items()}, blob, {"format": "pt"})
        else:
            blob.write_bytes(_real_words(path))
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).symlink_to(os.path.relpath(blob, (files / name).parent))
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    return files


def _remove(place: Path, maker: int) -> None:
    """Where a process that the maker forked ends as programs end, it must not take the model along."""
    if os.getpid() == maker:
        shutil.rmtree(place, ignore_errors=True)


def _real_words(path: Path) -> bytes:
    """A file of the small SDXL that holds no weights, with the keys that the real one's has."""
    if path.name in ("model_index.json", "scheduler_config.json"):
        return (CONFIGS / f"{path.name.removesuffix('_config.json').removesuffix('.json')}.json").read_bytes()
    if path.name != "config.json":
        return path.read_bytes()
    part, own = path.parent.name, json.loads(path.read_bytes())
    real = json.loads((CONFIGS / f"{part}.json").read_bytes())
    beyond = {key for key, value in meaning(part, own).items() if value != meaning(part, {}).get(key)}
    return json.dumps(real | {key: value for key, value in own.items() if key in beyond | set(real)}).encode()
