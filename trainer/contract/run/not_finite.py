"""What to change after a step that was not finite, by its cause: in words here, behind keys in `loratui.recovery`."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.contract.settings.config import TrainConfig, vae_source
from trainer.contract.units import plural

NAMED = 60  # letters of a picture's name


def is_trained(kind: str, config: TrainConfig) -> bool:
    """Whether anything trained may be at a cause of this kind, one of CAUSES: else a lower rate changes nothing."""
    words = config.pivotal.enabled or config.text_encoder_lora.enabled
    return kind not in ("latents", "vae", "base") and (kind != "words" or words)


def is_of_base(kind: str, config: TrainConfig) -> bool:
    """Whether it is the base model's own: a weight, or what its text encoders make of a caption untrained."""
    if kind == "vae":
        return not vae_source(config.model)
    return kind == "base" or (kind == "words" and not is_trained(kind, config))


def bf16_helps(kind: str, config: TrainConfig) -> bool:
    """Whether fp16's range may be the reason; what it makes of pictures is the VAE's own precision."""
    return config.train.precision == "fp16" and kind not in ("latents", "vae")


def fp32_helps_vae(config: TrainConfig) -> bool:
    """Whether pictures are encoded in fp16, in which a VAE can overflow."""
    return config.train.precision == "fp16" and config.model.vae_precision == "training"


def advice(kind: str, pictures: Sequence[str], config: TrainConfig) -> list[str]:
    """What helps against a cause of this kind ("": not told) that is bound to these pictures, the likeliest first."""
    found = []
    if kind == "gone":
        found.append("start it again as it was: computed a second time, the step was fine")
    if bf16_helps(kind, config):
        found.append("set train.precision to bf16, which holds larger numbers than fp16")
    if kind in ("latents", "vae") and fp32_helps_vae(config):
        found.append("encode the pictures in fp32: set model.vae_precision to auto")
    if kind == "latents" and not pictures:
        found.append("take the class picture out of its folder, then start a new run")
    if kind == "vae" and not is_of_base(kind, config):
        found.append("download the VAE again, or choose another: model.vae")
    if is_of_base(kind, config):
        found.append("download the base model again, or choose another: model.base")
    if pictures and kind != "vae" and not is_trained(kind, config):
        found.append(f"leave out {_said(pictures)}: add to dataset.skip")
    if is_trained(kind, config):
        found.append("lower train.learning_rate")
    return found


def _said(pictures: Sequence[str]) -> str:
    return pictures[0][:NAMED] if len(pictures) == 1 else plural(len(pictures), "picture")
