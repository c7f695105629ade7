"""A captioner's parts out of a folder: from safetensors, by transformers' own classes, no code of the folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.captioner.asked import NoCaptioner
from trainer.contract.units import plural

if TYPE_CHECKING:
    import torch

SETTINGS = {"local_files_only": True, "trust_remote_code": False}


def part(kind: Any, folder: Path) -> Any:
    """A tokenizer, picture settings or both. Raises NoCaptioner."""
    try:
        return kind.from_pretrained(folder, **SETTINGS)
    except Exception as error:  # transformers raises many kinds for a folder that is not complete
        raise NoCaptioner(f"'{folder}' has no usable tokenizer and picture settings: {_short(error)}") from None


def weights(kind: Any, folder: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """The model, every weight of it from the folder. Raises NoCaptioner, and what torch raises without memory."""
    import torch

    try:
        model, loaded = kind.from_pretrained(
            folder, dtype=dtype, output_loading_info=True, use_safetensors=True, **SETTINGS
        )
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # as above
        raise NoCaptioner(f"'{folder}' cannot be loaded: {_short(error)}") from None
    # transformers fills what is missing with random numbers: such a model would caption nonsense
    if loaded["missing_keys"] or loaded["mismatched_keys"]:
        count = len(loaded["missing_keys"]) + len(loaded["mismatched_keys"])
        raise NoCaptioner(
            f"'{folder}': {plural(count, 'weight')} missing or of another size; the file is of another model"
        )
    return model.to(device).eval()


def _short(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
