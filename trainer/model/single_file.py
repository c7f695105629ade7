"""The parts of a single .safetensors checkpoint, loaded one at a time into the classes that a folder is loaded into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights

from trainer.contract.basemodel.headers import read_shapes
from trainer.contract.basemodel.loss import ZERO_SNR
from trainer.contract.basemodel.sgm import SgmName, places
from trainer.contract.basemodel.single_file import CONFIGS, companion, config_of, read_checkpoint, tokenizer_of
from trainer.contract.basemodel.vae import vae_places
from trainer.contract.documents.files import shipped_json
from trainer.ground.tensor_files import opened_tensors
from trainer.model.errors import ModelError

MAX_LENGTH = 77  # tokens of a prompt, with start and end
PADS = {"tokenizer": "<|endoftext|>", "tokenizer_2": "!"}  # as SDXL's own tokenizers pad
# noise levels that the field takes for models that only carry the mark (ComfyUI, supported_models.py)
EDM = {"sigma_data": 0.5, "sigma_max": 80.0, "sigma_min": 0.002}  # Playground 2.5
EDM_V = {"sigma_data": 1.0, "sigma_max": 120.0, "sigma_min": 0.002}  # CosXL
PLAYGROUND_SCALING = 0.5  # of its latents, once mean and spread are taken out


def load_part(family: Any, path: Path, part: str, dtype: torch.dtype) -> Any:
    """One part as `family`, in `dtype`. Raises ModelError.

    The file is mapped: each tensor passes through memory once.
    """
    module = _empty(family, path, part)
    own = {name: place for name, place in places(read_shapes(path)).known.items() if place.part == part}
    return _filled(module, path, own, part, dtype)


def load_vae_file(path: Path, config: dict[str, Any], dtype: torch.dtype) -> Any:
    """A VAE by itself in one file, with this configuration, in `dtype`. Raises ModelError."""
    from diffusers import AutoencoderKL

    with init_empty_weights(include_buffers=False):
        module = AutoencoderKL.from_config(config)
    return _filled(module, path, vae_places(read_shapes(path)), "VAE", dtype)


def _filled(module: Any, path: Path, own: dict[str, SgmName], part: str, dtype: torch.dtype) -> Any:
    """`module` with its tensors; those that it does not have are passed over."""
    wanted = module.state_dict()
    # transformers leaves the outer name away in the first encoder, and has had it in both
    short = not any(name.startswith("text_model.") for name in wanted)
    tensors: dict[str, torch.Tensor] = {}
    with opened_tensors(path) as file:
        for name, place in own.items():
            for key, tensor in _moved(place, file.get_tensor(name)):
                key = key.removeprefix("text_model.") if short else key
                if key in wanted:
                    tensors[key] = tensor.to(dtype)
    wrong = sorted(set(wanted) - set(tensors))
    wrong += [name for name in tensors if tensors[name].shape != wanted[name].shape]
    if wrong:
        said = f"tensors are missing or of another shape ({len(wrong)}), such as {wrong[0]}"
        raise ModelError(f"the {part} of '{path}' does not fit its configuration: {said}")
    module.load_state_dict(tensors, strict=True, assign=True)
    return module


def _empty(family: Any, path: Path, part: str) -> Any:
    """The module without weights; its constants are real."""
    config = config_of(path, part)
    if part == "vae":
        config |= _latents(path)
    with init_empty_weights(include_buffers=False):
        if hasattr(family, "load_config"):
            return family.from_config(config)
        from transformers import CLIPTextConfig

        # the precision is the caller's, under either of the names that it has had
        own = {name: value for name, value in config.items() if name not in ("torch_dtype", "dtype")}
        return family(CLIPTextConfig.from_dict(own))


def _moved(place: SgmName, tensor: torch.Tensor) -> list[tuple[str, torch.Tensor]]:
    match place.change:
        case "thirds":
            return [(name, one.contiguous()) for name, one in zip(place.names, tensor.chunk(3), strict=True)]
        case "turned":
            tensor = tensor.t().contiguous()
        case "flat":
            tensor = tensor[:, :, 0, 0].contiguous()
    return [(place.names[0], tensor)]


def load_tokenizer(path: Path, name: str) -> Any:
    """The tokenizer beside the checkpoint, or CLIP's with SDXL's padding."""
    from transformers import CLIPTokenizer

    folder = tokenizer_of(path, name)
    if folder.is_relative_to(companion(path)):
        return CLIPTokenizer.from_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder, pad_token=PADS[name], model_max_length=MAX_LENGTH)


def load_scheduler(path: Path) -> Any:
    """The scheduler beside the checkpoint, or SDXL's own with the prediction that the marks in the file tell."""
    import diffusers

    config = config_of(path, "scheduler")
    if not (companion(path) / "scheduler" / "scheduler_config.json").is_file():
        config |= _marked(path)
    name = str(config.get("_class_name"))
    family = getattr(diffusers, name, None)
    if not name.endswith("Scheduler") or family is None:
        raise ModelError(f"the scheduler beside '{path}' is one that diffusers does not have: {name}")
    return family.from_config(config)


def zero_empty() -> bool:
    """Whether an empty negative prompt is zeros: as in SDXL, which no single file says."""
    return bool(shipped_json(CONFIGS / "model_index.json")["force_zeros_for_empty_prompt"])


def _marked(path: Path) -> dict[str, Any]:
    found = read_checkpoint(path)
    match found.prediction:
        case "epsilon":
            return {}
        case "v_prediction":
            zero = ZERO_SNR if found.zero_snr else {}
            return {"prediction_type": "v_prediction", **zero}
        case "edm":
            return {"_class_name": "EDMEulerScheduler", **EDM}
        case "edm_v_prediction":
            own = {name: _number(path, f"edm_vpred.{name}") for name in ("sigma_max", "sigma_min")}
            told = {name: value for name, value in own.items() if value is not None}
            return {"_class_name": "EDMEulerScheduler", "prediction_type": "v_prediction", **EDM_V, **told}


def _latents(path: Path) -> dict[str, Any]:
    """Mean and spread of the latents, which Playground 2.5 carries in its file."""
    if read_checkpoint(path).prediction != "edm" or (companion(path) / "vae" / "config.json").is_file():
        return {}
    with opened_tensors(path) as file:
        mean, spread = (file.get_tensor(f"edm_{name}").flatten().tolist() for name in ("mean", "std"))
    return {"latents_mean": mean, "latents_std": spread, "scaling_factor": PLAYGROUND_SCALING}


def _number(path: Path, name: str) -> float | None:
    with opened_tensors(path) as file:
        return float(file.get_tensor(name)) if name in file.keys() else None  # noqa: SIM118
