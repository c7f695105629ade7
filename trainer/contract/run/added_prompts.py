"""Prompts that a person adds to a run's validation pictures while it trains: their rules, and the file they live in."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import asdict, dataclass
from typing import Any

from trainer.contract.documents.files import read_json
from trainer.contract.entries import write_atomic
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.sample_prompts import read_sample_prompt
from trainer.contract.settings.triggers import holds_word, split_triggers
from trainer.contract.units import plural

MAX_CHARACTERS = 500  # CLIP reads 77 tokens: about 300 letters of English
MAX_KEPT = 8  # each costs a picture at every sample step
MAX_ADDED = 64  # in all: each keeps an index of its own for good
MAX_BYTES = 1 << 20  # of the file; what the limits above can fill is far less


class NotAdded(ValueError):
    """A prompt cannot be added or dropped; the text says why and what to do."""


@dataclass(frozen=True)
class AddedPrompt:
    """One prompt; `index` names its pictures (000300-4.png), `kept` says that every sample step draws it."""

    index: int
    prompt: str
    kept: bool


@dataclass(frozen=True)
class AddedPrompts:
    """All prompts that were added to a run, in the order of their indices; replaced, never patched."""

    prompts: tuple[AddedPrompt, ...] = ()

    @property
    def kept(self) -> tuple[AddedPrompt, ...]:
        """Those that every sample step draws."""
        return tuple(one for one in self.prompts if one.kept)

    def with_prompt(
        self, text: str, keep: bool | None, configured: tuple[str, ...]
    ) -> tuple[AddedPrompts, AddedPrompt]:
        """`text` added (or found), and whether it is drawn from now on: None leaves that as it is.

        One of the run's `configured` prompts keeps its place there and is no added one. Raises NotAdded.
        """
        if reason := why_not(text):
            raise NotAdded(reason)
        text = text.strip()
        if text in configured:
            if keep is False:
                raise NotAdded("one of the run's own prompts; it is in config.toml and stays")
            return self, AddedPrompt(configured.index(text), text, kept=True)
        known = next((one for one in self.prompts if one.prompt == text), None)
        if known is None and keep is False:
            raise NotAdded("no such prompt was added to this run")
        if known is None and len(self.prompts) >= MAX_ADDED:
            raise NotAdded(f"{MAX_ADDED} prompts were added already; 'loratui generate' draws any other")
        kept = bool(known and known.kept) if keep is None else keep
        if kept and not (known and known.kept) and len(self.kept) >= MAX_KEPT:
            raise NotAdded(
                f"{MAX_KEPT} added prompts are drawn at every sample step already; draw it once, or drop one: "
                "loratui sample --prompt ... --no-keep"
            )
        taken = max([len(configured) - 1, *(one.index for one in self.prompts)])
        new = AddedPrompt(known.index if known else taken + 1, text, kept)
        others = [one for one in self.prompts if one.prompt != text]
        return AddedPrompts(tuple(sorted([*others, new], key=lambda one: one.index))), new


def why_not(text: str) -> str:
    """Why `text` cannot be a prompt, as a sentence; empty if it can."""
    if not text.strip():
        return "a prompt needs at least one word"
    if len(text) > MAX_CHARACTERS:
        return f"{plural(len(text), 'character')}; a prompt has at most {MAX_CHARACTERS}"
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        return "it holds control characters or bytes that are not text; type it again"
    try:
        words = read_sample_prompt(text).words
    except ValueError as error:
        return str(error)
    return "" if words.strip() else "a prompt needs at least one word before --n and --d"


def without_trigger(text: str, trigger: str) -> str:
    """What to know of a prompt (one that `why_not` takes) in which none of the run's triggers stands; else empty."""
    words, shown = split_triggers(trigger), read_sample_prompt(text).words
    if not words or any(holds_word(shown, word) for word in words):
        return ""
    return f"{' or '.join(words)} is not in it: it shows what the LoRA does to everything else"


def read_added(run: RunDir, configured: int) -> AddedPrompts:
    """The prompts added to `run`; those whose index now belongs to a configured prompt get a new one.

    Raises ValueError with a sentence if the file is damaged.
    """
    found_file = read_json(run.prompts, dict, MAX_BYTES, root=run.path)
    if found_file.absent:
        return AddedPrompts()
    if found_file.value is None:
        raise ValueError(f"{run.prompts.name} cannot be read: {found_file.reason}")
    entries = found_file.value.get("added")
    if not isinstance(entries, list):
        raise ValueError(f"{run.prompts.name} holds no list of prompts")
    found: dict[str, AddedPrompt] = {}
    for one in filter(None, map(_entry, entries[:MAX_ADDED])):
        found.setdefault(one.prompt, one)
    top = max([configured - 1, *(one.index for one in found.values())])
    prompts: list[AddedPrompt] = []
    for one in sorted(found.values(), key=lambda one: one.index):
        if one.index < configured or any(other.index == one.index for other in prompts):
            top += 1
            one = AddedPrompt(top, one.prompt, one.kept)
        kept = one.kept and sum(other.kept for other in prompts) < MAX_KEPT
        prompts.append(AddedPrompt(one.index, one.prompt, kept))
    return AddedPrompts(tuple(sorted(prompts, key=lambda one: one.index)))


def write_added(run: RunDir, added: AddedPrompts) -> None:
    """Put `added` into the run's directory in place of what was there. Raises OSError."""
    entries = [asdict(one) for one in added.prompts]
    write_atomic(run.prompts, json.dumps({"v": 1, "added": entries}, ensure_ascii=False, indent=1) + "\n")


def _entry(raw: Any) -> AddedPrompt | None:
    if not isinstance(raw, dict):
        return None
    index, prompt, kept = raw.get("index"), raw.get("prompt"), raw.get("kept")
    if type(index) is not int or not 0 <= index < 10**6 or not isinstance(prompt, str) or why_not(prompt):
        return None
    return AddedPrompt(index, prompt.strip(), kept is True)
