"""One optimizer step: the forward passes over its micro-batches, the clipped gradient, and one look from the host."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import torch

from trainer.checkpoints.snapshot import LossScale
from trainer.contract.settings.config import TrainConfig
from trainer.data.dataset import View, ViewPlan
from trainer.data.latents import Latent, LatentCache, sample_latents
from trainer.ground import draws
from trainer.ground.machine import to_device
from trainer.ground.world import World
from trainer.model.parts import Parts
from trainer.model.prompts import Encoded, PromptCache
from trainer.model.scaling import LatentScale
from trainer.step.diffusion import Diffusion, losses, make_diffusion
from trainer.step.optimizer import Rates, rate_factor
from trainer.step.trainee import Trainee

FIRST_SCALE = 2.0**16  # of fp16's loss, as torch's GradScaler starts
SHOWN = 80  # letters of a caption in a message
SCALE_PATIENCE = 2000  # steps without overflow before it is doubled


class NotFinite(ArithmeticError):
    """Loss or gradient is NaN or infinite; the step was not applied. `pictures` are the names of those it saw."""

    def __init__(self, message: str, step: int, pictures: tuple[str, ...]) -> None:
        super().__init__(message)
        self.step, self.pictures = step, pictures


@dataclass(frozen=True)
class StepOutcome:
    """What is known of a step that was taken."""

    loss: float
    grad_norm: float
    rates: Rates
    applied: bool = True  # False where fp16 overflowed and the step was passed over
    waited: float = 0.0  # seconds until its pictures lay in memory: read from the cache, or encoded anew


class Stepper:
    """Takes the steps of a run. A step depends on its number and the trained tensors, on nothing else."""

    def __init__(
        self,
        parts: Parts,
        trainee: Trainee,
        plan: ViewPlan,
        latents: LatentCache,
        prompts: PromptCache,
        config: TrainConfig,
        world: World,
    ) -> None:
        self._world = world
        self._share = world.share(config.train.batch, config.train.accumulation)
        self._parts, self._trainee, self._plan = parts, trainee, plan
        self._latents, self._prompts, self._config = latents, prompts, config
        self._diffusion = make_diffusion(parts.scheduler, config, parts.device)
        self._scaling = LatentScale(parts.vae)
        self._scale = FIRST_SCALE if parts.dtype == torch.float16 else 1.0
        self._calm = 0
        self._waited = 0.0

    def loss_scale(self) -> LossScale | None:
        """What a checkpoint keeps of fp16's scale; None in another precision, which has none."""
        return LossScale(self._scale, self._calm) if self._parts.dtype == torch.float16 else None

    def restore(self, saved: LossScale | None) -> None:
        """Go on from `loss_scale`; with None, as where the checkpoint was trained in another precision, anew."""
        if saved is not None and self._parts.dtype == torch.float16:
            self._scale, self._calm = saved.scale, saved.calm

    def take(self, step: int) -> StepOutcome:
        """Step number `step`, from 1. Raises NotFinite, naming what was seen, with nothing applied."""
        for group in self._trainee.groups:
            group.grad.zero_()
        self._waited = 0.0
        passes = self._config.train.accumulation
        total = torch.zeros((), device=self._parts.device)
        for micro, samples in self._share:
            if self._config.train.dropout:  # torch draws it: seeded here, it is as pure as the rest
                torch.manual_seed(draws.below(2**63, self._config.train.seed, "dropout", step, micro, samples.start))
            loss = self._loss(self._plan.micro_batch(step, micro, samples)) / passes
            (loss * self._scale).backward()
            self._trainee.collect()
            total += loss.detach()
        for tensor in (total, *(group.grad for group in self._trainee.groups)):
            self._world.add_up(tensor)
        return replace(self._apply(step, total), waited=self._waited)

    def _apply(self, step: int, loss: torch.Tensor) -> StepOutcome:
        trainee = self._trainee
        if self._scale != 1.0:
            for group in trainee.groups:
                group.grad.div_(self._scale)
        norm = torch.stack([torch.linalg.vector_norm(group.grad) for group in trainee.groups]).square().sum().sqrt()
        d = trainee.optimizer.estimate()
        seen = [loss.double(), norm.double()] + ([] if d is None else [d])
        # the only time in a step that the host waits for the device
        loss_now, norm_now, *d_now = torch.stack(seen).tolist()
        factor = rate_factor(self._config, step)
        rates = trainee.optimizer.rates(factor, d_now[0] if d_now else None)
        if not (math.isfinite(loss_now) and math.isfinite(norm_now)):
            return self._not_finite(step, StepOutcome(loss_now, norm_now, rates, applied=False))
        self._clip(norm_now)
        trainee.optimizer.step(factor)
        if trainee.pivot is not None and not trainee.pivoted:
            for table in trainee.tables:
                table.pull()
        self._calm += 1
        if self._scale != 1.0 and self._calm % SCALE_PATIENCE == 0:
            self._scale *= 2
        return StepOutcome(loss_now, norm_now, rates)

    def _clip(self, norm: float) -> None:
        limit = self._config.train.max_grad_norm
        if limit and norm > limit:
            for group in self._trainee.groups:
                group.grad.mul_(limit / (norm + 1e-6))

    def _not_finite(self, step: int, outcome: StepOutcome) -> StepOutcome:
        if self._parts.dtype == torch.float16 and math.isfinite(outcome.loss) and self._scale > 1.0:
            self._scale, self._calm = self._scale / 2, 0
            return outcome
        what = "the loss" if not math.isfinite(outcome.loss) else "the gradient"
        views = [
            view for micro in range(self._config.train.accumulation) for view in self._plan.micro_batch(step, micro)
        ]
        seen = "; ".join(
            f"{view.item.name} at timestep {self._timestep(view)} ('{view.item.prompt[:SHOWN]}')" for view in views
        )
        names = tuple(dict.fromkeys(view.item.name for view in views if not view.prior))
        message = f"{what} of step {step} is not finite. It was made from {seen}. The step was not applied."
        raise NotFinite(message, step, names)

    def _loss(self, views: tuple[View, ...]) -> torch.Tensor:
        """Mean weighted loss of the pictures plus prior weight times that of the class pictures; 0-d fp32."""
        seed, device = self._config.train.seed, self._parts.device
        found = [sample_latents(one, view, seed) for one, view in zip(self._stored(views), views, strict=True)]
        noises = [self._noise(tuple(found[0].shape), view) for view in views]
        latents = to_device(self._scaling.to_unet(torch.stack(found)), device)
        noise = to_device(torch.stack(noises), device)
        t = to_device(torch.tensor([self._timestep(view) for view in views]), device)
        errors = view_losses(self._parts, self._diffusion, views, latents, noise, t, self._words(views))
        mine = sum(not view.prior for view in views)
        # over the whole micro-batch, of which another process may have the rest
        size = self._config.train.batch
        loss = errors[:mine].sum() / size
        return loss if mine == len(views) else loss + self._config.prior.weight * errors[mine:].sum() / size

    def _stored(self, views: tuple[View, ...]) -> list[Latent]:
        """The posteriors of the views; how long they took is kept: a clock of the host, nothing of the device."""
        began = time.monotonic()
        found = [self._latents.get(one) for one in views]
        self._waited += time.monotonic() - began
        return found

    def _noise(self, shape: tuple[int, ...], view: View) -> torch.Tensor:
        train = self._config.train
        noise = draws.normal(shape, train.seed, "noise", *_key(view))
        if train.noise_offset:
            offset = draws.normal((shape[0], 1, 1), train.seed, "offset", *_key(view))
            noise = noise + train.noise_offset * offset
        return noise

    def _words(self, views: tuple[View, ...]) -> Encoded:
        """The conditioning of the views; a dropped caption is what the base model samples without a prompt from."""
        write, part = self._trainee.vocabulary.write, self._config.dataset.caption_dropout
        seed, empty = self._config.train.seed, not self._parts.zero_empty
        dropped = [part > draws.uniform(seed, "caption", *_key(view)) for view in views]
        prompts = ["" if drop and empty else write(view.item.prompt) for view, drop in zip(views, dropped, strict=True)]
        words = self._prompts.get(prompts)
        if empty or not any(dropped):
            return words
        kept = to_device(torch.tensor([not drop for drop in dropped]), words.hidden.device)
        return Encoded(words.hidden * kept[:, None, None], words.pooled * kept[:, None])

    def _timestep(self, view: View) -> int:
        return draws.below(self._diffusion.timesteps, self._config.train.seed, "timestep", *_key(view))


def view_losses(
    parts: Parts,
    diffusion: Diffusion,
    views: tuple[View, ...],
    latents: torch.Tensor,
    noise: torch.Tensor,
    t: torch.Tensor,
    words: Encoded,
) -> torch.Tensor:
    """The weighted loss of each view, fp32 (n,): latents in the unet's scale, noise and t as they were drawn."""
    # fp32: bf16 would round 1365 to 1368
    geometries = torch.tensor([view.geometry.conditioning for view in views], dtype=torch.float32)
    answer = parts.unet(
        diffusion.noisy(latents, noise, t).to(parts.dtype),
        diffusion.times(t),
        encoder_hidden_states=words.hidden.to(parts.dtype),
        added_cond_kwargs={
            "text_embeds": words.pooled.to(parts.dtype),
            "time_ids": to_device(geometries, parts.device),
        },
        return_dict=False,
    )[0]
    return losses(diffusion, answer, diffusion.target(latents, noise, t), t)


def _key(view: View) -> tuple[int, int, int]:
    return view.step, view.sample, int(view.prior)
