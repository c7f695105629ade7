"""The settings of the files that other programs read."""

from __future__ import annotations

from typing import ClassVar, Literal

from trainer.contract.settings.fields import Section, setting


class Export(Section):
    """The files that other programs read."""

    TITLE: ClassVar[str] = "files"

    precision: Literal["fp16", "bf16", "fp32"] = setting(
        "fp16", "file precision", "Of the LoRA files; fp16 is what the user interfaces expect."
    )
    bundle_embeddings: bool = setting(
        False,
        "bundled embeddings",
        "Also write NAME_bundle.safetensors, one file with the LoRA and the new tokens in it.",
        source="OneTrainer (bundle_additional_embeddings, off); AUTOMATIC1111 and SD.Next read it",
    )
    author: str = setting("", "author", "Who made it, as the files' headers name it; empty: nobody is named.")
