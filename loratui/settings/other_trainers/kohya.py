"""The settings of kohya's sd-scripts (TOML, command line) and of the interface kohya_ss (JSON).

Names and defaults: sd-scripts' train_network.md, config_README-en.md and sdxl_train_network_advanced.md; kohya_ss'
presets for SDXL.
"""

from __future__ import annotations

import re
from typing import Any

from loratui.settings.other_trainers.counterparts import (
    WARMED,
    OtherTrainer,
    arguments_of_optimizers,
    give,
    none,
    number,
    one_of,
    same,
    square,
    truth,
    whole,
)
from loratui.settings.other_trainers.kohya_folders import (
    class_tokens,
    concept_of,
    folders_of_tree,
    named_folders,
    taught_by_tree,
    with_classes,
)
from trainer.contract.paths import expanded
from trainer.contract.settings.optimizers import OPTIMIZERS as OPTIMIZER_FACTS

OPTIMIZERS = {
    "adamw": "adamw",
    "adamw8bit": "adamw-8bit",
    "pagedadamw8bit": "adamw-8bit",
    "prodigy": "prodigy",
    "prodigyplus.prodigyplusschedulefree": "prodigy-plus-schedule-free",
    "adamwschedulefree": "adamw-schedule-free",
    "lion": "lion",
    "pytorch_optimizer.came": "came",
}
PRECISIONS = {"no": "fp32", "fp32": "fp32", "float": "fp32", "fp16": "fp16", "bf16": "bf16"}
SCHEDULES = {
    "constant": "constant",
    "constant_with_warmup": WARMED,
    "linear": "linear",
    "cosine": "cosine",
    "cosine_with_restarts": "cosine-with-restarts",
    "polynomial": "polynomial",
}
ATTENTION = "torch's own attention is always used"
CAPTIONS = "captions are trained as they are written"
KINDS = "of LyCORIS there are LoCon, LoKr, LoHa and OFT"
ALGORITHMS = {"lora": "lora", "locon": "lora", "lokr": "lokr", "loha": "loha", "diag-oft": "oft"}
MODULES = dict.fromkeys(("networks.lora", "standard", "kohya locon", "lycoris.kohya"), "lora")
MODULES |= {f"lycoris/{name}": kind for name, kind in ALGORITHMS.items()}


def _text_rate(value: Any) -> float:
    rates = {number(one) for one in (value if isinstance(value, list) else [value])}
    if len(rates) != 1:
        raise ValueError("one rate for both text encoders")
    return rates.pop()


def _warmup(value: Any) -> int | float:
    found = number(value)
    return found if 0 < found < 1 else whole(found)  # below 1: a part of all steps


def prompts(value: Any) -> tuple[str, ...]:
    """The lines of kohya's sample prompts, with the options that there are here too. Raises ValueError."""
    text = str(value)
    if "\n" not in text and re.search(r"\.(txt|toml|json)$", text.strip()):
        raise ValueError("the prompts lie in a file of their own; copy its lines into sample.prompts")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    return tuple(re.sub(r"\s--(?![ndwh]\s)[a-z]+\s+\S+", "", line) for line in lines)


def settle(values: dict[str, Any]) -> list[str]:
    """What several settings of kohya come to together."""
    notes = []
    unet_only = values.pop("unet_only", False) or values.get("train.text_encoder_learning_rate") == 0
    values["pivotal.enabled"] = False
    values["text_encoder_lora.enabled"] = not unet_only
    if unet_only:
        values.pop("train.text_encoder_learning_rate", None)
    elif "train.learning_rate" in values:
        values.setdefault("train.text_encoder_learning_rate", values["train.learning_rate"])
    if "train.weight_decay" in values:
        values.setdefault("train.embedding_weight_decay", values["train.weight_decay"])
    betas(values)
    if values.get("adapter.conv_rank"):
        values.setdefault("adapter.conv_alpha", 1.0)  # its own where none is named
    elif "adapter.conv_alpha" in values:
        values.pop("adapter.conv_alpha")
    if not (values.get("caption.shuffle") or values.get("caption.tag_dropout")):
        values.pop("caption.keep", None)
    if values.pop("dim_from_weights", False):  # they are taken from train.start_from where nothing is chosen
        values.pop("train.rank", None)
        values.pop("train.alpha", None)
    if values.get("train.optimizer") == "prodigy":  # prodigyopt's own
        give(values, {"prodigy.bias_correction": False, "prodigy.safeguard_warmup": False, "prodigy.beta2": 0.999})
    if parent := values.pop("parent", ""):
        notes += _inside(values, parent)
    prior_parent = values.pop("prior_parent", "")
    values.update({key: one for key, one in class_tokens(values.pop("class_tokens", "")).items()})
    if prior_parent:
        values["prior.path"] = prior_parent
        notes += with_classes(values, prior_parent)
    if values.get("prior.path"):
        values["prior.enabled"] = True
    return notes


def betas(values: dict[str, Any]) -> None:
    """The slot `betas` as those of the optimizer that was chosen."""
    table = OPTIMIZER_FACTS[values.get("train.optimizer", "adamw")].table
    if not table:
        values.pop("betas", ())
    for name, value in zip(("beta1", "beta2"), values.pop("betas", ()), strict=False):
        if value is not None:
            values[f"{table}.{name}"] = value


def _inside(values: dict[str, Any], folder: str) -> list[str]:
    """train_data_dir holds folders such as "10_ohwx woman": each is a concept."""
    if values.get("dataset.path"):
        return []
    if found := folders_of_tree(folder) or tuple(map(str, named_folders(expanded(folder))[:1])):
        give(values, taught_by_tree(found))
        return []
    values["dataset.path"] = folder
    return ["train_data_dir: name the folder inside it that holds the pictures: --pictures FOLDER"]


def _subsets(value: Any) -> tuple[dict[str, Any], ...]:
    """The subsets after the first, each as a concept."""
    found = []
    for one in value:
        said = concept_of(str(one.get("image_dir", "")))
        said |= {key.removeprefix("dataset."): word for key, word in class_tokens(one.get("class_tokens", "")).items()}
        if "num_repeats" in one:
            said["repeats"] = whole(one["num_repeats"])
        found.append(said)
    return tuple(found)


def _betas(value: Any) -> tuple[float, ...]:
    return tuple(number(part) for part in str(value).strip("()[] ").split(","))


def _when(on: Any, value: str) -> str:
    return value if truth(on) else "auto"


def _ending(value: Any) -> str:
    return "prompt" if str(value) in (".txt", ".caption") else str(value)  # those are found without being named


KOHYA = OtherTrainer(
    "kohya",
    (
        same("pretrained_model_name_or_path", "model.base"),
        same("vae", "model.vae"),
        same(
            "no_half_vae sdxl_no_half_vae",
            "model.vae_precision",
            "on: fp32",
            lambda on: "fp32" if truth(on) else "auto",
        ),
        same("v_parameterization", "model.prediction", "on: v_prediction", lambda on: _when(on, "v_prediction")),
        same("zero_terminal_snr", "model.zero_snr", "", lambda on: _when(on, "on")),
        same("output_name", "name"),
        same("image_dir", "dataset.path"),
        same("train_data_dir", "dataset.path", "the folders inside it, such as 10_ohwx woman", str, "parent"),
        same("datasets.subsets", "concepts", "those after the first", _subsets),
        same("reg_data_dir", "prior.path", "the folder inside it; of several each concept's own", str, "prior_parent"),
        same("prior_loss_weight", "prior.weight"),
        same("class_tokens", "dataset.trigger", "the first word; the others are the class word", str, "class_tokens"),
        same("num_repeats dataset_repeats", "dataset.repeats"),
        same("caption_extension", "dataset.caption_column", "an ending of its own", _ending),
        same("caption_dropout_rate", "dataset.caption_dropout"),
        same("shuffle_caption", "caption.shuffle"),
        same("keep_tokens", "caption.keep"),
        same("caption_tag_dropout_rate", "caption.tag_dropout"),
        same("max_token_length", "caption.max_tokens"),
        same("flip_aug", "dataset.flip"),
        same("random_crop", "dataset.crop", "on: random", lambda on: "random" if truth(on) else "center"),
        same("enable_bucket", "dataset.buckets"),
        same("resolution max_resolution", "train.resolution", "one side", square),
        same("network_dim", "train.rank"),
        same("network_alpha", "train.alpha"),
        same("conv_dim network_args.conv_dim", "adapter.conv_rank"),
        same("conv_alpha network_args.conv_alpha", "adapter.conv_alpha"),
        same("network_dropout", "train.dropout"),
        same("network_weights lora_network_weights", "train.start_from"),
        same("dim_from_weights", "train.start_from", "rank and alpha are its own", truth, "dim_from_weights"),
        same("network_module LoRA_type", "adapter.kind", "networks.lora, lycoris.kohya ...", one_of(MODULES, KINDS)),
        same("network_args.algo", "adapter.kind", "", one_of(ALGORITHMS, KINDS)),
        same("factor network_args.factor", "adapter.factor"),
        same(
            "optimizer_type optimizer",
            "train.optimizer",
            "Prodigy, AdamW, AdamW8bit, Lion ...",
            one_of(OPTIMIZERS),
        ),
        same("optimizer_args.weight_decay", "train.weight_decay"),
        same("optimizer_args.betas", "prodigy.beta1", "beta1 and beta2 of the optimizer", _betas, "betas"),
        *arguments_of_optimizers("optimizer_args."),
        same("learning_rate", "train.learning_rate"),
        same("unet_lr", "train.learning_rate"),
        same("text_encoder_lr text_encoder_lr1", "train.text_encoder_learning_rate", "", _text_rate),
        same("network_train_unet_only", "text_encoder_lora.enabled", "on: off here", truth, "unet_only"),
        same("lr_scheduler", "train.schedule", "", one_of(SCHEDULES), "schedule"),
        same("lr_scheduler_num_cycles", "train.schedule_cycles"),
        same("lr_scheduler_power", "train.schedule_power"),
        same("lr_warmup_steps", "train.warmup_steps", "steps, or a part of all steps", _warmup, "warmup"),
        same("lr_warmup", "train.warmup_steps", "per cent of all steps", lambda one: number(one) / 100, "warmup"),
        same("max_train_steps", "train.steps"),
        same("max_train_epochs", "train.steps", "epochs x pictures x repeats / batch", number, "epochs"),
        same("epoch", "train.steps", "likewise, without max_train_steps", number, "epochs_without_steps"),
        same("train_batch_size batch_size", "train.batch"),
        same("gradient_accumulation_steps", "train.accumulation"),
        same("gradient_checkpointing", "train.gradient_checkpointing"),
        same("mixed_precision", "train.precision", "no: fp32", one_of(PRECISIONS)),
        same("max_grad_norm", "train.max_grad_norm"),
        same("min_snr_gamma", "train.min_snr_gamma"),
        same("noise_offset", "train.noise_offset"),
        same("multires_noise_iterations", "noise.multires_iterations"),
        same("multires_noise_discount", "noise.multires_discount"),
        same("ip_noise_gamma", "noise.perturbation"),
        same("loss_type", "loss.function", "", one_of({"l2": "l2", "huber": "huber", "smooth_l1": "smooth-l1"})),
        same("huber_c", "loss.huber_c"),
        same("huber_schedule", "loss.huber_schedule", "", one_of({"snr": "snr", "constant": "constant"})),
        same("debiased_estimation_loss", "loss.debiased"),
        same("min_timestep", "loss.timestep_low"),
        same("max_timestep", "loss.timestep_high"),
        same("masked_loss alpha_mask", "mask.enabled"),
        same("seed", "train.seed"),
        same("save_precision", "export.precision", "", one_of(PRECISIONS)),
        same("save_every_n_steps", "train.checkpoint_every"),
        same("save_every_n_epochs", "train.checkpoint_every", "in steps", number, "checkpoint_epochs"),
        same("sample_every_n_steps", "train.sample_every"),
        same("sample_every_n_epochs", "train.sample_every", "in steps", number, "sample_epochs"),
        same("sample_prompts", "sample.prompts", "its lines, with --n, --d, --w and --h", prompts),
        same("log_with", "tracker.names", "", one_of({"tensorboard": "tensorboard", "wandb": "wandb"})),
        none(
            "use_wandb wandb_api_key huggingface_token", "tracker.names, and 'wandb login': no token stands in a file"
        ),
        none("rank_dropout module_dropout scale_weight_norms", "of its LoRA there is only dropout"),
        none("decompose_both use_cp train_norm unit", "there is adapter.factor", 1, "1"),
        none(
            "block_dims block_alphas conv_block_dims conv_block_alphas down_lr_weight mid_lr_weight up_lr_weight "
            "block_lr_zero_threshold",
            "one rank and one rate for all blocks; train.blocks chooses which are trained",
        ),
        none("weighted_captions caption_prefix caption_suffix", CAPTIONS),
        none("caption_dropout_every_n_epochs", "dataset.caption_dropout leaves them out at random"),
        none("color_aug face_crop_aug_range", "colours stay as they are; 'loratui fix' makes copies"),
        none("bucket_reso_steps min_bucket_reso max_bucket_reso bucket_no_upscale", "buckets are SDXL's own sizes"),
        none("clip_skip", "sd-scripts passes it over with SDXL", 1, "1", 2, "2"),
        none(
            "adaptive_noise_scale ip_noise_gamma_random_strength noise_offset_type noise_offset_random_strength",
            "of noise there is only noise_offset",
            "Original",
        ),
        none("v_pred_like_loss", "a model is trained with the prediction that it was made for"),
        none("scale_v_pred_loss_like_noise_pred", "min-SNR and loss.debiased are all that weighs the loss"),
        none("full_fp16 full_bf16 fp8_base fp8_base_unet", "the LoRA and its optimizer are always fp32"),
        none("stop_text_encoder_training stop_text_encoder_training_pct", "text_encoder_lora.fraction does it"),
        none("v2 sdxl", "SDXL is what is trained", True),
        none("output_dir logging_dir", "a run has a folder of its own: --out"),
    ),
    {
        "train.rank": 4,
        "train.alpha": 1.0,
        "train.targets": "all-linear",
        "train.timesteps": "independent",
        "train.optimizer": "adamw",
        "train.precision": "fp32",
        "train.gradient_checkpointing": "off",
        "train.min_snr_gamma": 0.0,
        "train.batch": 1,
        "caption.keep": 0,
    },
    settle,
    "cache_latents cache_latents_to_disk vae_batch_size sdxl_cache_text_encoder_outputs cache_text_encoder_outputs "
    "cache_text_encoder_outputs_to_disk max_data_loader_n_workers persistent_data_loader_workers mem_eff_attn xformers "
    "sdpa lowram highvram num_cpu_threads_per_process additional_parameters training_comment train_on_input "
    "save_model_as save_state no_token_padding save_last_n_steps save_last_n_steps_state is_reg",
)
