"""What a run makes of the memory that is free at its start: all of it changes time alone, no number."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from trainer.contract.plan.estimate import estimate
from trainer.contract.plan.kept_words import kept_words
from trainer.contract.plan.levels import chosen_level, with_level
from trainer.contract.plan.memory import Device
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.training import Checkpointing
from trainer.ground.machine import free_memory


@dataclass(frozen=True)
class Room:
    """Free bytes before anything was loaded, and what of the activations is made again in them."""

    config: TrainConfig
    images: int
    kind: Device
    free: int
    level: Checkpointing

    def words(self, captions: int) -> int:
        """Bytes for what the frozen keys and values make of so many captions; 0 where there is no room for all."""
        need = estimate(with_level(self.config, self.level), self.images, self.kind)
        return kept_words(need, captions, self.free)


def look_round(config: TrainConfig, images: int, device: torch.device) -> Room:
    """Before anything is loaded. Raises NotSDXL."""
    kind: Device = "cpu" if device.type == "cpu" else "cuda"
    free = free_memory(device)
    return Room(config, images, kind, free, chosen_level(config, images, free, kind))
