"""The numbers that follow from a configuration and a count of pictures: the plan and the trainer share them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainer.contract.settings.adapter import chosen
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.optimizers import OPTIMIZERS
from trainer.contract.settings.triggers import ENCODERS, named_numbers

FORWARDS = 8  # of one round of the loss at fixed noise: about as long as three training steps at batch 1
# pictures trained on for each round, so that they take a tenth of the time at most: a training step is
# about three forward passes a picture (its backward pass takes two; Kaplan et al. 2020, section 2.1)
APART = 27
MOST_ROUNDS = 8  # 64 draws: the standard error is a third of that of one round, and more of them gain little


@dataclass(frozen=True)
class Schedule:
    """Where things fall in a run; steps are optimizer steps, counted from 1."""

    images: int
    steps: int
    views: int  # pictures seen in the whole run
    views_per_image: float
    steps_per_epoch: float
    epochs: float
    pivot: int | None  # the last step that trains the new tokens, or the text encoders
    checkpoints: tuple[int, ...]
    samples: tuple[int, ...]

    @property
    def pivot_within(self) -> int | None:
        """The pivot where steps follow it: one that falls on the last step is none to be told of."""
        return self.pivot if self.pivot is not None and self.pivot < self.steps else None


def views_per_image(steps: int, batch: int, images: int) -> float:
    """How often each picture is seen: what overfits (the post's Y2K table: 37 to 148 good, 222 overfit)."""
    return steps * batch / images


def trained_images(images: int, hold_out: int) -> int:
    """How many of `images` are trained on; at least 1 where there are any, so that a plan can be drawn up."""
    return max(min(images, 1), images - hold_out)


def pivot_step(steps: int, fraction: float) -> int:
    """The step after which the new tokens are frozen: max(1, round(fraction * steps))."""
    return max(1, round(fraction * steps))


def sample_steps(config: TrainConfig) -> tuple[int, ...]:
    """Steps after which validation pictures are made: 0 (the base model), every n, and the last; none without them."""
    if not config.sample.drawn:
        return ()
    return _every(config.train.sample_every, config.train.steps, first=config.sample.at_start)


def checkpoint_steps(config: TrainConfig) -> tuple[int, ...]:
    """Steps after which a checkpoint is saved: every n, and the last."""
    return _every(config.train.checkpoint_every, config.train.steps, first=False)


def measured_rounds(config: TrainConfig) -> int:
    """How many rounds of FORWARDS draws each loss at fixed noise has: what a tenth of the run's time allows."""
    train = config.train
    if not train.measure:
        return 0
    views = train.steps * train.batch * train.accumulation
    measurements = 1 + len(checkpoint_steps(config))  # the base model too
    return min(MOST_ROUNDS, max(1, views // (APART * measurements)))


def learning_rates(config: TrainConfig) -> tuple[float, float]:
    """The rates of the unet's LoRA, and of the words: the new rows, or the text encoders' LoRA where that is trained.

    A setting of 0 means the optimizer's own.
    """
    train = config.train
    unet, embeddings, text = OPTIMIZERS[train.optimizer].rates
    words = train.embedding_learning_rate or embeddings
    if config.text_encoder_lora.enabled:
        words = train.text_encoder_learning_rate or text
    return train.learning_rate or unet, words


def rank_of(config: TrainConfig, path: str, convolution: bool = False) -> int:
    """The rank of the layer at `path` of the unet."""
    usual = config.adapter.conv_rank if convolution else config.train.rank
    return int(chosen(config.adapter.ranks, path) or usual)


def alpha_of(config: TrainConfig, path: str, convolution: bool = False) -> float:
    """What a layer's scale is over its rank; with a rank-stabilised scale so much more that the scale comes out."""
    rank = rank_of(config, path, convolution)
    usual = config.adapter.conv_alpha if convolution else config.train.alpha
    alpha = chosen(config.adapter.alphas, path) or usual or float(rank)
    return alpha * math.sqrt(rank) if config.adapter.rslora else alpha


def text_alpha(config: TrainConfig) -> float:
    """The same for the text encoders' LoRA, whose layers are alike."""
    alpha = config.train.alpha or float(config.train.rank)
    return alpha * math.sqrt(config.train.rank) if config.adapter.rslora else alpha


def text_frozen_after(config: TrainConfig) -> int | None:
    """The step after which nothing of the words is trained any more; None where nothing ever is."""
    if config.pivotal.enabled:
        return pivot_step(config.train.steps, config.pivotal.fraction)
    if config.text_encoder_lora.enabled:
        return pivot_step(config.train.steps, config.text_encoder_lora.fraction)
    return None


def text_frozen_within(config: TrainConfig) -> bool:
    """Whether steps follow in which nothing of the words is trained any more."""
    frozen = text_frozen_after(config)
    return frozen is not None and frozen < config.train.steps


def schedule(config: TrainConfig, images: int, places: int = 0) -> Schedule:
    """All of it for `images` pictures. Raises ValueError if there are none.

    `places`: the views of an epoch, where there are several concepts (`epoch_places`).
    """
    if images < 1:
        raise ValueError("there are no pictures to train on")
    train = config.train
    batch = train.batch * train.accumulation
    # the order goes on from one epoch into the next: no step is cut
    epoch = (places or images * config.dataset.repeats) / batch
    return Schedule(
        images=images,
        steps=train.steps,
        views=train.steps * batch,
        views_per_image=views_per_image(train.steps, batch, images),
        steps_per_epoch=epoch,
        epochs=train.steps / epoch,
        pivot=text_frozen_after(config),
        checkpoints=checkpoint_steps(config),
        samples=sample_steps(config),
    )


def _every(n: int, steps: int, first: bool) -> tuple[int, ...]:
    marks = set(range(n, steps, n)) if n else set()
    return tuple(sorted(marks | {steps} | ({0} if first else set())))


def are_apart(config: TrainConfig) -> bool:
    """Whether some of them have a pivot or a decay of their own."""
    return config.pivotal.enabled and bool(config.pivotal.fraction_each or config.pivotal.weight_decay_each)


def decay_of(config: TrainConfig, word: str, encoder: str) -> float:
    """The weight decay of a trigger's tokens in one encoder."""
    own = named_numbers(config.pivotal.weight_decay_each, (*config.triggers, *ENCODERS))
    return own.get(word, own.get(encoder, config.train.embedding_weight_decay))


def fraction_of(config: TrainConfig, word: str, encoder: str) -> float:
    """Part of the run after which a trigger's tokens are frozen in one encoder."""
    own = named_numbers(config.pivotal.fraction_each, (*config.triggers, *ENCODERS))
    return min(own.get(word, 1.0), own.get(encoder, 1.0), config.pivotal.fraction)


def text_lora_decay(config: TrainConfig) -> float:
    """The weight decay of the text encoders' LoRA."""
    own = config.text_encoder_lora.weight_decay
    return config.train.embedding_weight_decay if own < 0 else own
