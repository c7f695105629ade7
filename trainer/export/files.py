"""Writes the diffusers LoRA, the kohya LoRA, the embeddings and the model card, and proves each before it is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save as save_any_order

from trainer.contract.run.changes import read_changes
from trainer.contract.run.exports import CARD, DIFFUSERS, KOHYA
from trainer.contract.run.rundir import RunDir, make_private, write_atomic
from trainer.contract.settings.config import TrainConfig
from trainer.data.dataset import Item
from trainer.export.card import model_card
from trainer.export.header import embedding_names, kohya_header
from trainer.export.keys import diffusers_key, diffusers_magnitude, kohya_key
from trainer.export.proof import prove_diffusers, prove_embeddings, prove_kohya
from trainer.model.adapters import DoraLinear, LoraLinear
from trainer.model.parts import DTYPES
from trainer.step.trainee import ENCODERS, Trainee


def export_run(
    run: RunDir,
    config: TrainConfig,
    trainee: Trainee,
    items: tuple[Item, ...],
    layers_per_block: int,
    step: int,
    folder: Path | None = None,
) -> list[str]:
    """Write and prove all files into `folder` (the run's export); returns their paths, relative to the run if inside.

    Raises ExportMismatch if a file read back is not the model, and OSError; the files of an earlier export stay
    until the new ones are proved.
    """
    folder = folder or run.export
    aside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    make_private(aside)
    try:
        write_diffusers(aside / DIFFUSERS, trainee.layers, DTYPES[config.export.precision])
        kohya = aside / KOHYA.called(config.name)
        write_kohya(kohya, config, trainee.layers, items, step, layers_per_block, trainee.prediction)
        write_embeddings(aside, config, trainee)
        shown = _copy_samples(run, aside, len(config.sample.prompts) or 1, step)
        card = model_card(config, len(items), step, shown, read_changes(run))
        write_atomic(aside / CARD, card, mode=0o644)
        return _move_all(aside, folder, run)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_diffusers(path: Path, layers: dict[str, LoraLinear], dtype: torch.dtype) -> None:
    """The diffusers file. Its loader takes alpha = rank, so another scale is folded into `up`, in fp32."""
    tensors = {}
    for name, layer in layers.items():
        tensors[diffusers_key(name, "down")] = _file_tensor(layer.down, dtype)
        tensors[diffusers_key(name, "up")] = _file_tensor(layer.up.detach() * layer.scale, dtype)
        if isinstance(layer, DoraLinear):
            tensors[diffusers_magnitude(name)] = _file_tensor(layer.magnitude, dtype)
    write_atomic(path, file_bytes(tensors, {"format": "pt"}), mode=0o644)
    prove_diffusers(path, layers)


def write_kohya(
    path: Path,
    config: TrainConfig,
    layers: dict[str, LoraLinear],
    items: tuple[Item, ...],
    step: int,
    layers_per_block: int,
    prediction: str = "epsilon",
) -> None:
    """The file for A1111, ComfyUI, Forge and SD.Next; alpha is kept as a number of its own."""
    dtype = DTYPES[config.export.precision]
    tensors = {}
    for name, layer in layers.items():
        key = kohya_key(name, layers_per_block)
        tensors[f"{key}.lora_down.weight"] = _file_tensor(layer.down, dtype)
        tensors[f"{key}.lora_up.weight"] = _file_tensor(layer.up, dtype)
        if isinstance(layer, DoraLinear):
            tensors[f"{key}.dora_scale"] = _file_tensor(layer.magnitude.unsqueeze(1), dtype)
        tensors[f"{key}.alpha"] = torch.tensor(layer.scale * layer.down.shape[0], dtype=dtype)
    write_atomic(path, file_bytes(tensors, kohya_header(config, items, step, tensors, prediction)), mode=0o644)
    prove_kohya(path, layers, layers_per_block)


def write_embeddings(folder: Path, config: TrainConfig, trainee: Trainee) -> None:
    """One file for each identifier: clip_l (n, 768) and clip_g (n, 1280), in fp32."""
    tokens = trainee.vocabulary.tokens
    for word, name in embedding_names(config).items():
        own = [tokens.index(token) for token in trainee.vocabulary.words[word]]
        rows = {
            key: table.rows.detach()[own].float().cpu().contiguous()
            for key, table in zip(ENCODERS, trainee.tables, strict=True)
        }
        path = folder / f"{name}.safetensors"
        write_atomic(path, file_bytes(rows, {"format": "pt"}), mode=0o644)
        prove_embeddings(path, rows)


def file_bytes(tensors: dict[str, torch.Tensor], header: dict[str, str]) -> bytes:
    """A safetensors file whose bytes depend on its contents alone: the library writes the header in random order."""
    raw = save_any_order(tensors, header)
    size = int.from_bytes(raw[:8], "little")
    words = json.loads(raw[8 : 8 + size])
    words["__metadata__"] = dict(sorted(words["__metadata__"].items()))
    ordered = json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode()
    ordered += b" " * (-len(ordered) % 8)
    return len(ordered).to_bytes(8, "little") + ordered + raw[8 + size :]


def _file_tensor(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.detach().to("cpu", dtype).contiguous()


def _copy_samples(run: RunDir, folder: Path, prompts: int, step: int) -> list[str]:
    """The newest pictures of the run's own `prompts` up to `step`, without metadata: the trainer writes none into them.

    Those of step 0 show the base model, not what is exported; what a person typed while it ran is not for the card.
    """
    found = sorted(run.samples.glob("[0-9]*-*.png")) if run.samples.is_dir() else []
    own = {str(index) for index in range(prompts)}
    found = [one for one in found if one.stem.rpartition("-")[2] in own]
    known = [(number, path) for path in found if 0 < (number := int(path.name.partition("-")[0])) <= step]
    if not known:
        return []
    newest = max(number for number, _ in known)
    names = []
    for path in (path for number, path in known if number == newest):
        name = f"sample-{path.stem.rpartition('-')[2]}.png"
        shutil.copyfile(path, folder / name)
        names.append(name)
    return names


def _move_all(aside: Path, folder: Path, run: RunDir) -> list[str]:
    make_private(folder)
    names = []
    for path in sorted(aside.iterdir()):
        final = folder / path.name
        path.replace(final)
        names.append(str(final.relative_to(run.path)) if final.is_relative_to(run.path) else str(final))
    return names
