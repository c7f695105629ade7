"""The settings of what is asked of the unet: how an error counts, at which timesteps and noise, and until when."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from trainer.contract.settings.fields import Section, setting

KOHYA = "kohya's scripts"


class Loss(Section):
    """How an error counts, and at which timesteps there is one."""

    TITLE: ClassVar[str] = "loss and timesteps"

    function: Literal["l2", "huber", "smooth-l1"] = setting(
        "l2",
        "loss",
        "Of the error x of each number. l2: its square; huber: 2c (sqrt(x² + c²) - c), which grows like |x| where x is "
        "large; smooth-l1: the same divided by c.",
        source=f"diffusers' script (l2); {KOHYA} (loss_type), after Khrapov et al. 2024",
        up="huber and smooth-l1 let spoiled pictures count for less.",
    )
    huber_c: float = setting(
        0.1, "c", "Where huber and smooth-l1 turn from a square to a line.", source=f"{KOHYA} (huber_c)", gt=0, le=10
    )
    huber_schedule: Literal["snr", "constant"] = setting(
        "snr",
        "c over the timesteps",
        "snr: c is 1 without noise and falls to c with much of it, (1 - c) / (1 + sigma)² + c; constant: it stays.",
        source=f"{KOHYA} (huber_schedule)",
    )
    debiased: bool = setting(
        False,
        "debiased",
        "Weigh each timestep by 1 / sqrt(SNR), with v-prediction by 1 / (SNR + 1); in place of min-SNR.",
        source="Yu et al. 2023 (debiased estimation loss)",
        up="What is drawn last, textures and edges, counts for less.",
    )
    timestep_low: int = setting(
        0,
        "lowest timestep",
        "Of 1000: nothing is trained with less noise.",
        source=f"{KOHYA} (min_timestep)",
        up="What is drawn last stays as the base model has it.",
        ge=0,
        le=999,
    )
    timestep_high: int = setting(
        1000,
        "timesteps below",
        "Of 1000: nothing is trained with as much noise or more.",
        source=f"{KOHYA} (max_timestep)",
        down="Composition stays as the base model has it.",
        ge=1,
        le=1000,
    )
    timestep_bias: float = setting(
        0.0,
        "timestep bias",
        "0: all timesteps alike; b: noisy ones more often, with the density (1 + b) t^b; -b: the others, likewise.",
        source="OneTrainer (noising bias) and diffusers (timestep_bias_strategy) know others",
        up="Composition and shape, which are decided early while drawing: +1.",
        down="Texture and style, which are decided late: -1.",
        ge=-5,
        le=5,
    )

    @property
    def every_timestep_alike(self) -> bool:
        """Whether all timesteps are trained equally often."""
        return (self.timestep_low, self.timestep_high, self.timestep_bias) == (0, 1000, 0.0)

    @model_validator(mode="after")
    def _some_timesteps(self) -> Loss:
        if self.timestep_low >= self.timestep_high:
            raise ValueError(
                f"loss.timestep_low is {self.timestep_low} and loss.timestep_high {self.timestep_high}: "
                "there is no timestep between them"
            )
        return self


class Mask(Section):
    """Masked loss: what lies outside a mask counts for little."""

    TITLE: ClassVar[str] = "masked loss"

    enabled: bool = setting(
        False,
        "masked loss",
        "White parts of a picture's mask count, black ones hardly: a-masklabel.png or a_mask.png beside a.jpg, or "
        "mask/a.png, or the picture's own transparency. Without one, all of a picture counts.",
        source=f"OneTrainer (masked training, -masklabel); {KOHYA} (masked_loss, alpha_mask)",
        up="Backgrounds and bystanders are not learned.",
    )
    outside: float = setting(
        0.1,
        "weight outside",
        "How much what is outside counts beside what is inside.",
        source="OneTrainer (unmasked_weight 0.1)",
        up="The concept keeps fitting its surroundings.",
        down="Nothing of the surroundings is learned; at 0 they may fall apart.",
        ge=0,
        le=1,
    )


class Noise(Section):
    """Noise of other kinds than the plain one."""

    TITLE: ClassVar[str] = "noise"

    multires_iterations: int = setting(
        0,
        "coarse noise",
        "How many coarser noises, each of half the size, are added to the plain one; 0: none.",
        source=f"{KOHYA} (multires_noise_iterations)",
        up="Very dark and very bright pictures become possible, as with a noise offset; 6 to 10.",
        ge=0,
        le=10,
    )
    multires_discount: float = setting(
        0.3,
        "coarse noise share",
        "How much less each coarser noise weighs than the one before.",
        source=f"{KOHYA} (multires_noise_discount)",
        gt=0,
        lt=1,
    )
    perturbation: float = setting(
        0.0,
        "input perturbation",
        "Noise of this spread is added to the noise that the unet is shown, and not to what it should answer.",
        source="Ning et al. 2023 (0.1); diffusers' scripts (input_perturbation)",
        up="The unet learns to mend its own mistakes; above 0.1 it blurs.",
        ge=0,
        le=1,
    )


class Stop(Section):
    """A run that ends when it learns nothing more that holds for other pictures."""

    TITLE: ClassVar[str] = "early stop"

    patience: int = setting(
        0,
        "early stop",
        "End the run when the loss on the held-out pictures was no lower at this many checkpoints in a row than at the "
        "best one before, which is then exported; 0: never.",
        source="Prechelt 1998 (early stopping)",
        up="A chance fall or rise decides less.",
        down="Sooner done; at 1 chance decides.",
        ge=0,
        le=100,
    )
