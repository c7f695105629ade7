"""Whether the tensors of a part are those of its configuration: what is missing or of another size, what is beside."""

from __future__ import annotations

from typing import Any

from trainer.contract.basemodel.headers import Shapes
from trainer.contract.basemodel.sgm import LEFT_OUT
from trainer.contract.basemodel.tensors import usual_names, wanted_tensors
from trainer.contract.units import plural

TIME_IDS = 6  # numbers of size and crop that SDXL's unet is told


def misfit(part: str, config: dict[str, Any], shapes: Shapes) -> str:
    """Why a part cannot be loaded, in a few words; empty if it can, or if its configuration is of another kind.

    An attention's projection may be a convolution of one pixel in place of a matrix; the loaders take both.
    """
    wanted, found = wanted_tensors(part, config), usual_names(part, shapes)
    if wanted is None:
        return ""
    missing = sorted(set(wanted) - set(found))
    if missing:
        return f"{len(missing)} of its {plural(len(wanted), 'tensor')} missing, such as {missing[0]}"
    other = [name for name in sorted(wanted) if _size(found[name]) != _size(wanted[name])]
    if other:
        sides = " x ".join(map(str, found[other[0]])), " x ".join(map(str, wanted[other[0]]))
        return (
            f"{plural(len(other), 'tensor')} of another shape, such as {other[0]} ({sides[0]} in place of {sides[1]})"
        )
    return ""


def beside(part: str, config: dict[str, Any], shapes: Shapes) -> list[str]:
    """Names of tensors that the configuration does not ask for and that no library puts there; they are passed over."""
    wanted = wanted_tensors(part, config)
    if wanted is None:
        return []
    return sorted(name for name in set(usual_names(part, shapes)) - set(wanted) if not name.endswith(LEFT_OUT))


def parts_misfit(configs: dict[str, dict[str, Any]]) -> str:
    """Why unet, encoders and VAE with these configurations do not belong together as an SDXL; empty if they do."""
    unet, first, second = configs["unet"], configs["text_encoder"], configs["text_encoder_2"]
    try:
        words = first["hidden_size"] + second["hidden_size"]
        pooled = second["projection_dim"] + TIME_IDS * unet["addition_time_embed_dim"]
        told, reads = unet["projection_class_embeddings_input_dim"], unet["cross_attention_dim"]
        latent = configs["vae"].get("latent_channels", 4)
    except (KeyError, TypeError) as error:
        return f"a configuration lacks {error}"
    if reads != words:
        return f"its unet reads {plural(reads, 'number')} a word, its text encoders give {words}"
    if told != pooled:
        return f"its unet is told {plural(told, 'number')} of text and size, where {pooled} come from its text encoder"
    if latent != unet.get("in_channels", 4):
        return f"its VAE has {latent} latent channels, its unet {unet.get('in_channels', 4)}"
    return ""


def _size(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:2] if shape[2:] == (1, 1) else shape
