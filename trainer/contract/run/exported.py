"""What a run's export holds: which LoRA files a configuration leads to, and which programs compute each rightly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.triggers import file_word, split_triggers

# in a folder of its own, where ComfyUI does not find it: it would load half of it without a word
DIFFUSERS = "diffusers/pytorch_lora_weights.safetensors"
OLD_DIFFUSERS = "pytorch_lora_weights.safetensors"  # where it lay before
CARD = "README.md"

B_LORA = {"content": "up_blocks.0.attentions.0", "style": "up_blocks.0.attentions.1"}  # Frenkel et al. 2024
INTERFACES = ("ComfyUI", "AUTOMATIC1111", "Forge", "SD.Next", "InvokeAI", "SwarmUI")
LIBRARIES = ("diffusers", "PEFT")
# they leave out dora_scale without a word (kohya's networks/lora.py knows lora_down, lora_up and alpha alone)
WITHOUT_DORA = ("kohya's scripts", "stable-diffusion.cpp")


@dataclass(frozen=True)
class LoraFile:
    """One LoRA file of an export: its path there, and the programs that make of it the weights that were trained."""

    path: str
    readers: tuple[str, ...]


def lora_files(config: TrainConfig) -> tuple[LoraFile, ...]:
    """The LoRA files that are written: of a DoRA only the one that is computed rightly along its axis."""
    interfaces, libraries = LoraFile(f"{config.name}.safetensors", INTERFACES), LoraFile(DIFFUSERS, LIBRARIES)
    if not config.train.dora:
        return interfaces, libraries
    return (interfaces,) if config.train.dora_axis == "input" else (libraries,)


def embedding_names(config: TrainConfig) -> dict[str, str]:
    """The embeddings file (without ending) of each identifier: NAME_emb, or NAME_IDENTIFIER_emb for several."""
    if not config.pivotal.enabled:
        return {}
    words = split_triggers(config.dataset.trigger)
    if len(words) == 1:
        return {words[0]: f"{config.name}_emb"}
    return {word: f"{config.name}_{file_word(word)}_emb" for word in words}


def base_name(config: TrainConfig) -> str:
    """The base model as others may read it: a hub id, or the last part of a local folder."""
    base = config.model.base
    if Path(base).expanduser().is_dir() or base.startswith(("/", "~", ".")):
        return Path(base).name
    return base


def bundle_name(config: TrainConfig) -> str:
    """The file with the embeddings in it, as OneTrainer makes it; empty where none is asked for or possible."""
    wanted = config.export.bundle_embeddings and config.pivotal.enabled
    return f"{config.name}_bundle.safetensors" if wanted and lora_files(config)[0].readers == INTERFACES else ""


def b_lora_files(config: TrainConfig) -> dict[str, str]:
    """Of a B-LoRA, trained in the blocks of content and style alone: a file for each, and the block that is in it."""
    if set(config.train.blocks) != set(B_LORA.values()) or lora_files(config)[0].readers != INTERFACES:
        return {}
    return {f"{config.name}_{part}.safetensors": block for part, block in B_LORA.items()}


def dora_readers(axis: str) -> str:
    """Which programs compute a DoRA along `axis` ("input" or "output"), and which do not: two halves of a sentence."""
    good, bad = (INTERFACES, LIBRARIES) if axis == "input" else (LIBRARIES, INTERFACES)
    return f"{', '.join(good)}; not {', '.join((*bad, *WITHOUT_DORA))}"
