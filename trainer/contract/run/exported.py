"""What a run's export holds: which LoRA files a configuration leads to, and which programs compute each rightly."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.triggers import file_word, split_triggers

DIFFUSERS = "pytorch_lora_weights.safetensors"  # where diffusers looks for a LoRA; relative to the export
CARD = "README.md"

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


def dora_readers(axis: str) -> str:
    """Which programs compute a DoRA along `axis` ("input" or "output"), and which do not: two halves of a sentence."""
    good, bad = (INTERFACES, LIBRARIES) if axis == "input" else (LIBRARIES, INTERFACES)
    return f"{', '.join(good)}; not {', '.join((*bad, *WITHOUT_DORA))}"
