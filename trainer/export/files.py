"""Writes the diffusers LoRA, the kohya LoRA, the embeddings and the model card, and proves each before it is named."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save as save_any_order
from torch.nn import functional

from trainer.contract.basemodel.unet_names import within
from trainer.contract.entries import folder_aside, make_private, open_file, write_atomic
from trainer.contract.loras.keys import diffusers_key, diffusers_magnitude, kohya_key
from trainer.contract.loras.lora_file import BUNDLED, ENCODERS
from trainer.contract.run.changes import read_changes
from trainer.contract.run.exports import CARD, FILES, PICTURE, SAMPLE, WORDS, embedding_names
from trainer.contract.run.replacement import put_back
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.prompts import sample_pictures
from trainer.data.dataset import Item
from trainer.export.card import model_card
from trainer.export.delivery import deliver
from trainer.export.header import Told, embeddings_header, kohya_header, trigger_phrase, usage_hint
from trainer.export.learned import Learned
from trainer.export.proof import prove_diffusers, prove_embeddings, prove_kohya
from trainer.export.quoting import json_text
from trainer.model.adapters import AdaptedLayer, DoraLinear, LoraLinear
from trainer.model.lycoris import LycorisLayer
from trainer.model.parts import DTYPES

THUMBNAIL = 256  # px a side; about 15 kB in the header


def export_run(
    run: RunDir,
    config: TrainConfig,
    trainee: Learned,
    items: tuple[Item, ...],
    layers_per_block: int,
    step: int,
    folder: Path | None = None,
) -> list[str]:
    """Write and prove all files into `folder` (the run's export); returns their paths, relative to the run if inside.

    Raises ExportMismatch if a file read back is not the model, and OSError; the files of an earlier export stay
    until the new ones are proved, and take their place all at once.
    """
    folder = folder or run.export
    root = run.path if folder.is_relative_to(run.path) else folder.parent
    if root != run.path:
        make_private(root)
    put_back(folder, root)
    with folder_aside(folder, root) as aside:
        shown = _copy_samples(run, aside, len(sample_pictures(config)), step)
        picture = small_jpeg(aside / shown[0]) if shown else None
        told = Told(items, step, trainee.prediction, picture)
        _write_loras(aside, config, trainee, told, layers_per_block)
        write_embeddings(aside, config, trainee, told)
        write_companions(aside, config, aside / shown[0] if shown else None)
        card = model_card(config, len(items), step, shown, read_changes(run))
        write_atomic(aside / CARD, card)
        return deliver(aside, folder, run, root)


def _write_loras(folder: Path, config: TrainConfig, trainee: Learned, told: Told, layers_per_block: int) -> None:
    """Every LoRA file that the settings lead to."""
    for one in FILES:
        if not one.form or not one.is_written(config):
            continue
        path, layers = folder / one.called(config.name), trainee.layers
        if one.block:
            layers = {name: layer for name, layer in trainee.unet_layers.items() if within(name, one.block)}
        if one.form == "diffusers":
            write_diffusers(path, layers, DTYPES[config.export.precision])
        else:
            bundled = _bundled(config, trainee) if one.bundles else None
            write_kohya(path, config, layers, told, layers_per_block, bundled)


def write_diffusers(path: Path, layers: dict[str, AdaptedLayer], dtype: torch.dtype) -> None:
    """The diffusers file. Its loader takes alpha = rank, so another scale is folded into `up`, in fp32.

    Of layers with several ranks older loaders take one rank's for all: each is filled up with zeros to the largest.
    """
    make_private(path.parent)
    loras = {name: layer for name, layer in layers.items() if isinstance(layer, LoraLinear)}
    found = {name: layer.factors() for name, layer in loras.items()}
    tensors, rank = {}, max(len(down) for down, _ in found.values())
    for name, layer in loras.items():
        own, wide = (one.detach() for one in found[name])
        more = rank - len(own)
        down = functional.pad(own, (*[0] * (2 * own.dim() - 1), more))
        up = functional.pad(wide * layer.scale, (*[0] * (2 * wide.dim() - 4), 0, more))
        tensors[diffusers_key(name, "down")] = _file_tensor(down, dtype)
        tensors[diffusers_key(name, "up")] = _file_tensor(up, dtype)
        if isinstance(layer, DoraLinear):
            tensors[diffusers_magnitude(name)] = _file_tensor(layer.magnitude, torch.float32)
    write_atomic(path, file_bytes(tensors, {"format": "pt"}))
    prove_diffusers(path, layers)


def write_kohya(
    path: Path,
    config: TrainConfig,
    layers: dict[str, AdaptedLayer],
    told: Told,
    layers_per_block: int,
    bundled: dict[str, torch.Tensor] | None = None,
) -> None:
    """The file for A1111, ComfyUI, Forge, SD.Next and InvokeAI; alpha is kept as a number of its own.

    `bundled` (rows of embeddings, by the names that OneTrainer gives them) stands in the file as it is.

    With DoRA the scale is folded into `up`, in fp32, and alpha is the rank: SD.Next scales after the lengths are set.
    """
    told_by = partial(kohya_header, config, told, name=path.stem)
    write_kohya_layers(path, layers, layers_per_block, DTYPES[config.export.precision], told_by, bundled)


def write_kohya_layers(
    path: Path,
    layers: dict[str, LoraLinear],
    layers_per_block: int,
    dtype: torch.dtype,
    header: Callable[[dict[str, torch.Tensor]], dict[str, str]],
    bundled: dict[str, torch.Tensor] | None = None,
) -> None:
    """The same, whatever the layers came from: `header` says from the tensors what stands in it."""
    tensors = {}
    for name, layer in layers.items():
        key = kohya_key(name, layers_per_block)
        if isinstance(layer, LycorisLayer):
            tensors |= {f"{key}.{part}": _file_tensor(one, dtype) for part, one in layer.trained().items()}
            tensors[f"{key}.alpha"] = alpha_tensor(layer.alpha, dtype)
            continue
        assert isinstance(layer, LoraLinear)
        down, up = layer.factors()
        tensors[f"{key}.lora_down.weight"] = _file_tensor(down, dtype)
        tensors[f"{key}.lora_up.weight"] = _file_tensor(up.detach() * layer.folded, dtype)
        if isinstance(layer, DoraLinear):
            lengths = layer.magnitude if layer.axis == "input" else layer.magnitude.unsqueeze(1)
            tensors[f"{key}.dora_scale"] = _file_tensor(lengths, torch.float32)
        tensors[f"{key}.alpha"] = alpha_tensor(layer.scale / layer.folded * down.shape[0], dtype)
    tensors |= bundled or {}
    write_atomic(path, file_bytes(tensors, header(tensors)))
    prove_kohya(path, layers, layers_per_block, bundled)


def alpha_tensor(alpha: float, dtype: torch.dtype) -> torch.Tensor:
    """The number as the file has it: in the precision of the rest where that holds it, else in fp32."""
    found = torch.tensor(alpha, dtype=dtype)
    exact = torch.tensor(alpha, dtype=torch.float32)
    return found if float(found) == float(exact) else exact


def embedding_rows(config: TrainConfig, trainee: Learned) -> dict[str, dict[str, torch.Tensor]]:
    """Of each embeddings file (without ending): clip_l (n, 768) and clip_g (n, 1280), in fp32."""
    tokens, found = trainee.vocabulary.tokens, {}
    for word, name in embedding_names(config).items():
        own = [tokens.index(token) for token in trainee.vocabulary.words[word]]
        found[name] = {
            key: table.rows.detach()[own].float().cpu().contiguous()
            for key, table in zip(ENCODERS, trainee.tables, strict=True)
        }
    return found


def _bundled(config: TrainConfig, trainee: Learned) -> dict[str, torch.Tensor]:
    """The rows of all embeddings files, by the names that OneTrainer gives them."""
    return {
        f"{BUNDLED}{file}.{key}": one
        for file, found in embedding_rows(config, trainee).items()
        for key, one in found.items()
    }


def write_embeddings(folder: Path, config: TrainConfig, trainee: Learned, told: Told) -> None:
    """One file for each identifier."""
    for name, rows in embedding_rows(config, trainee).items():
        path = folder / f"{name}.safetensors"
        write_atomic(path, file_bytes(rows, embeddings_header(config, told, rows, name)))
        prove_embeddings(path, rows)


def write_companions(folder: Path, config: TrainConfig, picture: Path | None) -> None:
    """NAME.json and NAME.png: A1111, Forge, InvokeAI and SwarmUI show them beside a LoRA of that name.

    The keys are A1111's (extensions-builtin/Lora/ui_edit_user_metadata.py, save_lora_user_metadata).
    """
    if not WORDS.is_written(config):
        return
    write_atomic(folder / WORDS.called(config.name), companion(usage_hint(config), trigger_phrase(config)))
    if picture is not None:
        write_atomic(folder / PICTURE.called(config.name), _copied(picture, folder))


def companion(hint: str, words: str) -> str:
    """The text of NAME.json."""
    told = {
        "description": hint,
        "sd version": "SDXL",
        "activation text": words,
        "preferred weight": 1.0,
        "negative text": "",
        "notes": "",
    }
    return json_text(told)


def small_jpeg(picture: Path) -> bytes:
    """A picture of at most THUMBNAIL px a side, for the header."""
    with Image.open(picture) as opened:
        small = opened.convert("RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    raw = io.BytesIO()
    small.save(raw, "JPEG", quality=85)
    return raw.getvalue()


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


def _copy_samples(run: RunDir, folder: Path, pictures: int, step: int) -> list[str]:
    """The newest of the run's own pictures, so many of a sample step, up to `step`; they hold no metadata.

    Those of step 0 show the base model, not what is exported; what a person typed while it ran is not for the card.
    """
    found = sorted(run.samples.glob("[0-9]*-*.png")) if run.samples.is_dir() else []
    own = {str(index) for index in range(pictures)}
    found = [one for one in found if one.stem.rpartition("-")[2] in own]
    known = [(number, path) for path in found if 0 < (number := int(path.name.partition("-")[0])) <= step]
    if not known:
        return []
    newest = max(number for number, _ in known)
    names = []
    for path in (path for number, path in known if number == newest):
        name = SAMPLE.pattern.format(number=path.stem.rpartition("-")[2])
        write_atomic(folder / name, _copied(path, run.path))
        names.append(name)
    return names


def _copied(path: Path, root: Path) -> bytes:
    with os.fdopen(open_file(path, os.O_RDONLY, root=root), "rb") as file:
        return file.read()
