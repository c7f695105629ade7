"""The settings of what a run is followed by: its validation pictures, and trackers with their project."""

from __future__ import annotations

from typing import ClassVar

from pydantic import field_validator

from trainer.contract.settings.fields import Section, setting
from trainer.contract.settings.sample_prompts import LARGEST, read_sample_prompt, side_refusal

NO_SAMPLES = "sample.count is 0: no sample pictures are drawn"
TRACKERS = ("tensorboard", "wandb", "trackio")


class Sample(Section):
    """The validation pictures that show how the run is doing."""

    TITLE: ClassVar[str] = "validation pictures"

    prompts: tuple[str, ...] = setting(
        (),
        "prompts",
        "For each, count pictures; empty: the instance prompt. After the words may come --n and what no picture should "
        "show, --d and a seed of its own, --w and --h and a size in px: a TOK dog --n blurry --d 42 --w 768 --h 1024.",
        source="the post: validation_prompt; kohya's sample prompts (--n, --d, --w, --h)",
    )
    negative: str = setting(
        "",
        "negative prompt",
        "What no picture should show; a prompt's own --n replaces it.",
        source="OneTrainer (negative_prompt of a sample)",
    )
    width: int = setting(
        0,
        "picture width",
        "A multiple of 8; 0: as wide as the training's resolution. A prompt's own --w replaces it.",
        source="kohya's sample prompts (--w)",
        up="Slower, more memory; far from what the base model was made for, pictures fall apart.",
        unit="px",
        ge=0,
        le=LARGEST,
    )
    height: int = setting(
        0,
        "picture height",
        "The same for the height; a prompt's own is --h.",
        source="kohya's sample prompts (--h)",
        unit="px",
        ge=0,
        le=LARGEST,
    )
    count: int = setting(
        1,
        "pictures per prompt",
        "Pictures of each prompt at every sample step, each with the next seed; an added prompt has one. 0: no sample "
        "pictures at all, also not of an added prompt.",
        source="diffusers' script (num_validation_images)",
        up="A fairer look at what was learned; each takes its time and disk.",
        down="0: faster and less memory, but only the loss shows how the run is doing.",
        ge=0,
        le=64,
    )
    steps: int = setting(
        25, "denoising steps", "Of the scheduler, per picture.", source="diffusers' script", ge=1, le=999
    )
    guidance: float = setting(
        5.0, "guidance", "How strictly the prompt is followed.", source="diffusers' SDXL default", ge=0, le=50
    )
    at_start: bool = setting(
        True,
        "before the first step",
        "Also make them with the base model alone, before anything is trained: the others are compared with these.",
        source="diffusers' script",
        down="Off: the first step comes sooner.",
    )
    seed: int = setting(
        0,
        "sample seed",
        "The first noise of a prompt's first picture; fixed, so that steps can be compared.",
        ge=0,
    )
    tiles: bool = setting(
        False,
        "decode in tiles",
        "Pictures are brought from latents to pixels in tiles of 512 px: a quarter of the memory, and now and then a "
        "faint seam. The training is not affected.",
        source="diffusers (enable_tiling)",
    )

    @property
    def drawn(self) -> bool:
        """Whether there are any: what the trainer asks before it draws, and what a plan counts."""
        return self.count > 0

    @field_validator("prompts")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            read_sample_prompt(one)
        return value

    @field_validator("width", "height")
    @classmethod
    def _drawable(cls, value: int) -> int:
        if value and (why := side_refusal(value)):
            raise ValueError(why)
        return value


class Tracker(Section):
    """Where a run is followed beside loratui's own screen; off unless named."""

    TITLE: ClassVar[str] = "trackers"

    names: tuple[str, ...] = setting(
        (),
        "trackers",
        "Any of tensorboard, wandb, trackio. They get numbers and choices, no path, caption or token.",
        source="accelerate's trackers",
    )
    pictures: bool = setting(
        False,
        "pictures to trackers",
        "Hand them the validation pictures too, with prompt, seed and step beneath; off: they stay on this machine, "
        "for a face that was learned is a face.",
        source="diffusers' script (log_validation)",
    )
    project: str = setting(
        "loratui",
        "project",
        "The project that wandb and trackio file the run under.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
    )

    @field_validator("names")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in TRACKERS:
                raise ValueError(f"there is no tracker '{name}'; there are {', '.join(TRACKERS)}")
        return tuple(dict.fromkeys(value))
