"""The parts of SDXL: loaded by class, frozen, put into one precision, released when done with."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainer.contract.basemodel import inspect_base
from trainer.contract.config import TrainConfig, vae_source

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


class ModelError(ValueError):
    """A part of the base model cannot be loaded."""


@dataclass
class Parts:
    """SDXL in five parts; the encoders and the VAE become None when they are released."""

    unet: Any
    vae: Any
    text_encoders: tuple[Any, Any] | None
    tokenizers: tuple[Any, Any]
    scheduler: Any
    device: torch.device
    dtype: torch.dtype
    zero_empty: bool  # whether an empty negative prompt means zeros, as in SDXL

    @property
    def factor(self) -> int:
        """Pixels per latent, 8 in SDXL."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    def release_encoders(self) -> None:
        """Free both text encoders: every caption is a constant from here on."""
        self.text_encoders = None
        free()


def free() -> None:
    """Give back what nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def pick_device(config: TrainConfig) -> torch.device:
    """The device of the settings. Raises ModelError where a GPU is asked for and there is none."""
    there = torch.cuda.is_available()
    if config.train.device == "cuda" and not there:
        raise ModelError("train.device is 'cuda', but torch sees no GPU; run 'loratui doctor', or set it to 'auto'")
    if not there or config.train.device == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())  # of several processes, each its own


def base_source(config: TrainConfig) -> str:
    """Folder or hub id to load from. Raises NotSDXL for what is not an SDXL model."""
    base = inspect_base(config.model.base)
    return str(base.folder) if base.folder is not None else config.model.base


def load_parts(config: TrainConfig, device: torch.device) -> Parts:
    """Load and freeze all five parts. Raises NotSDXL or ModelError with a sentence."""
    from diffusers import UNet2DConditionModel

    quiet()
    source, dtype = base_source(config), DTYPES[config.train.precision]
    scheduler, zero_empty = load_scheduler(source)
    unet = _freeze(_load(UNet2DConditionModel, source, "unet", dtype), device)
    return Parts(
        unet=unet,
        vae=load_vae(config, source, dtype, device),
        text_encoders=load_text_encoders(source, dtype, device),
        tokenizers=load_tokenizers(source),
        scheduler=scheduler,
        device=device,
        dtype=dtype,
        zero_empty=zero_empty,
    )


def load_vae(config: TrainConfig, source: str, dtype: torch.dtype, device: torch.device) -> Any:
    """The VAE of the settings; in fp32 where its configuration says that half precision overflows (force_upcast)."""
    from diffusers import AutoencoderKL

    own = vae_source(config.model)
    vae = _load(AutoencoderKL, own, "", dtype) if own else _load(AutoencoderKL, source, "vae", dtype)
    return _freeze(vae.to(torch.float32) if vae.config.force_upcast else vae, device)


def load_text_encoders(source: str, dtype: torch.dtype, device: torch.device) -> tuple[Any, Any]:
    """CLIP-L and CLIP-G, frozen."""
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    first = _load(CLIPTextModel, source, "text_encoder", dtype)
    second = _load(CLIPTextModelWithProjection, source, "text_encoder_2", dtype)
    return _freeze(first, device), _freeze(second, device)


def load_tokenizers(source: str) -> tuple[Any, Any]:
    """The two CLIP tokenizers."""
    from transformers import CLIPTokenizer

    return (
        CLIPTokenizer.from_pretrained(source, subfolder="tokenizer"),
        CLIPTokenizer.from_pretrained(source, subfolder="tokenizer_2"),
    )


def load_scheduler(source: str) -> tuple[Any, bool]:
    """The scheduler that the base model samples with, and whether its empty negative prompt is zeros."""
    import diffusers
    from diffusers import StableDiffusionXLPipeline

    index = StableDiffusionXLPipeline.load_config(source)
    name = index["scheduler"][1]
    family = getattr(diffusers, name, None)
    if not name.endswith("Scheduler") or family is None:
        raise ModelError(f"the base model asks for a scheduler that diffusers does not have: {name}")
    scheduler = family.from_pretrained(source, subfolder="scheduler")
    return scheduler, bool(index.get("force_zeros_for_empty_prompt", True))


def fix_pooling(text_encoders: Iterable[nn.Module], tokenizers: Iterable[Any]) -> None:
    """Pool at the end of the text.

    SDXL's configurations say eos_token_id = 2, for which transformers takes the highest id of the sequence: with
    new tokens, whose ids lie above EOS, that is the last new token. User interfaces read it at EOS; so do we.
    """
    for encoder, tokenizer in zip(text_encoders, tokenizers, strict=True):
        for module in encoder.modules():
            if hasattr(module, "eos_token_id"):
                module.eos_token_id = tokenizer.eos_token_id


def weights_digest(module: nn.Module) -> str:
    """A digest of every parameter and buffer: what a cache of this module's results is keyed by."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def quiet() -> None:
    """No progress bars, advice or deprecations on stderr: the run's log is read by people."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


def _freeze(module: Any, device: torch.device) -> Any:
    return module.requires_grad_(False).eval().to(device)


def _load(family: Any, source: str, part: str, dtype: torch.dtype) -> Any:
    """One part, from safetensors only; the hub's fp16 files where half precision is wanted and they are there."""
    options: dict[str, Any] = {"subfolder": part} if part else {}
    options |= {"use_safetensors": True, "dtype": dtype}
    variants = ("fp16", None) if dtype != torch.float32 else (None, "fp16")
    if Path(source).is_dir():
        variants = tuple(one for one in variants if _has(Path(source) / part, one))
    failed: Exception | None = None
    for variant in variants:
        try:
            return family.from_pretrained(source, variant=variant, **options)
        except (OSError, ValueError) as error:
            failed = error
    reason = str(failed).splitlines()[0] if failed else "no .safetensors there"
    raise ModelError(f"the {part or 'VAE'} of '{source}' cannot be loaded: {reason}") from failed


def _has(folder: Path, variant: str | None) -> bool:
    names = [path.name for path in folder.glob("*.safetensors")]
    return any((".fp16." in name) == (variant == "fp16") for name in names)
