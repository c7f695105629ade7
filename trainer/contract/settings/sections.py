"""The tables of settings: each setting is declared here, once, and everything else is derived from it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import field_validator

from trainer.contract.settings.fields import POST, Section, setting
from trainer.contract.settings.triggers import checked_triggers


class Dataset(Section):
    """The pictures, and the words that belong to them."""

    TITLE: ClassVar[str] = "pictures and captions"

    path: str = setting(
        "",
        "folder",
        "The folder of pictures (sub-folders are not searched), or a data set: a folder of parquet, arrow or "
        "webdataset files, or owner/name on the hub.",
    )
    subset: str = setting("", "subset", "Which configuration of a data set; empty: its default.")
    split: str = setting("train", "split", "Which split of a data set; a folder of pictures has none.", min_length=1)
    trigger: str = setting(
        "TOK",
        "trigger",
        "The word in captions and prompts that stands for the new concept; several are separated by commas.",
        source=POST + " (token_abstraction)",
    )
    class_word: str = setting("", "class word", "What it is: dog, woman, backpack. In the class and instance prompts.")
    instance_prompt: str = setting(
        "a photo of a TOK",
        "instance prompt",
        "The caption of every picture that has none of its own; it must hold the trigger.",
        source=POST,
        min_length=1,
    )
    caption_column: str = setting(
        "prompt",
        "caption column",
        "The column of the metadata or the data set that holds the captions; or an ending of text files (.tags); or "
        "file_name; or inside: what the picture files themselves say.",
        source=POST + " (caption_column)",
        min_length=1,
    )
    skip: tuple[str, ...] = setting((), "skipped", "Pictures of the folder that are not trained on.")
    hold_out: int = setting(
        0,
        "held out",
        "Pictures of each concept never trained on: the loss on them, at fixed noise, tells which checkpoint to take.",
        up="A better hint, and fewer pictures to learn from; with ten or less, better none.",
        ge=0,
        le=1000,
    )
    accept: tuple[str, ...] = setting(
        (),
        "accepted",
        "Warnings that were read and accepted: a code for all of its kind, or code:file for one; others stop a replay.",
    )
    repeats: int = setting(
        1,
        "repeats",
        "How often each picture stands in one epoch, before shuffling. With fixed steps it changes only the order.",
        source=POST,
        ge=1,
        le=1000,
    )
    loss_weight: float = setting(
        1.0,
        "loss weight",
        "How much an error on these pictures counts beside one on those of another concept.",
        source="OneTrainer (loss_weight of a concept)",
        up="This concept is learned more strongly than the others; with one concept alone it says little.",
        ge=0,
        le=100,
    )
    crop: Literal["center", "random"] = setting(
        "center", "crop", "Where the square is cut from a picture that is not square; random: anew at every view."
    )
    buckets: bool = setting(
        False,
        "buckets",
        "Cut each picture to the nearest of SDXL's sizes in place of a square; a step holds pictures of one size.",
        source="SDXL paper, appendix I",
        up="Nothing is lost at the long side; small sets mix less within a step.",
    )
    flip: bool = setting(
        False,
        "flip",
        "Mirror every second view at random.",
        up="Twice the views of a symmetric thing; wrong for faces and for anything with writing on it.",
    )
    caption_dropout: float = setting(
        0.0,
        "caption dropout",
        "Part of the views that are trained without their caption, as the base model draws without a prompt.",
        up="The concept leaks into pictures that do not ask for it; guidance works better.",
        ge=0,
        lt=1,
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
        words = checked_triggers(value)
        if not words:
            raise ValueError("a trigger is needed, such as TOK")
        return words


class Pivotal(Section):
    """Pivotal tuning: new tokens are trained first, then frozen while the LoRA goes on."""

    TITLE: ClassVar[str] = "pivotal tuning"

    enabled: bool = setting(
        True, "pivotal tuning", "Train new tokens for the trigger instead of reusing an old word.", source=POST
    )
    tokens: int = setting(
        2,
        "tokens per trigger",
        "How many new tokens stand for one trigger.",
        source=POST + " (num_new_tokens_per_abstraction)",
        ge=1,
        le=32,
    )
    tokens_each: str = setting(
        "",
        "tokens of each",
        "Where triggers have different numbers of new tokens: TOK = 4; TOK2 = 1. One that is not named has the tokens "
        "per trigger.",
        source="OneTrainer (token_count of each embedding)",
        up="More room for what is hard to describe; harder to place in a prompt, and sooner overfitted.",
    )
    init_words: str = setting(
        "",
        "start from",
        "Words whose embeddings the new tokens start from, such as a brown dog; empty: random. Several triggers have "
        "their own as TOK = a dog; TOK2 = a red house.",
        source="diffusers' script (initializer_concept); on the small SDXL two words that say what one sees brought "
        "pictures a tenth nearer (reference.md)",
    )
    fraction: float = setting(
        0.5,
        "pivot",
        "Part of the run after which the new tokens are frozen.",
        source=POST + " (pivoting halfway, as in cog-sdxl)",
        gt=0,
        le=1,
    )
    fraction_each: str = setting(
        "",
        "pivot of each",
        "Where some new tokens are frozen before the pivot: a trigger's in both text encoders, or all in one of them, "
        "as TOK2 = 0.2; clip_l = 0.3. Where both are named the earlier counts.",
        source="OneTrainer (stop_training_after of each embedding)",
        up="They learn longer; never past the pivot.",
    )
    weight_decay_each: str = setting(
        "",
        "decay of each",
        "Where some new tokens have another decay than the text weight decay: TOK2 = 0; clip_g = 0.01. A trigger's "
        "counts before an encoder's.",
        source="diffusers' script (adam_weight_decay_text_encoder, one for all)",
        up="They are held nearer to zero, where a table's ordinary words are.",
    )


class TextEncoderLora(Section):
    """LoRA on both text encoders, in place of pivotal tuning."""

    TITLE: ClassVar[str] = "LoRA on the text encoders"

    enabled: bool = setting(
        False,
        "text encoder LoRA",
        "Train q, k, v and out of both text encoders; pivotal tuning must be off.",
        source=POST + " (regular finetuning; its experiments prefer pivotal tuning)",
    )
    fraction: float = setting(
        1.0,
        "text encoder part",
        "Part of the run after which the text encoders are frozen.",
        source="diffusers' script (train_text_encoder_frac)",
        gt=0,
        le=1,
    )
    weight_decay: float = setting(
        -1.0,
        "text encoder decay",
        "Of the text encoders' LoRA; -1: the text weight decay.",
        source="diffusers' script (adam_weight_decay_text_encoder)",
        up="Smaller changes of the text encoders.",
        ge=-1,
        le=1,
    )

    @field_validator("weight_decay")
    @classmethod
    def _a_decay(cls, value: float) -> float:
        if -1 < value < 0:
            raise ValueError("0 or more, or -1 for the text weight decay")
        return value


class Prior(Section):
    """Prior preservation: pictures of the class, so that the model keeps knowing other members of it."""

    TITLE: ClassVar[str] = "prior preservation"

    enabled: bool = setting(False, "prior preservation", "Train on class pictures beside yours.", source=POST)
    path: str = setting(
        "",
        "class folder",
        "Real photographs of the class: a folder, kohya's folder with 1_woman in it, or a data set as in "
        "dataset.path. Where they are fewer than wanted, the rest is generated into the run.",
        source=POST + " (generated ones reduce resemblance and realism: prefer real photographs)",
    )
    caption_column: str = setting(
        "",
        "class captions",
        "Where captions of the class pictures' own stand, as dataset.caption_column says it; empty: they are all "
        "trained as the class prompt.",
        source="diffusers' script (class_prompt of all); kohya's (captions of regularization images)",
    )
    subset: str = setting("", "class subset", "Which configuration of a data set; empty: its default.")
    split: str = setting("train", "class split", "Which split of a data set.", min_length=1)
    prompt: str = setting(
        "",
        "class prompt",
        "What the class pictures show; empty: 'a photo of a' and the class word, which then must be given.",
        source=POST,
    )
    images: int = setting(150, "class images", "How many class pictures.", source=POST, ge=1, le=100_000)
    batch: int = setting(
        4,
        "class batch",
        "How many missing class pictures are generated at a time.",
        source="diffusers' script (sample_batch_size)",
        up="Faster, more memory.",
        ge=1,
        le=64,
    )
    weight: float = setting(1.0, "prior weight", "Weight of their loss beside yours.", source=POST, ge=0, le=100)
