"""What the person has chosen so far: frozen, and on disk after every change, so that a kill loses nothing."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from loratui.presets import preset
from loratui.problems import AnswersError, wrong_value
from trainer.contract.config import BY_KEY
from trainer.contract.rundir import make_private, write_atomic

FILE = "draft.json"
Value = str | int | float | bool | tuple[str, ...]


class Draft(BaseModel):
    """Choices only, as in an answer file, and where in the wizard the person is."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    version: int = 1
    step: int = 0
    preset: str = ""  # empty: not chosen yet
    values: dict[str, Any] = {}  # by dotted key, only what the person chose
    captions: dict[str, str] = {}  # by picture: written in the wizard, not in a file yet
    images: int = 0  # pictures that the last check would train on
    prompt_edited: bool = False  # the instance prompt no longer follows the trigger
    out: str = ""  # the run's folder; empty: ./runs/DATE-TIME-NAME

    def get(self, key: str) -> Any:
        """The value chosen for `key`, or the declared default."""
        return self.values.get(key, BY_KEY[key].default)

    def with_values(self, **changes: Any) -> Draft:
        """A draft with these values; keys are written with __ for the dot, None takes a choice back."""
        return self.with_settings({key.replace("__", "."): value for key, value in changes.items()})

    def with_settings(self, changes: dict[str, Any]) -> Draft:
        """A draft with these values under their dotted keys; None takes a choice back."""
        merged = {**self.values, **changes}
        return self.model_copy(update={"values": {key: one for key, one in merged.items() if one is not None}})

    @property
    def folder(self) -> Path:
        """The folder of pictures, with ~ resolved."""
        return Path(str(self.get("dataset.path"))).expanduser()

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
class Loaded:
    """A draft from disk, and a sentence if the file there could not be used."""

    draft: Draft
    trouble: str = ""


def state_dir() -> Path:
    """Where drafts are kept: $XDG_STATE_HOME/loratui or ~/.local/state/loratui."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "loratui"


class DraftStore:
    """The one draft of this person."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or state_dir()

    @property
    def path(self) -> Path:
        """The draft's file."""
        return self._folder / FILE

    def load(self) -> Loaded:
        """The draft on disk, or a fresh one. A file that cannot be used is put aside, and the sentence says where."""
        try:
            raw = json.loads(self.path.read_text(encoding="utf-8"))
            draft = Draft.model_validate(raw)
        except FileNotFoundError:
            return Loaded(Draft())
        except (OSError, ValueError, ValidationError, RecursionError):
            return Loaded(Draft(), self._put_aside())
        values = {key: tuple(one) if isinstance(one, list) else one for key, one in draft.values.items()}
        usable = {key: one for key, one in values.items() if key in BY_KEY and not wrong_value(BY_KEY[key], one)}
        name = draft.preset if draft.preset and _is_preset(draft.preset) else ""
        lost = len(usable) < len(values) or name != draft.preset
        trouble = "The draft held values that this version cannot use; they are left out." if lost else ""
        return Loaded(draft.model_copy(update={"values": usable, "preset": name}), trouble)

    def save(self, draft: Draft) -> str:
        """Write the draft; returns an empty string, or a sentence if it could not be written."""
        try:
            make_private(self._folder)
            # json and not pydantic's: a file name may hold bytes that are no UTF-8, which only escapes can carry
            write_atomic(self.path, json.dumps(draft.model_dump(), indent=1))
        except OSError as error:
            return f"The draft could not be saved: {error.strerror} ({self._folder})"
        return ""

    def clear(self) -> None:
        """Forget the draft: it became a run."""
        self.path.unlink(missing_ok=True)

    def _put_aside(self) -> str:
        aside = self.path.with_name(f"draft.damaged-{time.strftime('%Y%m%d-%H%M%S')}.json")
        try:
            self.path.replace(aside)
        except OSError:
            return "The saved draft cannot be read; a new one is started."
        return f"The saved draft was damaged; a new one is started. The old file is kept as {aside.name}."


def _is_preset(name: str) -> bool:
    try:
        preset(name)
    except AnswersError:
        return False
    return True
