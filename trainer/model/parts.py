"""The parts of SDXL: loaded by class, frozen, put into one precision, released when done with."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainer.contract.basemodel.digests import base_digests, own_vae, words_digest
from trainer.contract.basemodel.folder import WEIGHTED
from trainer.contract.basemodel.inspect import base_of
from trainer.contract.basemodel.loss import is_edm_scheduler
from trainer.contract.basemodel.vae import vae_file_config
from trainer.contract.basemodel.weights import part_weights
from trainer.contract.paths import is_file
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.model import Quantize
from trainer.ground.digests import weights_digest
from trainer.ground.error_line import first_line
from trainer.model.errors import ModelError
from trainer.model.quantized import quantize_unet
from trainer.model.scheduler import load_scheduler

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}

# what trainer.step.diffusion reads: the rest of a scheduler's configuration is about drawing samples
DDPM_KEYS = (
    "beta_start", "beta_end", "beta_schedule", "trained_betas", "rescale_betas_zero_snr", "num_train_timesteps",
)  # fmt: skip
EDM_KEYS = ("sigma_min", "sigma_max", "sigma_data", "sigma_schedule", "rho", "num_train_timesteps")


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
    chunks: int = 1  # that a prompt is read in, of CHUNK tokens each
    clip_skip: int = 0  # layers of the text encoders left out beyond SDXL's one
    digests: dict[str, str] = field(default_factory=dict)  # of each part: what caches and resumes know it by
    quantize: Quantize = "off"  # in what the unet's Linears are kept once it is in its place

    @property
    def factor(self) -> int:
        """Pixels per latent, 8 in SDXL."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    def place_unet(self) -> None:
        """Bring the unet to the device of the rest, in as few bits as it is trained on.

        Not before it is needed, for encoding wants the room; of a weight that is quantized only the codes stay there.
        """
        if self.quantize != "off":
            quantize_unet(self.unet, self.quantize, self.device)
            free()
        if self.unet.device != self.device:
            self.unet.to(self.device)

    def put_vae_away(self, decodes: bool = True) -> None:
        """Nothing is encoded from here on: beside a GPU the VAE waits in RAM for the next picture.

        Where it never `decodes` again its decoder goes; the encoder stays for cached latents that went bad.
        """
        if not decodes:
            self.vae.decoder = self.vae.post_quant_conv = None
        if self.device.type != "cpu":
            self.vae.to("cpu")
        elif decodes:
            return
        free()

    @contextmanager
    def vae_in_place(self) -> Iterator[Any]:
        """The VAE on the device of the rest, for as long as this lasts."""
        self.vae.to(self.device)
        try:
            yield self.vae
        finally:
            self.put_vae_away()

    def encode_only(self) -> None:
        """Nothing of the text encoders is trained from here on."""
        for encoder in self.text_encoders or ():
            encoder.eval()

    def release_encoders(self) -> None:
        """Free both text encoders: every caption is a constant from here on."""
        self.text_encoders = None
        free()


def free() -> None:
    """Give back what nothing refers to any more: to the GPU, and to the system where the C library would keep it."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def pick_device(config: TrainConfig) -> torch.device:
    """The device of the settings. Raises ModelError where a GPU is asked for and there is none."""
    there = torch.cuda.is_available()
    if config.train.device == "cuda" and not there:
        raise ModelError("train.device is 'cuda', but torch sees no GPU; run 'loratui doctor', or set it to 'auto'")
    if not there or config.train.device == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())  # of several processes, each its own


def base_source(config: TrainConfig) -> str:
    """Folder, single file or hub id to load from. Raises NotSDXL for what is not an SDXL model."""
    return str(base_of(config.model).source or config.model.base)


def load_parts(config: TrainConfig, device: torch.device) -> Parts:
    """Load and freeze all five parts, one after the other; the unet stays in RAM until `place_unet`.

    Raises NotSDXL or ModelError with a sentence.
    """
    from diffusers import UNet2DConditionModel

    quiet()
    source, dtype = base_source(config), DTYPES[config.train.precision]
    scheduler, zero_empty = load_scheduler(source, config.model)
    local = base_digests(config)
    unet = _freeze(_load(UNet2DConditionModel, source, "unet", dtype), torch.device("cpu"))
    parts = Parts(
        unet=unet,
        vae=load_vae(config, source, dtype, device),
        text_encoders=load_text_encoders(source, dtype, device),
        tokenizers=load_tokenizers(source),
        scheduler=scheduler,
        device=device,
        dtype=dtype,
        zero_empty=zero_empty,
        chunks=config.caption.chunks,
        clip_skip=config.model.clip_skip,
        quantize=config.model.quantize,
    )
    parts.digests.update(_all_digests(parts, local))
    return parts


def load_vae(config: TrainConfig, source: str, dtype: torch.dtype, device: torch.device) -> Any:
    """The VAE of the settings. It encodes in fp32, for its latents are kept, and decodes in the `dtype` of the rest.

    Both are in fp32 where that is asked for, or where half precision overflows (force_upcast); both in `dtype` where
    that is.
    """
    from diffusers import AutoencoderKL

    from trainer.model.lean_vae import lighten

    own, full = own_vae(config), torch.float32
    if is_file(Path(own)):
        from trainer.model.single_file import load_vae_file

        vae = load_vae_file(Path(own), vae_file_config(Path(own), base_of(config.model)), full)
    else:
        vae = _load(AutoencoderKL, own, "", full) if own else _load(AutoencoderKL, source, "vae", full)
    lighten(vae)
    asked = config.model.vae_precision
    decoding = full if asked == "fp32" or vae.config.force_upcast else dtype
    return _freeze(set_vae_dtype(vae, decoding, decoding if asked == "training" else full), device)


def set_vae_dtype(vae: Any, decoding: torch.dtype, encoding: torch.dtype = torch.float32) -> Any:
    """The same VAE, which encodes and decodes in these: each of the two ways has its own weights."""
    for part, dtype in (
        (vae.encoder, encoding),
        (vae.quant_conv, encoding),
        (vae.decoder, decoding),
        (vae.post_quant_conv, decoding),
    ):
        if part is not None:
            part.to(dtype)
    return vae


def load_text_encoders(source: str, dtype: torch.dtype, device: torch.device) -> tuple[Any, Any]:
    """CLIP-L and CLIP-G, frozen."""
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    first = _load(CLIPTextModel, source, "text_encoder", dtype)
    second = _load(CLIPTextModelWithProjection, source, "text_encoder_2", dtype)
    return _freeze(first, device), _freeze(second, device)


def load_tokenizers(source: str) -> tuple[Any, Any]:
    """The two CLIP tokenizers."""
    from transformers import CLIPTokenizer

    if is_file(Path(source)):
        from trainer.model.single_file import load_tokenizer

        return load_tokenizer(Path(source), "tokenizer"), load_tokenizer(Path(source), "tokenizer_2")
    try:
        return (
            CLIPTokenizer.from_pretrained(source, subfolder="tokenizer"),
            CLIPTokenizer.from_pretrained(source, subfolder="tokenizer_2"),
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"the tokenizers of '{source}' cannot be read: {first_line(error)}") from error


def fix_pooling(text_encoders: Iterable[nn.Module], tokenizers: Iterable[Any]) -> None:
    """Pool at the end of the text.

    SDXL's configurations say eos_token_id = 2, for which transformers takes the highest id of the sequence: with
    new tokens, whose ids lie above EOS, that is the last new token. User interfaces read it at EOS; so do we.
    """
    for encoder, tokenizer in zip(text_encoders, tokenizers, strict=True):
        for module in encoder.modules():
            if hasattr(module, "eos_token_id"):
                module.eos_token_id = tokenizer.eos_token_id


def checkpoint_activations(parts: Parts) -> None:
    """Have the unet, and the encoders where they are, compute activations anew in the backward pass: less memory."""
    parts.unet.enable_gradient_checkpointing()
    parts.unet.train()  # diffusers checkpoints only in train mode; SDXL has no dropout
    for encoder in parts.text_encoders or ():
        # transformers renames it in version 6
        enable = getattr(encoder, "activation_checkpointing_enable", None) or encoder.gradient_checkpointing_enable
        enable({"use_reentrant": False})
        encoder.train()


def quiet() -> None:
    """No progress bars, advice or deprecations on stderr: the run's log is read by people."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


def _freeze(module: Any, device: torch.device) -> Any:
    return module.requires_grad_(False).eval().to(device)


def _all_digests(parts: Parts, local: dict[str, str]) -> dict[str, str]:
    """Those of the files where there are any, else of what was loaded; tokenizers and scheduler by what is read."""
    assert parts.text_encoders is not None
    modules = dict(zip(WEIGHTED, (parts.unet, *parts.text_encoders, parts.vae), strict=True))
    # the VAE too as of one precision, the one it decodes in: so the checkpoints of before have it
    dtypes = {"vae": next(parts.vae.decoder.parameters()).dtype}
    found = {name: local.get(name) or weights_digest(module, dtypes.get(name)) for name, module in modules.items()}
    found["tokenizers"] = words_digest([one.get_vocab() for one in parts.tokenizers])
    found["scheduler"] = forward_process(parts.scheduler)
    return found


def forward_process(scheduler: Any) -> str:
    """The noise levels and the prediction that training reads of a base's scheduler, in words.

    Every value is as it is resolved for training, whether the base's file names it or leaves it to its default.
    """
    from diffusers import DDPMScheduler, EDMEulerScheduler

    edm = is_edm_scheduler(type(scheduler).__name__)
    family: Any = EDMEulerScheduler if edm else DDPMScheduler
    read = family.from_config(scheduler.config).config
    known = {name: read[name] for name in (EDM_KEYS if edm else DDPM_KEYS)}
    known["prediction_type"] = scheduler.config["prediction_type"]
    if known.get("trained_betas") is not None:
        known["trained_betas"] = words_digest([float(beta) for beta in known["trained_betas"]])
    return " ".join(["EDM" if edm else "DDPM", *(f"{name}={_plain(value)}" for name, value in sorted(known.items()))])


def _plain(value: Any) -> str:
    """A file may write 1 where another writes 1.0."""
    return str(value) if isinstance(value, bool) or not isinstance(value, int | float) else repr(float(value))


def _load(family: Any, source: str, part: str, dtype: torch.dtype) -> Any:
    """One part, from safetensors only: the variant that suits the precision, of those that are there."""
    if is_file(Path(source)):
        from trainer.model.single_file import load_part

        return load_part(family, Path(source), part, dtype)
    where = f"the {part or 'VAE'} of '{source}'"
    options: dict[str, Any] = {"subfolder": part} if part else {}
    options |= {"use_safetensors": True, "dtype": dtype, "output_loading_info": True}
    weights = part_weights(Path(source) / part, part, half=dtype != torch.float32)
    if weights.missing:
        raise ModelError(f"{where} cannot be loaded: {', '.join(weights.missing)} missing")
    try:
        loaded, info = family.from_pretrained(source, variant=weights.variant or None, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{where} cannot be loaded: {first_line(error)}") from error
    # both libraries would make up what is missing at random
    if wrong := sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]])):
        said = f"tensors are missing or of another shape ({len(wrong)}), such as {wrong[0]}"
        raise ModelError(f"{where} does not fit its configuration: {said}")
    return loaded
