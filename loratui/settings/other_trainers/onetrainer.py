"""The settings of OneTrainer's configuration (JSON): the names and defaults of its TrainConfig and ConceptConfig.

Nested names are written with dots; those of its first versions, which were flat, stand beside them.
"""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from loratui.settings.other_trainers.counterparts import (
    OtherTrainer,
    arguments_of_optimizers,
    none,
    number,
    one_of,
    same,
    square,
    truth,
    whole,
)
from trainer.contract.settings.optimizers import OPTIMIZERS as OPTIMIZER_FACTS

PRECISIONS = {"float_16": "fp16", "bfloat_16": "bf16", "float_32": "fp32", "tfloat_32": "fp32"}
OPTIMIZERS = {
    "adamw": "adamw",
    "adamw_8bit": "adamw-8bit",
    "prodigy": "prodigy",
    "prodigy_plus_schedule_free": "prodigy-plus-schedule-free",
    "schedule_free_adamw": "adamw-schedule-free",
    "lion": "lion",
    "came": "came",
}
SCHEDULES = {
    "constant": "constant",
    "linear": "linear",
    "cosine": "cosine",
    "cosine_with_hard_restarts": "cosine-with-restarts",
}
OFT = "its OFT turns the inputs, that of adapter.kind oft the outputs, as user interfaces read it"
TARGETS = {"attn-only": "attention", "attn-mlp": "all-linear", "full": "all-linear"}


def settle(values: dict[str, Any]) -> list[str]:
    """What several settings of OneTrainer come to together."""
    notes = []
    trained = values.pop("te1", False) or values.pop("te2", False)
    embeddings = values.setdefault("pivotal.enabled", False)
    if embeddings and trained:
        notes.append("text_encoder.train: it stands in place of pivotal tuning here, and new tokens are trained")
    values["text_encoder_lora.enabled"] = bool(trained and not embeddings)
    if not values["text_encoder_lora.enabled"]:
        values.pop("train.text_encoder_learning_rate", None)
    gamma = values.pop("gamma", 5.0)
    values["train.min_snr_gamma"] = gamma if values.pop("weighing", "") == "min-snr" else 0.0
    for name in ("sample", "checkpoint"):
        every, unit = values.pop(f"{name}_every", 0), values.pop(f"{name}_unit", "")
        if unit == "step":
            values[f"train.{name}_every"] = whole(every)
        elif unit == "epoch":
            values[f"{name}_epochs"] = every
        elif unit not in ("", "never"):
            notes.append(f"{name} every {every:g} {unit}s: steps are counted here, train.{name}_every")
    mode, part = str(values.pop("tag_dropout_mode", "FULL")), values.pop("tag_dropout", 0.0)
    if values.pop("tag_dropout_on", False) and part:
        if mode.upper() == "RANDOM":
            values["caption.tag_dropout"] = part
        else:
            notes.append(f"concepts.text.tag_dropout_mode {mode}: each tag is left out independently here (RANDOM)")
    if not (values.get("caption.shuffle") or values.get("caption.tag_dropout")):
        values.pop("caption.keep", None)
    table = OPTIMIZER_FACTS[values.get("train.optimizer", "adamw")].table
    for name in ("beta1", "beta2"):
        beta = values.pop(name, None)
        if beta is not None and table:
            values[f"{table}.{name}"] = beta
    if "train.weight_decay" in values:
        values.setdefault("train.embedding_weight_decay", values["train.weight_decay"])
    return notes


def _name(value: Any) -> str:
    path = PureWindowsPath(str(value)) if "\\" in str(value) else PurePosixPath(str(value))
    return path.stem


def _weighing(value: Any) -> str:
    return one_of({"constant": "", "min_snr_gamma": "min-snr"}, "of weights for the loss there is min-SNR")(value)


def _concepts(value: Any) -> tuple[dict[str, Any], ...]:
    """The concepts after the first; a share of pictures that is not a whole number is rounded to one."""
    found = []
    for one in value:
        repeats = max(1, round(number(one.get("balancing", one.get("repeats", 1)))))
        said = {"path": str(one.get("path", "")), "repeats": repeats, "loss_weight": number(one.get("loss_weight", 1))}
        found.append({key: own for key, own in said.items() if own != 1})
    return tuple(found)


def _unit(value: Any) -> str:
    return str(value).lower()


ONETRAINER = OtherTrainer(
    "OneTrainer",
    (
        same("base_model_name", "model.base"),
        same("vae.model_name vae_model_name", "model.vae"),
        same("force_v_prediction", "model.prediction", "", lambda on: "v_prediction" if truth(on) else "auto"),
        same(
            "rescale_noise_scheduler_to_zero_terminal_snr",
            "model.zero_snr",
            "",
            lambda on: "on" if truth(on) else "auto",
        ),
        same("text_encoder_layer_skip text_encoder_2_layer_skip", "model.clip_skip"),
        same("output_model_destination", "name", "the file's name", _name),
        same("output_dtype", "export.precision", "", one_of(PRECISIONS)),
        same("bundle_additional_embeddings", "export.bundle_embeddings"),
        same("concepts.path", "dataset.path", "of the first concept that is on"),
        same("concepts.balancing concepts.repeats", "dataset.repeats"),
        same("concepts.loss_weight", "dataset.loss_weight"),
        same("concepts.others", "concepts", "those after the first that are on", _concepts),
        same("concepts.image.enable_random_flip", "dataset.flip"),
        same("aspect_ratio_bucketing", "dataset.buckets"),
        same("resolution", "train.resolution", "one side", square),
        same("lora_rank", "train.rank"),
        same("lora_alpha", "train.alpha"),
        same("lora_decompose", "train.dora"),
        same("lora_decompose_output_axis", "train.dora_axis", "", lambda on: "output" if truth(on) else "input"),
        same("dropout_probability", "train.dropout"),
        same("layer_filter_preset lora_layer_preset", "train.targets", "full: without convolutions", one_of(TARGETS)),
        same("peft_type", "adapter.kind", "", one_of({"lora": "lora", "loha": "loha"}, OFT)),
        same("optimizer.optimizer optimizer", "train.optimizer", "", one_of(OPTIMIZERS)),
        same("optimizer.weight_decay weight_decay", "train.weight_decay"),
        same("optimizer.beta1", "prodigy.beta1", "of the optimizer", number, "beta1"),
        same("optimizer.beta2", "prodigy.beta2", "of the optimizer", number, "beta2"),
        *arguments_of_optimizers("optimizer."),
        same("learning_rate", "train.learning_rate"),
        same("unet.learning_rate unet_learning_rate", "train.learning_rate"),
        same("embedding_learning_rate", "train.embedding_learning_rate"),
        same("text_encoder.learning_rate text_encoder_learning_rate", "train.text_encoder_learning_rate"),
        same("text_encoder.train train_text_encoder", "text_encoder_lora.enabled", "", truth, "te1"),
        same("text_encoder_2.train train_text_encoder_2", "text_encoder_lora.enabled", "", truth, "te2"),
        same("additional_embeddings.train", "pivotal.enabled"),
        same("additional_embeddings.placeholder", "dataset.trigger"),
        same("additional_embeddings.token_count", "pivotal.tokens"),
        same(
            "additional_embeddings.initial_embedding_text",
            "pivotal.init_words",
            "",
            lambda one: "" if one == "*" else one,
        ),
        same("learning_rate_scheduler", "train.schedule", "", one_of(SCHEDULES)),
        same("learning_rate_warmup_steps", "train.warmup_steps", "", number, "warmup"),
        same("learning_rate_cycles", "train.schedule_cycles"),
        same("epochs", "train.steps", "epochs x pictures x repeats / batch", number, "epochs"),
        same("batch_size", "train.batch"),
        same("gradient_accumulation_steps", "train.accumulation"),
        same(
            "gradient_checkpointing",
            "train.gradient_checkpointing",
            "",
            lambda one: str(one).upper() not in ("OFF", "FALSE"),
        ),
        same("unet.gradient_checkpointing", "train.gradient_checkpointing"),
        same("train_dtype", "train.precision", "", one_of(PRECISIONS)),
        same("clip_grad_norm", "train.max_grad_norm"),
        same("loss_weight_fn", "train.min_snr_gamma", "MIN_SNR_GAMMA", _weighing, "weighing"),
        same("loss_weight_strength min_snr_gamma", "train.min_snr_gamma", "with MIN_SNR_GAMMA", number, "gamma"),
        same("offset_noise_weight", "train.noise_offset"),
        same("sample_after", "train.sample_every", "in steps", number, "sample_every"),
        same("sample_after_unit", "train.sample_every", "STEP, EPOCH", _unit, "sample_unit"),
        same("save_every save_after", "train.checkpoint_every", "in steps", number, "checkpoint_every"),
        same("save_every_unit save_after_unit", "train.checkpoint_every", "STEP, EPOCH", _unit, "checkpoint_unit"),
        same("lora_model_name", "train.start_from"),
        none("training_method", "a LoRA is what is trained", "LORA"),
        none("model_type", "SDXL is what is trained", "STABLE_DIFFUSION_XL_10_BASE"),
        none("ema ema_decay", "the average of the weights is over a share of the run: train.ema", "OFF", 0.999),
        same("masked_training", "mask.enabled"),
        same("unmasked_weight", "mask.outside"),
        none("unmasked_probability", "a masked run masks every view", 0.1),
        same("perturbation_noise_weight", "noise.perturbation"),
        none("generalized_offset_noise", "the offset is a constant of each picture and channel"),
        same("min_noising_strength", "loss.timestep_low", "of 1000", lambda one: round(number(one) * 1000)),
        same("max_noising_strength", "loss.timestep_high", "of 1000", lambda one: round(number(one) * 1000)),
        none("timestep_distribution noising_weight noising_bias", "there is loss.timestep_bias", "UNIFORM"),
        none("timestep_shift", "there is loss.timestep_bias", 1.0, 1),
        none("mae_strength log_cosh_strength huber_strength", "loss.function has huber and smooth-l1"),
        none("learning_rate_scaler learning_rate_min_factor", "rates are taken as they are written", "NONE"),
        none("preserve_embedding_norm", "new tokens keep the spread of the old ones"),
        none("layer_filter lora_layers", "train.blocks chooses whole blocks"),
        none("concept_file_name", "the concepts lie in a file of their own: --pictures FOLDER"),
        none(
            "sample_definition_file_name samples",
            "the prompts lie in a file of their own; copy them into sample.prompts",
        ),
        same("concepts.text.enable_tag_shuffling", "caption.shuffle"),
        same("concepts.text.keep_tags_count", "caption.keep"),
        same("concepts.text.tag_dropout_probability", "caption.tag_dropout", "with RANDOM", number, "tag_dropout"),
        same("concepts.text.tag_dropout_enable", "caption.tag_dropout", "on", truth, "tag_dropout_on"),
        same("concepts.text.tag_dropout_mode", "caption.tag_dropout", "RANDOM", str, "tag_dropout_mode"),
        none("concepts.text.tag_delimiter", "tags are separated by commas", ","),
        none("concepts.text.tag_dropout_special_tags", "only tags with the trigger are never left out"),
        none("concepts.include_subdirectories", "sub-folders are not searched"),
    ),
    {
        "train.rank": 16,
        "train.alpha": 1.0,
        "train.targets": "all-linear",
        "train.timesteps": "independent",
        "dataset.buckets": True,
        "warmup": 200.0,
    },
    settle,
    "debug_mode debug_dir workspace_dir cache_dir tensorboard tensorboard_expose tensorboard_always_on "
    "tensorboard_port extra_model_name weight_dtype text_encoder_weight_dtype text_encoder_2_weight_dtype "
    "unet_weight_dtype vae_weight_dtype lora_weight_dtype embedding_weight_dtype output_model_format "
    "latent_caching image_caching text_caching latent_caching_epochs clear_cache_before_training "
    "ema_update_step_interval train_device temp_device attention_mechanism sample_image_format backup_after "
    "backup_after_unit backup_before_save rolling_backup rolling_backup_count train_unet train_unet_epochs "
    "train_text_encoder_epochs train_text_encoder_2_epochs fallback_train_dtype enable_autocast_cache "
    "dataloader_threads caching_threads prefetch_next_batch mse_strength vb_loss_strength loss_scaler "
    "token_count initial_embedding_text circular_mask_generation concepts.enabled concepts.name concepts.seed "
    "lora_decompose_norm_epsilon concepts.text.tag_dropout_special_tags_mode "
    "save_filename_prefix",
    warms_constant=True,
)
