"""Writes a merge as an export is written: both layouts, the embeddings, words for user interfaces, a card; proved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trainer.contract.entries import folder_aside, make_private, sweep, write_atomic
from trainer.contract.loras.lora_file import ENCODERS
from trainer.contract.run.exports import CARD, FOR_DIFFUSERS, KOHYA, WORDS, base_name, embedding_names
from trainer.contract.run.replacement import replace_folder
from trainer.contract.settings.config import TrainConfig
from trainer.contract.units import plural
from trainer.export.card import POOLED, front_of, interfaces
from trainer.export.files import companion, file_bytes, write_diffusers, write_kohya_layers
from trainer.export.header import day, tensor_hash
from trainer.export.proof import prove_embeddings
from trainer.export.quoting import code, front_matter, markdown
from trainer.export.script import script
from trainer.ground.tensor_files import load_tensors
from trainer.merging.layers import Layers, as_trained
from trainer.merging.sources import Source, vocabulary_of
from trainer.model.parts import DTYPES


@dataclass(frozen=True)
class Merge:
    """What was merged. `how` is one sentence, `said` what else a reader has to know."""

    config: TrainConfig  # name, base model, precision and triggers of the merge
    sources: tuple[Source, Source]
    layers: Layers
    how: str
    said: Sequence[str]

    @property
    def rank(self) -> int:
        """The largest of its layers'."""
        return max(one.rank for one in self.layers.values())


def fits(layers: Layers, config: TrainConfig) -> bool:
    """Whether every number is finite in the precision of the files."""
    dtype = DTYPES[config.export.precision]
    return all(torch.isfinite(part.to(dtype)).all() for one in layers.values() for part in (one.down, one.up))


def write_merge(out: Path, merge: Merge, layers_per_block: int) -> list[Path]:
    """All files of a merge, in `out`, which is there with all of them or not at all; returns their paths.

    Raises ExportMismatch if a file read back is not the merge, and OSError.
    """
    make_private(out.parent)
    sweep(out.parent)
    config, trained = merge.config, as_trained(merge.layers)
    with folder_aside(out, out.parent) as aside:
        dtype = DTYPES[config.export.precision]
        path = aside / KOHYA.called(config.name)
        write_kohya_layers(path, trained, layers_per_block, dtype, lambda tensors: _header(merge, tensors))
        write_diffusers(aside / FOR_DIFFUSERS.called(config.name), trained, dtype)
        _write_embeddings(aside, merge)
        write_atomic(aside / WORDS.called(config.name), companion(_hint(merge), ", ".join(_words(merge))))
        write_atomic(aside / CARD, _card(merge))
        names = sorted(one.relative_to(aside) for one in aside.rglob("*") if one.is_file())
        replace_folder(aside, out, out.parent)
    return [out / name for name in sorted(names, key=lambda one: (-len(one.parts), one))]


def _write_embeddings(folder: Path, merge: Merge) -> None:
    names = embedding_names(merge.config)
    for word, rows in ((word, rows) for one in merge.sources for word, rows in one.rows.items()):
        read = load_tensors(rows.path)
        tensors = {key: read[name].float().contiguous() for key, name in zip(ENCODERS, rows.names, strict=True)}
        path = folder / f"{names[word]}.safetensors"
        header = {"format": "pt", **_modelspec(merge, tensors, "textual-inversion", names[word])}
        write_atomic(path, file_bytes(tensors, header))
        prove_embeddings(path, tensors)


def _words(merge: Merge) -> list[str]:
    """What is typed in a user interface: the embeddings' names, and the words that no embedding stands behind."""
    plain = [word for one in merge.sources for word in one.plain]
    return list(dict.fromkeys([*embedding_names(merge.config).values(), *plain]))


def _hint(merge: Merge) -> str:
    """One sentence on how the files are used together."""
    names = embedding_names(merge.config)
    files = " and ".join(f"{name}.safetensors" for name in names.values())
    load = f"Load {files} as embeddings beside this LoRA. " if names else ""
    words = " and ".join(_words(merge))
    return f"{load}Write {words} in the prompt." if words else f"{load}Neither LoRA says what its prompts call it."


def _header(merge: Merge, tensors: dict[str, torch.Tensor]) -> dict[str, str]:
    """What user interfaces and collections read; nothing of a training is in it, for there was none."""
    config = merge.config
    return {
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_sd_model_name": base_name(config),
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(merge.rank),
        "ss_network_alpha": str(merge.rank),
        "ss_training_comment": f"merged of {' and '.join(one.title for one in merge.sources)}: {merge.how}",
        "ss_output_name": config.name,
        "sshs_model_hash": tensor_hash(tensors),
        **_modelspec(merge, tensors, "lora", config.name),
    }


def _modelspec(merge: Merge, tensors: dict[str, torch.Tensor], kind: str, title: str) -> dict[str, str]:
    config, of = merge.config, " and ".join(one.title for one in merge.sources)
    side = config.train.resolution
    found = {
        "sai_model_spec": "1.0.1",
        "architecture": f"stable-diffusion-xl-v1-base/{kind}",
        "implementation": "https://github.com/Stability-AI/generative-models",
        "title": title,
        "description": f"Merged with loratui of {of}, on {base_name(config)}: {merge.how} {_hint(merge)}",
        "author": config.export.author,
        "date": day(),
        "hash_sha256": f"0x{tensor_hash(tensors)}",
        "resolution": f"{side}x{side}",
        "trigger_phrase": ", ".join(_words(merge)) if kind == "lora" else title,
        "usage_hint": _hint(merge),
    }
    return {f"modelspec.{key}": value for key, value in found.items() if value}


def _card(merge: Merge) -> str:
    """The README.md of a merge: of what, how, and how it is used."""
    config, names = merge.config, embedding_names(merge.config)
    of = " and ".join(markdown(one.title) for one in merge.sources)
    lines = [f"# {markdown(config.name)}", "", f"An SDXL LoRA merged with loratui of {of}, on {base_name(config)}.", ""]
    lines += [markdown(merge.how), "", *(f"* {markdown(one)}" for one in merge.said), *([""] if merge.said else [])]
    lines += ["| merged | words | shown by | rank | layers |", "|---|---|---|---|---|"]
    for one in merge.sources:
        words = ", ".join(code(word) for word in one.words) or "none known"
        prompts = ", ".join(map(markdown, one.prompts)) or "none known"
        lines.append(f"| {markdown(one.title)} | {words} | {prompts} | {one.lora.rank} | {len(one.lora.layers)} |")
    lines += [f"| **{markdown(config.name)}** | | | {merge.rank} | {len(merge.layers)} |", "", "## Use", ""]
    for word, name in names.items():
        count = next(one.rows[word].count for one in merge.sources if word in one.rows)
        lines.append(
            f"{code(word)} is {plural(count, 'new token')} in {code(f'{name}.safetensors')}, which the LoRA needs."
        )
    example = script(config, vocabulary_of(merge.sources)).rstrip()
    lines += ["", "### diffusers", "", "```python", example, "```", "", *interfaces(config, names)]
    return front_matter(front_of(config)) + "\n" + "\n".join([*lines, *([POOLED, ""] if names else [])])
