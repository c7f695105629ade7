"""Every setting of a run, declared once: the file, the form, `--set`, the README's table are all derived from here."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator, model_validator

from trainer.contract.fields import Section, Setting, declared_settings, setting

SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
SDXL_VAE = "madebyollin/sdxl-vae-fp16-fix"
SMALL = "sdxl-small"  # the trained small SDXL that ships with the package

Kind = Literal["face", "object", "character-style", "style", "one-picture"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
SEED = "seed post: LoRA training scripts of the world, unite!"


class Model(Section):
    """What is trained on."""

    base: str = setting(
        SDXL,
        "base model",
        "An SDXL model: a hub id, a local diffusers folder, or sdxl-small, the one that ships with loratui.",
        source=SEED,
        min_length=1,
    )
    vae: str = setting(
        "auto",
        "VAE",
        "A hub id or a folder; auto: madebyollin/sdxl-vae-fp16-fix with SDXL base, else the base model's own.",
        source=SEED,
        min_length=1,
    )


class Dataset(Section):
    """The pictures, and the words that belong to them."""

    path: str = setting("", "folder", "The folder of pictures; sub-folders are not searched.")
    trigger: str = setting(
        "TOK",
        "trigger",
        "The word in captions and prompts that stands for the new concept; several are separated by commas.",
        source=SEED + " (token_abstraction)",
    )
    class_word: str = setting("", "class word", "What the concept is: dog, woman, backpack. Used in the class prompt.")
    instance_prompt: str = setting(
        "a photo of a TOK",
        "instance prompt",
        "The caption of every picture that has none of its own; it must hold the trigger.",
        source=SEED,
        min_length=1,
    )
    caption_column: str = setting(
        "prompt",
        "caption column",
        "The column of metadata.jsonl or metadata.csv that holds the captions.",
        source=SEED + " (caption_column)",
        min_length=1,
    )
    skip: tuple[str, ...] = setting((), "skipped", "Pictures of the folder that are left out.")
    accept: tuple[str, ...] = setting(
        (), "accepted", "Warnings that were read and accepted, as code:file; a warning that is not here stops a replay."
    )
    repeats: int = setting(
        1,
        "repeats",
        "How often each picture stands in one epoch, before shuffling. With fixed steps it changes only the order.",
        source=SEED,
        ge=1,
        le=1000,
    )
    crop: Literal["center", "random"] = setting(
        "center", "crop", "Where the square is cut from a picture that is not square; random: anew at every view."
    )
    flip: bool = setting(
        False,
        "flip",
        "Mirror every second view at random.",
        up="Twice the views of a symmetric thing; wrong for faces and for anything with writing on it.",
    )
    background: str = setting(
        "#ffffff",
        "background",
        "The colour under transparent pictures, as #rrggbb.",
        pattern=r"^#[0-9a-fA-F]{6}$",
    )

    @field_validator("trigger")
    @classmethod
    def _one_word_each(cls, value: str) -> str:
        words = split_triggers(value)
        if not words:
            raise ValueError("a trigger is needed, such as TOK")
        for word in words:
            if re.search(r"\s", word):
                near = word.replace(" ", "_")
                raise ValueError(f"a trigger is one word without spaces; write '{near}' instead of '{word}'")
            if not re.search(r"\w", word):
                raise ValueError(f"a trigger needs a letter or a digit; '{word}' has none")
        if len(set(words)) != len(words):
            raise ValueError("the same trigger is given twice")
        return ",".join(words)


class Train(Section):
    """The training itself: length, adapter, optimizer, what is kept."""

    steps: int = setting(
        1000,
        "steps",
        "Optimizer steps of the whole run.",
        source=SEED + " (1000 for about 30 pictures; 120 x pictures for faces)",
        up="More likeness, then overfitting: look at views per image.",
        down="Faster, and weaker likeness.",
        ge=1,
        le=1_000_000,
    )
    batch: int = setting(
        4, "batch", "Pictures per forward pass.", source=SEED, up="Smoother, more memory.", ge=1, le=256
    )
    accumulation: int = setting(
        1,
        "accumulation",
        "Forward passes per optimizer step: the batch's effect without its memory.",
        source=SEED,
        ge=1,
        le=1024,
    )
    rank: int = setting(
        32,
        "rank",
        "Width of the LoRA matrices: how much can be learned.",
        source=SEED + " (of 4, 16, 32 and 64, 64 looked air-brushed; 32 is its default)",
        up="More detail, a larger file; at 64 the seed saw air-brushed skin.",
        down="A smaller file that generalises more and resembles less.",
        ge=1,
        le=1024,
    )
    alpha: float = setting(
        0.0,
        "alpha",
        "The LoRA is scaled by alpha / rank; 0 means alpha = rank, a scale of 1.",
        source="diffusers' script (lora_alpha = rank)",
        ge=0,
        le=4096,
    )
    targets: Literal["attention", "all-linear"] = setting(
        "attention",
        "targets",
        "Which layers of the unet's transformers get a LoRA: to_q, to_k, to_v, to_out.0, or every Linear.",
        source="diffusers' script",
    )
    blocks: tuple[str, ...] = setting(
        (),
        "blocks",
        "Only these blocks of the unet, by whole name, such as up_blocks.0.attentions.1; empty: all.",
        source="B-LoRA (content: up_blocks.0.attentions.0, style: up_blocks.0.attentions.1)",
    )
    seed: int = setting(0, "seed", "Decides every random draw of the run.", source=SEED, ge=0, le=2**32 - 1)
    resolution: int = setting(
        1024,
        "resolution",
        "Side of the square that pictures are brought to.",
        source=SEED,
        unit="px",
        down="Faster; SDXL below 768 px draws worse.",
        ge=64,
        le=4096,
        multiple_of=64,
    )
    precision: Literal["bf16", "fp16", "fp32"] = setting(
        "bf16",
        "precision",
        "Of the frozen base model. LoRA parameters and optimizer state are always fp32.",
        source=SEED,
    )
    gradient_checkpointing: bool = setting(
        True,
        "gradient checkpointing",
        "Compute activations twice in place of keeping them: less memory, about a third slower.",
        source=SEED,
    )
    optimizer: Literal["prodigy", "adamw"] = setting(
        "prodigy",
        "optimizer",
        "Prodigy finds its own learning rate; AdamW takes the rates given here.",
        source=SEED,
    )
    learning_rate: float = setting(
        1.0,
        "learning rate",
        "Of the unet's LoRA: 1.0 with Prodigy, 1e-4 with AdamW.",
        source=SEED,
        gt=0,
        le=10,
    )
    embedding_learning_rate: float = setting(
        1.0,
        "embedding learning rate",
        "Of the new tokens' embeddings: 1.0 with Prodigy, 3e-4 with AdamW.",
        source=SEED + " (text_encoder_lr)",
        gt=0,
        le=10,
    )
    weight_decay: float = setting(
        0.01,
        "weight decay",
        "Of the unet's LoRA.",
        source="prodigyopt's README; an earlier draft of the seed",
        ge=0,
        le=1,
    )
    embedding_weight_decay: float = setting(
        0.0,
        "embedding weight decay",
        "Of the new tokens' embeddings, apart from the unet's; 0 is none.",
        source=SEED + " (adam_weight_decay_text_encoder)",
        ge=0,
        le=1,
    )
    schedule: Literal["constant", "linear", "cosine"] = setting(
        "constant", "schedule", "How the rate changes over the run, after the warm-up.", source=SEED
    )
    warmup_steps: int = setting(
        0, "warm-up", "Steps in which the rate rises from 0.", source=SEED, unit="steps", ge=0, le=100_000
    )
    max_grad_norm: float = setting(
        1.0, "clipping norm", "Gradients longer than this are shortened; 0: never.", source="diffusers' script", ge=0
    )
    min_snr_gamma: float = setting(
        5.0,
        "min-SNR gamma",
        "Evens out the weight of easy and hard timesteps; 0 is off.",
        source=SEED + " (5.0 when it is on)",
        ge=0,
        le=100,
    )
    checkpoint_every: int = setting(
        250, "checkpoint every", "Steps between checkpoints; 0: only at the end.", unit="steps", ge=0, le=1_000_000
    )
    keep_checkpoints: int = setting(
        3, "keep checkpoints", "How many of the newest checkpoints stay on disk.", ge=1, le=1000
    )
    sample_every: int = setting(
        100, "sample every", "Steps between validation pictures; 0: only first and last.", unit="steps", ge=0
    )
    device: Literal["auto", "cuda", "cpu"] = setting(
        "auto", "device", "Where to train; auto takes the GPU if there is one."
    )
    cpu_threads: int = setting(
        1,
        "CPU threads",
        "Threads of torch when training on the CPU; the same number gives the same bits.",
        up="Faster only for large models on idle cores.",
        ge=1,
        le=256,
    )


class Pivotal(Section):
    """Pivotal tuning: new tokens are trained first, then frozen while the LoRA goes on."""

    enabled: bool = setting(
        True, "pivotal tuning", "Train new tokens for the trigger instead of reusing an old word.", source=SEED
    )
    tokens: int = setting(
        2,
        "tokens per trigger",
        "How many new tokens stand for one trigger.",
        source=SEED + " (num_new_tokens_per_abstraction)",
        ge=1,
        le=32,
    )
    fraction: float = setting(
        0.5,
        "pivot",
        "Part of the run after which the new tokens are frozen.",
        source=SEED + " (pivoting halfway, as in cog-sdxl)",
        gt=0,
        le=1,
    )


class Prodigy(Section):
    """Arguments of the Prodigy optimizer (prodigyopt)."""

    beta1: float = setting(0.9, "beta1", "Decay of the gradient's mean.", source=SEED, ge=0, lt=1)
    beta2: float = setting(
        0.99, "beta2", "Decay of the squared gradient's mean.", source="an earlier draft of the seed", ge=0, lt=1
    )
    beta3: float = setting(
        0.0, "beta3", "Decay of the estimate's own averages; 0: the root of beta2.", source="prodigyopt", ge=0, lt=1
    )
    d0: float = setting(
        1e-6,
        "d0",
        "The first estimate of the learning rate.",
        source="prodigyopt",
        up="Starts sooner; too high and the estimate cannot come down.",
        gt=0,
        le=1,
    )
    d_coef: float = setting(
        1.0, "d_coef", "Factor on the estimate.", source="prodigyopt", up="A bolder rate: 2.", gt=0, le=100
    )
    growth_rate: float = setting(
        float("inf"), "growth rate", "The most that d may grow in one step; inf: any.", source="prodigyopt", gt=1
    )
    slice_p: int = setting(
        1,
        "slice_p",
        "Estimate from every n-th parameter only: 11 saves about a third of the optimizer's memory.",
        source="prodigyopt",
        ge=1,
        le=1000,
    )
    safeguard_warmup: bool = setting(
        True, "safeguard warm-up", "Keeps a warm-up from inflating the estimate.", source="an earlier draft of the seed"
    )
    bias_correction: bool = setting(
        True, "bias correction", "Adam's correction of the first steps.", source="an earlier draft of the seed"
    )
    decouple: bool = setting(True, "decoupled decay", "Weight decay as AdamW does it.", source=SEED)


class AdamW(Section):
    """Arguments of the AdamW optimizer."""

    beta1: float = setting(0.9, "beta1", "Decay of the gradient's mean.", source="torch", ge=0, lt=1)
    beta2: float = setting(0.999, "beta2", "Decay of the squared gradient's mean.", source="torch", ge=0, lt=1)
    epsilon: float = setting(1e-8, "epsilon", "Keeps a division from zero.", source="torch", gt=0, le=1e-2)


class Prior(Section):
    """Prior preservation: pictures of the class, so that the model keeps knowing other members of it."""

    enabled: bool = setting(False, "prior preservation", "Train on class pictures beside yours.", source=SEED)
    path: str = setting(
        "",
        "class folder",
        "Real photographs of the class. Where they are fewer than wanted, the rest is generated into the run.",
        source=SEED + " (generated ones reduce resemblance and realism: prefer real photographs)",
    )
    prompt: str = setting(
        "", "class prompt", "What the class pictures show; empty: 'a photo of a' and the class word.", source=SEED
    )
    images: int = setting(150, "class images", "How many class pictures.", source=SEED, ge=1, le=100_000)
    weight: float = setting(1.0, "prior weight", "Weight of their loss beside yours.", source=SEED, ge=0, le=100)


class Sample(Section):
    """The validation pictures that show how the run is doing."""

    prompts: tuple[str, ...] = setting(
        (), "prompts", "One picture each; empty: the instance prompt.", source="seed post: validation_prompt"
    )
    steps: int = setting(
        25, "denoising steps", "Of the scheduler, per picture.", source="diffusers' script", ge=1, le=999
    )
    guidance: float = setting(
        5.0, "guidance", "How strictly the prompt is followed.", source="diffusers' SDXL default", ge=0, le=50
    )
    seed: int = setting(
        0, "sample seed", "The first noise of every picture; fixed, so that steps can be compared.", ge=0
    )


class Export(Section):
    """The files that other programs read."""

    precision: Literal["fp16", "bf16", "fp32"] = setting(
        "fp16", "file precision", "Of the LoRA files; fp16 is what the user interfaces expect."
    )


class TrainConfig(Section):
    """Everything that decides a run; the trainer reads nothing else."""

    name: str = setting("lora", "name", "Names the run and its files: letters, digits, - and _.")
    kind: Kind = setting("object", "kind", "What is being taught; decides presets and checks.")
    preset: str = setting("object", "preset", "The preset that the values started from.")
    model: Model = Model()
    dataset: Dataset = Dataset()
    train: Train = Train()
    pivotal: Pivotal = Pivotal()
    prodigy: Prodigy = Prodigy()
    adamw: AdamW = AdamW()
    prior: Prior = Prior()
    sample: Sample = Sample()
    export: Export = Export()

    @field_validator("name")
    @classmethod
    def _a_file_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("only letters, digits, '-' and '_' (at most 64): it becomes a file name and a prompt word")
        return value

    @model_validator(mode="after")
    def _trigger_in_prompt(self) -> TrainConfig:
        words = split_triggers(self.dataset.trigger)
        if not any(holds_word(self.dataset.instance_prompt, word) for word in words):
            raise ValueError(
                f"dataset.instance_prompt: '{self.dataset.instance_prompt}' does not hold the trigger "
                f"'{self.dataset.trigger}' as a word of its own"
            )
        return self


SETTINGS: tuple[Setting, ...] = declared_settings(TrainConfig)
BY_KEY: dict[str, Setting] = {one.key: one for one in SETTINGS}


def vae_source(model: Model) -> str:
    """The VAE that `model` means: a hub id or folder, or "" for the base model's own."""
    if model.vae != "auto":
        return model.vae
    return SDXL_VAE if model.base == SDXL else ""


def split_triggers(trigger: str) -> tuple[str, ...]:
    """The identifiers of a trigger setting: "TOK, TOK2" gives ("TOK", "TOK2")."""
    return tuple(word.strip() for word in trigger.split(",") if word.strip())


def holds_word(text: str, word: str) -> bool:
    """Whether `word` stands in `text` as a whole word: TOK is not in "TOK2" or "STOK"."""
    return re.search(word_pattern(word), text) is not None


def word_pattern(word: str) -> str:
    """The regular expression of `word` as a whole word, also where it starts or ends in punctuation."""
    return rf"(?<!\w){re.escape(word)}(?!\w)"


def flat(config: TrainConfig) -> dict[str, Any]:
    """All values under their dotted keys, in the order of declaration."""
    values: dict[str, Any] = {}
    for one in SETTINGS:
        section, _, name = one.key.rpartition(".")
        values[one.key] = getattr(getattr(config, section) if section else config, name)
    return values


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys as tables: {"train.rank": 8} gives {"train": {"rank": 8}}."""
    tables: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        (tables.setdefault(section, {}) if section else tables)[name] = value
    return tables


def dump_config(config: TrainConfig) -> str:
    """`config` as the TOML text of a run's config.toml."""
    import tomlkit

    tables = config.model_dump(mode="python")
    for table in tables.values():
        if isinstance(table, dict):
            table.update({key: list(value) for key, value in table.items() if isinstance(value, tuple)})
    return tomlkit.dumps(tables)


def load_config(path: Path) -> TrainConfig:
    """Read a run's config.toml. Raises OSError, tomllib.TOMLDecodeError or pydantic.ValidationError."""
    return TrainConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def config_sha(config: TrainConfig) -> str:
    """A hash of every value: two runs with the same one are the same run on the same pictures."""
    return hashlib.sha256(repr(sorted(flat(config).items())).encode()).hexdigest()[:16]
