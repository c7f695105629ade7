"""What the unet is asked in one pass: drawn on the host, a step ahead where that gains time, and brought to the device.

Every draw is a function of its place, so that what is made early is what would be made late.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import torch

from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.taught import weighs
from trainer.data.dataset import View, ViewPlan
from trainer.data.latents import LatentCache, sample_latents
from trainer.data.masks import Masks
from trainer.data.tags import caption_seen
from trainer.ground import draws
from trainer.ground.machine import to_device
from trainer.model.prompts import Encoded
from trainer.model.scaling import LatentScale
from trainer.step.diffusion import timestep
from trainer.step.noise import perturbed, with_coarse


@dataclass(frozen=True)
class HostBatch:
    """One micro-batch of n views on the CPU, those of the class pictures last."""

    views: tuple[View, ...]
    latents: torch.Tensor  # (n, 4, h, w), in the unet's scale, fp32 like the noise
    noise: torch.Tensor
    t: torch.Tensor  # (n,) noise levels
    geometries: torch.Tensor  # (n, 6) of SDXL's conditioning; fp32: bf16 would round 1365 to 1368
    prompts: tuple[str, ...]  # as each view reads its caption
    dropped: tuple[bool, ...]  # whose caption is left away
    levels: tuple[int, ...]  # what is in t
    shown: torch.Tensor | None = None  # the noise that the unet sees, where that is another
    weights: torch.Tensor | None = None  # (n, 1, h, w): how much each latent counts, where the loss is masked
    shares: torch.Tensor | None = None  # (n,): how much each view counts, where concepts do not count alike

    @property
    def mine(self) -> int:
        """How many of the views are no class pictures."""
        return sum(not view.prior for view in self.views)

    def tensors(self) -> tuple[torch.Tensor | None, ...]:
        """What goes to the device, in the order of a DeviceBatch."""
        return self.latents, self.noise, self.t, self.geometries, self.shown, self.weights, self.shares

    def kept(self, keep: Callable[[torch.Tensor], torch.Tensor]) -> HostBatch:
        """With all that goes to the device where `keep` puts it."""
        names = ("latents", "noise", "t", "geometries", "shown", "weights", "shares")
        given = {name: None if one is None else keep(one) for name, one in zip(names, self.tensors(), strict=True)}
        return replace(self, **given)


@dataclass(frozen=True)
class DeviceBatch:
    """The same on the device, with the words."""

    latents: torch.Tensor
    noise: torch.Tensor
    t: torch.Tensor
    geometries: torch.Tensor
    words: Encoded
    shown: torch.Tensor | None = None
    weights: torch.Tensor | None = None
    shares: torch.Tensor | None = None

    @classmethod
    def of(cls, host: HostBatch, words: Encoded, device: torch.device) -> DeviceBatch:
        """A copy for which the host does not wait."""
        latents, noise, t, geometries, *more = host.tensors()
        there = [to_device(one, device) for one in (latents, noise, t, geometries) if one is not None]
        return cls(*there, words, *(None if one is None else to_device(one, device) for one in more))

    def fill(self, host: HostBatch, words: Encoded) -> None:
        """The next batch of the same shapes, in the same memory: what a recorded pass reads."""
        given = (*host.tensors(), words.hidden, words.pooled, *words.known, *words.times)
        own = (self.latents, self.noise, self.t, self.geometries, self.shown, self.weights, self.shares)
        held = self.words
        for one, other in zip((*own, held.hidden, held.pooled, *held.known, *held.times), given, strict=True):
            if one is None or other is None:
                continue
            pinned = one.device.type == "cuda" and other.device.type == "cpu"
            one.copy_(other.pin_memory() if pinned else other, non_blocking=True)


class BatchMaker:
    """Draws micro-batches; reads latents, and encodes those that are not there."""

    def __init__(
        self, plan: ViewPlan, latents: LatentCache, scaling: LatentScale, timesteps: int, config: TrainConfig
    ) -> None:
        self._plan, self._latents, self._scaling, self._config = plan, latents, scaling, config
        self._timesteps = timesteps
        self._triggers = config.triggers
        self._masks = Masks(config.mask.outside) if config.mask.enabled else None
        self._weighs = weighs(config)

    def make(self, step: int, micro: int, samples: slice) -> HostBatch:
        """A micro-batch of a step, or this process's part of it."""
        return self.of(self._plan.micro_batch(step, micro, samples))

    def of(self, views: tuple[View, ...]) -> HostBatch:
        """These views as they are drawn."""
        seed = self._config.train.seed
        found = [sample_latents(self._latents.get(view), view, seed) for view in views]
        noises = [self._noise(tuple(found[0].shape), view) for view in views]
        part, levels = self._config.dataset.caption_dropout, tuple(map(self.timestep, views))
        return HostBatch(
            views,
            self._scaling.to_unet(torch.stack(found)),
            torch.stack(noises),
            torch.tensor(levels),
            torch.tensor([view.geometry.conditioning for view in views], dtype=torch.float32),
            tuple(map(self.prompt, views)),
            tuple(part > draws.uniform(seed, "caption", *_key(view)) for view in views),
            levels,
            self._shown(noises, views) if self._config.noise.perturbation else None,
            None if self._masks is None else self._masks.of(views, found[0]),
            torch.tensor([view.weight for view in views]) if self._weighs else None,
        )

    def prompt(self, view: View) -> str:
        """What a view reads of its caption; class pictures have one prompt for all, which stays as it is."""
        if view.prior:
            return view.item.prompt
        return caption_seen(view.item.prompt, self._config.caption, self._triggers, self._config.train.seed, _key(view))

    def timestep(self, view: View) -> int:
        """The noise level of a view."""
        own, seed = self._config.loss, self._config.train.seed
        if view.level is not None:
            return timestep(own, self._timesteps, view.level)
        if own.every_timestep_alike:
            return draws.below(self._timesteps, seed, "timestep", *_key(view))
        return timestep(own, self._timesteps, draws.uniform(seed, "timestep", *_key(view)))

    def _shown(self, noises: list[torch.Tensor], views: tuple[View, ...]) -> torch.Tensor:
        own, seed = self._config.noise, self._config.train.seed
        return torch.stack([perturbed(one, own, seed, _key(view)) for one, view in zip(noises, views, strict=True)])

    def _noise(self, shape: tuple[int, ...], view: View) -> torch.Tensor:
        train = self._config.train
        # counted over the whole step, so that a pair stays one in whichever passes and processes its views are
        second = train.noise_pairs and view.sample % 2 == 1
        key = _key(replace(view, sample=view.sample - second))
        noise = draws.normal(shape, train.seed, "noise", *key)
        if train.noise_offset:
            offset = draws.normal((shape[0], 1, 1), train.seed, "offset", *key)
            noise = noise + train.noise_offset * offset
        noise = with_coarse(noise, self._config.noise, train.seed, key)
        return -noise if second else noise


class Ahead:
    """The batches of each step; with `thread`, those of the next step are made while this one is computed."""

    def __init__(self, make: Callable[[int], list[HostBatch]], last: int, thread: bool) -> None:
        self._make, self._last = make, last
        self._pool = ThreadPoolExecutor(1, "batches", torch.set_flush_denormal, (True,)) if thread else None
        self._next: tuple[int, Future[list[HostBatch]]] | None = None

    def of(self, step: int) -> tuple[list[HostBatch], float]:
        """The batches of a step, and how many seconds they were waited for. Raises what making them raises."""
        began, ready = time.monotonic(), self._next
        if ready is not None and ready[0] == step:
            self._next = None
            found = ready[1].result()
        else:
            found = self._make(step)
        waited = time.monotonic() - began
        if self._pool is not None and step < self._last:
            self._next = step + 1, self._pool.submit(self._make, step + 1)
        return found, waited

    def rest(self) -> None:
        """Wait until the thread is done with what it makes: what must have the device to itself comes after this."""
        if self._next is not None:
            wait([self._next[1]])  # what went wrong in it is raised where its batches are asked for


def _key(view: View) -> tuple[int, int, int]:
    return view.step, view.sample, int(view.prior)
