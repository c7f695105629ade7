"""One optimizer step: forward passes over its micro-batches and the clipped gradient; the host waits for nothing."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import torch

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
from trainer.step.loss_scale import LossScaler
from trainer.step.optimizer import Rates, rate_factor
from trainer.step.trainee import Trainee

LAG = 2  # steps that a GPU may be behind the host: one at work, one that lies ready
SHOWN = 80  # letters of a caption in a message


class NotFinite(ArithmeticError):
    """Loss or gradient is NaN or infinite; the step was not applied. `pictures` are the names of those it saw."""

    def __init__(self, message: str, step: int, pictures: tuple[str, ...]) -> None:
        super().__init__(message)
        self.step, self.pictures = step, pictures


@dataclass(frozen=True)
class StepOutcome:
    """What is known of a step that is done."""

    loss: float
    grad_norm: float
    rates: Rates
    applied: bool  # False where fp16 overflowed and the step was passed over


class TakenStep:
    """A step that was given to the device: its numbers are on their way to the host."""

    def __init__(self, step: int, began: float, waited: float, numbers: torch.Tensor) -> None:
        self.step = step
        self.began = began  # by the monotonic clock
        self.waited = waited  # seconds until its pictures lay in memory: read from the cache, or encoded anew
        self._numbers = numbers.to("cpu", non_blocking=True)
        self._there: torch.cuda.Event | None = None
        if numbers.device.type == "cuda":  # asked for later, the copy itself would wait for the steps after this one
            self._there = torch.cuda.Event()
            self._there.record()

    def numbers(self) -> list[float]:
        """Waits until the step is done."""
        if self._there is not None:
            self._there.synchronize()
        found: list[float] = self._numbers.tolist()
        return found


class Stepper:
    """Takes the steps of a run. A step depends on its number and the trained tensors, on nothing else.

    Whether it is applied is decided on the device: `take` waits for nothing, `outcome` for the step. After a step that
    was not finite none is applied any more, so that the numbers are those of the step before it whenever it is noticed.
    """

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
        self.scaler = LossScaler(parts.dtype, parts.device)
        self._sound = torch.ones((), dtype=torch.bool, device=parts.device)  # so far every step was finite
        self._waited = 0.0

    @property
    def device(self) -> torch.device:
        """Where the steps are taken."""
        return self._parts.device

    @property
    def lag(self) -> int:
        """How many steps the host may be ahead: none where it waits in each step anyway, or computes it itself."""
        waits = self._trainee.optimizer.waits or self._world.size > 1
        return LAG if self.device.type == "cuda" and not waits else 0

    def take(self, step: int) -> TakenStep:
        """Give step number `step`, from 1, to the device."""
        began = time.monotonic()
        for group in self._trainee.groups:
            group.grad.zero_()
        self._waited = 0.0
        passes = self._config.train.accumulation
        total = torch.zeros((), device=self._parts.device)
        for micro, samples in self._share:
            if self._config.train.dropout:  # torch draws it: seeded here, it is as pure as the rest
                torch.manual_seed(draws.below(2**63, self._config.train.seed, "dropout", step, micro, samples.start))
            loss = self._loss(self._plan.micro_batch(step, micro, samples)) / passes
            self.scaler.scaled(loss).backward()
            self._trainee.collect()
            total += loss.detach()
        for tensor in (total, *(group.grad for group in self._trainee.groups)):
            self._world.add_up(tensor)
        return TakenStep(step, began, self._waited, self._apply(step, total))

    def _apply(self, step: int, loss: torch.Tensor) -> torch.Tensor:
        """Loss, norm, whether it was applied, whether all is sound, and what the optimizer tells; float64."""
        trainee = self._trainee
        self.scaler.unscale(trainee.groups)
        norm = torch.stack([torch.linalg.vector_norm(group.grad) for group in trainee.groups]).square().sum().sqrt()
        finite = torch.isfinite(loss) & torch.isfinite(norm)
        applied, overflowed = self._sound & finite, self._sound & ~finite & self.scaler.forgives(loss)
        self._sound = applied | overflowed
        self._clip(norm.double(), applied)
        estimate = trainee.optimizer.estimate()
        trainee.optimizer.step(rate_factor(self._config, step), applied)
        if trainee.pivot is not None and not trainee.pivoted:
            for table in trainee.tables:
                table.pull(applied)
        if trainee.average is not None:
            trainee.average.update(step, applied)
        self.scaler.update(applied, overflowed)
        return torch.stack([one.double() for one in (loss, norm, applied, self._sound, *estimate)])

    def _clip(self, norm: torch.Tensor, applied: torch.Tensor) -> None:
        """Shorten the gradients to the limit; where the step is not applied they become 0, as the optimizer wants."""
        limit = self._config.train.max_grad_norm
        for group in self._trainee.groups:
            if limit:
                group.grad.mul_(torch.where(norm > limit, limit / (norm + 1e-6), 1.0))
            group.grad.masked_fill_(~applied, 0.0)

    def outcome(self, taken: TakenStep) -> StepOutcome:
        """What became of a step. Raises NotFinite, naming what was seen: neither it nor a later one was applied."""
        loss, norm, applied, sound, *estimate = taken.numbers()
        if not sound:
            raise self._not_finite(taken.step, loss)
        rates = self._trainee.optimizer.rates(rate_factor(self._config, taken.step), estimate)
        return StepOutcome(loss, norm, rates, bool(applied))

    def _not_finite(self, step: int, loss: float) -> NotFinite:
        what = "the loss" if not math.isfinite(loss) else "the gradient"
        views = [
            view for micro in range(self._config.train.accumulation) for view in self._plan.micro_batch(step, micro)
        ]
        seen = "; ".join(
            f"{view.item.name} at timestep {self._timestep(view)} ('{view.item.prompt[:SHOWN]}')" for view in views
        )
        names = tuple(dict.fromkeys(view.item.name for view in views if not view.prior))
        message = f"{what} of step {step} is not finite. It was made from {seen}. The step was not applied."
        return NotFinite(message, step, names)

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
        # counted over the whole step, so that a pair stays one in whichever passes and processes its views are
        second = train.noise_pairs and view.sample % 2 == 1
        key = _key(replace(view, sample=view.sample - second))
        noise = draws.normal(shape, train.seed, "noise", *key)
        if train.noise_offset:
            offset = draws.normal((shape[0], 1, 1), train.seed, "offset", *key)
            noise = noise + train.noise_offset * offset
        return -noise if second else noise

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
        if view.level is not None:
            return int(view.level * self._diffusion.timesteps)
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
