"""The rules of the settings, asked one value at a time: what a form says beside a field."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from loratui.settings.answers import DEFAULT_PRESET, Answers, preset_values
from loratui.settings.drafts.draft import Draft
from loratui.settings.presets import preset
from loratui.settings.problems import AnswersError, validated
from loratui.settings.resolve import ValueSource, preset_layer
from loratui.settings.shipped_presets import Preset
from trainer.contract.settings.config import BY_KEY, SETTINGS
from trainer.contract.settings.fields import Setting


def answers_of(draft: Draft) -> Answers:
    """The draft as answers; they stand in no file yet, and none is named."""
    return Answers(draft.preset or DEFAULT_PRESET, dict(draft.values), source="")


def recipe_of(draft: Draft) -> Preset:
    """The draft's preset; the default one if its file of one's own went away meanwhile, which `problems` says."""
    try:
        return preset(draft.preset or DEFAULT_PRESET)
    except AnswersError:
        return preset(DEFAULT_PRESET)


def problems(draft: Draft, changes: Mapping[str, Any] | None = None) -> dict[str, str]:
    """What is wrong with the draft after `changes`, by dotted key; "" holds what belongs to no single setting."""
    chosen = {**draft.values, **(changes or {})}
    name = draft.preset or DEFAULT_PRESET
    try:
        values = {**preset_values(name, chosen), **chosen, "preset": name}
        validated(values, lambda key: f"{key}\0")
    except AnswersError as error:
        found: dict[str, str] = {}
        for message in error.messages:
            key, _, words = message.partition("\0: ") if "\0" in message else ("", "", message)
            found.setdefault(key, words)
        return found
    return {}


class NotAValue(ValueError):
    """What was typed is no value of the setting's kind; the text says what is wanted."""


def parse(setting: Setting, typed: str) -> Any:
    """What was typed as the setting's value. Raises NotAValue with a sentence."""
    text = typed.strip()
    match setting.kind:
        case "int":
            try:
                return int(text.replace("_", "").replace(" ", ""))
            except ValueError:
                raise NotAValue(f"a whole number is wanted{_allowed(setting)}") from None
        case "float":
            try:
                return float(text)
            except ValueError:
                raise NotAValue(f"a number is wanted{_allowed(setting)}; 1e-4 is one") from None
        case "list":
            return tuple(part.strip() for part in text.split(";") if part.strip())
        case "bool":
            return text.lower() in ("on", "true", "yes", "1")
    return text


def shown(value: Any) -> str:
    """A value as the form shows and reads it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {shown(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(shown(one) for one in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _allowed(setting: Setting) -> str:
    return f" ({setting.bounds})" if setting.bounds else ""


def effective(draft: Draft) -> dict[str, Any]:
    """Every value that the draft comes to, by dotted key, before the trainer's rules are applied."""
    return {**values_of_preset(draft), **draft.values}


def values_of_preset(draft: Draft) -> dict[str, Any]:
    """What the preset of `draft` alone would give, for its number of pictures."""
    return {key: one.default for key, one in BY_KEY.items()} | preset_layer_of(draft)[0]


def preset_layer_of(draft: Draft) -> tuple[dict[str, Any], dict[str, ValueSource]]:
    """The values that the preset of `draft` gives, and who says so of each, as a run of it is resolved."""
    with suppress(AnswersError):
        return preset_layer(recipe_of(draft).name, draft.values, draft.images)
    return {}, {}


def trouble_with(draft: Draft, one: Setting, typed: str) -> str:
    """What is wrong with `typed` as the value of `one`; empty if nothing."""
    try:
        return problems(draft, {one.key: parse(one, typed)}).get(one.key, "")
    except NotAValue as error:
        return str(error)


def changed_words(before: Draft, after: Draft) -> str:
    """Which settings `after` has otherwise than `before`, each with both values; a base model is named elsewhere."""
    old, new = effective(before), effective(after)
    others = [one for one in SETTINGS if old[one.key] != new[one.key] and one.section != "model"]
    return ", ".join(f"{one.title} {shown(old[one.key])} to {shown(new[one.key])}" for one in others)
