"""What of a model lies in the hub's own cache, and which of its files are read: nothing is asked of the network."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from trainer.contract.run.rundir import home_folder

TOKENIZERS = ("tokenizer", "tokenizer_2")
CORE = ("unet", "text_encoder", "text_encoder_2")  # the parts with weights that nothing stands in for
# diffusers' and transformers' names, whole or in shards, with the variant in either of its two places
WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_model|model)(?P<a>\.fp16)?(?:-\d{5}-of-\d{5})?(?P<b>\.fp16)?\.safetensors"
    r"(?P<index>\.index(?P<c>\.fp16)?\.json)?"
)
TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json")


def hub_cache() -> Path:
    """The folder of the hub's cache, as huggingface_hub finds it."""
    own = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    base = (
        os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or home_folder() / ".cache") / "huggingface"
    )
    return (Path(own) if own else Path(base) / "hub").expanduser()


def repo_folder(repo: str) -> Path:
    """Where the cache keeps the model owner/name."""
    return hub_cache() / f"models--{repo.replace('/', '--')}"


def snapshot(repo: str) -> Path | None:
    """The files of the cached `main` of a model, as many as are there; None where nothing is."""
    folder = repo_folder(repo)
    try:
        commit = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    there = folder / "snapshots" / commit
    return there if re.fullmatch(r"[0-9a-f]{40}", commit) and there.is_dir() else None


def cached_base(repo: str, with_vae: bool = False) -> Path | None:
    """The cached folder of an SDXL model if all that training reads of it is there; its own VAE only if asked for."""
    there = snapshot(repo)
    return there if there is not None and not lacking(there, with_vae) else None


def cached_vae(repo: str) -> Path | None:
    """The cached folder of a VAE by itself, if it is whole."""
    there = snapshot(repo)
    return there if there is not None and not lacking_weights(there, "") else None


def lacking(folder: Path, with_vae: bool) -> list[str]:
    """What of a base model is not in `folder`, in words for people."""
    names = ["model_index.json", "vae/config.json", "scheduler/scheduler_config.json"]
    found = [name for name in names if not (folder / name).is_file()]
    for one in (folder / name for name in TOKENIZERS):
        if not (one / "tokenizer.json").is_file() and not (
            (one / "vocab.json").is_file() and (one / "merges.txt").is_file()
        ):
            found.append(f"{one.name}/vocab.json")
    parts = (*CORE, "vae") if with_vae else CORE
    return found + [what for part in parts for what in lacking_weights(folder, part)]


def lacking_weights(folder: Path, part: str) -> list[str]:
    """What is missing of one part: its configuration, or a shard of every variant that was begun."""
    place, before = folder / part, f"{part}/" if part else ""
    found = [] if (place / "config.json").is_file() else [f"{before}config.json"]
    try:
        names = {one.name for one in place.iterdir() if one.exists()}  # a link of the cache may point at nothing
    except OSError:
        names = set()
    if not any(_whole(place, names, half) for half in (True, False)):
        found.append(f"{before}*.safetensors")
    return found


def _whole(place: Path, names: set[str], half: bool) -> bool:
    own = weights_of(names, half)
    index = next((name for name in own if name.endswith(".json")), None)
    if index is None:
        return any("-of-" not in name for name in own)
    try:
        shards = set(json.loads((place / index).read_bytes())["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return shards <= names


def weights_of(names: Iterable[str], half: bool) -> list[str]:
    """Of the file names of one part, those of the fp16 variant or of the plain one, index included."""
    matched = ((name, WEIGHTS.fullmatch(name)) for name in names)
    return sorted(name for name, one in matched if one and bool(one["a"] or one["b"] or one["c"]) == half)


def base_files(names: Iterable[str], half: bool, vae: bool, vae_half: bool) -> list[str]:
    """Of all files of a model on the hub, those that a run reads: what is downloaded, and no more.

    `half`: the fp16 files are wanted where they are there; `vae`: the weights of its own VAE are needed.
    """
    names = list(names)
    wanted = {"model_index.json", "README.md", "scheduler/scheduler_config.json", "vae/config.json"}
    wanted |= {f"{one}/{file}" for one in TOKENIZERS for file in TOKENIZER_FILES}
    found = [name for name in names if name in wanted]
    for part in CORE:
        found += part_files(names, part, half)
    return sorted({*found, *(part_files(names, "vae", vae_half) if vae else ())})


def part_files(names: Iterable[str], part: str, half: bool) -> list[str]:
    """The configuration and the weights of one part, or with "" of a model that is one part; the variant as there."""
    before = f"{part}/" if part else ""
    own = [name.removeprefix(before) for name in names if name.startswith(before)]
    weights = weights_of(own, half) or weights_of(own, not half)
    return [before + name for name in (*(one for one in ("config.json",) if one in own), *weights)]
