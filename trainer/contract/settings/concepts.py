"""A concept beside that of `[dataset]`: one entry of `[[concepts]]`, its settings declared as all others are."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from pydantic import field_validator

from trainer.contract.settings.fields import POST, Section, Setting, declared_settings, setting
from trainer.contract.settings.kinds import CONCEPTS
from trainer.contract.settings.triggers import checked_triggers

KEY = CONCEPTS
FIRST = 2  # the number of the first entry: 1 is the concept of [dataset]
PLACES = ("path", "class_path")  # what lies there is compared itself
SOURCES = (*PLACES, "subset", "split")
_PREFIX = re.compile(r"concept-(\d+)/")


class Concept(Section):
    """One more folder that is trained in the same run."""

    TITLE: ClassVar[str] = "concepts"

    path: str = setting(
        "",
        "folder",
        "Its folder of pictures (sub-folders are not searched), or a data set, as in dataset.path.",
        min_length=1,
    )
    subset: str = setting("", "subset", "Which configuration of a data set; empty: its default.")
    split: str = setting("train", "split", "Which split of a data set.", min_length=1)
    trigger: str = setting(
        "",
        "trigger",
        "The word in captions and prompts that stands for it, or several; empty: that of [dataset], of which this "
        "folder then shows more.",
        source=POST + " (token_abstraction)",
    )
    class_word: str = setting("", "class word", "What it is: dog, woman, backpack.")
    instance_prompt: str = setting(
        "",
        "instance prompt",
        "The caption of every picture of it that has none of its own; empty: from trigger and class word, 'a photo of "
        "a TOK2 dog'.",
        source=POST,
    )
    caption_column: str = setting("", "caption column", "Where its captions stand; empty: as in [dataset].")
    repeats: int = setting(
        1,
        "repeats",
        "How often each of its pictures stands in one epoch: with those of the other concepts it decides the mix.",
        source="kohya's scripts (the number before a folder's name)",
        up="Its pictures are seen more often than those of the others.",
        ge=1,
        le=1000,
    )
    loss_weight: float = setting(
        1.0,
        "loss weight",
        "How much an error on its pictures counts beside one on those of another concept.",
        source="OneTrainer (loss_weight of a concept)",
        up="It is learned more strongly than the others.",
        down="It is learned more weakly; at 0 not at all.",
        ge=0,
        le=100,
    )
    prior: bool = setting(
        True, "class pictures", "Where prior.enabled is on: train on pictures of its class as well.", source=POST
    )
    class_path: str = setting(
        "",
        "class folder",
        "Real photographs of its class. Where they are fewer than prior.images, the rest is generated into the run.",
        source=POST,
    )
    class_prompt: str = setting(
        "",
        "class prompt",
        "What its class pictures show; empty: 'a photo of a' and its class word.",
        source=POST,
    )

    @field_validator("trigger")
    @classmethod
    def _one_word_each(cls, value: str) -> str:
        return checked_triggers(value)


CONCEPT_SETTINGS: tuple[Setting, ...] = declared_settings(Concept)
BY_NAME: dict[str, Setting] = {one.key: one for one in CONCEPT_SETTINGS}


def title_of(number: int) -> str:
    """What a sentence calls a concept: "concept 2"; nothing for that of [dataset]."""
    return f"concept {number}" if number >= FIRST else ""


def prefix_of(number: int) -> str:
    """What stands before the names of a concept's pictures: "concept-2/"; nothing for those of [dataset]."""
    return f"concept-{number}/" if number >= FIRST else ""


def number_of(name: str) -> int:
    """Of which concept a picture is, by its name: "concept-2/rex.jpg" is of the second."""
    found = _PREFIX.match(name)
    return int(found[1]) if found else 1


def trained_part(tables: Any) -> list[dict[str, Any]]:
    """What of the concepts decides a training: all but where their pictures come from, which may be moved."""
    return [{name: value for name, value in one.items() if name not in SOURCES} for one in tables]
