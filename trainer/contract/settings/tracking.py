"""The settings of trackers: which of them follow a run, and under which project."""

from __future__ import annotations

from typing import ClassVar

from pydantic import field_validator

from trainer.contract.settings.fields import Section, setting

TRACKERS = ("tensorboard", "wandb", "trackio")


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
