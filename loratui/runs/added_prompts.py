"""A prompt of one's own for a run that trains: how it is sent, and what to know of the run before typing it."""

from __future__ import annotations

from loratui.errors import Refusal
from loratui.terminal.text import safe_text
from trainer.contract.documents.files import read_toml
from trainer.contract.run.added_prompts import MAX_CHARACTERS, why_not, without_trigger
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.triggers import holds_word, split_triggers


def sample_arguments(prompt: str | None, keep: bool | None = None) -> dict[str, str | bool]:
    """The arguments of the command `sample`. Raises Refusal for a prompt that the trainer would not take."""
    if prompt is None:
        if keep is not None:
            raise Refusal("--keep and --no-keep go with --prompt, which says what to draw from now on")
        return {}
    if reason := why_not(prompt):
        raise Refusal(f"--prompt: {reason}")
    return {"prompt": prompt} if keep is None else {"prompt": prompt, "keep": keep}


def trigger_and_prompt(run: RunDir) -> tuple[str, str]:
    """The run's trigger and the start of a prompt that holds it; empty where its config.toml does not say."""
    tables = read_toml(run.config, root=run.path).value or {}
    found = dataset if isinstance(dataset := tables.get("dataset"), dict) else {}
    trigger, prompt = found.get("trigger"), found.get("instance_prompt", "")
    if isinstance(trigger, str):
        trigger = ",".join([trigger, *_triggers_beside(tables.get("concepts"))])
    if not isinstance(trigger, str) or not isinstance(prompt, str) or not (words := split_triggers(trigger)):
        return "", ""
    start = prompt if any(holds_word(prompt, word) for word in words) else words[0]
    return safe_text(trigger, 100), safe_text(start, MAX_CHARACTERS - 1) + " "


def _triggers_beside(concepts: object) -> list[str]:
    each = [one.get("trigger") for one in concepts if isinstance(one, dict)] if isinstance(concepts, list) else []
    return [one for one in each if isinstance(one, str) and one]


def words_on(prompt: str, trigger: str) -> tuple[str, str]:
    """What to say while a prompt is typed, and its tone: bad where it cannot be sent, warn, or good."""
    if reason := why_not(prompt):
        return reason, "bad"
    if doubt := without_trigger(prompt, trigger):
        return safe_text(doubt), "warn"
    return "ready", "good"
