"""The files that a run made, with sizes, and how each is used: lines that can be copied."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from loratui.results.facts import RunFacts
from loratui.terminal.text import safe_lines, safe_text, show_path
from loratui.terminal.units import in_bytes
from trainer.contract.run.exports import CARD, DIFFUSERS, lora_file, place_of
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
        size = in_bytes(path.stat().st_size)
        found.append(Usage(safe_text(path.name), show_path(path), size, head=True))
        found += _uses(path, facts)
    if not found:
        return ()
    prompt = safe_text(facts.prompt) or str(BY_KEY["dataset.instance_prompt"].default)
    command = f"loratui generate {shlex.quote(show_path(run.path))} {shlex.quote(prompt)}"
    found.append(Usage("try it", command, command, head=True))
    return tuple(found)


def _files(folder: Path, name: str) -> list[Path]:
    try:
        files = [one for one in folder.iterdir() if one.is_file() and not one.name.startswith(".")]
    except OSError:
        return []
    return sorted(files, key=lambda one: (place_of(one.name, name), one.name))


def _uses(path: Path, facts: RunFacts) -> list[Usage]:
    word, prompt = safe_text(path.stem), safe_text(facts.prompt)
    if path.name == DIFFUSERS:
        return [
            Usage(
                "diffusers",
                _snippet(path.with_name(CARD)) or "pipe.load_lora_weights(folder)",
                "the whole script, with the folder",
            )
        ]
    if path.name == CARD:
        return [Usage("model card", show_path(path), "goes with the files")]
    if lora := lora_file(path.name, facts.name):
        known = {"file": safe_text(path.name), "stem": word}
        return [Usage(one.program, one.typed.format(**known), one.note) for one in lora.uses]
    if path.name.endswith("_emb.safetensors"):
        typed = prompt.replace(facts.trigger, word) if facts.trigger and "," not in facts.trigger else word
        comfy = typed.replace(word, f"embedding:{word}")
        return [
            Usage("A1111, Forge, SD.Next", typed, "embeddings; prompt"),
            Usage("ComfyUI", comfy, "models/embeddings; prompt"),
        ]
    return []


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
