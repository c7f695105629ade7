"""A digest of weights that are loaded, for a model that lies in no file."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def weights_digest(module: nn.Module, dtype: torch.dtype | None = None) -> str:
    """A digest of every parameter and buffer of a loaded module, as they are or, all of them, in `dtype`."""
    digest = hashlib.blake2b(digest_size=16)
    for name, own in sorted(module.state_dict().items()):
        tensor = own if dtype is None else own.to(dtype)
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
