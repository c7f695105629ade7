"""A base model in words: one line for a list, the facts beside it, the rows and refusals of a plan."""

from __future__ import annotations

from loratui.basemodels.facts import (
    SPARE,
    BaseModelFacts,
    BaseModelNeed,
    free_for_models,
    look,
    look_vae,
)
from loratui.basemodels.hub import not_fetched
from loratui.terminal.text import show_path
from loratui.terminal.units import in_bytes
from trainer.contract.basemodel.hub_cache import hub_cache
from trainer.contract.basemodel.inspect import NotSDXL, base_of, loss_of
from trainer.contract.settings.config import SMALL, TrainConfig, flat

PAGE = "https://huggingface.co/"
IN_PLACE = "choose a model that is here: a folder, a checkpoint file, or sdxl-small"
KINDS = {
    "shipped": "ships with loratui",
    "hub": "on the hub",
    "folder": "a diffusers folder",
    "file": "a single checkpoint",
    "nothing": "nothing that is here",
}


def state(known: BaseModelFacts, brief: bool = False) -> tuple[str, str, str]:
    """Glyph, words and tone (good, warn, bad) of where a model is; `brief` for a list."""
    if known.trouble:
        return "✗", "cannot be used", "bad"
    if known.here:
        return "✓", f"on disk, {in_bytes(known.size)}", "good"
    more = " more" if known.begun else ""
    if brief:
        return "↓", f"{in_bytes(known.download)}{more} to get", "warn"
    about = "" if known.counted else "about "
    return "↓", f"{about}{in_bytes(known.download)}{more} to download", "warn"


def gate(known: BaseModelFacts) -> str:
    """Whether it is behind a gate, in words."""
    if known.gated is None:
        return "not asked yet"
    return "yes: accept its terms first" if known.gated else "no"


def advice(known: BaseModelFacts) -> list[str]:
    """What is to be done before it can be trained on."""
    if known.gated and not known.here:
        return [f"accept the terms on {PAGE}{known.value}", "then log in here: hf auth login"]
    return []


def base_rows(config: TrainConfig) -> tuple[tuple[str, str, str], ...]:
    """Label, value and note of what a plan says of the base model; nothing for the one that ships."""
    loss = loss_row(config)
    need = BaseModelNeed.of(flat(config))
    if config.model.base == SMALL and look_vae(SMALL, need) is None:
        return loss if config.model.prediction != "auto" or config.model.zero_snr != "auto" else ()
    known, vae = look(config.model.base, need), look_vae(config.model.base, need)
    rows = [_place_row("model", known)]
    if vae is not None:
        rows.append(_place_row("VAE", vae))
    if to_fetch(known, vae):
        rows.append(("free", in_bytes(free_for_models()), show_path(hub_cache())))
    rows.append(("licence", known.licence or "not known", "" if known.licence else "read it before you share a LoRA"))
    if known.kind == "hub" and not known.here:
        rows.append(("gated", gate(known), "; ".join(advice(known))))
    for label, one in (("revision", known), ("VAE revision", vae)):
        if one is not None and one.kind == "hub" and one.commit:
            said = "written into the run's answers, so that a replay takes the same"
            rows.append((label, one.commit[:12], said))
    return (*rows, *loss)


def loss_row(config: TrainConfig) -> tuple[tuple[str, str, str], ...]:
    """What of the base model decides the loss, and where that was read; nothing where nobody knows it yet."""
    try:
        loss = loss_of(config.model)
    except NotSDXL:  # said as an error
        return ()
    return (("predicts", loss.words, f"as read from: {loss.source}"),) if loss is not None else ()


def _place_row(label: str, known: BaseModelFacts) -> tuple[str, str, str]:
    if known.here:
        place = show_path(known.place) if known.place is not None and known.kind != "hub" else known.value
        return label, f"on disk, {in_bytes(known.size)}", place
    if known.kind != "hub" or known.trouble:
        return label, state(known)[1], ""
    size = f"{'' if known.counted else 'about '}{in_bytes(known.download)}{' more' if known.begun else ''}"
    return label, f"download {size}", f"{known.value}, before the first step"


def to_fetch(*models: BaseModelFacts | None) -> int:
    """Bytes that a start would download."""
    return sum(one.download for one in models if one is not None and not one.here)


def base_warnings(config: TrainConfig) -> list[str]:
    """What may stop the download: a gate that the person may not have passed yet."""
    known = look(config.model.base, BaseModelNeed.of(flat(config)))
    todo = advice(known)
    return [f"model.base: '{known.value}' is gated; unless you have done so, {', '.join(todo)}"] if todo else []


def base_trouble(config: TrainConfig) -> str:
    """Why a run cannot have its base model as things are on this disk, in a sentence; empty if it can.

    Nothing is asked: what the hub said last, or that it was silent, counts.
    """
    try:
        base_of(config.model)
    except NotSDXL as error:
        return f"model.base: {error}"
    return next(iter(base_errors(config)), "")


def base_absent(config: TrainConfig) -> bool:
    """Whether some of the base model or its VAE is still on the hub."""
    need = BaseModelNeed.of(flat(config))
    found = (look(config.model.base, need), look_vae(config.model.base, need))
    return any(one is not None and one.kind == "hub" and not one.here for one in found)


def base_errors(config: TrainConfig) -> list[str]:
    """What makes the download impossible; why a model that is here cannot be trained on is said elsewhere."""
    need = BaseModelNeed.of(flat(config))
    known = look(config.model.base, need)
    try:
        base_of(config.model)
    except NotSDXL:
        return []
    if known.trouble:
        return [f"model.base: {known.trouble}"]
    vae = look_vae(config.model.base, need)
    for key, one, revision in (("model.base", known, need.revision), ("model.vae", vae, need.vae_revision)):
        absent = one.value if one is not None and one.kind == "hub" and not one.here else ""
        if absent and (why := not_fetched(absent, revision, IN_PLACE)):
            return [f"{key}: {why}"]
    needed, free = to_fetch(known, vae), free_for_models()
    if not needed or needed + SPARE <= free:
        return []
    return [
        f"model.base: {in_bytes(needed)} are to be downloaded and {in_bytes(free)} are free in "
        f"{show_path(hub_cache())}: make room there, or set HF_HOME to a folder on a larger disk"
    ]
