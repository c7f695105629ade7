"""What helps after a loss or a gradient that was not finite, by what was found to be its cause."""

from __future__ import annotations

from typing import Any

from loratui.planning.memory_steps import changed
from loratui.recovery.remedy import BadEnd, Remedy, as_it_was, need, remedy
from loratui.terminal.text import plural, safe_text
from trainer.contract.run.not_finite import bf16_helps, fp32_helps_vae, is_of_base, is_trained
from trainer.contract.settings.arithmetic import learning_rates
from trainer.contract.settings.config import TrainConfig, vae_source
from trainer.contract.settings.optimizers import OPTIMIZERS

PLAIN_VAE = "stabilityai/sdxl-vae"  # SDXL's own, by itself


def not_finite(case: BadEnd) -> list[Remedy]:
    """The same step would give the same again, so each changes something; but where it did not give the same."""
    found = [*_precision(case), *_vae(case)]
    if not is_trained(case.cause, case.config):
        if case.cause == "vae" and not is_of_base(case.cause, case.config):
            return [*found, _other_vae(case)]
        if case.cause == "latents":
            return [*found, *_leave_out(case)] or [_without_class_picture(case)]
        return [*_precision(case), *(_leave_out(case) if case.at_fault else ())]
    rates, title, why = lower_rates(case.config)
    calmer = [remedy(case, title, why, rates)]
    if not case.config.train.max_grad_norm:
        why = "without clipping one bad step can throw the LoRA out of its range"
        calmer.append(remedy(case, "clip gradients at 1.0", why, {"train.max_grad_norm": 1.0}))
    diverged = bool(case.checkpoints) and case.sound != case.checkpoints
    found = [*calmer, *found] if diverged else [*found, *calmer]
    if case.cause == "gone":
        why = "computed again the step was finite: it was the machine, or an operation that gives other bits each time"
        found.insert(0, as_it_was(case, why))
    found += [*_leave_out(case), *_exact(case)]
    if case.checkpoints and case.sound:
        why = f"{why_anew(case)}; this run stays as it is"
        found.append(remedy(case, title, why, rates, anew=True))
    return found


def _precision(case: BadEnd) -> list[Remedy]:
    if not bf16_helps(case.cause, case.config):
        return []
    why = "in fp16 the largest number is 65,504, which activations can pass; bf16 reaches as far as fp32"
    return [remedy(case, "precision fp16 to bf16", why, {"train.precision": "bf16"})]


def _vae(case: BadEnd) -> list[Remedy]:
    if not fp32_helps_vae(case.config):
        return []
    why = "a VAE that overflows in fp16, as SDXL's own does, gives latents that are not finite"
    return [remedy(case, "pictures encoded in fp32", why, {"model.vae_precision": "auto"})]


def _other_vae(case: BadEnd) -> Remedy:
    own, other = vae_source(case.config.model), "auto" if case.config.model.vae != "auto" else PLAIN_VAE
    why = f"{safe_text(own, 60)} may be damaged on this disk; or download it again, and start again as it was"
    what = "the usual VAE" if other == "auto" else f"the VAE {other}"
    return remedy(case, what, why, {"model.vae": other, "model.vae_revision": ""})


def _leave_out(case: BadEnd) -> list[Remedy]:
    """Pictures that can be blamed: those it is bound to, where others were well; the only one of the step."""
    some = case.at_fault if case.cause == "latents" or len(case.at_fault) < len(case.pictures) else ()
    # a step of one picture may have had class pictures beside it, of which none can be left out
    alone = len(case.pictures) == 1 and not case.config.prior.enabled
    names = some or (case.pictures if alone else ())
    if not names:
        return []
    what = safe_text(names[0], 40) if len(names) == 1 else plural(len(names), "picture")
    why = f"computed again, it is bound to {'it' if len(names) == 1 else 'them'}, and to no other of the step"
    if case.cause == "latents":
        why = f"what the VAE makes of {'it' if len(names) == 1 else 'them'} is not finite"
    elif not some:
        why = "it is the one picture that the step was made from"
    new = [one for one in names if one not in case.config.dataset.skip]
    return [remedy(case, f"skip {what}", why, {"dataset.skip": (*case.config.dataset.skip, *new)})]


def _without_class_picture(case: BadEnd) -> Remedy:
    """No setting leaves one out; a run that saw it cannot go on with others."""
    why = "none of your own pictures is at fault; take the class picture out of its folder first"
    return remedy(case, "a new run without the class picture", why, {}, anew=True)


def _exact(case: BadEnd) -> list[Remedy]:
    config, full = case.config, {"train.precision": "fp32"}
    if config.train.precision != "bf16":
        return []
    after = need(case, changed(config, full))
    memory = (now, after) if (now := need(case, config)) and after else None
    why = "if it is rounding that breaks it; the base model takes twice the memory"
    return [remedy(case, "precision bf16 to fp32", why, full, memory)]


def why_anew(case: BadEnd) -> str:
    """Why one would rather begin again."""
    return f"from the beginning, because what came before step {case.sound[-1]} was trained at the old rate"


def lower_rates(config: TrainConfig) -> tuple[dict[str, Any], str, str]:
    """Calmer rates for the unet and the words: the settings, a title, and why."""
    unet, words = learning_rates(config)
    optimizer = OPTIMIZERS[config.train.optimizer]
    own = optimizer.rates
    if optimizer.finds_rate:
        low, why = (unet / 2, words / 2), f"{optimizer.name} keeps its estimate d and steps half as far"
    elif unet > 1.5 * own[0]:
        low, why = (own[0], own[1]), f"{unet:g} is far above {optimizer.name}'s own rate of {own[0]:g}"
    else:
        low, why = (unet / 3, words / 3), "a third of the rate"
    keys = ["train.learning_rate"]
    if config.pivotal.enabled:
        keys.append("train.embedding_learning_rate")
    elif config.text_encoder_lora.enabled:
        keys.append("train.text_encoder_learning_rate")
    changes = dict(zip(keys, low, strict=False))
    return changes, f"learning rate {unet:g} to {low[0]:g}", why
