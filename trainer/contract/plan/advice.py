"""What a person should know about a configuration before it runs, and what forbids it: sentences with reasons."""

from __future__ import annotations

import importlib.util
from contextlib import suppress

from trainer.contract.basemodel.inspect import NotSDXL, base_of, loss_of
from trainer.contract.basemodel.layers import lora_paths
from trainer.contract.basemodel.loss import Loss
from trainer.contract.basemodel.names import is_hub_id
from trainer.contract.basemodel.text_layers import clip_skip_refusals
from trainer.contract.basemodel.unet_names import unet_config, unknown_blocks
from trainer.contract.basemodel.vae import NoVae, check_vae
from trainer.contract.loras.start import start_notes, start_refusals
from trainer.contract.plan.adapter_size import adapter_refusals
from trainer.contract.plan.class_folder import class_refusals
from trainer.contract.plan.learning import folder_refusals, learning_notes, learning_refusals, trigger_notes
from trainer.contract.plan.masks import mask_notes, mask_refusals
from trainer.contract.plan.views import MOST, views_sentence
from trainer.contract.settings.arithmetic import learning_rates, pivot_step
from trainer.contract.settings.concepts import title_of
from trainer.contract.settings.config import BY_KEY, TrainConfig, vae_source
from trainer.contract.settings.model import SDXL
from trainer.contract.settings.optimizers import BITS, GET_BITS, OPTIMIZERS
from trainer.contract.settings.prompts import class_refusals_of_prompts
from trainer.contract.settings.sample_prompts import unknown_options
from trainer.contract.settings.taught import class_sets
from trainer.contract.units import plural

OVERFIT_VIEWS = MOST
OVERFIT_SEEN = 220  # views per image at which that table's style sets were "evidently overfit" (1500 * 4 / 27)
OVERFIT_KINDS = ("style", "character-style")  # what that table, and the Huggy set it is compared with, taught
RANK_SMOOTH = 64  # the post: rank 64 looks "air-brushed"
RATES = ("learning_rate", "embedding_learning_rate", "text_encoder_learning_rate")  # in the order of an optimizer's own
FACES = (
    "it real portraits: your own folder, or multimodalart/faces-prior-preservation, the post's 183 (58 MB; "
    "'free licensed images downloaded from unsplash', as it says; their page names no licence)"
)
TOO_HIGH = 1e-2  # a hundred times the post's rate: most likely Prodigy's 1.0 left standing


def advice(config: TrainConfig, images: int = 0, good: int = 0) -> list[str]:
    """Warnings about `config`; `images` is the number of pictures, 0 where it is not known yet.

    `good`: how often each is to be seen, as the preset counts it; 0 where it does not.
    """
    return [
        *_rates(config),
        *_loss(config),
        *_size(config),
        *_length(config, images, good),
        *_tokens(config),
        *trigger_notes(config),
        *_prior(config),
        *_samples(config),
        *start_notes(config),
        *mask_notes(config),
        *learning_notes(config),
    ]


def refusals(config: TrainConfig, begun: bool = False) -> list[str]:
    """What makes a run impossible on this machine, whatever the pictures are; found without loading anything.

    Of a run that has `begun` its checkpoint holds what it began from, and that may be gone.
    """
    found = [] if begun else [*start_refusals(config), *folder_refusals(config)]
    try:
        unet = unet_config(config)
        base = base_of(config.model)
        if own := vae_source(config.model):
            check_vae(own, base, config.model.vae_revision)
        elif base.source is not None and not base.vae and not is_hub_id(config.model.base):
            found.append(
                "model.vae: the base model brings no VAE of its own; set it to madebyollin/sdxl-vae-fp16-fix, or to "
                "the folder or .safetensors file of another"
            )
    except NotSDXL as error:
        found.append(f"model.base: {error}")
        unet = None
    except NoVae as error:
        found.append(f"model.vae: {error}")
    if unet is not None:
        found += unknown_blocks(config.train.blocks, lora_paths(unet, config.train.targets))
    found += [
        *class_refusals(config),
        *mask_refusals(config),
        *learning_refusals(config),
        *class_refusals_of_prompts(config),
    ]
    measured = config.dataset.hold_out and config.train.measure and config.train.checkpoint_every
    if config.stop.patience and not measured:
        found.append(
            "stop.patience looks at the loss on held-out pictures at the checkpoints: set dataset.hold_out and "
            "train.checkpoint_every to 1 or more and train.measure to true, or stop.patience to 0"
        )
    if config.loss.debiased and config.train.min_snr_gamma:
        found.append(
            f"loss.debiased replaces min-SNR, and train.min_snr_gamma is {config.train.min_snr_gamma:g}: set "
            "one of them to 0 or false"
        )
    return (
        found
        + clip_skip_refusals(config.model)
        + adapter_refusals(config, unet)
        + _quantized(config)
        + _missing(config)
    )


def _quantized(config: TrainConfig) -> list[str]:
    """What cannot be computed over weights that are codes: a DoRA's lengths would be those of other weights."""
    if config.model.quantize == "off" or not config.train.dora:
        return []
    return [
        f"model.quantize is {config.model.quantize}, and train.dora is on: a DoRA trains the lengths of the base's own "
        "weights, and programs apply them to these; set model.quantize to off, or train.dora to false"
    ]


def _missing(config: TrainConfig) -> list[str]:
    """What is not installed and must be."""
    found, optimizer = [], OPTIMIZERS[config.train.optimizer]
    if optimizer.package and importlib.util.find_spec(optimizer.package) is None:
        found.append(
            f"train.optimizer is {config.train.optimizer}, which needs {optimizer.package}: {optimizer.remedy}"
        )
    if config.model.quantize != "off" and importlib.util.find_spec(BITS) is None:
        found.append(f"model.quantize is {config.model.quantize}, which needs {BITS}: {GET_BITS}, or set it to off")
    for key in (f"{optimizer.table}.{name}" for name in optimizer.lacks):
        table, name = key.split(".")
        value, plain = getattr(getattr(config, table), name), BY_KEY[key].default
        if value != plain:
            found.append(
                f"{key} is {_written(value)}, which {config.train.optimizer} does not have: set it to "
                f"{_written(plain)}, or train.optimizer to prodigy"
            )
    if optimizer.averages and not getattr(config, optimizer.table).beta1:
        found.append(
            f"{optimizer.table}.beta1 is 0, by which {config.train.optimizer} divides to find its average: set it to "
            f"{BY_KEY[f'{optimizer.table}.beta1'].default}, or to another number above 0"
        )
    if optimizer.averages and config.train.schedule != "constant":
        found.append(
            f"train.schedule is {config.train.schedule}: {config.train.optimizer} averages in its place; "
            "set it to constant"
        )
    return found


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _rates(config: TrainConfig) -> list[str]:
    train = config.train
    unet, rows = learning_rates(config)
    words = _words_rate(config)
    found = []
    own = OPTIMIZERS[train.optimizer]
    if own.averages and train.ema:
        found.append(f"{train.optimizer} keeps an average of its own: train.ema is not used; set it to 0")
    if own.finds_rate:
        if not 0.1 <= unet <= 2:
            found.append(f"train.learning_rate is {unet:g}: {own.name} finds its own rate and wants 1.0")
        if words and rows != unet and not config.prodigy.split_groups:
            found.append(
                f"train.{words} ({rows:g}) differs from train.learning_rate ({unet:g}): "
                f"{own.name} has one estimate for both, which each multiplies by its own rate; the post starts both at "
                "1.0, and prodigy.split_groups gives each an estimate of its own"
            )
        if train.warmup_steps and not config.prodigy.safeguard_warmup:
            found.append("a warm-up without prodigy.safeguard_warmup inflates Prodigy's estimate")
        if train.schedule not in ("constant", "cosine") and not own.averages:
            found.append(f"train.schedule is {train.schedule}: Prodigy is meant for constant or cosine")
        return found
    for key, rate in (("learning_rate", unet), (words, rows)):
        if key and rate >= TOO_HIGH and rate > own.rates[RATES.index(key)]:
            good = own.rates[RATES.index(key)]
            found.append(f"train.{key} is {rate:g}: far too high for {own.name}; {good:g} is its own")
    return found


def _words_rate(config: TrainConfig) -> str:
    """Which setting is the rate of the words; empty where they are not trained."""
    if config.pivotal.enabled:
        return "embedding_learning_rate"
    return "text_encoder_learning_rate" if config.text_encoder_lora.enabled else ""


def _loss(config: TrainConfig) -> list[str]:
    """What decides the loss and was perhaps meant otherwise."""
    model, gamma = config.model, config.train.min_snr_gamma
    why, found = "train.edm is on" if config.train.edm else "", []
    with suppress(NotSDXL):  # said as an error elsewhere
        loss = loss_of(model)
        if loss is not None:
            why = "the base model is an EDM model" if loss.edm else why
            found += _of_base(config, loss)
    if gamma and why:
        found.append(f"{why}, which has weights of its own: train.min_snr_gamma is not used; set it to 0")
    return found


def _of_base(config: TrainConfig, loss: Loss) -> list[str]:
    model, found = config.model, []
    if loss.few_steps:
        found.append(
            f"the base model looks distilled to draw in a few steps ({loss.few_steps}): training undoes that, "
            "and pictures with its few steps grow dull; train on the model that it was made from, and use the LoRA on "
            "both"
        )
    if loss.named_v:
        found.append(
            "the base model is called v-prediction, but nothing in it says so, and it is trained as epsilon; if "
            "it is one, set model.prediction to v_prediction (and model.zero_snr to on, if its page says zero SNR)"
        )
    if loss.edm and (model.prediction != "auto" or model.zero_snr != "auto"):
        found.append("the base model is an EDM model: model.prediction and model.zero_snr are not used")
    if loss.zero_snr and loss.prediction == "epsilon":
        found.append("zero terminal SNR with epsilon: at pure noise the answer teaches nothing; v_prediction is meant")
    if extra := base_of(model).beside:
        count = plural(len(extra), "tensor")
        found.append(f"the base model has {count} that SDXL does not have, such as {extra[0]}: passed over")
    if model.revision and not is_hub_id(model.base):
        found.append("model.revision is for a base model of the hub; this one lies on this disk, and it is not used")
    if model.vae_revision and not is_hub_id(vae_source(model)):
        found.append("model.vae_revision is for a VAE of the hub; this one lies on this disk, and it is not used")
    return found


def _size(config: TrainConfig) -> list[str]:
    found = []
    train = config.train
    try:
        native = base_of(config.model).native
    except NotSDXL:
        native = train.resolution  # said as an error elsewhere
    if train.resolution != native:
        found.append(f"train.resolution is {train.resolution}, but the base model was made for {native} px")
    if train.rank > RANK_SMOOTH:
        found.append(f"train.rank is {train.rank}: at 64 the post already saw air-brushed skin, and the file grows")
    if train.precision == "fp16" and config.model.base == SDXL and vae_source(config.model) == "":
        found.append("SDXL's own VAE overflows in fp16; leave model.vae at 'auto'")
    return found


def _length(config: TrainConfig, images: int, good: int) -> list[str]:
    train = config.train
    batch = train.batch * train.accumulation
    said = views_sentence(train.steps, batch, images, config.kind, config.model.base, good)
    return [said] if said else []


def _tokens(config: TrainConfig) -> list[str]:
    if not config.pivotal.enabled:
        return []
    steps = config.train.steps
    if pivot_step(steps, config.pivotal.fraction) >= steps:
        return [
            f"pivotal.fraction is {config.pivotal.fraction:g}: the run never pivots, the new tokens train to its end"
        ]
    return []


def _prior(config: TrainConfig) -> list[str]:
    prior = config.prior
    if bare := [one for one in class_sets(config) if not one.path]:
        better = FACES if config.kind == "face" and bare[0].number == 1 else "it a folder of real photographs"
        key = "prior.path" if bare[0].number == 1 else f"the class_path of {title_of(bare[0].number)}"
        return [
            f"prior.enabled without {key}: {plural(prior.images, 'class picture')} will be generated, which the post "
            f"saw reduce 'both resemblance to the subject and realism'; give {better}"
        ]
    if prior.path and not prior.enabled:
        return ["prior.path names a folder, but prior.enabled is false: the class pictures are not used"]
    return []


def _samples(config: TrainConfig) -> list[str]:
    odd = list(dict.fromkeys(word for one in config.sample.prompts for word in unknown_options(one)))
    known = "--n (negative prompt), --d (seed), --w and --h (size)"
    said = f"sample.prompts: {', '.join(odd)} is read as words; {known} are the options"
    return [said] if odd else []
