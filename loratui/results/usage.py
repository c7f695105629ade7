"""The files that a run made, with sizes, and how each is used: lines that can be copied."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from loratui.results.facts import RunFacts
from loratui.terminal.text import safe_lines, safe_text, show_path
from loratui.terminal.units import in_bytes
from trainer.contract.run.exported import B_LORA, CARD, DIFFUSERS, OLD_DIFFUSERS, dora_readers
from trainer.contract.run.interface_prompts import a1111_prompt, comfyui_prompt, invokeai_prompt, swarmui_prompt
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import BY_KEY

SNIPPET = re.compile(r"```python\n(.*?)```", re.DOTALL)
LONGEST = 1 << 20  # bytes of a card that are read


@dataclass(frozen=True)
class Usage:
    """One line: a file (`head`) or a way to use it, and the text that is copied for it, which is safe to show."""

    shown: str
    copied: str
    note: str = ""  # a file's size, or what the text is for
    head: bool = False


def usage_lines(run: RunDir, facts: RunFacts) -> tuple[Usage, ...]:
    """Everything in the run's export with its uses, what is used first standing first, then how to try it.

    Empty where there are no files.
    """
    found: list[Usage] = []
    for path in _files(run.export, facts.name):
        size, name = in_bytes(path.stat().st_size), str(path.relative_to(run.export))
        found.append(Usage(safe_text(name), show_path(path), size, head=True))
        if facts.dora and name in (f"{facts.name}.safetensors", DIFFUSERS):
            words = dora_readers(facts.dora)
            found.append(Usage(f"DoRA along the {facts.dora} axis", words, f"read by {words}"))
        found += _uses(path, run.export, facts)
    if not found:
        return ()
    prompt = safe_text(facts.written) or str(BY_KEY["dataset.instance_prompt"].default)
    command = f"loratui generate {shlex.quote(show_path(run.path))} {shlex.quote(prompt)}"
    found.append(Usage("try it", command, command, head=True))
    return tuple(found)


def _files(folder: Path, name: str) -> list[Path]:
    order = (f"{name}.safetensors", f"{name}_emb.safetensors", DIFFUSERS, OLD_DIFFUSERS, CARD)
    try:
        files = [one for one in folder.iterdir() if one.is_file() and not one.name.startswith(".")]
    except OSError:
        return []
    files += [one for one in (folder / DIFFUSERS,) if one.is_file()]
    places = {folder / one: place for place, one in enumerate(order)}
    return sorted(files, key=lambda one: (places.get(one, len(order)), one.name))


def _uses(path: Path, folder: Path, facts: RunFacts) -> list[Usage]:
    word, prompt = safe_text(path.stem), safe_text(facts.prompt)
    if path in (folder / DIFFUSERS, folder / OLD_DIFFUSERS):
        script = _snippet(folder / CARD) or "pipe.load_lora_weights(folder)"
        return [Usage("diffusers", script, "the whole script, with the folder")]
    if path.name == CARD:
        return [Usage("model card", show_path(path), "goes with the files")]
    if path.name in (f"{facts.name}{ending}" for ending in (".json", ".png")):
        return [Usage("beside the LoRA", show_path(path), "trigger and picture, in A1111, Forge, InvokeAI, SwarmUI")]
    if path.name == f"{facts.name}_bundle.safetensors":
        return [Usage("A1111, SD.Next", f"<lora:{word}:1>", "models/Lora; the embeddings are in it")]
    if path.name == f"{facts.name}.safetensors" or path.name in _parts(facts.name):
        return [
            Usage("A1111, Forge, SD.Next", f"<lora:{word}:1>", "models/Lora; prompt"),
            Usage("ComfyUI", safe_text(path.name), "models/loras; Load LoRA"),
        ]
    if path.name.endswith("_emb.safetensors"):
        return _typed(word, prompt, facts.trigger)
    return []


def _parts(name: str) -> tuple[str, ...]:
    """Content and style of a B-LoRA."""
    return tuple(f"{name}_{part}.safetensors" for part in B_LORA)


def _typed(word: str, prompt: str, trigger: str) -> list[Usage]:
    """The embedding `word` in the prompt of each interface; of several triggers the embeddings alone are shown."""
    names = {trigger: word} if trigger and "," not in trigger else {word: word}
    text = prompt if trigger and "," not in trigger else word
    return [
        Usage("A1111, Forge, SD.Next", a1111_prompt(text, names), "embeddings; prompt"),
        Usage("ComfyUI", comfyui_prompt(text, names), "models/embeddings; prompt"),
        Usage("InvokeAI", invokeai_prompt(text, names), "import it; prompt"),
        Usage("SwarmUI", swarmui_prompt(text, names), "Models/Embeddings; prompt"),
    ]


def _snippet(card: Path) -> str:
    """The script of the model card, with the folder of the files written in."""
    try:
        with card.open(encoding="utf-8", errors="replace") as file:
            found = SNIPPET.search(file.read(LONGEST))
    except OSError:
        return ""
    if found is None:
        return ""
    folder = f"files = {str(card.parent)!r}"
    text = re.sub(r'^files = "\."', lambda _: folder, found[1], count=1, flags=re.MULTILINE)
    return "\n".join(safe_lines(text))
