"""How many layers the text encoders of a base model have, and what may be left out of them."""

from __future__ import annotations

from trainer.contract.basemodel.inspect import NotSDXL, base_of
from trainer.contract.settings.model import SDXL, Model
from trainer.contract.units import plural

ENCODERS = ("text_encoder", "text_encoder_2")
SDXL_LAYERS = (12, 32)
USUAL = 12  # transformers' own, where a config.json does not say


def text_layers(model: Model) -> tuple[int, ...]:
    """The layers of each text encoder, by its config.json; empty where it is not known. Raises NotSDXL."""
    base = base_of(model)
    if base.source is None:
        return SDXL_LAYERS if model.base == SDXL else ()
    found = [base.config(part).get("num_hidden_layers", USUAL) for part in ENCODERS]
    return tuple(one for one in found if isinstance(one, int))


def clip_skip_refusals(model: Model) -> list[str]:
    """Why so many layers cannot be left out, as a sentence; none where they can, or it is not known yet."""
    try:
        layers = text_layers(model)
    except NotSDXL:  # said of model.base
        return []
    fewest = min(layers, default=0)
    if not fewest or model.clip_skip < fewest:  # SDXL reads what goes into the last one
        return []
    return [
        f"model.clip_skip is {model.clip_skip}, and a text encoder of the base model has {plural(fewest, 'layer')}, "
        f"one of which SDXL leaves out itself: set it to {fewest - 1} or less"
    ]
