"""Reads the files of other trainers, tells whose they are, and makes one flat table of their settings."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loratui.errors import Refusal
from loratui.settings.other_trainers.counterparts import OtherTrainer
from loratui.settings.other_trainers.diffusers import ADVANCED
from loratui.settings.other_trainers.kohya import KOHYA
from loratui.settings.other_trainers.onetrainer import ONETRAINER
from loratui.terminal.text import safe_text, show_path
from trainer.contract.documents.files import LIMIT
from trainer.contract.documents.parsers import as_text, parse_json, parse_toml
from trainer.contract.documents.regular import read_bytes
from trainer.contract.paths import expanded, is_file, is_folder

TRAINERS = (KOHYA, ONETRAINER, ADVANCED)
OURS = {"schema", "preset"}
UNKNOWN = (
    "these are not settings that loratui knows: kohya's TOML or JSON, OneTrainer's JSON, or a command line of "
    "diffusers' advanced script for SDXL"
)


def read_settings(paths: list[Path]) -> tuple[OtherTrainer, dict[str, Any], list[str]]:
    """Whose settings the files hold, all of them under flat names, and sentences. Raises Refusal.

    What a later file says counts; kohya's dataset_config is read where it is there.
    """
    found: dict[str, Any] = {}
    notes: list[str] = []
    trainer: OtherTrainer | None = None
    for path in paths:
        one, values, said = _read(path)
        if trainer is not None and one is not trainer:
            raise Refusal(
                f"{show_path(path)}: of {one.name}, and the file before it of {trainer.name}; import one alone"
            )
        trainer, notes = one, notes + said
        found |= values
        beside = found.pop("dataset_config", None)
        if isinstance(beside, str) and beside:
            for place in (expanded(beside), path.parent / Path(beside.replace("\\", "/")).name):
                if is_file(place):
                    _, values, said = _read(place)
                    found |= values
                    notes += said
                    break
            else:
                notes.append(f"dataset_config: {safe_text(beside, 80)} is not here; name it as a second FILE")
    assert trainer is not None
    return trainer, found, notes


def _read(path: Path) -> tuple[OtherTrainer, dict[str, Any], list[str]]:
    shown = show_path(path)
    if is_folder(expanded(path)):
        raise Refusal(f"'{shown}' is a folder; name the file with the settings")
    raw = read_bytes(expanded(path), LIMIT)
    if raw.absent:
        raise Refusal(f"there is no file '{shown}'; check the spelling")
    if raw.value is None:
        raise Refusal(f"{shown}: {raw.reason}")
    try:
        text = as_text(raw.value)
    except UnicodeDecodeError:
        raise Refusal(f"{shown}: {UNKNOWN}") from None
    table = parse_json(text.encode(), dict).value if text.lstrip().startswith("{") else parse_toml(text).value
    if table is None:
        flags = _flags(text)
        if not flags:
            raise Refusal(f"{shown}: {UNKNOWN}")
        trainer = KOHYA if re.search(r"network_module|train_network", text) else ADVANCED
        return trainer, _kohya(flags, [])[0] if trainer is KOHYA else flags, []
    if set(table) >= OURS:
        raise Refusal(f"{shown}: this is an answer file of loratui already: loratui plan {shown}")
    notes: list[str] = []
    if "training_method" in table or "lora_rank" in table:
        return ONETRAINER, _onetrainer(table, notes), notes
    values, notes = _kohya(table, notes)
    if not any(KOHYA.find(name) for name in values):
        raise Refusal(f"{shown}: {UNKNOWN}")
    return KOHYA, values, notes


def _kohya(table: Mapping[str, Any], notes: list[str]) -> tuple[dict[str, Any], list[str]]:
    """sd-scripts reads the tables of a TOML as if they were none; a subset's value counts before its dataset's."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        if name == "datasets" and isinstance(value, list):
            continue
        found |= value if isinstance(value, dict) else {name: value}
    sets = [one for one in table.get("datasets", []) if isinstance(one, dict)]
    subsets = [(one, sub) for one in sets for sub in one.get("subsets", []) if isinstance(sub, dict)]
    of_class = [sub for _, sub in subsets if sub.get("is_reg")]
    taught = [(one, sub) for one, sub in subsets if not sub.get("is_reg")]
    if taught:
        found |= {name: value for name, value in taught[0][0].items() if name != "subsets"} | taught[0][1]
        if len(taught) > 1:
            found["datasets.subsets"] = [{**one, **sub} for one, sub in taught[1:]]
    if of_class:
        found["reg_data_dir"] = of_class[0].get("image_dir", "")
    for name in ("optimizer_args", "network_args"):
        written = found.pop(name, None)
        parts = written if isinstance(written, list) else shlex.split(str(written or ""))
        for part in parts:
            key, _, value = str(part).partition("=")
            found[f"{name}.{key.strip()}"] = value.strip()
    return found, notes


def _onetrainer(table: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Nested tables under dotted names; of the embeddings the first that is on, and of the concepts it as well."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        if name in ("concepts", "additional_embeddings"):
            on = [one for one in value or [] if isinstance(one, dict) and one.get("enabled", one.get("train", True))]
            if name == "concepts" and len(on) > 1:
                found["concepts.others"] = on[1:]
            elif len(on) > 1:
                notes.append(f"{name}: one is taken over, {len(on) - 1} more are not")
            value = on[0] if on else None
        if isinstance(value, dict):
            if name not in ("optimizer_defaults", "secrets", "cloud"):
                found |= {f"{name}.{key}": one for key, one in _deep(value)}
        else:
            found[name] = value
    if "concepts.path" in found:
        found.pop("concept_file_name", None)
    return found


def _deep(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in table.items():
        found += [(f"{name}.{key}", one) for key, one in _deep(value)] if isinstance(value, dict) else [(name, value)]
    return found


def _flags(text: str) -> dict[str, Any]:
    """`--name=value`, `--name value` and `--name` of a command line, also one of a notebook (!) or over many lines."""
    try:
        words = shlex.split(re.sub(r"\\\s*\n", " ", text), comments=True)
    except ValueError:
        return {}
    found: dict[str, Any] = {}
    last = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            found[name] = value if equals else True
            last = "" if equals else name
        elif last:
            before = found[last]
            found[last] = word if before is True else f"{before} {word}"
    return found if "pretrained_model_name_or_path" in found else {}


def shown_value(value: Any) -> str:
    """A value as TOML has it, short enough for a line."""
    return safe_text(json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False), 60)
