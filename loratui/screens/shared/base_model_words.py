"""The words of the base model picker: the models that it offers, its help, and all that is known of one."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from loratui.basemodels.facts import BaseModelFacts, free_for_models
from loratui.basemodels.words import KINDS, advice, gate, state
from loratui.terminal.layout import folded
from loratui.terminal.text import safe_text, show_path
from loratui.terminal.units import in_bytes
from trainer.contract.basemodel.hub_cache import hub_cache
from trainer.contract.settings.config import SMALL
from trainer.contract.settings.model import SDXL

# bases of the hub that people train on; a word on each, nothing that may have changed since
KNOWN = {
    SDXL: "SDXL itself: the default. What is trained on it works on most of its descendants.",
    SMALL: "The small SDXL that ships: to try everything in a minute, on any machine.",
    "SG161222/RealVisXL_V5.0": "Made for photographs of people.",
    "RunDiffusion/Juggernaut-XL-v9": "Made for photographs, broad.",
    "Lykon/dreamshaper-xl-1-0": "Made for paintings and fantasy.",
    "cagliostrolab/animagine-xl-3.1": "Made for anime, prompted with tags.",
    "playgroundai/playground-v2.5-1024px-aesthetic": "Trained the EDM way; loratui trains it that way too.",
}
TONES = {"good": "$text-success", "warn": "$text-warning", "bad": "$text-error"}
HELP = """
✓ is on this disk, ↓ would be downloaded when the run starts, ✗ cannot be
trained on; the right side says why.

  up, down   from model to model         enter, F2   take it
  /          path or hub id: a folder, a .safetensors file or owner/name
  h          ask the hub again           escape      leave it as it was

What is typed is looked at first; Enter then takes it. The hub is asked for
size, licence and gate only, and nothing is downloaded here."""


@dataclass(frozen=True)
class BaseModelSeen:
    """A model and the VAE that it would be used with."""

    known: BaseModelFacts
    vae: BaseModelFacts | None


def facts(seen: BaseModelSeen, trouble: str, width: int) -> Content:
    """All that is known of a model, in lines of `width` cells. Every text of it is made safe here."""
    known, vae = seen.known, seen.vae

    def line(text: str, style: str = "") -> Content:
        return Content.styled(folded(text, width, 2), style)

    def fact(label: str, text: str, style: str = "") -> Content:
        words = folded(f"{label:<7} {text}", width, 8)
        return Content.assemble((words[:8], "$muted"), (words[8:], style))

    def its_state(label: str, one: BaseModelFacts) -> Content:
        glyph, words, tone = state(one)
        return fact(label, f"{glyph} {words}", TONES[tone])

    lines = [line(show_path(known.value), "bold"), line(KINDS[known.kind], "$muted")]
    if known.trouble:
        return Content("\n").join([*lines, Content(""), line(f"✗ {safe_text(known.trouble)}", TONES["bad"])])
    if known.value in KNOWN:
        lines += [Content(""), Content(KNOWN[known.value])]
    lines += [Content(""), its_state("model", known)]
    lines += [its_state("VAE", vae)] if vae is not None else []
    if not known.here or (vae is not None and not vae.here):
        needed = sum(one.download for one in (known, vae) if one is not None and not one.here)
        free = free_for_models()
        short = needed > free
        room = f"{in_bytes(free)} in {show_path(hub_cache())}" + (": too little" if short else "")
        lines.append(fact("free", room, TONES["bad"] if short else ""))
    if known.loss is not None:
        lines.append(fact("loss", f"{known.loss.words} ({safe_text(known.loss.source)})"))
        if known.loss.few_steps:
            lines.append(line(f"! made for few steps: {safe_text(known.loss.few_steps)}", TONES["warn"]))
        if known.loss.named_v:
            said = "! its name says v-prediction, nothing in it does: see model.prediction"
            lines.append(line(said, TONES["warn"]))
    lines.append(fact("licence", safe_text(known.licence) or "not known"))
    if known.kind == "hub":
        lines.append(fact("gated", gate(known), TONES["warn"] if known.gated else ""))
        lines += [Content(folded(f"  → {safe_text(one)}", width, 4)) for one in advice(known)]
    if trouble:
        lines += [Content(""), line(f"! {safe_text(trouble)}", TONES["warn"])]
    return Content("\n").join(lines)
