"""Settings of kohya, OneTrainer and diffusers' script become answers: every value, and a reason for what does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loratui.errors import Refusal
from loratui.settings.answers import check_answers, read_answers, write_answers
from loratui.settings.other_trainers.files import TRAINERS
from loratui.settings.other_trainers.imported import import_settings, other_names
from loratui.settings.other_trainers.kohya_folders import taught_by_folder
from loratui.settings.resolve import resolve
from tests.loratui.conftest import Draw
from trainer.contract.settings.config import BY_KEY, dump_config, load_config

GUI = {
    "LoRA_type": "Standard",
    "network_dim": 32,
    "network_alpha": "16",
    "optimizer": "Prodigy",
    "optimizer_args": "weight_decay=0.01 d0=0.0001 betas=0.9,0.99",
    "learning_rate": 0.5,
    "unet_lr": "1.0",
    "text_encoder_lr": 0.7,
    "epoch": 16,
    "max_train_steps": "",
    "save_every_n_epochs": 2,
    "lr_scheduler": "constant_with_warmup",
    "lr_warmup": 10,
    "train_batch_size": 2,
    "enable_bucket": True,
    "max_resolution": "1024,1024",
    "mixed_precision": "bf16",
    "conv_dim": 8,
    "shuffle_caption": True,
    "keep_tokens": "2",
    "caption_tag_dropout_rate": 0.1,
    "max_token_length": "225",
    "seed": "",
    "wandb_api_key": "a-key-of-somebody",
}
SCRIPT = """
[model]
pretrained_model_name_or_path = "sdxl.safetensors"
dataset_config = "C:\\\\data\\\\sets.toml"
[other]
network_module = "networks.lora"
network_dim = 16
optimizer_type = "DAdaptAdam"
learning_rate = 1e-5
max_train_steps = 1000
lr_scheduler = "cosine"
lr_warmup_steps = 0.05
network_train_unet_only = true
noise_offset = 7
invented = 3
"""
SETS = """
[general]
num_repeats = 2
[[datasets]]
resolution = [768, 768]
  [[datasets.subsets]]
  image_dir = "one"
  class_tokens = "ohwx tabby cat"
  num_repeats = 3
  [[datasets.subsets]]
  image_dir = "two"
  [[datasets.subsets]]
  is_reg = true
  image_dir = "cats"
"""
COMMAND = """!accelerate launch train_dreambooth_lora_sdxl_advanced.py \\
  --pretrained_model_name_or_path="stabilityai/stable-diffusion-xl-base-1.0" --instance_data_dir anna \\
  --instance_prompt="a photo of TOK woman" --optimizer=prodigy --learning_rate=1.0 --text_encoder_lr=0.2 \\
  --train_text_encoder_ti --train_text_encoder_ti_frac 0.6 --adam_beta2=0.99 --max_train_steps=500 --rank=8 --use_blora
"""
TEXT = {"enable_tag_shuffling": True, "keep_tags_count": 3, "tag_delimiter": ","}
TEXT |= {"tag_dropout_enable": True, "tag_dropout_mode": "RANDOM", "tag_dropout_probability": 0.2}
NESTED = {
    "training_method": "LORA",
    "model_type": "STABLE_DIFFUSION_XL_10_BASE",
    "concepts": [
        {"enabled": False, "path": "off"},
        {"enabled": True, "path": "on", "balancing": 4.0, "image": {"enable_random_flip": True}, "text": TEXT},
    ],
    "additional_embeddings": [{"placeholder": "ohwx", "token_count": 3, "train": True, "initial_embedding_text": "*"}],
    "optimizer": {"optimizer": "ADAMW_8BIT", "beta2": 0.98, "weight_decay": 0.02},
    "unet": {"learning_rate": 2e-4},
    "learning_rate": 1e-4,
    "loss_weight_fn": "MIN_SNR_GAMMA",
    "loss_weight_strength": 4.0,
    "sample_after": 50,
    "sample_after_unit": "STEP",
    "save_every": 10,
    "save_every_unit": "MINUTE",
    "train_dtype": "FLOAT_16",
    "ema": "GPU",
    "masked_training": False,
}


def test_the_declarations_are_of_settings_that_there_are() -> None:
    for trainer in TRAINERS:
        names = [name for one in trainer.counterparts for name in one.names]
        assert len(names) == len(set(names)), trainer.name
        assert not set(names) & set(trainer.silent.split()), trainer.name
        assert [one.names for one in trainer.counterparts if one.key and one.key not in BY_KEY] == []
        assert [one.names for one in trainer.counterparts if not one.key and not one.says] == [], "a reason each"
    assert {"network_dim", "lora_rank", "rank"} == set(other_names("train.rank"))


def test_kohya_ss(tmp_path: Path, draw_picture: Draw) -> None:
    taught = tmp_path / "10_ohwx woman"
    taught.mkdir()
    for number in range(3):
        draw_picture(taught / f"{number}.png", number)
    path = tmp_path / "gui.json"
    path.write_text(json.dumps({**GUI, "train_data_dir": str(tmp_path), "output_name": "My LoRA v1"}))
    found, answers = import_settings([path], "face")
    check_answers(answers)
    values = answers.values
    assert (values["dataset.path"], values["dataset.repeats"]) == (str(taught), 10)
    assert (values["dataset.trigger"], values["dataset.class_word"], values["name"]) == ("ohwx", "woman", "My-LoRA-v1")
    assert (values["train.learning_rate"], values["train.text_encoder_learning_rate"]) == (1.0, 0.7)
    assert (values["prodigy.d0"], values["prodigy.beta2"], values["prodigy.safeguard_warmup"]) == (1e-4, 0.99, False)
    assert values["train.steps"] == 16 * 3 * 10 // 2 and values["train.checkpoint_every"] == 2 * 15
    assert values["train.warmup_steps"] == 24 and values["train.alpha"] == 16.0
    assert values["pivotal.enabled"] is False and values["text_encoder_lora.enabled"] is True
    assert [values[f"caption.{name}"] for name in ("shuffle", "keep", "tag_dropout", "max_tokens")] == [
        True,
        2,
        0.1,
        225,
    ]
    assert (values["adapter.conv_rank"], values["adapter.conv_alpha"]) == (8, 1.0)
    assert set(found.left) == {"wandb_api_key"}, "what is off needs no counterpart"
    assert "a-key-of-somebody" not in str(found) + str(answers)
    assert found.taken["train.learning_rate"] == "unet_lr" and found.taken["train.precision"] == "mixed_precision"


def test_sd_scripts_with_its_sets(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SCRIPT)
    (tmp_path / "sets.toml").write_text(SETS)
    found, answers = import_settings([path], "object")
    check_answers(answers)
    values = answers.values
    assert (values["dataset.path"], values["dataset.repeats"], values["train.resolution"]) == ("one", 3, 768)
    assert (values["dataset.trigger"], values["dataset.class_word"]) == ("ohwx", "tabby cat")
    assert (values["prior.path"], values["prior.enabled"]) == ("cats", True)
    assert values["train.warmup_steps"] == 50 and values["train.alpha"] == 1.0, "kohya's own where nothing is said"
    assert not {"train.optimizer", "train.learning_rate", "train.noise_offset"} & values.keys()
    assert found.left["optimizer_type"].startswith("train.optimizer: there are only adamw, adamw-8bit, prodigy")
    assert "out of bounds" in found.left["noise_offset"] and found.left["invented"] == "not known here"
    assert values["concepts"] == ({"path": "two"},)
    assert any(note.startswith("optimizer: that of the preset") for note in found.notes)
    assert values["text_encoder_lora.enabled"] is False


def test_a_command_line_of_the_advanced_script(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_text(COMMAND)
    found, answers = import_settings([path], "face")
    check_answers(answers)
    values = answers.values
    assert (values["pivotal.enabled"], values["pivotal.fraction"]) == (True, 0.6)
    assert values["train.embedding_learning_rate"] == 1.0, "with Prodigy the script takes one rate for all"
    assert values["prodigy.beta2"] == 0.99 and "train.warmup_steps" not in values, "its constant reads none"
    assert any(one.startswith("text_encoder_lr: with Prodigy") for one in found.notes)
    assert values["dataset.crop"] == "random" and values["train.rank"] == 8
    assert found.left == {"use_blora": "take the preset b-lora: --preset b-lora"}
    path.write_text("python sdxl_train_network.py --network_module networks.lora --network_dim=4 " + COMMAND[11:])
    assert import_settings([path], "face")[0].trainer == "kohya"


def test_that_no_sample_pictures_are_wanted_is_kept_by_import_answers_and_the_run(tmp_path: Path) -> None:
    path, kept = tmp_path / "train.sh", tmp_path / "answers.toml"
    path.write_text(f"{COMMAND} --num_validation_images=0 --validation_prompt=star")
    _, answers = import_settings([path], "face")
    write_answers(kept, answers)
    config = resolve(read_answers(kept)).config
    assert answers.values["sample.count"] == config.sample.count == 0 and config.sample.prompts == ("star",)
    (tmp_path / "config.toml").write_text(dump_config(config))
    assert not load_config(tmp_path / "config.toml").sample.drawn


def test_onetrainer(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(NESTED))
    found, answers = import_settings([path], "object")
    check_answers(answers)
    values = answers.values
    assert (values["dataset.path"], values["dataset.repeats"], values["dataset.flip"]) == ("on", 4, True)
    assert (values["pivotal.enabled"], values["pivotal.tokens"], values["dataset.trigger"]) == (True, 3, "ohwx")
    assert (values["train.optimizer"], values["train.learning_rate"], values["adamw.beta2"]) == (
        "adamw-8bit",
        2e-4,
        0.98,
    )
    assert values["train.min_snr_gamma"] == 4.0 and values["train.sample_every"] == 50
    assert set(found.left) == {"ema"} and any("10 minutes" in note for note in found.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema = 1\npreset = 'face'", "answer file of loratui already"),
        ("hello: world", "these are not settings that loratui knows"),
        ("{}", "these are not settings"),
        ("[table]\nsomething = 1", "these are not settings"),
        ("\0\1", "these are not settings"),
    ],
)
def test_what_is_of_none_of_them_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(Refusal, match=said):
        import_settings([path], "object")


def test_a_folders_name_as_kohya_reads_it() -> None:
    assert taught_by_folder("10_ohwx woman") == {
        "dataset.repeats": 10,
        "dataset.trigger": "ohwx",
        "dataset.class_word": "woman",
    }
    assert taught_by_folder("7_TOK") == {"dataset.repeats": 7, "dataset.trigger": "TOK"}
    assert taught_by_folder("anna") == {} and taught_by_folder("2024") == {}
    assert taught_by_folder("2024_holiday") == {} and taught_by_folder("0_x") == {}  # a year, and no view at all


def test_kinds_of_adapters(tmp_path: Path) -> None:
    """kohya's scripts name them in network_args, its interface in LoRA_type, OneTrainer in peft_type."""
    path = tmp_path / "config.toml"
    path.write_text('network_module = "lycoris.kohya"\nnetwork_args = ["algo=lokr", "factor=8", "conv_dim=4"]\n')
    values = import_settings([path], "face")[1].values
    keys = ("kind", "factor", "conv_rank", "conv_alpha")
    assert [values[f"adapter.{name}"] for name in keys] == ["lokr", 8, 4, 1.0]
    for name, told, kind in (("LoRA_type", "LyCORIS/LoHa", "loha"), ("LoRA_type", "Kohya LoCon", "lora")):
        (gui := tmp_path / "gui.json").write_text(json.dumps({**GUI, name: told}))
        assert import_settings([gui], "face")[1].values["adapter.kind"] == kind
    (one := tmp_path / "one.json").write_text(json.dumps({**NESTED, "peft_type": "OFT_2"}))
    assert "turns the inputs" in import_settings([one], "face")[0].left["peft_type"]


def test_settings_of_an_optimizer_go_to_its_own_table(tmp_path: Path) -> None:
    path, betas = tmp_path / "config.json", {"beta1": 0.8, "beta2": 0.98}
    for name, table in (("PRODIGY_PLUS_SCHEDULE_FREE", "prodigy"), ("LION", "lion"), ("PRODIGY", "prodigy")):
        own = {"optimizer": name, **betas, "use_bias_correction": False, "slice_p": 11, "d_coef": 2.0}
        path.write_text(json.dumps({**NESTED, "optimizer": own}))
        found, answers = import_settings([path], "object")
        assert (answers.values[f"{table}.beta1"], answers.values[f"{table}.beta2"]) == (0.8, 0.98)
        # what the optimizer here does not have would be refused at the start
        lacks = name.startswith("PRODIGY_PLUS")
        assert ("optimizer.slice_p" in found.left) is lacks and ("prodigy.slice_p" in answers.values) is not lacks
        assert ("optimizer.use_bias_correction" in found.left) is lacks
    path.write_text(json.dumps({**NESTED, "optimizer": {"optimizer": "CAME", **betas}}))
    values = import_settings([path], "object")[1].values
    assert values["train.optimizer"] == "came" and not any("beta" in key for key in values)


@pytest.mark.parametrize(
    ("schedule", "steps"), [("", 0), ("constant", 0), ("constant_with_warmup", 40), ("cosine", 40)]
)
def test_a_warm_up_is_taken_over_where_it_is_read(tmp_path: Path, schedule: str, steps: int) -> None:
    """Here each schedule warms up; diffusers' constant never does, kohya's refuses to, OneTrainer's does."""
    path, flag = tmp_path / "train.sh", f" --lr_scheduler={schedule}" if schedule else ""
    path.write_text(COMMAND.strip() + f" --lr_warmup_steps=40{flag}")
    found, answers = import_settings([path], "face")
    assert answers.values.get("train.warmup_steps", 0) == steps
    assert ("lr_warmup_steps" in found.left) == (steps == 0)
    assert answers.values.get("train.schedule", "constant") == ("cosine" if schedule == "cosine" else "constant")
    path = tmp_path / "one.json"
    path.write_text(json.dumps({**NESTED, "learning_rate_warmup_steps": 40, "learning_rate_scheduler": "CONSTANT"}))
    assert import_settings([path], "face")[1].values["train.warmup_steps"] == 40
