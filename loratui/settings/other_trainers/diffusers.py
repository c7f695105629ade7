"""The flags of diffusers' advanced script for SDXL (train_dreambooth_lora_sdxl_advanced.py), as one types them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from loratui.settings.other_trainers.counterparts import OtherTrainer, none, number, one_of, same, truth, whole
from loratui.settings.other_trainers.kohya import PRECISIONS, SCHEDULES, betas
from trainer.contract.settings.triggers import holds_word, split_triggers

REPORTS = {"tensorboard": "tensorboard", "wandb": "wandb"}


def settle(values: dict[str, Any]) -> list[str]:
    """What several flags come to together."""
    notes = []
    if values.pop("eight_bit", False) and values.get("train.optimizer") == "adamw":
        values["train.optimizer"] = "adamw-8bit"
    words = values.pop("words_rate", None)
    if values.get("train.optimizer") == "prodigy":
        if words not in (None, values.get("train.learning_rate")):
            notes.append("text_encoder_lr: with Prodigy the script takes learning_rate for the words too")
        words = values.get("train.learning_rate")  # the script's rule: one rate for all
    if words is not None and values.get("pivotal.enabled"):
        values["train.embedding_learning_rate"] = words
    elif words is not None and values.get("text_encoder_lora.enabled"):
        values["train.text_encoder_learning_rate"] = words
    values["betas"] = (values.pop("beta1", 0.9), values.pop("beta2", 0.999))
    betas(values)
    if values.get("pivotal.enabled") and values.get("pivotal.init_words"):
        values.pop("pivotal.tokens", None)
    prompt, trigger = str(values.get("dataset.instance_prompt", "")), str(values.get("dataset.trigger", "TOK"))
    if prompt and not any(holds_word(prompt, one) for one in split_triggers(trigger)):
        notes.append(f"instance_prompt: it does not hold the trigger {trigger}; --trigger names the word that it holds")
        values.pop("dataset.instance_prompt")
    return notes


ADVANCED = OtherTrainer(
    "diffusers",
    (
        same("pretrained_model_name_or_path", "model.base"),
        same("revision", "model.revision"),
        same("pretrained_vae_model_name_or_path", "model.vae"),
        same("instance_data_dir dataset_name", "dataset.path"),
        same("dataset_config_name", "dataset.subset"),
        same("caption_column", "dataset.caption_column"),
        same("repeats", "dataset.repeats"),
        same("center_crop", "dataset.crop", "without it: random", lambda on: "center" if truth(on) else "random"),
        same("random_flip", "dataset.flip"),
        same("instance_prompt", "dataset.instance_prompt"),
        same("token_abstraction", "dataset.trigger"),
        same("output_dir", "name", "the folder's name", lambda one: PurePosixPath(str(one)).name),
        same("train_text_encoder_ti", "pivotal.enabled"),
        same("num_new_tokens_per_abstraction", "pivotal.tokens"),
        same("initializer_concept", "pivotal.init_words"),
        same("train_text_encoder_ti_frac", "pivotal.fraction"),
        same("train_text_encoder", "text_encoder_lora.enabled"),
        same("train_text_encoder_frac", "text_encoder_lora.fraction"),
        same("rank", "train.rank"),
        same("lora_alpha", "train.alpha"),
        same("lora_dropout", "train.dropout"),
        same("use_dora", "train.dora"),
        same("lora_unet_blocks", "train.blocks"),
        same("resolution", "train.resolution"),
        same("optimizer", "train.optimizer", "AdamW, prodigy", one_of({"adamw": "adamw", "prodigy": "prodigy"})),
        same("use_8bit_adam", "train.optimizer", "adamw-8bit", truth, "eight_bit"),
        same("learning_rate", "train.learning_rate"),
        same("text_encoder_lr", "train.embedding_learning_rate", "or text_encoder_learning_rate", number, "words_rate"),
        same("adam_beta1", "prodigy.beta1", "of the optimizer", number, "beta1"),
        same("adam_beta2", "prodigy.beta2", "of the optimizer", number, "beta2"),
        same("prodigy_beta3", "prodigy.beta3"),
        same("prodigy_decouple", "prodigy.decouple"),
        same("prodigy_use_bias_correction", "prodigy.bias_correction"),
        same("prodigy_safeguard_warmup", "prodigy.safeguard_warmup"),
        same("adam_weight_decay", "train.weight_decay"),
        same("adam_weight_decay_text_encoder", "train.embedding_weight_decay"),
        same("adam_epsilon", "adamw.epsilon"),
        same("lr_scheduler", "train.schedule", "", one_of(SCHEDULES), "schedule"),
        same("lr_warmup_steps", "train.warmup_steps"),
        same("lr_num_cycles", "train.schedule_cycles"),
        same("lr_power", "train.schedule_power"),
        same("snr_gamma", "train.min_snr_gamma"),
        same("do_edm_style_training", "train.edm"),
        same("noise_offset", "train.noise_offset"),
        same("max_grad_norm", "train.max_grad_norm"),
        same("seed", "train.seed"),
        same("max_train_steps", "train.steps"),
        same("num_train_epochs", "train.steps", "without max_train_steps", number, "epochs_without_steps"),
        same("train_batch_size", "train.batch"),
        same("gradient_accumulation_steps", "train.accumulation"),
        same("gradient_checkpointing", "train.gradient_checkpointing"),
        same("mixed_precision", "train.precision", "no: fp32", one_of(PRECISIONS)),
        same("checkpointing_steps", "train.checkpoint_every"),
        same("checkpoints_total_limit", "train.keep_checkpoints"),
        same("validation_prompt", "sample.prompts"),
        same("num_validation_images", "sample.count", "", whole),
        same("validation_epochs", "train.sample_every", "in steps", number, "sample_epochs"),
        same("with_prior_preservation", "prior.enabled"),
        same("class_data_dir", "prior.path"),
        same("class_prompt", "prior.prompt"),
        same("num_class_images", "prior.images"),
        same("sample_batch_size", "prior.batch"),
        same("prior_loss_weight", "prior.weight"),
        same("report_to", "tracker.names", "", one_of(REPORTS)),
        none("use_blora", "take the preset b-lora: --preset b-lora"),
        none("lora_layers", "train.targets and train.blocks choose the layers"),
        none("scale_lr", "rates are taken as they are written"),
        none("resume_from_checkpoint", "a run resumes from a checkpoint of its own"),
        none("push_to_hub hub_token hub_model_id", "'loratui push' does it, when the run is over"),
        none("image_column", "pictures are found by what they are", "image"),
        none("train_transformer_frac", "the unet is trained to the end", 1, "1", "1.0"),
    ),
    {
        "train.rank": 4,
        "train.targets": "attention",
        "train.timesteps": "independent",
        "train.optimizer": "adamw",
        "train.learning_rate": 1e-4,
        "train.weight_decay": 1e-4,
        "train.warmup_steps": 500,
        "train.min_snr_gamma": 0.0,
        "train.gradient_checkpointing": "off",
        "train.precision": "fp32",
        "train.batch": 4,
        "dataset.crop": "random",
        "pivotal.enabled": False,
    },
    settle,
    "variant cache_dir logging_dir allow_tf32 local_rank enable_xformers_memory_efficient_attention "
    "cache_latents prior_generation_precision dataloader_num_workers debug_loss enable_npu_flash_attention",
)
