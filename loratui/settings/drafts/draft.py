"""What the person has chosen so far, frozen; and how it is read from its file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trainer.contract.documents.files import read_json
from trainer.contract.paths import expanded

MAX_BYTES = 1 << 24  # captions of a large set, not yet written, are in a draft
Value = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True)
class Draft:
    """Choices only, as in an answer file, and where in the wizard the person is.

    No model of pydantic's: the first screen would import it for this alone, a fifth of the time until it stands.
    """

    version: int = 1
    step: int = 0
    preset: str = ""  # empty: not chosen yet
    preset_kind: str = ""  # the kind of pictures for which it was taken
    values: dict[str, Any] = field(default_factory=dict)  # by dotted key, only what the person chose
    captions: dict[str, str] = field(default_factory=dict)  # by picture: written in the wizard, not in a file yet
    images: int = 0  # pictures that the last check found usable; held-out ones are among them
    undecided: bool | None = None  # whether that check left something to decide; None: not checked yet
    out: str = ""  # the run's folder; empty: ./runs/DATE-TIME-NAME
    # by folder: the pictures of which it was asked what they teach, whatever was answered
    asked: dict[str, str] = field(default_factory=dict)

    def get(self, key: str) -> Any:
        """The value chosen for `key`, or the declared default."""
        if key in self.values:
            return self.values[key]
        from trainer.contract.settings.config import BY_KEY

        return BY_KEY[key].default

    def with_values(self, **changes: Any) -> Draft:
        """A draft with these values; keys are written with __ for the dot, None takes a choice back."""
        return self.with_settings({key.replace("__", "."): value for key, value in changes.items()})

    def with_settings(self, changes: dict[str, Any]) -> Draft:
        """A draft with these values under their dotted keys; None takes a choice back."""
        from trainer.contract.settings.config import stale_pins

        merged = {**self.values, **changes}
        merged |= stale_pins(self.values, merged, changes)
        return replace(self, values={key: one for key, one in merged.items() if one is not None})

    def with_fields(self, **changes: Any) -> Draft:
        """A draft with other fields: where the person is, what the last check found."""
        return replace(self, **changes)

    @property
    def folder(self) -> Path:
        """The folder of pictures, with ~ resolved."""
        return expanded(str(self.get("dataset.path")))

    @property
    def skipped(self) -> tuple[str, ...]:
        """Pictures that are left out."""
        return tuple(self.get("dataset.skip"))

    @property
    def accepted(self) -> tuple[str, ...]:
        """Warnings that were read and accepted."""
        return tuple(self.get("dataset.accept"))

    @property
    def begun(self) -> bool:
        """Whether there is anything in it that the person would miss."""
        return bool(self.values)


@dataclass(frozen=True)
class LoadedDraft:
    """A draft from disk, and a sentence if something of it could not be used."""

    draft: Draft
    trouble: str = ""


def usable(draft: Draft) -> LoadedDraft:
    """A draft as it stands in its file with what can be used of it here and now."""
    from loratui.settings.presets import preset
    from loratui.settings.problems import AnswersError, wrong_value
    from trainer.contract.settings.config import BY_KEY, value_of_now
    from trainer.contract.settings.fields import wrong_text

    values = {key: value_of_now(key, one) for key, one in draft.values.items()}
    good = {key: one for key, one in values.items() if key in BY_KEY and not wrong_value(BY_KEY[key], one)}
    name = ""
    with suppress(AnswersError):  # of another machine, or deleted
        name = draft.preset if draft.preset and preset(draft.preset) else ""
    out = "" if wrong_text("path", draft.out) else draft.out
    lost = len(good) < len(values) or (name, out) != (draft.preset, draft.out)
    trouble = "The draft held values that cannot be used here; they are left out." if lost else ""
    return LoadedDraft(replace(draft, values=good, preset=name, out=out), trouble)


def read_draft(path: Path) -> Draft:
    """A draft as it stands in its file. Raises OSError, or ValueError for what is no draft."""
    path.stat()  # says why, where the read cannot
    raw = read_json(path, dict, MAX_BYTES, constants=True)
    if raw.value is None:
        raise ValueError(raw.reason)
    found = _current(raw.value)
    if strange := [key for key, one in found.items() if not _is_of_a_draft(key, one)]:
        raise ValueError(f"{strange[0]} is not of a draft")
    values = {key: tuple(one) if isinstance(one, list) else one for key, one in found.pop("values", {}).items()}
    return Draft(**found, values=values)


def _is_of_a_draft(key: str, value: Any) -> bool:
    """Whether a draft has this field, of this type (json's keys are text)."""
    if key in ("version", "step", "images"):
        return type(value) is int and value >= 0
    if key in ("captions", "asked"):
        return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    kinds = {"preset": str, "preset_kind": str, "out": str, "values": dict, "undecided": bool | None}
    return key in kinds and isinstance(value, kinds[key])


def _current(raw: dict[str, Any]) -> dict[str, Any]:
    """A draft of the time when the suggested instance prompt was kept beside a mark that it is no own one."""
    if not raw.pop("prompt_edited", True) and isinstance(raw.get("values"), dict):
        raw["values"].pop("dataset.instance_prompt", None)
    return raw
