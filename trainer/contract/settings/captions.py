"""The settings of how a caption is read: its tags shuffled or left out, and more of it than one chunk."""

from __future__ import annotations

from typing import ClassVar

from trainer.contract.settings.fields import Section, setting
from trainer.contract.settings.kinds import CHUNK
from trainer.contract.units import plural

MOST_TOKENS = 3 * CHUNK


class Caption(Section):
    """How the words of a picture are read at each of its views."""

    TITLE: ClassVar[str] = "tags and long captions"

    shuffle: bool = setting(
        False,
        "shuffle tags",
        "Shuffle what stands between the commas at every view; what is kept stays first.",
        source="kohya's scripts (shuffle_caption); OneTrainer (enable_tag_shuffling)",
        up="No tag counts for more because of its place; a sentence falls apart: for tags only.",
    )
    keep: int = setting(
        1,
        "tags kept",
        "How many tags at the beginning stay where they are and are never left out; one with the trigger never is.",
        source="OneTrainer (keep_tags_count 1); kohya's scripts (keep_tokens)",
        ge=0,
        le=100,
    )
    tag_dropout: float = setting(
        0.0,
        "tag dropout",
        "Part of the other tags that is left out at every view, each independently.",
        source="kohya's scripts (caption_tag_dropout_rate)",
        up="What a picture shows is learned with the trigger, too, and answers to fewer words.",
        ge=0,
        lt=1,
    )
    max_tokens: int = setting(
        CHUNK,
        "longest caption",
        "Tokens of a caption or prompt that are read: 75, 150 or 225, in chunks of 75 as user interfaces read.",
        source="kohya's scripts (max_token_length); AUTOMATIC1111",
        unit="tokens",
        up="Long captions are read to their end; for captions of 75 tokens and less it only costs time.",
        ge=CHUNK,
        le=MOST_TOKENS,
        multiple_of=CHUNK,
    )

    @property
    def varies(self) -> bool:
        """Whether a picture is read with other words at each view."""
        return self.shuffle or self.tag_dropout > 0

    @property
    def chunks(self) -> int:
        """How many times the text encoders read for one prompt."""
        return self.max_tokens // CHUNK

    @property
    def tags_words(self) -> str:
        """What becomes of the tags: "shuffled, 10 % left out, the first 1 kept"; "as written"."""
        done = ["shuffled"] * self.shuffle + [f"{self.tag_dropout:.0%} left out".replace("%", " %")] * bool(
            self.tag_dropout
        )
        return ", ".join([*done, f"the first {self.keep} and the trigger's kept"]) if done else "as written"

    @property
    def length_words(self) -> str:
        """How much of a prompt is read: "225 tokens, in 3 chunks of 75"."""
        return f"{plural(self.max_tokens, 'token')}" + (
            f", in {self.chunks} chunks of {CHUNK}" if self.chunks > 1 else ""
        )
