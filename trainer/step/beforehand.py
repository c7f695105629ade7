"""What is encoded once for all steps, latents and captions: looked at before any step is made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from torch import nn

from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.run.not_finite import advice
from trainer.contract.settings.config import TrainConfig
from trainer.contract.units import plural
from trainer.data.dataset import Item, View
from trainer.data.latents import Filled, LatentCache
from trainer.model.parts import Parts
from trainer.model.prompts import PromptCache, warn_of_long
from trainer.step.not_finite.cause import BASE, SHOWN
from trainer.step.not_finite.error import Cause, NotFinite, listed, listed_items
from trainer.step.not_finite.watch import ENCODERS_TOLD, is_frozen_finite
from trainer.step.trainee import Trainee


def cached_latents(
    parts: Parts, config: TrainConfig, folder: Path, views: Iterable[View], told: Callable[[int, int], None]
) -> LatentCache:
    """Encode what is not in `folder` of `views`. Raises NotFinite where what the VAE makes of some is not finite."""
    cache = LatentCache(folder, config.dataset.background)
    cache.use(parts.vae, parts.device, parts.digests["vae"])
    found = cache.fill(views, told)
    if found.bad:
        cause = _of_latents(found, parts.vae)
        raise none_taken(cause, config)
    return cache


def _of_latents(found: Filled, vae: nn.Module) -> Cause:
    pictures = len({view.item.digest for view in found.bad})
    if where := _not_finite_of(vae, ("encoder.", "quant_conv.")):
        return Cause("vae", f"the VAE's own numbers of {where} are not finite")
    if not found.sound and pictures > 1:
        said = f"the latents of all {plural(pictures, 'picture')} that were encoded are not finite"
        return Cause("vae", f"{said}: the VAE overflows, or is damaged")
    names = dict.fromkeys(view.item.name for view in found.bad if not view.prior)
    return Cause("latents", f"the latents of {listed(found.bad)} are not finite", tuple(names))


def cached_prompts(
    parts: Parts, trainee: Trainee, folder: Path, words: list[str], log: EventLog | SilentLog
) -> PromptCache:
    """Encode those of `words` that are constants from the start, as far as they are not in `folder`."""
    write = trainee.vocabulary.write
    warn_of_long(parts, [write(one) for one in words], log)
    cache = PromptCache(parts, folder)
    if not trainee.text_layers:
        cache.add([one for one in words if write(one) == one], keep=True)
    return cache


def check_words(
    cache: PromptCache,
    pictures: Iterable[Item],
    classes: Iterable[Item],
    trainee: Trainee,
    parts: Parts,
    config: TrainConfig,
    log: EventLog | SilentLog,
    pivot: bool = False,
) -> None:
    """Look at all prompts that are constants. Raises NotFinite where the text embeddings of a caption are not finite.

    The steps read those of `pictures` and `classes`, and none at all where some are left away. Of a prompt that is
    only drawn it warns, for no step is made from it. At the `pivot` steps were taken, and the words are trained.
    """
    bad = cache.not_finite()
    if not bad:
        return
    every = [*((one, False) for one in pictures), *((one, True) for one in classes)]
    read = [(one, prior) for one, prior in every if trainee.vocabulary.write(one.prompt) in bad]
    words = [one.prompt for one, _ in read] + [""] * ("" in bad and config.dataset.caption_dropout > 0)
    if not words:
        message = f"the text embeddings of '{bad[0][:SHOWN]}' are not finite, so its pictures will show nothing"
        log.emit("warn", code="words-not-finite", message=message, advice="nothing that is trained is made from them")
        return
    own = tuple(dict.fromkeys(one.name for one, prior in read if not prior))
    of = f", the caption of {listed_items(read)}," if read else ""
    cause = Cause("words" if pivot else "base", f"the text embeddings of '{words[0][:SHOWN]}'{of} are not finite", own)
    for name, encoder in zip(ENCODERS_TOLD, parts.text_encoders or (), strict=False):
        if where := _not_finite_of(encoder):
            cause = Cause("base", BASE.format(f"{where} of {name}"))
    raise none_taken(cause, config)


def none_taken(cause: Cause, config: TrainConfig) -> NotFinite:
    """The error that tells of what is encoded for all steps, with what helps."""
    helps = advice(cause.kind, cause.pictures, config)
    return NotFinite(f"{cause.words}; no step was made from that", None, cause.pictures, cause, helps)


def _not_finite_of(whole: nn.Module, within: tuple[str, ...] = ("",)) -> str:
    """The first module within `whole` whose own numbers are not finite; empty where all are."""
    named = ((path, one) for path, one in whole.named_modules() if f"{path}.".startswith(within))
    return next((path for path, one in named if path and not is_frozen_finite(one)), "")
