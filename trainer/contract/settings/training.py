"""The settings of the training itself: length, adapter, optimizer, what is kept."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import field_validator

from trainer.contract.settings.fields import POST, Section, setting
from trainer.contract.settings.optimizers import OPTIMIZERS, Optimizer, own_rates

Checkpointing = Literal["off", "norms", "feed-forward", "blocks"]  # what `train.gradient_checkpointing` comes to
CHECKPOINTING_FORMERLY = {True: "blocks", False: "off", "true": "blocks", "false": "off"}


class Train(Section):
    """The training itself: length, adapter, optimizer, what is kept."""

    TITLE: ClassVar[str] = "training"

    steps: int = setting(
        1000,
        "steps",
        "Optimizer steps of the whole run.",
        source=POST + " (1000 for about 30 pictures; 120 x pictures for faces)",
        up="More likeness, then overfitting: look at views per image.",
        down="Faster, and weaker likeness.",
        ge=1,
        le=1_000_000,
    )
    batch: int = setting(
        4, "batch", "Pictures per forward pass.", source=POST, up="Smoother, more memory.", ge=1, le=256
    )
    accumulation: int = setting(
        1,
        "accumulation",
        "Forward passes per optimizer step: the batch's effect without its memory.",
        source=POST,
        ge=1,
        le=1024,
    )
    rank: int = setting(
        16,
        "rank",
        "Width of the LoRA matrices: how much can be learned.",
        source=f"half of the 32 that {POST} gave to the attention alone: as many numbers in every Linear",
        up="More detail, a larger file; at 64, of 4, 16, 32 and 64 on the attention, the post saw air-brushed skin.",
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
    dora: bool = setting(
        False,
        "DoRA",
        "Also train the lengths of the weight's columns or rows, apart from their direction (Liu et al. 2024).",
        source="diffusers' script (use_dora, off)",
        up="Closer to full training at small ranks; about a third slower.",
    )
    dora_axis: Literal["input", "output"] = setting(
        "input",
        "DoRA axis",
        "input: a length for each input, which the user interfaces compute; output: for each output, for diffusers.",
        source="OneTrainer (input axis); PEFT (output axis)",
    )
    targets: Literal["attention", "all-linear"] = setting(
        "all-linear",
        "targets",
        "Which layers of the unet's transformers get a LoRA: to_q, to_k, to_v, to_out.0, or every Linear.",
        source="tests/bench/reference.md: every Linear at half the rank; the post and diffusers' script: attention",
    )
    blocks: tuple[str, ...] = setting(
        (),
        "blocks",
        "Only these blocks of the unet, by whole name, such as up_blocks.0.attentions.1; empty: all.",
        source="B-LoRA (content: up_blocks.0.attentions.0, style: up_blocks.0.attentions.1)",
    )
    seed: int = setting(0, "seed", "Decides every random draw of the run.", source=POST, ge=0, le=2**32 - 1)
    resolution: int = setting(
        1024,
        "resolution",
        "Side of the square that pictures are brought to.",
        source=POST,
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
        source=POST,
    )
    gradient_checkpointing: Literal["auto", Checkpointing] = setting(
        "auto",
        "gradient checkpointing",
        "What is computed twice instead of being kept: off, nothing; norms, the norms and GELUs; feed-forward, its "
        "products too; blocks, whole blocks. Less and less memory for more and more time, the same numbers. auto: the "
        "first from norms on that fits.",
        source="counted on SDXL; the post recomputes whole blocks",
        down="norms costs hardly any time, blocks about a third of it.",
    )
    optimizer: Optimizer = setting(
        "prodigy",
        "optimizer",
        f"{'; '.join(one.says for one in OPTIMIZERS.values())}.",
        source=POST,
    )
    learning_rate: float = setting(
        0.0,
        "learning rate",
        f"Of the unet's LoRA; 0: the optimizer's own, {own_rates(0)}.",
        source=POST,
        ge=0,
        le=10,
    )
    embedding_learning_rate: float = setting(
        0.0,
        "embedding learning rate",
        f"Of the new tokens' embeddings; 0: the optimizer's own, {own_rates(1)}.",
        source=POST + " (text_encoder_lr)",
        ge=0,
        le=10,
    )
    text_encoder_learning_rate: float = setting(
        0.0,
        "text encoder learning rate",
        f"Of the text encoders' LoRA; 0: the optimizer's own, {own_rates(2)}.",
        source=POST + " (text_encoder_lr 5e-5)",
        ge=0,
        le=10,
    )
    weight_decay: float = setting(
        0.01,
        "weight decay",
        "Of the unet's LoRA.",
        source="prodigyopt's README; an earlier draft of the post",
        ge=0,
        le=1,
    )
    embedding_weight_decay: float = setting(
        0.001,
        "text weight decay",
        "Of the words: the new tokens' embeddings, or the text encoders' LoRA; 0 is none.",
        source="diffusers' script (adam_weight_decay_text_encoder)",
        ge=0,
        le=1,
    )
    schedule: Literal["constant", "linear", "cosine", "cosine-with-restarts", "polynomial"] = setting(
        "constant", "schedule", "How the rate changes over the run, after the warm-up.", source=POST
    )
    schedule_cycles: int = setting(
        1, "restarts", "How often cosine-with-restarts falls from the full rate.", source="diffusers", ge=1, le=1000
    )
    schedule_power: float = setting(
        1.0, "power", "Of the polynomial schedule: 1 is linear.", source="diffusers", gt=0, le=10
    )
    warmup_steps: int = setting(
        0, "warm-up", "Steps in which the rate rises from 0.", source=POST, unit="steps", ge=0, le=100_000
    )
    max_grad_norm: float = setting(
        1.0, "clipping norm", "Gradients longer than this are shortened; 0: never.", source="diffusers' script", ge=0
    )
    min_snr_gamma: float = setting(
        5.0,
        "min-SNR gamma",
        "Evens out the weight of easy and hard timesteps; 0 is off.",
        source=POST + " (5.0 when it is on)",
        ge=0,
        le=100,
    )
    edm: bool = setting(
        False,
        "EDM-style loss",
        "Weigh the error of the denoised picture by 1 / sigma squared, without min-SNR; EDM models always train so.",
        source="diffusers' script (do_edm_style_training, off)",
    )
    timesteps: Literal["stratified", "independent"] = setting(
        "stratified",
        "timesteps",
        "independent: each view's is drawn alone; stratified: spread evenly over a picture's views and over each step.",
        source="tests/bench/reference.md, with every Linear and the average; diffusers' script draws each alone",
    )
    noise_pairs: bool = setting(
        False,
        "noise in pairs",
        "Every second view of a step gets the opposite of the noise of the one before it; of one view a step nothing.",
        source="ten seeds on three concepts of the small SDXL: pictures nearer on one, not shown on two (reference.md)",
    )
    noise_offset: float = setting(
        0.0,
        "noise offset",
        "Adds to the noise of each picture and channel a constant of this spread; 0 is off.",
        source="diffusers' script (off)",
        up="Very dark and very bright pictures become possible; above 0.1 contrast is overdone.",
        ge=0,
        le=1,
    )
    dropout: float = setting(
        0.0,
        "dropout",
        "Part of the LoRA's inputs that is left out at random in each step.",
        source="peft (off)",
        up="Less overfitting, slower learning.",
        ge=0,
        lt=1,
    )
    ema: float = setting(
        0.1,
        "weight average",
        "What is exported, shown and measured is the average of the weights over about this share of the run (EMA); "
        "0 is off.",
        source="an average of 0.9 at 120 steps, on three concepts of the small SDXL with five seeds each",
        up="Smoother, more alike from seed to seed; it lags behind what was learned last.",
        down="Closer to the very last step, with its noise.",
        ge=0,
        le=1,
    )
    start_from: str = setting(
        "",
        "start from",
        "A LoRA to start from, with its embeddings: a .safetensors file as kohya, diffusers or PEFT write it, a folder "
        "with one, or the folder of a finished run. Rank, alpha and layers are taken from it; empty: a new one.",
        source="kohya's scripts (network_weights)",
    )
    measure: bool = setting(
        True,
        "loss at fixed noise",
        "Measure the loss on the same pictures and noise before the first step and at the checkpoints: the hint which "
        "of them to take needs it. Training is not affected.",
        down="Off: the first step comes sooner, and nothing tells checkpoints apart.",
    )
    checkpoint_every: int = setting(
        250, "checkpoint every", "Steps between checkpoints; 0: only at the end.", unit="steps", ge=0, le=1_000_000
    )
    keep_checkpoints: int = setting(
        3,
        "keep checkpoints",
        "How many of the newest checkpoints keep the optimizer's state to resume from; LoRA and rows of all stay.",
        ge=1,
        le=1000,
    )
    sample_every: int = setting(
        100, "sample every", "Steps between validation pictures; 0: only first and last.", unit="steps", ge=0
    )
    device: Literal["auto", "cuda", "cpu"] = setting(
        "auto", "device", "Where to train; auto takes the GPU if there is one."
    )
    deterministic: bool = setting(
        False,
        "deterministic",
        "Only kernels that give the same bits every time; on the CPU it is always so.",
        source="torch's note on reproducibility",
        up="A resumed run on a GPU ends bit-equal; slower.",
    )
    graphs: Literal["auto", "off"] = setting(
        "auto",
        "CUDA graphs",
        "Record a step's passes and replay them, where a GPU and the settings allow it and memory is left; off: never.",
        source="torch's note on CUDA graphs",
    )
    cpu_threads: int = setting(
        1,
        "CPU threads",
        "Threads of torch when training on the CPU; the same number gives the same bits.",
        up="Faster only for large models on idle cores.",
        ge=1,
        le=256,
    )

    @field_validator("gradient_checkpointing", mode="before")
    @classmethod
    def _checkpointing_of_before(cls, value: Any) -> Any:
        return CHECKPOINTING_FORMERLY.get(value, value) if isinstance(value, bool | str) else value
