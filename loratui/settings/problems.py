"""What is wrong with settings, in words: the setting, what is allowed, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from loratui.errors import Refusal
from loratui.terminal.text import safe_text
from trainer.contract.settings.concepts import BY_NAME, FIRST, title_of
from trainer.contract.settings.concepts import KEY as CONCEPTS
from trainer.contract.settings.config import BY_KEY, TrainConfig, nested, value_of_now
from trainer.contract.settings.fields import Setting, wrong_text

SECTIONS = tuple(dict.fromkeys(key.partition(".")[0] for key in BY_KEY if "." in key))

_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": 'text in quotes, such as "..."',
    "choice": 'text in quotes, such as "..."',
    "list": 'a list of texts, such as ["a", "b"]',
    "tables": "a list of tables; write [[concepts]] and below it path = ...",
}


class AnswersError(Refusal):
    """Settings that cannot be used: all that is wrong with them at once, a sentence each, in `messages`."""


def nearest(word: str, known: tuple[str, ...]) -> str:
    """Which of `known` was meant; empty if none is near."""
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.6)), "")


def meant(word: str, known: tuple[str, ...]) -> str:
    """ "; did you mean 'x'?" for the nearest of `known`, or nothing if none is near."""
    near = nearest(word, known)
    return f"; did you mean '{near}'?" if near else ""


def unknown_setting(key: str, full: bool = False) -> str:
    """The sentence for a key that is no setting; with `full` the suggestion is a dotted key."""
    section, _, name = key.rpartition(".")
    if section and section not in SECTIONS:
        return f"unknown table{meant(section, SECTIONS) or '; the tables are ' + ', '.join(SECTIONS)}"
    here = tuple(one.rpartition(".")[2] for one in BY_KEY if one.rpartition(".")[0] == section)
    near = difflib.get_close_matches(name, here, n=1, cutoff=0.6)
    if near:
        return f"unknown setting; did you mean '{section + '.' if full and section else ''}{near[0]}'?"
    elsewhere = [one for one in BY_KEY if one.rpartition(".")[2] == name]
    return "unknown setting" + (f"; did you mean '{elsewhere[0]}'?" if elsewhere else meant(key, tuple(BY_KEY)))


def wrong_value(one: Setting, value: Any) -> str:
    """The sentence for a value of the wrong type or out of bounds; empty if it is right as far as declared."""
    if not _has_kind(one.kind, value):
        return f"{_shown(value)} is not {_WANTED[one.kind]}" + (f" ({one.bounds})" if one.bounds else "")
    if words := wrong_text(one.key.rpartition(".")[2], value):
        return words
    if one.kind == "tables":
        return next((said for place, table in enumerate(value) if (said := _wrong_concept(place, table))), "")
    if one.kind == "choice" and value not in one.choices:
        return f"{_shown(value)} is not {one.bounds}{meant(value, one.choices)}"
    if one.kind in ("int", "float") and not _inside(one, value):
        return f"{_shown(value)} is out of bounds; allowed is {one.bounds}{' ' + one.unit if one.unit else ''}"
    return ""


def _wrong_concept(place: int, table: Mapping[str, Any]) -> str:
    title = title_of(place + FIRST)
    for name, value in table.items():
        if name not in BY_NAME:
            return f"{title}: {safe_text(name, 60)}: unknown setting{meant(name, tuple(BY_NAME)) or _known()}"
        if said := wrong_value(BY_NAME[name], value):
            return f"{title}: {name}: {said}"
    return "" if table.get("path") else f'{title}: path: missing; write path = "..." below [[concepts]]'


def _known() -> str:
    return "; a concept has " + ", ".join(BY_NAME)


def validated(values: Mapping[str, Any], place: Callable[[str], str]) -> TrainConfig:
    """The configuration of `values` (dotted keys). `place` gives the start of the message for a key.

    Raises AnswersError with every problem at once.
    """
    values = {key: value_of_now(key, value) for key, value in values.items()}
    messages = _declared_problems(values, place)
    bad = {key for key, _ in messages}
    good = {key: tuple(one) if isinstance(one, list) else one for key, one in values.items() if key not in bad}
    try:
        config = TrainConfig.model_validate(nested(good), strict=True)
    except ValidationError as error:
        messages += _pydantic_problems(error, place)
    else:
        if not messages:
            return config
    raise AnswersError([message for _, message in messages])


def _declared_problems(values: Mapping[str, Any], place: Callable[[str], str]) -> list[tuple[str, str]]:
    found = []
    for key, value in values.items():
        problem = wrong_value(BY_KEY[key], value) if key in BY_KEY else unknown_setting(key)
        if problem:
            found.append((key, f"{place(key)}: {problem}"))
    return found


def _pydantic_problems(error: ValidationError, place: Callable[[str], str]) -> list[tuple[str, str]]:
    """The rest: patterns, multiples, and the declaration's own validators."""
    found = []
    for one in error.errors():
        key = ".".join(str(part) for part in one["loc"] if isinstance(part, str))
        said = _words(one)
        if one["loc"][:1] == (CONCEPTS,) and len(one["loc"]) > 2:
            _, entry, name = one["loc"][:3]
            key, said = CONCEPTS, f"{title_of(int(entry) + FIRST)}: {name}: {said}"
        if not key:  # a rule over several tables names its setting at the start
            named = re.match(r"([a-z_]+\.[a-z0-9_]+|concepts): ", said)
            key, said = (named[1], said[named.end() :]) if named else ("", said)
        found.append((key, f"{place(key)}: {said}"))
    return found


def _words(one: Any) -> str:
    value, context = one.get("input"), one.get("ctx") or {}
    match one["type"]:
        case "multiple_of":
            step = int(context["multiple_of"])
            near = max(step, round(value / step) * step)
            return f"{value} is not a multiple of {step}; {near} is the nearest"
        case "string_too_short":
            return "it must not be empty"
        case "string_pattern_mismatch":
            return f"{_shown(value)} does not have the form {context['pattern']}"
        case "value_error":
            return str(context.get("error", one["msg"]))
        case "finite_number":
            return f"{value} is not a finite number"
    return f"{_shown(value)}: {one['msg'][:1].lower()}{one['msg'][1:]}"


def _has_kind(kind: str, value: Any) -> bool:
    match kind:
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "bool":
            return isinstance(value, bool)
        case "list":
            return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
        case "tables":
            return isinstance(value, list | tuple) and all(isinstance(one, dict) for one in value)
    return isinstance(value, str)


def _inside(one: Setting, value: float) -> bool:
    if value != value:  # not a number; math.isnan takes no integer beyond all floats
        return False
    if one.low is not None and (value < one.low or (one.low_open and value == one.low)):
        return False
    return one.high is None or not (value > one.high or (one.high_open and value == one.high))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    return f"'{safe_text(value, 60)}'" if isinstance(value, str) else safe_text(value, 60)
