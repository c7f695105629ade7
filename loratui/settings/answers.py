"""Reads and writes answers.toml: what a person chose, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loratui.settings.presets import preset
from loratui.settings.problems import SECTIONS, AnswersError, meant, unknown_setting, validated, wrong_value
from loratui.settings.shipped_presets import Preset
from loratui.settings.toml_text import key_lines, toml_list, toml_tables
from loratui.terminal.text import plural, safe_text, shell_path, show_path
from loratui.version import version
from trainer.contract.documents.document import Document
from trainer.contract.documents.parsers import as_text, parse_toml
from trainer.contract.documents.regular import read_bytes
from trainer.contract.entries import write_swept
from trainer.contract.loras.start import decided_by_start
from trainer.contract.paths import can_see, is_folder
from trainer.contract.settings.arithmetic import trained_images
from trainer.contract.settings.config import BY_KEY, value_of_now
from trainer.contract.settings.triggers import (
    holds_word,
    split_triggers,
    suggested_prompt,
    with_names,
)

__all__ = ["Answers", "AnswersError", "answers_text", "parse_set", "read_answers", "write_answers"]

SCHEMA = 1
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}  # n: from schema n to n + 1, on the raw tables
DEFAULT_PRESET = "object"
PROMPT = "dataset.instance_prompt"
OPTIMIZER_BOUND = ("train.learning_rate", "train.embedding_learning_rate", "train.weight_decay")
MAX_BYTES = 1 << 20
MOST_SAID = 40  # unknown keys that are named one by one
_NO_ANSWERS = "this is not an answer file; loratui writes one at its review step, and the README shows one"


@dataclass(frozen=True)
class Answers:
    """What the person chose; `values` by dotted key, without the preset's own values."""

    preset: str = DEFAULT_PRESET
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)  # key -> line of the file, where it was read from one
    source: str = "answers.toml"  # the file's name in messages; empty: there is no file
    note: str = ""  # a comment for the head of the file, such as where its values came from

    def place(self, key: str) -> str:
        """The start of a message about `key`: "answers.toml:15: train.rank"."""
        line = self.lines.get(key)
        return ": ".join(part for part in (f"{self.source}:{line}" if line else self.source, key) if part)


def read_answers(path: Path) -> Answers:
    """Read and check an answer file. Raises AnswersError with all that is wrong with it."""
    answers, messages = _parsed(path)
    try:
        raise_all(messages, lambda: check_answers(answers))
    except AnswersError as error:
        raise AnswersError(sorted(error.messages, key=_line)) from None
    return answers


def salvaged_answers(path: Path) -> tuple[Answers, list[str]]:
    """What can be used of an answer file, perhaps of another version, and a sentence for each value that cannot.

    Raises AnswersError for what is no answer file at all.
    """
    answers, messages = _parsed(path)
    wrong = {key: wrong_value(BY_KEY[key], value) for key, value in answers.values.items()}
    messages += [f"{answers.place(key)}: {said}" for key, said in wrong.items() if said]
    values = {key: value for key, value in answers.values.items() if not wrong[key]}
    return replace(answers, values=values), [f"{one}; left out" for one in messages]


def write_answers(path: Path, answers: Answers) -> None:
    """Write `answers` for its owner alone; a reader sees the old file or the new one."""
    write_swept(path, answers_text(answers, path.name), 0o600)


def answers_text(answers: Answers, file: str = "answers.toml") -> str:
    """The file: schema, preset and name, then the tables in the order of their declaration."""
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment(f"Written by loratui {version()}. Edit it; run: loratui replay {shell_path(file)}"))
    if answers.note:
        document.add(tomlkit.comment(safe_text(answers.note, 300)))
    document.add("schema", tomlkit.item(SCHEMA))
    document.add("preset", tomlkit.item(answers.preset))
    table: Any = document
    last = ""
    for key in BY_KEY:
        if key not in answers.values or key == "preset":
            continue
        if BY_KEY[key].kind == "tables":
            if answers.values[key]:
                document.add(tomlkit.nl())
                document.add(key, toml_tables(answers.values[key]))
                last = key
            continue
        section, _, name = key.rpartition(".")
        if section != last:
            document.add(tomlkit.nl())
            table, last = tomlkit.table(), section
            document.add(section, table)
        value = answers.values[key]
        table.add(name, toml_list(value) if isinstance(value, list | tuple) else value)
    return tomlkit.dumps(document)


def parse_set(text: str) -> tuple[str, Any]:
    """One `--set KEY=VALUE`: a TOML value, or bare text where text is wanted. Raises AnswersError."""
    key, equals, written = (part.strip() for part in text.partition("="))
    if not equals:
        raise AnswersError([f"--set {safe_text(text, 80)}: write it as KEY=VALUE, such as train.rank=16"])
    if key not in BY_KEY:
        raise AnswersError([f"--set {safe_text(key, 80)}: {unknown_setting(key, full=True)}"])
    one = BY_KEY[key]
    value = value_of_now(key, _literal(written, one.kind))
    if problem := wrong_value(one, value):
        raise AnswersError([f"--set {key}: {problem}"])
    return key, value


def check_answers(answers: Answers) -> None:
    """Check the values on top of their preset. Raises AnswersError with all that is wrong."""
    try:
        values = preset_values(answers.preset, answers.values)
    except AnswersError as error:
        said = [f"{answers.place('')}: {message}" for message in error.messages]
        if "preset" in answers.lines:
            said = [f"{answers.source}:{answers.lines['preset']}: {message}" for message in error.messages]
        raise_all(said, lambda: validated(dict(answers.values), answers.place))
    else:
        validated({**values, **answers.values, "preset": answers.preset}, answers.place)


def preset_values(name: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the preset `name` beside what the person chose. Raises AnswersError.

    Its texts are written with the chosen trigger, the instance prompt with the class word too; its rates are left out
    under another optimizer than its own.
    """
    values = {one.key: one.value for one in preset(name).values}
    own = values.get("train.optimizer")
    if chosen.get("train.optimizer", own) != own:
        values = {key: value for key, value in values.items() if key not in OPTIMIZER_BOUND}
    given = str(values.get("dataset.trigger", BY_KEY["dataset.trigger"].default))
    triggers = split_triggers(str(chosen.get("dataset.trigger", given)))
    if triggers:
        values[PROMPT] = _instance_prompt(preset(name), values.get(PROMPT), given, chosen)
        for key in ("sample.prompts", "prior.prompt"):
            if key in values:
                values[key] = retriggered(values[key], given, triggers[0])
    return {**values, **decided_by_start({**values, **chosen})}


def counted_images(images: int, values: Mapping[str, Any]) -> int:
    """How many of `images` pictures a run with these values trains on: all but the held-out ones."""
    held = values.get("dataset.hold_out", BY_KEY["dataset.hold_out"].default)
    return trained_images(images, held * (1 + len(values.get("concepts", ()))) if isinstance(held, int) else 0)


def _instance_prompt(base: Preset, own: str | None, given: str, chosen: Mapping[str, Any]) -> str:
    """The preset's own prompt, or the suggested one where a class word or another kind says more than the preset."""
    trigger, class_word = str(chosen.get("dataset.trigger", given)), str(chosen.get("dataset.class_word", ""))
    kind = str(chosen.get("kind", base.kind))
    suggested = suggested_prompt(kind, trigger, class_word)
    if own is None or kind != base.kind or (class_word and holds_word(suggested, class_word)):
        return suggested
    return str(retriggered(own, given, split_triggers(trigger)[0]))


def raise_all(messages: list[str], check: Callable[[], object]) -> None:
    """Run `check`, and raise its problems together with `messages`, if there are any of either."""
    try:
        check()
    except AnswersError as error:
        raise AnswersError(messages + error.messages) from None
    if messages:
        raise AnswersError(messages)


def _parsed(path: Path) -> tuple[Answers, list[str]]:
    """The file's values, not yet checked, and a message for every key that is no setting."""
    source = safe_text(path.name)
    text = _text(path)
    raw = parse_toml(text)
    if raw.value is None:
        raise AnswersError([_syntax(source, text, raw)])
    lines = key_lines(text)
    values, messages = _flat(_current(raw.value, source, lines), source, lines)
    return Answers(values.pop("preset", DEFAULT_PRESET), values, lines, source), messages


def _line(message: str) -> int:
    found = re.match(r"[^:]*:(\d+): ", message)
    return int(found[1]) if found else 0


def retriggered(value: Any, given: str, trigger: str) -> Any:
    """A text or a list of texts with `trigger`, and its article, wherever `given` stands as a word."""
    if isinstance(value, list | tuple):
        return [retriggered(one, given, trigger) for one in value]
    return with_names(value, {given: trigger})


def _text(path: Path) -> str:
    shown = show_path(path)
    if not can_see(path):
        raise AnswersError([f"there is no answer file '{shown}'; check the spelling"])
    if is_folder(path):
        raise AnswersError([f"'{shown}' is a folder; name the answer file, such as {shown}/answers.toml"])
    raw = read_bytes(path, MAX_BYTES)
    if raw.value is None:
        raise AnswersError([f"{shown}: {raw.reason}" + f": {_NO_ANSWERS}" * (not raw.reason.startswith("it cannot"))])
    try:
        text = as_text(raw.value)
    except UnicodeDecodeError as error:
        raise AnswersError([f"{shown}: not text in UTF-8 (byte {error.start}): {_NO_ANSWERS}"]) from None
    if "\0" in text:
        raise AnswersError([f"{shown}: not text: {_NO_ANSWERS}"])
    return text.replace("\r\n", "\n")


def _syntax(source: str, text: str, found: Document[dict[str, Any]]) -> str:
    """The parser's words as "answers.toml:3: ...", with the line."""
    if not found.said:
        return f"{source}: {found.reason}"
    lines = text.splitlines() or [""]
    number = found.line or len(lines)
    here = safe_text(lines[min(number, len(lines)) - 1].strip(), 60)
    return f"{source}:{number}: not valid TOML: {found.said[:1].lower()}{found.said[1:]}: {here}"


def _current(raw: dict[str, Any], source: str, lines: Mapping[str, int]) -> dict[str, Any]:
    """The tables brought to the current schema. Raises AnswersError if that cannot be."""
    if "schema" not in raw:
        if not set(raw) & {"preset", "name", "kind", *SECTIONS}:
            raise AnswersError([f"{source}: {_NO_ANSWERS}"])
        raise AnswersError([f"{source}:1: schema: missing; write 'schema = {SCHEMA}' as the first line"])
    number, line = raw["schema"], lines.get("schema", 1)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise AnswersError([f"{source}:{line}: schema: {safe_text(number, 40)} is not a schema number; write {SCHEMA}"])
    if number > SCHEMA:
        said = f"schema {number} is newer than this loratui ({version()}), which reads {SCHEMA}; update loratui"
        raise AnswersError([f"{source}:{line}: schema: {said}"])
    for step in range(number, SCHEMA):
        raw = MIGRATIONS[step](raw)
    return raw


def _flat(raw: dict[str, Any], source: str, lines: Mapping[str, int]) -> tuple[dict[str, Any], list[str]]:
    """Values by dotted key, and a message for every key that is no setting."""
    values: dict[str, Any] = {}
    messages, unknown = [], 0
    for top, found in raw.items():
        if top == "schema":
            continue
        if isinstance(found, dict) and top not in SECTIONS and top not in BY_KEY:
            unknown += 1
            if unknown <= MOST_SAID:
                at = f"{source}:{lines.get(top, 1)}: [{safe_text(top, 40)}]"
                said = meant(top, SECTIONS) or "; the tables are " + ", ".join(SECTIONS)
                messages.append(f"{at}: unknown table{said}")
            continue
        if top in SECTIONS and not isinstance(found, dict):
            messages.append(f"{source}:{lines.get(top, 1)}: {top}: a table is wanted; write [{top}] on its own line")
            continue
        entries = {f"{top}.{name}": one for name, one in found.items()} if top in SECTIONS else {top: found}
        for key, value in entries.items():
            if key in BY_KEY:
                values[key] = value_of_now(key, value)
                continue
            unknown += 1
            if unknown <= MOST_SAID:  # what was meant takes a while to find
                messages.append(f"{source}:{lines.get(key, 1)}: {safe_text(key, 80)}: {unknown_setting(key)}")
    if unknown > MOST_SAID:
        messages.append(f"{source}: {plural(unknown - MOST_SAID, 'more key')} that are not settings")
    if "preset" in values and not isinstance(values["preset"], str):
        messages.append(f"{source}:{lines.get('preset', 1)}: preset: {wrong_value(BY_KEY['preset'], values['preset'])}")
        del values["preset"]
    return values, messages


def _literal(written: str, kind: str) -> Any:
    value = parse_toml(f"value = {written}").value or {}
    if list(value) != ["value"]:
        return [part.strip() for part in written.split(",") if part.strip()] if kind == "list" else written
    if kind in ("str", "choice") and not isinstance(value["value"], str):
        return written  # name=2024 is a name
    return [value["value"]] if kind == "list" and isinstance(value["value"], str) else value["value"]
