"""What tells the checkpoints of a run apart: the loss at fixed noise, and how far the weights have moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.settings.arithmetic import FORWARDS, measured_rounds
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.taught import taught
from trainer.data.dataset import Item, View, geometry, size_of
from trainer.data.latents import LatentCache
from trainer.data.masks import Masks
from trainer.ground import draws
from trainer.ground.machine import to_device
from trainer.model.adapters import AdaptedLayer, DoraLinear, LoraLinear
from trainer.model.parts import Parts, free
from trainer.model.prompts import PromptCache
from trainer.model.scaling import LatentScale
from trainer.step.batch import DeviceBatch
from trainer.step.diffusion import make_diffusion, timestep
from trainer.step.step import batch_losses
from trainer.step.trainee import Trainee


def measured_views(items: tuple[Item, ...], config: TrainConfig) -> tuple[View, ...]:
    """The centre cuts of all rounds, of as many of the pictures as there are; the same in every measurement of a run.

    A measurement of fewer rounds is the beginning of one of more. Each round has the next picture at a noise level.
    """
    order = draws.permutation(len(items), config.train.seed, "measure", 0)
    places = range(FORWARDS * measured_rounds(config))
    chosen = [items[order[(place + place // FORWARDS) % len(items)]] for place in places]
    return tuple(
        View(item, geometry(item, size_of(item, config), None, False), 0, place) for place, item in enumerate(chosen)
    )


def noise_level(place: int, timesteps: int) -> int:
    """The timestep of one draw: in its part of FORWARDS equal ones, first the middle, then the quarters, the eighths.

    Van der Corput's sequence, so that any number of rounds is spread evenly.
    """
    part, number = place % FORWARDS, place // FORWARDS + 1
    within, weight = 0.0, 0.5
    while number:
        within, number, weight = within + weight * (number % 2), number // 2, weight / 2
    return int(timesteps * (part + within) / FORWARDS)


class CheckpointMeasure:
    """Measures the training's own loss where nothing is left to chance: fixed pictures, noise levels and noise.

    It draws from a stream of its own and writes to nothing trained: a run that is measured ends with the same bytes.
    """

    def __init__(
        self,
        parts: Parts,
        trainee: Trainee,
        latents: LatentCache,
        prompts: PromptCache,
        config: TrainConfig,
        views: tuple[View, ...],
    ) -> None:
        self._parts, self._trainee, self._latents, self._prompts = parts, trainee, latents, prompts
        self._seed, self._views, self._loss = config.train.seed, views, config.loss
        self._concepts = taught(config)
        self._masks = Masks(config.mask.outside) if config.mask.enabled else None
        self._diffusion = make_diffusion(parts.scheduler, config, parts.device)
        self._scaling = LatentScale(parts.vae)

    def tell(self, log: EventLog | SilentLog, step: int, views: float, kind: str) -> float | None:
        """Measure, say it in the log and return the mean loss; `kind` says what the pictures are. Never ends a run."""
        with self._trainee.averaged():
            try:
                losses: list[float] | None = self.losses()
            except torch.OutOfMemoryError:
                free()
                losses = None
                message, advice = "no memory for the loss at fixed noise; training goes on", "nothing needs to be done"
                log.emit("warn", code="measure-memory", message=message, advice=advice)
            norm = change_norm(self._trainee.layers)
        mean = None if losses is None else sum(losses) / len(losses)
        apart = {} if losses is None else self._apart(losses)
        log.emit("measure", step=step, loss=mean, losses=losses, of=kind, norm=norm, views=views, **apart)
        return mean

    def _apart(self, losses: list[float]) -> dict[str, Any]:
        """The mean of each concept, where there are several; None for one of which no picture is measured."""
        if len(self._concepts) < 2:
            return {}
        of = [
            [one for one, view in zip(losses, self._views, strict=True) if view.item.concept == place]
            for place in range(len(self._concepts))
        ]
        return {
            "concepts": [
                {"trigger": one.trigger, "loss": sum(own) / len(own) if own else None}
                for one, own in zip(self._concepts, of, strict=True)
            ]
        }

    @torch.no_grad()
    def losses(self) -> list[float]:
        """One loss for each view, in the same order every time: those of two checkpoints can be compared in pairs."""
        unet = self._parts.unet
        was_training = unet.training
        unet.eval()
        try:
            # one at a time: less memory than any training step
            found = torch.cat([self._one(place, view) for place, view in enumerate(self._views)])
        finally:
            unet.train(was_training)
        return [float(one) for one in found.tolist()]

    def _one(self, place: int, view: View) -> torch.Tensor:
        device, mean = self._parts.device, self._latents.get(view)["mean"]
        latents = to_device(self._scaling.to_unet(mean.unsqueeze(0)), device)
        noise = to_device(draws.normal(tuple(latents.shape), self._seed, "measure", 1, place), device)
        t = to_device(torch.tensor([self._timestep(place)]), device)
        geometries = to_device(torch.tensor([view.geometry.conditioning], dtype=torch.float32), device)
        words = self._prompts.get([self._trainee.vocabulary.write(view.item.prompt)])
        weights = None if self._masks is None else to_device(self._masks.of((view,), mean), device)
        batch = DeviceBatch(latents, noise, t, geometries, words, weights=weights)
        return batch_losses(self._parts, self._diffusion, batch, self._loss)

    def _timestep(self, place: int) -> int:
        """Spread evenly over those that are trained."""
        own, count = self._loss, self._diffusion.timesteps
        if own.every_timestep_alike:
            return noise_level(place, count)
        return timestep(own.model_copy(update={"timestep_bias": 0.0}), count, noise_level(place, 1 << 20) / (1 << 20))


@torch.no_grad()
def change_norm(layers: Mapping[str, AdaptedLayer]) -> float:
    """The Frobenius norm of the weight change of all layers together.

    |up @ down|**2 is the sum of (up' up) * (down down'), two matrices of rank x rank; other
    kinds have no such short way.
    """
    squares = []
    for layer in layers.values():
        if isinstance(layer, DoraLinear) or not isinstance(layer, LoraLinear):
            squares.append(layer.change().double().square().sum())
            continue
        down, up = (one.double().flatten(1) for one in layer.factors())
        squares.append(((up.T @ up) * (down @ down.T)).sum() * layer.scale**2)
    return float(torch.stack(squares).sum().clamp(min=0).sqrt())
