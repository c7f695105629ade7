"""SDXL in its own size, or reduced, with random weights drawn on the device: to measure and test without a download."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import torch

from trainer.contract.basemodel.digests import words_digest
from trainer.contract.basemodel.folder import WEIGHTED
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.documents.files import shipped_json
from trainer.model.parts import Parts, quiet, set_vae_dtype

CONFIGS = Path(__file__).parents[1] / "configs"
HEAD = 64  # width of an attention head, in both text encoders and in the unet
GROUPS = 32  # of the unet's and the VAE's group norms; every width is a multiple of it
CONDITIONS = 6  # numbers of the micro-conditioning: two each of original size, crop and target size
MAX_LENGTH = 77
BOS, EOS = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True)
class SdxlSize:
    """How much of SDXL is built; SDXL itself unless it is told otherwise."""

    narrower: int = 1  # every width is divided by it, down to one head or one channel a group
    layers: int = 99  # at most so many in a transformer of the unet, and twice as many in a text encoder
    vocabulary: int = 49408  # of both tokenizers and both tables, before new tokens


FULL = SdxlSize()
REDUCED = SdxlSize(narrower=10, layers=1, vocabulary=1000)


def random_parts(
    size: SdxlSize = FULL,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Parts:
    """All five parts, frozen, as `load_parts` returns them, with the libraries' own initialisation.

    The weights are drawn from `seed` on `device` in `dtype`: nothing passes through RAM, and a device draws the same
    every time. Two devices, or two precisions, draw different ones: to compare them, draw once and use `moved`.
    """
    # imported before the device is entered: a library's own constants are none of the parts
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    from trainer.model.lean_vae import lighten

    quiet()
    where = torch.device(device)
    with _drawing(where, dtype, seed):
        unet = UNet2DConditionModel.from_config(_unet_config(size))
        vae = AutoencoderKL.from_config(_vae_config(size))
        first = CLIPTextModel(_text_config("text_encoder", size))
        encoders = first, CLIPTextModelWithProjection(_text_config("text_encoder_2", size))
    lighten(vae)
    for part in (unet, set_vae_dtype(vae, dtype), *encoders):
        part.requires_grad_(False).eval()
    scheduler, zero_empty = _scheduler()
    parts = Parts(
        unet=unet,
        vae=vae,
        text_encoders=encoders,
        tokenizers=(full_tokenizer("tokenizer", size.vocabulary), full_tokenizer("tokenizer_2", size.vocabulary)),
        scheduler=scheduler,
        device=where,
        dtype=dtype,
        zero_empty=zero_empty,
    )
    # the recipe decides every number, so that the weights need not be read for it
    recipe = [astuple(size), seed, where.type, str(dtype), torch.__version__]
    parts.digests.update({name: words_digest([name, *recipe]) for name in (*WEIGHTED, "tokenizers", "scheduler")})
    return parts


def moved(parts: Parts, device: torch.device | str, dtype: torch.dtype) -> Parts:
    """The same parts on another device in another precision; the modules themselves are moved."""
    for part in (parts.unet, *(parts.text_encoders or ())):
        part.to(device=device, dtype=dtype)
    set_vae_dtype(parts.vae.to(device=device), dtype)
    parts.device, parts.dtype = torch.device(device), dtype
    parts.digests.update({name: words_digest([known, str(dtype)]) for name, known in parts.digests.items()})
    return parts


def save_folder(parts: Parts, folder: Path) -> None:
    """Write untouched parts in diffusers' layout, for programs that load a folder."""
    from diffusers import StableDiffusionXLPipeline

    assert parts.text_encoders is not None
    StableDiffusionXLPipeline(
        vae=parts.vae,
        text_encoder=parts.text_encoders[0],
        text_encoder_2=parts.text_encoders[1],
        tokenizer=parts.tokenizers[0],
        tokenizer_2=parts.tokenizers[1],
        unet=parts.unet,
        scheduler=parts.scheduler,
        force_zeros_for_empty_prompt=parts.zero_empty,
        add_watermarker=False,
    ).save_pretrained(folder)


def full_tokenizer(name: str, vocabulary: int) -> Any:
    """`name` of the small SDXL with as many tokens as the table has rows: new ones get the first id behind it.

    It splits text as the small one does. The ids between its last word and BOS belong to words that nothing is
    merged into; BOS and EOS are the last two, as in CLIP (49406 and 49407), so EOS is the highest id of any prompt
    without new tokens. The first tokenizer pads with EOS, the second with "!" (id 0).
    """
    from transformers import CLIPTokenizer

    folder = Path(small_model()) / name
    words = {word: place for word, place in _read(folder / "vocab.json").items() if word not in (BOS, EOS)}
    filled = range(len(words), vocabulary - 2)
    words |= {f"<|{place}|>": place for place in filled} | {BOS: vocabulary - 2, EOS: vocabulary - 1}
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    merges = [tuple(line.split()) for line in lines if line]
    pad = _read(folder / "tokenizer_config.json")["pad_token"]
    return CLIPTokenizer(vocab=words, merges=merges, pad_token=pad, model_max_length=MAX_LENGTH)


@contextmanager
def _drawing(device: torch.device, dtype: torch.dtype, seed: int) -> Iterator[None]:
    """New parameters are made on `device` in `dtype`, from `seed`; the generators are left as they were."""
    before = torch.get_default_dtype()
    with torch.random.fork_rng([device] if device.type == "cuda" else []), device:
        torch.manual_seed(seed)
        torch.set_default_dtype(dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


def _unet_config(size: SdxlSize) -> dict[str, Any]:
    own = _read(CONFIGS / "unet.json")
    widths = [_narrow(one, size, GROUPS) for one in own["block_out_channels"]]
    first, second = (_text_width(name, size) for name in ("text_encoder", "text_encoder_2"))
    return own | {
        "block_out_channels": widths,
        "attention_head_dim": [max(1, one // HEAD) for one in widths],  # diffusers reads it as a count of heads
        "transformer_layers_per_block": [min(size.layers, one) for one in own["transformer_layers_per_block"]],
        "cross_attention_dim": first + second,
        "projection_class_embeddings_input_dim": second + CONDITIONS * own["addition_time_embed_dim"],
    }


def _vae_config(size: SdxlSize) -> dict[str, Any]:
    own = _read(CONFIGS / "vae.json")
    widths = [_narrow(one, size, GROUPS) for one in own["block_out_channels"]]
    # the VAE that SDXL is trained with is the one that bears half precision
    return own | {"block_out_channels": widths, "force_upcast": False}


def _text_config(name: str, size: SdxlSize) -> Any:
    from transformers import CLIPTextConfig

    own, width = _read(CONFIGS / f"{name}.json"), _text_width(name, size)
    own.pop("torch_dtype")  # the precision is the caller's
    return CLIPTextConfig.from_dict(
        own
        | {
            "hidden_size": width,
            "projection_dim": width,
            "intermediate_size": 4 * width,
            "num_attention_heads": width // HEAD,
            "num_hidden_layers": min(2 * size.layers, own["num_hidden_layers"]),
            "vocab_size": size.vocabulary,
        }
    )


def _scheduler() -> tuple[Any, bool]:
    from diffusers import EulerDiscreteScheduler

    index = _read(CONFIGS / "model_index.json")
    return EulerDiscreteScheduler.from_config(_read(CONFIGS / "scheduler.json")), index["force_zeros_for_empty_prompt"]


def _text_width(name: str, size: SdxlSize) -> int:
    return _narrow(_read(CONFIGS / f"{name}.json")["hidden_size"], size, HEAD)


def _narrow(width: int, size: SdxlSize, unit: int) -> int:
    return max(unit, width // size.narrower // unit * unit)


def _read(path: Path) -> dict[str, Any]:
    return shipped_json(path)
