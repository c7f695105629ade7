"""What of a model lies in the hub's own cache, and which of its files are read: nothing is asked of the network."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from trainer.contract.basemodel.weights import part_weights, variants, weights_of
from trainer.contract.documents.regular import read_bytes
from trainer.contract.paths import is_file, is_folder

TOKENIZERS = ("tokenizer", "tokenizer_2")
LONGEST_REF = 256  # bytes
COMMIT = re.compile(r"[0-9a-f]{40}")
CORE = ("unet", "text_encoder", "text_encoder_2")  # the parts with weights that nothing stands in for
TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json")


def hub_cache() -> Path:
    """The folder of the hub's cache, from huggingface_hub itself, which downloads into it."""
    # here, not above: a program that asks for no model does without the library; of it only this one module is loaded
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def hub_login() -> Path:
    """The file that holds the token of the hub's own login; from huggingface_hub too."""
    from huggingface_hub import constants

    return Path(constants.HF_TOKEN_PATH)


def repo_folder(repo: str) -> Path:
    """Where the cache keeps the model owner/name."""
    return hub_cache() / f"models--{repo.replace('/', '--')}"


def snapshot(repo: str, revision: str = "") -> Path | None:
    """The files of a cached revision of a model ("": main), as many as are there; None where nothing is.

    `revision` is a branch, a tag, or a commit in full.
    """
    folder = repo_folder(repo)
    commit = revision
    if not COMMIT.fullmatch(revision):
        named = read_bytes(folder / "refs" / (revision or "main"), LONGEST_REF).value
        commit = (named or b"").decode("ascii", "replace").strip()
    there = folder / "snapshots" / commit
    return there if COMMIT.fullmatch(commit) and is_folder(there) else None


def cached_base(repo: str, with_vae: bool = False, revision: str = "") -> Path | None:
    """The cached folder of an SDXL model if all that training reads of it is there; its own VAE only if asked for."""
    there = snapshot(repo, revision)
    return there if there is not None and not lacking(there, with_vae) else None


def cached_vae(repo: str, revision: str = "") -> Path | None:
    """The cached folder of a VAE by itself, if it is whole."""
    there = snapshot(repo, revision)
    return there if there is not None and not lacking_weights(there, "") else None


def lacking(folder: Path, with_vae: bool) -> list[str]:
    """What of a base model is not in `folder`, in words for people."""
    names = ["model_index.json", "vae/config.json", "scheduler/scheduler_config.json"]
    found = [name for name in names if not is_file(folder / name)]
    for one in (folder / name for name in TOKENIZERS):
        if not is_file(one / "tokenizer.json") and not (is_file(one / "vocab.json") and is_file(one / "merges.txt")):
            found.append(f"{one.name}/vocab.json")
    parts = (*CORE, "vae") if with_vae else CORE
    return found + [what for part in parts for what in lacking_weights(folder, part)]


def lacking_weights(folder: Path, part: str) -> list[str]:
    """What is missing of one part: its configuration, or what no variant that was begun is whole without."""
    place, before = folder / part, f"{part}/" if part else ""
    found = [] if is_file(place / "config.json") else [f"{before}config.json"]
    # a link of the cache may point at nothing: that is missing too
    weights = part_weights(place, part, half=True)
    return found + [f"{before}{name}" for name in weights.missing]


def base_files(names: Iterable[str], half: bool, vae: bool) -> list[str]:
    """Of all files of a model on the hub, those that a run reads: what is downloaded, and no more.

    `half`: the fp16 files are wanted where they are there, but not of the VAE, which encodes in fp32; `vae`: the
    weights of its own VAE are needed.
    """
    names = list(names)
    wanted = {"model_index.json", "README.md", "scheduler/scheduler_config.json", "vae/config.json"}
    wanted |= {f"{one}/{file}" for one in TOKENIZERS for file in TOKENIZER_FILES}
    found = [name for name in names if name in wanted]
    for part in CORE:
        found += part_files(names, part, half)
    return sorted({*found, *(part_files(names, "vae", half=False) if vae else ())})


def part_files(names: Iterable[str], part: str, half: bool) -> list[str]:
    """The configuration and the weights of one part, or with "" of a model that is one part; the variant as there."""
    before = f"{part}/" if part else ""
    own = [name.removeprefix(before) for name in names if name.startswith(before)]
    weights = next((found for variant in variants(half) if (found := weights_of(own, variant))), [])
    return [before + name for name in (*(one for one in ("config.json",) if one in own), *weights)]
