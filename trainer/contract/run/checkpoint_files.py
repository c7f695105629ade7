"""The small files of a checkpoint, read with bounds: which files it has, with their hashes, and of which run it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainer.contract.documents.document import Document, unread
from trainer.contract.documents.files import read_json
from trainer.contract.settings.kinds import CONCEPTS

MANIFEST, STATE = "manifest.json", "state.json"
LORA, EMBEDDINGS = "lora.safetensors", "embeddings.safetensors"
OPTIMIZER = "optimizer.safetensors"  # the large one, and only needed to go on
TABLES = ("settings", "base", "pictures")
STATE_BYTES = 1 << 26  # it names every picture


def read_manifest(folder: Path) -> Document[dict[str, str]]:
    """The hash of each file of the checkpoint in `folder`, by its name."""
    found = read_json(folder / MANIFEST, dict, root=_root(folder))
    if found.value is not None and not all(isinstance(one, str) for one in found.value.values()):
        return unread("it holds other things than hashes")
    return found


def read_state(folder: Path) -> Document[dict[str, Any]]:
    """The state of the checkpoint in `folder`: version, step, and the identity of its run, each of its kind.

    The identity holds tables: settings by dotted key, digests of the pictures and of the base model's parts by name;
    each of TABLES is there, if need be empty.
    """
    found = read_json(folder / STATE, dict, STATE_BYTES, _root(folder), constants=True)
    if found.value is None:
        return found
    state = found.value
    scale = state.get("loss_scale", {"scale": 1.0, "calm": 0})
    whole = (
        all(type(state.get(name)) is int for name in ("version", "step"))
        and _is_identity(state.get("identity"))
        and isinstance(scale, dict)
        and set(scale) == {"scale", "calm"}
        and all(isinstance(one, int | float) for one in scale.values())
    )
    held = state.get("held", [])
    whole = whole and isinstance(held, list) and all(_is_measured(one) for one in held)
    if not whole:
        return unread("it holds other things than the state of a checkpoint")
    return Document({**state, "identity": {**{name: {} for name in TABLES}, **state["identity"]}})


def _is_measured(found: Any) -> bool:
    """Whether it is a step and the loss that was measured there."""
    return isinstance(found, list) and len(found) == 2 and type(found[0]) is int and isinstance(found[1], int | float)


def _is_identity(found: Any) -> bool:
    if not isinstance(found, dict) or not all(isinstance(found.get(name, {}), dict) for name in TABLES):
        return False
    tables = [one if isinstance(one, dict) else {"": one} for one in found.values()]
    return all(_is_plain(name, value) for table in tables for name, value in table.items())


def _is_plain(name: str, value: Any) -> bool:
    """Whether it is what a setting or a digest is in JSON: one word or number, or a list of words.

    Concepts are a list of tables of them.
    """
    if name == CONCEPTS and isinstance(value, list):
        return all(isinstance(one, dict) and all(_is_plain("", own) for own in one.values()) for one in value)
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    return not isinstance(value, dict)


def _root(folder: Path) -> Path:
    """The run's folder, of checkpoints/step-000300."""
    return folder.parent.parent
