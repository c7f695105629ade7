"""What the person has chosen so far: frozen, and on disk after every change, so that a kill loses nothing."""

from __future__ import annotations

import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from loratui.settings.presets import preset
from loratui.settings.problems import AnswersError, wrong_value
from loratui.terminal.text import os_words
from trainer.contract.documents.files import read_json
from trainer.contract.entries import make_private, sweep, write_atomic
from trainer.contract.paths import can_see, expanded
from trainer.contract.run.lock import AlreadyRunning, RunLock, lock_holder
from trainer.contract.run.rundir import home_folder
from trainer.contract.settings.config import BY_KEY, stale_pins, value_of_now

FILE = "draft.json"  # of the time when there was one draft; taken over
KEPT = 20  # drafts; with a new one the oldest goes
MAX_BYTES = 1 << 24  # captions of a large set, not yet written, are in a draft
Value = str | int | float | bool | tuple[str, ...]


class Draft(BaseModel):
    """Choices only, as in an answer file, and where in the wizard the person is."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    version: int = 1
    step: int = 0
    preset: str = ""  # empty: not chosen yet
    preset_kind: str = ""  # the kind of pictures for which it was taken
    values: dict[str, Any] = {}  # by dotted key, only what the person chose
    captions: dict[str, str] = {}  # by picture: written in the wizard, not in a file yet
    images: int = 0  # pictures that the last check found usable; held-out ones are among them
    undecided: bool | None = None  # whether that check left something to decide; None: not checked yet
    out: str = ""  # the run's folder; empty: ./runs/DATE-TIME-NAME
    asked: dict[str, str] = {}  # by folder: the pictures of which it was asked what they teach, whatever was answered

    def get(self, key: str) -> Any:
        """The value chosen for `key`, or the declared default."""
        return self.values.get(key, BY_KEY[key].default)

    def with_values(self, **changes: Any) -> Draft:
        """A draft with these values; keys are written with __ for the dot, None takes a choice back."""
        return self.with_settings({key.replace("__", "."): value for key, value in changes.items()})

    def with_settings(self, changes: dict[str, Any]) -> Draft:
        """A draft with these values under their dotted keys; None takes a choice back."""
        merged = {**self.values, **changes}
        merged |= stale_pins(self.values, merged, changes)
        return self.model_copy(update={"values": {key: one for key, one in merged.items() if one is not None}})

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


@dataclass(frozen=True)
class KeptDraft:
    """A draft as a list shows it."""

    key: str
    draft: Draft
    changed: float  # unix seconds
    busy: bool  # another loratui has it open


@dataclass(frozen=True)
class Drafts:
    """All drafts, the one changed last first, and a sentence for each file that could not be used."""

    kept: tuple[KeptDraft, ...] = ()
    troubles: tuple[str, ...] = ()


def state_dir() -> Path:
    """Where drafts are kept: $XDG_STATE_HOME/loratui or ~/.local/state/loratui."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else home_folder() / ".local" / "state") / "loratui"


class DraftStore:
    """The drafts of this person. At most one is open here; no other loratui writes to it meanwhile."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or state_dir()
        self._drafts = self._folder / "drafts"
        self._key = ""  # of the open draft; empty until the first choice of a new one is saved
        self._lock: RunLock | None = None

    @property
    def path(self) -> Path:
        """The open draft's file; while none is open, the name that is taken over if a file is there."""
        return self._file(self._key) if self._key else self._folder / FILE

    @property
    def open_key(self) -> str:
        """Which draft is open; empty if none is, or it has no file yet."""
        return self._key

    def all(self) -> Drafts:
        """Every draft. A file that cannot be read is put aside, so that it is said once."""
        found, troubles = self._read_all()
        kept = [KeptDraft(key, one.draft, changed, self._is_busy(key)) for key, one, changed in found]
        return Drafts(tuple(kept), tuple(troubles))

    def load(self) -> LoadedDraft:
        """The open draft as it is on disk, or while none is open the newest, or a fresh one."""
        found, troubles = self._read_all()
        loaded = next((one for key, one, _ in found if self._key in ("", key)), LoadedDraft(Draft()))
        return LoadedDraft(loaded.draft, " ".join(part for part in (*troubles, loaded.trouble) if part))

    def take(self, key: str) -> LoadedDraft:
        """Open a draft. One that another loratui has open is gone on with as a copy, and the sentence says so."""
        if key == self._key:
            return self.load()
        self.leave()
        self._key = key
        loaded = self.load()
        if self._hold():
            return loaded
        self._key = ""
        said = "This draft is open in another window: you go on with a copy of it."
        parts = (said, self.save(loaded.draft), loaded.trouble)
        return LoadedDraft(loaded.draft, " ".join(part for part in parts if part))

    def begin(self, draft: Draft) -> None:
        """A new draft. If the same choices are kept already, that draft is opened in place of a second one."""
        self.leave()
        same = draft.model_copy(update=(besides := {"step": 0, "asked": {}, "undecided": None, "preset_kind": ""}))
        for one in self.all().kept:
            if draft.begun and not one.busy and one.draft.model_copy(update=besides) == same:
                self.take(one.key)
                return

    def leave(self) -> None:
        """Close the open draft; its file stays."""
        if self._lock is not None:
            self._lock.release()
        self._key, self._lock = "", None

    def save(self, draft: Draft) -> str:
        """Write the open draft, if anything was chosen; returns "", or a sentence if it could not be written."""
        if not self._key and not draft.begun:
            return ""
        try:
            make_private(self._drafts)
            if not self._key:
                self._key = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
                self._hold()
                self._let_go_of_the_oldest()
            # json and not pydantic's: a file name may hold bytes that are not UTF-8, which only escapes can carry
            write_atomic(self._file(self._key), json.dumps(draft.model_dump(), indent=1))
        except OSError as error:
            return f"The draft could not be saved: {os_words(error, self._file(self._key))} ({self._folder})"
        return ""

    def clear(self) -> None:
        """Forget the open draft: it became a run."""
        self.forget(self._key)

    def forget(self, key: str) -> bool:
        """Delete a draft; False if another loratui has it open, and then it stays."""
        if self._is_busy(key):
            return False
        if key:
            self._file(key).unlink(missing_ok=True)
            self._lock_file(key).unlink(missing_ok=True)
        if key == self._key:
            self.leave()
        return True

    def _read_all(self) -> tuple[list[tuple[str, LoadedDraft, float]], list[str]]:
        for folder in (self._folder, self._drafts):
            sweep(folder)
        troubles, found = self._take_over(), []
        try:
            paths = sorted(self._drafts.glob("draft-*.json")) if can_see(self._drafts) else []
        except OSError as error:
            paths, troubles = [], [*troubles, f"The drafts cannot be read: {os_words(error)} ({self._drafts})"]
        for path in paths:
            key = path.stem.removeprefix("draft-")
            try:
                changed = path.stat().st_mtime
                found.append((key, _read(path), changed))
            except FileNotFoundError:
                continue  # it became a run in another window
            except OSError as error:
                troubles.append(f"A draft cannot be read: {os_words(error)} ({path.name})")
            except ValueError:  # pydantic's ValidationError is a ValueError
                troubles.append(_put_aside(path))
        return sorted(found, key=lambda one: (one[2], one[0]), reverse=True), troubles

    def _take_over(self) -> list[str]:
        """The one draft of an earlier version becomes one of many."""
        old = self._folder / FILE
        if not can_see(old):
            return []
        try:
            _read(old)
            make_private(self._drafts)
            old.rename(self._file(f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"))
        except FileNotFoundError:
            return []  # another loratui, started at the same moment, has done it
        except OSError as error:
            return [f"The saved draft cannot be used: {os_words(error)} ({old})"]
        except ValueError:
            return [_put_aside(old)]
        return []

    def _let_go_of_the_oldest(self) -> None:
        for one in self.all().kept[KEPT - 1 :]:
            self.forget(one.key)

    def _file(self, key: str) -> Path:
        return self._drafts / f"draft-{key}.json"

    def _lock_file(self, key: str) -> Path:
        return self._drafts / f"draft-{key}.lock"

    def _is_busy(self, key: str) -> bool:
        return key != self._key and lock_holder(self._lock_file(key)) is not None

    def _hold(self) -> bool:
        """Keep others from the open draft; False if another has it."""
        try:
            self._lock = RunLock(self._lock_file(self._key))
        except AlreadyRunning:
            return False
        except OSError:
            self._lock = None  # a folder that cannot be written: there is nothing to protect
        return True


def _read(path: Path) -> LoadedDraft:
    """Raises OSError, or ValueError for what is no draft."""
    path.stat()  # says why, where the read cannot
    raw = read_json(path, dict, MAX_BYTES, constants=True)
    if raw.value is None:
        raise ValueError(raw.reason)
    draft = Draft.model_validate(_current(raw.value))
    values = {key: tuple(one) if isinstance(one, list) else value_of_now(key, one) for key, one in draft.values.items()}
    usable = {key: one for key, one in values.items() if key in BY_KEY and not wrong_value(BY_KEY[key], one)}
    name = ""
    with suppress(AnswersError):  # of another machine, or deleted
        name = draft.preset if draft.preset and preset(draft.preset) else ""
    lost = len(usable) < len(values) or name != draft.preset
    trouble = "The draft held values that cannot be used here; they are left out." if lost else ""
    return LoadedDraft(draft.model_copy(update={"values": usable, "preset": name}), trouble)


def _current(raw: dict[str, Any]) -> dict[str, Any]:
    """A draft of the time when the suggested instance prompt was kept beside a mark that it is no own one."""
    if not raw.pop("prompt_edited", True) and isinstance(raw.get("values"), dict):
        raw["values"].pop("dataset.instance_prompt", None)
    return raw


def _put_aside(path: Path) -> str:
    aside = path.with_name(f"draft.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}.json")
    try:
        path.replace(aside)
    except OSError:
        return "A saved draft cannot be read; it is left out."
    return f"A saved draft was damaged; it is left out. The old file is kept as {aside.name}."
