"""Latents on disk, keyed by all that decides them: encoded once, used by every epoch and every later run."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL
import torch
from safetensors import SafetensorError

from trainer.contract.pictures.flatten import RULE
from trainer.data import images
from trainer.data.dataset import View
from trainer.ground import draws
from trainer.ground.digests import weights_digest
from trainer.ground.tensor_files import all_finite, keep_sound, load_sound

IN_MEMORY = 1 << 30  # bytes of latents that are kept beside the disk

ALL_BAD = 8  # pictures whose latents are not finite, and none before whose are: so it is none of theirs

Latent = dict[str, torch.Tensor]  # "mean" and "std", each (4, h, w) in fp32


@dataclass(frozen=True)
class Filled:
    """The views whose latents are not finite, of which none is kept on disk, and how many others there are."""

    bad: tuple[View, ...]
    sound: int


class LatentCache:
    """The posterior of the VAE for each distinct view; what is not there is encoded, and kept if the disk takes it."""

    def __init__(self, folder: Path, background: str) -> None:
        self._folder, self._background = folder, background
        self._vae: Any = None
        self._device, self._dtype = torch.device("cpu"), torch.float32
        self._kind = ""
        self._kept: OrderedDict[str, Latent] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()  # a thread reads ahead for the steps while the loop measures

    def use(self, vae: Any, device: torch.device, digest: str = "") -> None:
        """Encode with this VAE, whose weights have `digest`; they, precision and device are part of every key."""
        self._vae, self._device = vae, device
        place = f"{device.type}-{torch.get_num_threads()}-{torch.__version__}"
        self._dtype = next(vae.encoder.parameters()).dtype  # of its encoder: the decoder may have another one
        self._kind = f"{digest or weights_digest(vae)}-{self._dtype}-{place}"

    def key(self, view: View) -> str:
        """What decides the latents of a view, hashed."""
        one = view.geometry
        pixels = (view.item.digest, f"{RULE} {PIL.__version__}", self._background)  # the file, and how it is decoded
        words = (*pixels, one.resized, one.corner, one.size, one.flip, self._kind)
        return hashlib.blake2b(repr(words).encode(), digest_size=16).hexdigest()

    def fill(self, views: Iterable[View], progress: Callable[[int, int], None]) -> Filled:
        """Make sure that all `views` are there, and whole. `progress` gets (done, total) for what had to be encoded.

        Raises what opening a picture raises.
        """
        wanted = {self.key(view): view for view in views}
        missing = {key: view for key, view in wanted.items() if not self._whole(key)}
        bad: list[View] = []
        sound = len(wanted) - len(missing)
        for done, (key, view) in enumerate(missing.items()):
            progress(done, len(missing))
            self._keep(key, latent := self._encode(key, view))
            if all_finite(latent):
                sound += 1
                continue
            bad.append(view)
            if not sound and len({one.item.digest for one in bad}) == ALL_BAD:
                return Filled(tuple(bad), sound)
        if missing:
            progress(len(missing), len(missing))
        return Filled(tuple(bad), sound)

    def _whole(self, key: str) -> bool:
        try:
            self._keep(key, self._read(key))
        except (OSError, SafetensorError):
            return False
        return True

    def get(self, view: View) -> Latent:
        """The posterior of a view; a cache file that is damaged, or holds what is not finite, is made again."""
        with self._lock:
            return self._got(self.key(view), view)

    def _got(self, key: str, view: View) -> Latent:
        found = self._kept.get(key)
        if found is None:
            try:
                found = self._read(key)
            except (OSError, SafetensorError):
                found = self._encode(key, view)
            self._keep(key, found)
        self._kept.move_to_end(key)
        return found

    def _read(self, key: str) -> Latent:
        found = load_sound(self._path(key))
        if set(found) != {"mean", "std"}:
            raise SafetensorError("other tensors than mean and std")
        return found

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"

    @torch.no_grad()
    def _encode(self, key: str, view: View) -> Latent:
        # one picture at a time: a batch would change the last bits with its size
        picture = images.open_rgb(view.item.path, self._background)
        seen = images.pixels(picture, view.geometry).unsqueeze(0)
        self._vae.to(self._device)  # where it does not wait elsewhere already: a picture whose file went bad
        posterior = self._vae.encode(seen.to(self._device, self._dtype)).latent_dist
        latent = {
            "mean": posterior.mean[0].float().cpu().contiguous(),
            "std": posterior.std[0].float().cpu().contiguous(),
        }
        keep_sound(self._path(key), latent)  # the copy on the host, which waits for the device anyway
        return latent

    def _keep(self, key: str, latent: Latent) -> None:
        if key in self._kept:
            return
        self._kept[key] = latent
        self._bytes += _size(latent)
        while self._bytes > IN_MEMORY and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= _size(dropped)


def _size(latent: Latent) -> int:
    return sum(one.numel() * one.element_size() for one in latent.values())


def sample_latents(latent: Latent, view: View, seed: int) -> torch.Tensor:
    """One draw from a view's posterior: (4, h, w) in fp32 on the CPU, in the VAE's own scale."""
    eps = draws.normal(tuple(latent["mean"].shape), seed, "posterior", view.step, view.sample, int(view.prior))
    return latent["mean"] + latent["std"] * eps
