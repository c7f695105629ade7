"""What the header of the kohya file says of the training: ss_* for user interfaces, modelspec.* for collections."""

from __future__ import annotations

import base64
import calendar
import hashlib
import json
import math
import os
import time
from collections import Counter
from dataclasses import dataclass

from safetensors.torch import save
from torch import Tensor

from trainer.contract.basemodel.digests import file_digest
from trainer.contract.loras.lora_file import BUNDLED
from trainer.contract.paths import expanded, is_file
from trainer.contract.run.exports import base_name, embedding_names
from trainer.contract.run.interface_prompts import named_prompt
from trainer.contract.settings.arithmetic import learning_rates, text_frozen_after
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.taught import taught
from trainer.contract.units import plural
from trainer.data.dataset import Item

PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v"}  # as modelspec writes them; it has no word for EDM's


@dataclass(frozen=True)
class Told:
    """What the headers of an export tell beside the settings. `picture`: a small JPEG of the newest step, or none."""

    items: tuple[Item, ...]
    step: int
    prediction: str = "epsilon"  # what the base model predicts: epsilon, v_prediction, or edm
    picture: bytes | None = None


def kohya_header(config: TrainConfig, told: Told, tensors: dict[str, Tensor], name: str) -> dict[str, str]:
    """The header of the LoRA file `name` (without ending), text to text. No path, host or time of day is in it."""
    train = config.train
    unet_lr, words_lr = learning_rates(config)
    # a start is in the file too, which then has twice the rank at the same scale
    twice = 1 if config.adapter.start == "default" else 2
    alpha = (train.alpha or float(train.rank)) * twice
    names = embedding_names(config)
    count = len(told.items)
    folders, captions = {}, {}
    for place, one in enumerate(taught(config)):
        own = [item for item in told.items if item.concept == place]
        # of its own name: that of the person's folder is none of a stranger's business
        called = f"{config.name}_{one.number}" if one.title else config.name
        folders[called] = {"n_repeats": one.repeats, "img_count": len(own)}
        captions[called] = Counter(named_prompt(item.prompt, names) for item in own)
    places = sum(one["n_repeats"] * one["img_count"] for one in folders.values())
    counted = {
        "ss_num_train_images": str(places),
        "ss_epoch": str(_epochs(config, told.step, places)),
        "ss_num_epochs": str(_epochs(config, train.steps, places)),
    }
    return {
        "ss_base_model_version": "sdxl_base_v1-0",
        **_base(config),
        **_network(config),
        "ss_network_dim": str(train.rank * twice),
        "ss_network_alpha": f"{alpha:g}",
        "ss_optimizer": train.optimizer,
        "ss_learning_rate": f"{unet_lr:g}",
        "ss_unet_lr": f"{unet_lr:g}",
        "ss_text_encoder_lr": f"{words_lr:g}" if text_frozen_after(config) else "None",
        "ss_lr_scheduler": train.schedule,
        "ss_lr_warmup_steps": str(train.warmup_steps),
        "ss_max_train_steps": str(train.steps),
        "ss_steps": str(told.step),
        **(counted if count else {}),  # the pictures may be gone by a later export
        "ss_seed": str(train.seed),
        "ss_resolution": f"({train.resolution}, {train.resolution})",
        # kohya counts the last layer as 1, and SDXL's own, the one before it, as 2
        "ss_clip_skip": str(config.model.clip_skip + 2) if config.model.clip_skip else "None",
        "ss_min_snr_gamma": f"{train.min_snr_gamma:g}" if train.min_snr_gamma and not train.edm else "None",
        "ss_mixed_precision": train.precision,
        **({"ss_training_comment": said} if (said := _comment(config)) else {}),
        "ss_batch_size_per_device": str(train.batch),
        "ss_gradient_accumulation_steps": str(train.accumulation),
        "ss_dataset_dirs": json.dumps(folders),
        "ss_output_name": name,  # AUTOMATIC1111 also knows the file by it: two may not share it
        "ss_training_started_at": _midnight(),
        "ss_training_finished_at": _midnight(),
        "ss_tag_frequency": json.dumps(captions, ensure_ascii=False),
        "sshs_model_hash": tensor_hash(tensors),
        **_modelspec(config, told, tensors, "lora", name),
    }


def quantized_words(config: TrainConfig) -> str:
    """On what of the base model it was trained, where that is not what the base model is; else empty."""
    how = config.model.quantize
    return "" if how == "off" else f"the base model's unet in {how} (bitsandbytes), used on the whole one"


def _comment(config: TrainConfig) -> str:
    average = f"weights averaged over {config.train.ema:g} of the run (EMA)" if config.train.ema else ""
    trained = f"trained on {found}" if (found := quantized_words(config)) else ""
    return "; ".join(filter(None, (average, trained)))


def embeddings_header(config: TrainConfig, told: Told, tensors: dict[str, Tensor], name: str) -> dict[str, str]:
    """The header of the embeddings file `name` (without ending)."""
    return {"format": "pt", **_modelspec(config, told, tensors, "textual-inversion", name)}


def _modelspec(config: TrainConfig, told: Told, tensors: dict[str, Tensor], kind: str, title: str) -> dict[str, str]:
    """Stability's model metadata, 1.0.1; what nobody gave is left out."""
    side = config.train.resolution
    hint = usage_hint(config, any(key.startswith(BUNDLED) for key in tensors))
    steps = f"{plural(told.step, 'step')} on {plural(len(told.items), 'picture')}"
    steps += f", on {found}" if (found := quantized_words(config)) else ""
    found = {
        "sai_model_spec": "1.0.1",
        "architecture": f"stable-diffusion-xl-v1-base/{kind}",
        "implementation": "https://github.com/Stability-AI/generative-models",
        "title": title,
        "description": f"Trained with loratui on {base_name(config)}: {steps}. {hint}",
        "author": config.export.author,
        "date": day(),
        "hash_sha256": f"0x{tensor_hash(tensors)}",
        "resolution": f"{side}x{side}",
        "prediction_type": PREDICTIONS.get(told.prediction, ""),
        "encoder_layer": str(config.model.clip_skip + 2) if config.model.clip_skip else "",
        "trigger_phrase": trigger_phrase(config) if kind == "lora" else title,
        "usage_hint": hint,
        "thumbnail": "",
    }
    if told.picture is not None and kind == "lora":
        found["thumbnail"] = f"data:image/jpeg;base64,{base64.b64encode(told.picture).decode()}"
    return {f"modelspec.{key}": value for key, value in found.items() if value}


def _base(config: TrainConfig) -> dict[str, str]:
    """The base model's name as others may read it; of a single file its sha256 as well, by which interfaces know it."""
    found = {"ss_sd_model_name": base_name(config)}
    path = expanded(config.model.base)
    if is_file(path):
        found["ss_new_sd_model_hash"] = file_digest(path)
    return found


def _epochs(config: TrainConfig, steps: int, places: int) -> int:
    """Passes over all pictures with their repeats, the last one counted whole."""
    seen = steps * config.train.batch * config.train.accumulation
    return math.ceil(seen / max(1, places))


def _network(config: TrainConfig) -> dict[str, str]:
    """The module that makes such a network: kohya's, and LyCORIS's for a DoRA, with its arguments as it writes them."""
    own = config.adapter
    if own.kind != "lora":
        algorithm = {"lokr": "lokr", "loha": "loha", "oft": "diag-oft"}[own.kind]
        more = {"factor": str(own.factor)} if own.kind == "lokr" else {}
        return {
            "ss_network_module": "lycoris.kohya",
            "ss_network_args": json.dumps({"algo": algorithm, **more}),
        }
    if not config.train.dora:
        alpha = own.conv_alpha or float(own.conv_rank)
        more = {"conv_dim": str(own.conv_rank), "conv_alpha": f"{alpha:g}"} if own.conv_rank else {}
        return {"ss_network_module": "networks.lora"} | ({"ss_network_args": json.dumps(more)} if more else {})
    arguments = {"algo": "lora", "dora_wd": "True", "wd_on_output": str(config.train.dora_axis == "output")}
    return {"ss_network_module": "lycoris.kohya", "ss_network_args": json.dumps(arguments)}


def trigger_phrase(config: TrainConfig) -> str:
    """The words that a person types in a user interface to get the concept."""
    return ", ".join(embedding_names(config).values()) or ", ".join(config.triggers)


def usage_hint(config: TrainConfig, bundled: bool = False) -> str:
    """One sentence on how to use both files together, or the one that the embeddings are `bundled` in."""
    names = embedding_names(config)
    if names and bundled:
        return f"The embeddings are in this file: write {' and '.join(names.values())} in place of the trigger."
    if not names:
        words = " or ".join(f"'{one}'" for one in config.triggers)
        return f"Write {words} in the prompt."
    files = " and ".join(f"{name}.safetensors" for name in names.values())
    return f"Load {files} as embeddings beside this LoRA, and write the file's name in place of the trigger."


def day() -> str:
    """The day of the export (UTC), or of SOURCE_DATE_EPOCH: a time of day would change the bytes of every run."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = time.gmtime(int(epoch)) if epoch.isdigit() else time.gmtime()
    return time.strftime("%Y-%m-%d", moment)


def _midnight() -> str:
    """The start of `day` in seconds: the hours of a run would make the same answers other bytes each time."""
    return str(float(calendar.timegm(time.strptime(day(), "%Y-%m-%d"))))


def tensor_hash(tensors: dict[str, Tensor]) -> str:
    """sha256 of the file behind its header: what user interfaces know a LoRA by."""
    raw = save(tensors)
    return hashlib.sha256(raw[8 + int.from_bytes(raw[:8], "little") :]).hexdigest()
