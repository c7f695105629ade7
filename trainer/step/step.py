"""One optimizer step: forward passes over its micro-batches and the clipped gradient; the host waits for nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch

from trainer.contract.plan.sharing import share_of
from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.run.not_finite import advice
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.objective import Loss
from trainer.data.dataset import ViewPlan
from trainer.data.latents import LatentCache
from trainer.ground import draws
from trainer.ground.machine import to_device
from trainer.ground.world import World
from trainer.model.fused.captions import CaptionProducts
from trainer.model.fused.unet import KNOWN
from trainer.model.parts import Parts
from trainer.model.prompts import Encoded, PromptCache
from trainer.model.scaling import LatentScale
from trainer.model.times import TOLD, TimeEmbeddings
from trainer.step.batch import Ahead, BatchMaker, DeviceBatch, HostBatch
from trainer.step.diffusion import Diffusion, losses, make_diffusion
from trainer.step.flat_group import gradient_norm
from trainer.step.graphs import CudaRecorder, Dropped, GraphedPasses, Recorder, why_not
from trainer.step.loss_scale import LossScaler
from trainer.step.not_finite.cause import SHOWN, Again, find_cause
from trainer.step.not_finite.error import NotFinite
from trainer.step.optimizer import Rates, rate_factor
from trainer.step.trainee import Trainee

LAG = 2  # steps that a GPU may be behind the host: one at work, one that lies ready
PARTS = ("whole", "instance", "class")  # of the loss, where there are class pictures


@dataclass(frozen=True)
class StepOutcome:
    """What is known of a step that is done."""

    loss: float
    grad_norm: float
    rates: Rates
    applied: bool  # False where fp16 overflowed and the step was passed over
    instance: float | None = None  # of the loss, where there are class pictures: your pictures' part
    classes: float | None = None  # and theirs, before its weight


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
        log: EventLog | SilentLog | None = None,
        kept: int = 0,
    ) -> None:
        """`log`: where it is said that passes cannot be recorded; `kept`: bytes for what is made of captions."""
        self._world = world
        self._share = world.share(config.train.batch, config.train.accumulation)
        self._parts, self._trainee, self._plan = parts, trainee, plan
        self._prompts, self._config = prompts, config
        self._diffusion = make_diffusion(parts.scheduler, config, parts.device)
        self._maker = BatchMaker(plan, latents, LatentScale(parts.vae), self._diffusion.timesteps, config)
        self._ahead = Ahead(self._batches, config.train.steps, self.prepares)
        self._log = log or SilentLog()
        self._captions = CaptionProducts(trainee.fused, kept)
        self._times = TimeEmbeddings(parts.unet)
        self.scaler = LossScaler(parts.dtype, parts.device)
        self._sound = torch.ones((), dtype=torch.bool, device=parts.device)  # so far every step was finite

    @property
    def prepares(self) -> bool:
        """Whether a thread makes the batches of the next step: where the processor has nothing else to do."""
        return self.device.type == "cuda"

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
        batches, waited = self._ahead.of(step)
        try:
            total = self._passes(step, batches)
        except Dropped:  # nothing was applied yet
            total = None
        if total is None:
            for copy in self._trainee.copies.values():  # what is left of a pass that was not collected
                copy.grad.zero_()
            total = self._passes(step, batches)
        for tensor in (total, *(group.grad for group in self._trainee.groups)):
            self._world.add_up(tensor)
        return TakenStep(step, began, waited, self._apply(step, total))

    def _passes(self, step: int, batches: list[HostBatch]) -> torch.Tensor:
        """This process's part of a step, forward and backward: its loss, and the groups' gradients. Raises Dropped."""
        for group in self._trainee.groups:
            group.grad.zero_()
        total = torch.zeros((len(PARTS),) if self._plan.class_items else (), device=self._parts.device)
        for place, ((micro, samples), host) in enumerate(zip(self._share, batches, strict=True)):
            self._seed(step, micro, samples)
            words = self._told_words(host)
            if self._graphs is not None:
                total += self._graphs.take(host, words, self.device, first=not place)
            else:
                total += self._pass(DeviceBatch.of(host, words, self.device), host.mine)
        return total

    def _seed(self, step: int, micro: int, samples: slice) -> None:
        if self._config.train.dropout:  # torch draws it: seeded here, it is as pure as the rest
            torch.manual_seed(draws.below(2**63, self._config.train.seed, "dropout", step, micro, samples.start))

    def _batches(self, step: int) -> list[HostBatch]:
        made = [self._maker.make(step, micro, samples) for micro, samples in self._share]
        return [one.kept(self._lock) for one in made] if self.prepares else made

    def _lock(self, one: torch.Tensor) -> torch.Tensor:
        """In memory that the device reads by itself: asked for where nothing waits, so that the loop only sends."""
        return one.pin_memory() if self.device.type == "cuda" else one

    def _whole_step(self, step: int) -> Iterator[HostBatch]:
        """The batches of a step in all processes, each as it is computed: what torch draws for it is seeded before."""
        train, world = self._config.train, self._world
        for rank in range(world.size):
            for micro, samples in share_of(train.batch, train.accumulation, rank, world.size):
                host = self._maker.make(step, micro, samples)
                self._seed(step, micro, samples)
                yield host

    @cached_property
    def _graphs(self) -> GraphedPasses | None:
        """Made at the first step: only then it is known what the backward pass makes again."""
        if (recorder := self._recorder()) is None:
            return None
        return GraphedPasses(self._pass, self._gradients, recorder, self._log, self._parts.dtype)

    def _recorder(self) -> Recorder | None:
        """What records passes; None where this run has none."""
        nodes, again = len(self._trainee.fused), self._parts.unet.is_gradient_checkpointing
        why = why_not(self._config, self.device, nodes, again, self._world.size)
        if why and self.device.type == "cuda":
            print(f"no CUDA graphs: {why}", flush=True)
        return None if why else CudaRecorder(self.device, self._ahead.rest)

    def _gradients(self) -> Iterator[torch.Tensor]:
        yield from (group.grad for group in self._trainee.groups)
        yield from (copy.grad for copy in self._trainee.copies.values())

    def _pass(self, batch: DeviceBatch, mine: int) -> torch.Tensor:
        """Forward and backward: its part of the step's loss and of the groups' gradients.

        The loss is 0-d, or with class pictures PARTS.
        """
        loss = self._loss(batch, mine)
        self.scaler.scaled(loss[0] if loss.dim() else loss).backward()
        self._trainee.collect()
        return loss.detach()

    def _apply(self, step: int, total: torch.Tensor) -> torch.Tensor:
        """Loss, norm, whether it was applied, whether all is sound, the loss's parts, what the optimizer tells."""
        trainee, loss = self._trainee, total[0] if total.dim() else total
        self.scaler.unscale(trainee.groups)
        norm = gradient_norm(trainee.groups).double()
        finite = (loss + norm).abs() < math.inf  # as doubles two numbers of fp32 are finite where their sum is
        applied = self._sound & finite
        overflowed = self.scaler.overflowed(loss, self._sound, finite)
        self._sound = applied if overflowed is None else applied | overflowed
        self._clip(norm, applied)
        estimate = trainee.optimizer.estimate()
        trainee.optimizer.step(rate_factor(self._config, step), applied)
        if trainee.pivot is not None and not trainee.pivoted:
            for table in trainee.tables:
                table.pull(applied)
        if trainee.average is not None:
            trainee.average.update(step, applied)
        if overflowed is not None:
            self.scaler.update(applied, overflowed)
        told = (loss, norm, applied, self._sound, *(total[1:] if total.dim() else ()), *estimate)
        doubles = {id(one): one.double() for one in told}
        return torch.stack([doubles[id(one)] for one in told])

    def _clip(self, norm: torch.Tensor, applied: torch.Tensor) -> None:
        """Shorten the gradients to the limit; where the step is not applied they become 0, as the optimizer wants."""
        limit, stopped = self._config.train.max_grad_norm, ~applied
        shorter = torch.where(norm > limit, limit / (norm + 1e-6), 1.0) if limit else None
        for group in self._trainee.groups:
            if shorter is not None:
                group.grad.mul_(shorter)
            group.grad.masked_fill_(stopped, 0.0)

    def outcome(self, taken: TakenStep) -> StepOutcome:
        """What became of a step. Raises NotFinite, naming what was seen: neither it nor a later one was applied."""
        loss, norm, applied, sound, *estimate = taken.numbers()
        parts: list[float | None] = [None, None]
        if self._plan.class_items:
            parts, estimate = [*estimate[:2]], estimate[2:]
        if not sound:
            raise self._not_finite(taken.step, loss)
        rates = self._trainee.optimizer.rates(rate_factor(self._config, taken.step), estimate)
        return StepOutcome(loss, norm, rates, bool(applied), *parts)

    def _not_finite(self, step: int, loss: float) -> NotFinite:
        what = "the loss" if not math.isfinite(loss) else "the gradient"
        if self._graphs is not None:
            self._graphs.drop()  # computing it again wants the room
        cause = find_cause(
            Again(
                self._parts,
                self._trainee,
                partial(self._whole_step, step),
                self._maker.of,
                self._told_words,
                lambda batch: self._diffusion.target(batch.latents, batch.noise, batch.t),
                self._errors,
                self._weighed,
                self.scaler.scaled,
            )
        )
        views = [
            view for micro in range(self._config.train.accumulation) for view in self._plan.micro_batch(step, micro)
        ]
        seen = "; ".join(
            f"{view.item.name} at timestep {self._maker.timestep(view)} ('{self._maker.prompt(view)[:SHOWN]}')"
            for view in views
        )
        names = tuple(dict.fromkeys(view.item.name for view in views if not view.prior))
        message = f"{what} of step {step} is not finite: {cause.words}. It was made from {seen}. "
        helps = advice(cause.kind, cause.pictures, self._config)
        return NotFinite(message + "The step was not applied.", step, names, cause, helps)

    def _errors(self, batch: DeviceBatch) -> torch.Tensor:
        """The weighted loss of each view, fp32 (n,)."""
        errors = batch_losses(self._parts, self._diffusion, batch, self._config.loss)
        return errors if batch.shares is None else errors * batch.shares

    def _loss(self, batch: DeviceBatch, mine: int) -> torch.Tensor:
        """What a batch adds to the step's loss, as `_weighed` makes it of its views'."""
        return self._weighed(self._errors(batch), mine)

    def _weighed(self, errors: torch.Tensor, mine: int) -> torch.Tensor:
        """Mean weighted loss of the first `mine` pictures plus prior weight times that of the class pictures; fp32.

        With class pictures both stand behind it.
        """
        # over the whole micro-batch, of which another process may have the rest
        size, passes = self._config.train.batch, self._config.train.accumulation
        loss = errors[:mine].sum() / size
        if not self._plan.class_items:
            return loss / passes
        classes = errors[mine:].sum() / size
        whole = loss + self._config.prior.weight * classes
        return torch.stack([whole, loss.detach(), classes.detach()]) / passes

    def _told_words(self, host: HostBatch) -> Encoded:
        return replace(self._words(host), times=self._told(host))

    def _told(self, host: HostBatch) -> tuple[torch.Tensor, ...]:
        times, sizes = self._diffusion.times, [tuple(map(float, view.geometry.conditioning)) for view in host.views]
        return self._times.of(host.levels, sizes, times, self._parts.dtype, self.device)

    def _words(self, host: HostBatch) -> Encoded:
        """The conditioning of the views; a dropped caption is what the base model samples without a prompt from."""
        write, empty, dropped = self._trainee.vocabulary.write, not self._parts.zero_empty, host.dropped
        pairs = zip(host.prompts, dropped, strict=True)
        with torch.set_grad_enabled(self._trainee.trains_words):
            captions: list[str | None] = ["" if drop and empty else write(prompt) for prompt, drop in pairs]
            words = self._prompts.get(captions)
        constant = not self._trainee.trains_words and all(one in self._prompts for one in captions)
        if not empty and any(dropped):
            kept = to_device(torch.tensor([not drop for drop in dropped]), words.hidden.device)
            words = Encoded(words.hidden * kept[:, None, None], words.pooled * kept[:, None])
            captions = [None if drop else one for one, drop in zip(captions, dropped, strict=True)]
        if not constant:
            return words
        return replace(words, known=self._captions.of(captions, words.hidden.to(self._parts.dtype)))


def batch_losses(parts: Parts, diffusion: Diffusion, batch: DeviceBatch, own: Loss) -> torch.Tensor:
    """The weighted loss of each view, fp32 (n,)."""
    latents, noise, t, words = batch.latents, batch.noise, batch.t, batch.words
    known = ({KNOWN: words.known} if words.known else {}) | ({TOLD: words.times} if words.times else {})
    answer = parts.unet(
        diffusion.noisy(latents, noise if batch.shown is None else batch.shown, t).to(parts.dtype),
        diffusion.times(t),
        encoder_hidden_states=words.hidden.to(parts.dtype),
        added_cond_kwargs={"text_embeds": words.pooled.to(parts.dtype), "time_ids": batch.geometries} | known,
        return_dict=False,
    )[0]
    return losses(diffusion, answer, diffusion.target(latents, noise, t), t, own, batch.weights)
