"""What of the base model decides the loss, where it was read, and what a person said instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from trainer.contract.settings.model import Model

PREDICTIONS = ("epsilon", "v_prediction")  # those that can be trained
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_FEW = re.compile(
    r"(?:^|[^a-z])(turbo|lightning|lcm|hyper[-_ ]?sd(?:xl)?|flash[-_ ]?sd(?:xl)?|dmd2?|tcd|pcm|[1248][-_ ]?steps?)"
    r"(?:[^a-z]|$)"
)
_V_NAME = re.compile(r"(?:^|[^a-z])v[-_ ]?pred(?:iction)?(?:[^a-z]|$)")
_FEW_STEP_SCHEDULERS = ("LCMScheduler", "TCDScheduler")
YAML_V = re.compile(r"^\s*parameterization:\s*['\"]?v['\"]?\s*(?:#.*)?$", re.MULTILINE)
# what ComfyUI and Forge sample a model of zero terminal SNR with
ZERO_SNR = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
NOWHERE = "nothing in it says so: SDXL's own"


@dataclass(frozen=True)
class Loss:
    """What the unet is trained to answer, and how noisy the last level is."""

    prediction: str = "epsilon"
    zero_snr: bool = False  # zero terminal SNR: the last noise level holds nothing of the picture
    edm: bool = False  # EDM's preconditioning
    source: str = NOWHERE  # where it was read, in words
    few_steps: str = ""  # what says that it is distilled to draw in a few steps; empty if nothing does
    named_v: bool = False  # its name says v-prediction, and nothing in it does
    by_hand: bool = False  # the settings said so

    @property
    def words(self) -> str:
        """Such as "v-prediction, zero terminal SNR"."""
        name = {"epsilon": "epsilon", "v_prediction": "v-prediction"}.get(self.prediction, self.prediction)
        return ("EDM, " if self.edm else "") + name + (", zero terminal SNR" if self.zero_snr else "")

    @property
    def scheduler(self) -> dict[str, Any]:
        """What a scheduler's configuration must say where a person said what the model predicts; empty: as it is."""
        if not self.by_hand or self.edm:
            return {}
        return {
            "prediction_type": self.prediction,
            "rescale_betas_zero_snr": False,
            **(ZERO_SNR if self.zero_snr else {}),
        }


def of_scheduler(config: Mapping[str, Any], source: str, name: str, unet: Mapping[str, Any]) -> Loss:
    """What a scheduler's configuration says; `name` is the model's, `unet` the configuration of its unet."""
    family = str(config.get("_class_name", ""))
    prediction = str(config.get("prediction_type", "epsilon"))
    zero = bool(config.get("rescale_betas_zero_snr"))
    edm = is_edm_scheduler(family)
    named = prediction == "epsilon" and not edm and says_v(name)
    return Loss(prediction, zero, edm, source, few_steps(config, name, unet), named)


def few_steps(config: Mapping[str, Any], name: str, unet: Mapping[str, Any]) -> str:
    """What says that a model is distilled to draw in a few steps: scheduler, unet or name; empty if nothing does."""
    family = str(config.get("_class_name", ""))
    if family in _FEW_STEP_SCHEDULERS:
        return f"its scheduler is {family}"
    if unet.get("time_cond_proj_dim"):
        return "its unet is told the guidance (time_cond_proj_dim)"
    if found := _FEW.search(_words(name)):
        return f"its name says {found[1]}"
    # sdxl-turbo and Lightning are published so; a model of zero terminal SNR wants trailing steps as well
    trailing = config.get("timestep_spacing") == "trailing" and not config.get("rescale_betas_zero_snr")
    if trailing and config.get("prediction_type", "epsilon") == "epsilon" and family.startswith("Euler"):
        return "its scheduler spaces the steps as one for few steps does (trailing)"
    return ""


def says_v(name: str) -> bool:
    """Whether the name of a model says that it is one of v-prediction."""
    return bool(_V_NAME.search(_words(name)))


def is_edm_scheduler(name: str) -> bool:
    """Whether a scheduler's class name says that its model has EDM's preconditioning."""
    return name.startswith("EDM")


def as_said(found: Loss, model: Model) -> Loss:
    """`found` with what the settings say in its place; EDM's preconditioning stays, no setting is about it."""
    told = [key for key, value in (("prediction", model.prediction), ("zero_snr", model.zero_snr)) if value != "auto"]
    if not told or found.edm:
        return found
    prediction = found.prediction if model.prediction == "auto" else model.prediction
    # a person who says epsilon of a model of zero terminal SNR means the model without either, unless they say so
    zero = found.zero_snr and prediction == found.prediction if model.zero_snr == "auto" else model.zero_snr == "on"
    source = " and ".join(f"model.{key}" for key in told)
    return replace(found, prediction=prediction, zero_snr=zero, source=source, named_v=False, by_hand=True)


def _words(name: str) -> str:
    """A name in small letters, with its words set apart: "someXLTurbo" is "some_xl_turbo"."""
    return _CAMEL.sub("_", name).lower()
