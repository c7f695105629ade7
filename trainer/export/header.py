"""What the header of the kohya file says of the training: ss_* for user interfaces, modelspec.* for collections."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter

from safetensors.torch import save
from torch import Tensor

from trainer.contract.run.exported import embedding_names
from trainer.contract.settings.arithmetic import learning_rates, text_frozen_after
from trainer.contract.settings.config import TrainConfig
from trainer.data.dataset import Item

PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v"}  # as modelspec writes them; it has no word for EDM's


def kohya_header(
    config: TrainConfig, items: tuple[Item, ...], step: int, tensors: dict[str, Tensor], prediction: str = "epsilon"
) -> dict[str, str]:
    """The header as safetensors wants it, text to text. No path, host or time of day is in it.

    `prediction` is what the base model predicts: epsilon, v_prediction, or edm.
    """
    train = config.train
    unet_lr, words_lr = learning_rates(config)
    alpha = train.alpha or float(train.rank)
    captions = Counter(item.prompt for item in items)
    return {
        "ss_base_model_version": "sdxl_base_v1-0",
        **_network(config),
        "ss_network_dim": str(train.rank),
        "ss_network_alpha": f"{alpha:g}",
        "ss_optimizer": train.optimizer,
        "ss_learning_rate": f"{unet_lr:g}",
        "ss_unet_lr": f"{unet_lr:g}",
        "ss_text_encoder_lr": f"{words_lr:g}" if text_frozen_after(config) else "None",
        "ss_lr_scheduler": train.schedule,
        "ss_lr_warmup_steps": str(train.warmup_steps),
        "ss_max_train_steps": str(train.steps),
        "ss_steps": str(step),
        "ss_seed": str(train.seed),
        "ss_resolution": f"({train.resolution}, {train.resolution})",
        "ss_min_snr_gamma": f"{train.min_snr_gamma:g}" if train.min_snr_gamma and not train.edm else "None",
        "ss_mixed_precision": train.precision,
        "ss_batch_size_per_device": str(train.batch),
        "ss_gradient_accumulation_steps": str(train.accumulation),
        "ss_num_train_images": str(len(items) * config.dataset.repeats),
        "ss_output_name": config.name,
        "ss_tag_frequency": json.dumps({config.name: captions}, ensure_ascii=False),
        "sshs_model_hash": tensor_hash(tensors),
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.title": config.name,
        "modelspec.date": day(),
        "modelspec.resolution": f"{train.resolution}x{train.resolution}",
        **({"modelspec.prediction_type": PREDICTIONS[prediction]} if prediction in PREDICTIONS else {}),
        "modelspec.trigger_phrase": trigger_phrase(config),
        "modelspec.usage_hint": usage_hint(config),
    }


def _network(config: TrainConfig) -> dict[str, str]:
    """The module that makes such a network: kohya's, and LyCORIS's for a DoRA, with its arguments as it writes them."""
    if not config.train.dora:
        return {"ss_network_module": "networks.lora"}
    arguments = {"algo": "lora", "dora_wd": "True", "wd_on_output": str(config.train.dora_axis == "output")}
    return {"ss_network_module": "lycoris.kohya", "ss_network_args": json.dumps(arguments)}


def trigger_phrase(config: TrainConfig) -> str:
    """The words that a person types in a user interface to get the concept."""
    return ", ".join(embedding_names(config).values()) or config.dataset.trigger


def usage_hint(config: TrainConfig) -> str:
    """One sentence on how to use both files together."""
    names = embedding_names(config)
    if not names:
        return f"Write '{config.dataset.trigger}' in the prompt."
    files = " and ".join(f"{name}.safetensors" for name in names.values())
    return f"Load {files} as embeddings beside this LoRA, and write the file's name in place of the trigger."


def day() -> str:
    """The day of the export (UTC), or of SOURCE_DATE_EPOCH: a time of day would change the bytes of every run."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = time.gmtime(int(epoch)) if epoch.isdigit() else time.gmtime()
    return time.strftime("%Y-%m-%d", moment)


def tensor_hash(tensors: dict[str, Tensor]) -> str:
    """sha256 of the file behind its header: what user interfaces know a LoRA by."""
    raw = save(tensors)
    return hashlib.sha256(raw[8 + int.from_bytes(raw[:8], "little") :]).hexdigest()
