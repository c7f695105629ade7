"""Drafts on disk: written after every change, so that a kill loses nothing."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from loratui.settings.drafts.draft import Draft, LoadedDraft, read_draft, usable
from loratui.terminal.text import os_words, plural
from trainer.contract.entries import make_private, sweep, write_atomic
from trainer.contract.paths import can_see
from trainer.contract.run.lock import AlreadyRunning, RunLock, lock_holder
from trainer.contract.run.rundir import home_folder

FILE = "draft.json"  # of the time when there was one draft; taken over
DAMAGED = "damaged"  # in the name of a file that was put aside
KEPT = 20  # drafts; with a new one the oldest goes


@dataclass(frozen=True)
class KeptDraft:
    """A draft as a list shows it."""

    key: str
    draft: Draft
    changed: float  # unix seconds
    busy: bool  # another loratui has it open


@dataclass(frozen=True)
class Drafts:
    """All drafts, the one changed last first, and what became of files that could not be used: each kind a sentence."""

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
        kept = [KeptDraft(key, one, changed, self._is_busy(key)) for key, one, changed in found]
        return Drafts(tuple(kept), tuple(troubles))

    def kept_words(self) -> str:
        """What is said of the drafts to somebody who leaves; empty where none is kept."""
        count = len(self.all().kept)
        if count > 1:
            return f"{plural(count, 'draft')} are kept; 'loratui' takes them up again."
        return "The draft is kept; 'loratui' takes it up again." if count else ""

    def load(self) -> LoadedDraft:
        """The open draft as it is on disk, or while none is open the newest, or a fresh one."""
        found, troubles = self._read_all()
        loaded = usable(next((one for key, one, _ in found if self._key in ("", key)), Draft()))
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
        besides: dict[str, Any] = {"step": 0, "asked": {}, "undecided": None, "preset_kind": ""}
        for one in self.all().kept if draft.begun else ():
            if not one.busy and replace(usable(one.draft).draft, **besides) == replace(draft, **besides):
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
            # ASCII: a file name may hold bytes that are not UTF-8, which only escapes can carry
            write_atomic(self._file(self._key), json.dumps(asdict(draft), indent=1))
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

    def _read_all(self) -> tuple[list[tuple[str, Draft, float]], list[str]]:
        for folder in (self._folder, self._drafts):
            sweep(folder)
        (troubles, damaged), found = self._take_over(), []
        unread: list[tuple[str, str]] = []  # why, and which file
        try:
            paths = sorted(self._drafts.glob("draft-*.json")) if can_see(self._drafts) else []
        except OSError as error:
            paths, troubles = [], [*troubles, f"The drafts cannot be read: {os_words(error)} ({self._drafts})"]
        for path in paths:
            key = path.stem.removeprefix("draft-")
            try:
                changed = path.stat().st_mtime
                found.append((key, read_draft(path), changed))
            except FileNotFoundError:
                continue  # it became a run in another window
            except OSError as error:
                unread.append((os_words(error), path.name))
            except ValueError:
                damaged.append(_put_aside(path))
        troubles += [*_unread_words(unread), *_damaged_words(damaged)]
        return sorted(found, key=lambda one: (one[2], one[0]), reverse=True), troubles

    def _take_over(self) -> tuple[list[str], list[str]]:
        """The one draft of an earlier version becomes one of many; else a sentence, or what it was put aside as."""
        old = self._folder / FILE
        if not can_see(old):
            return [], []
        try:
            read_draft(old)
            make_private(self._drafts)
            old.rename(self._file(f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"))
        except FileNotFoundError:
            pass  # another loratui, started at the same moment, has done it
        except OSError as error:
            return [f"The saved draft cannot be used: {os_words(error)} ({old})"], []
        except ValueError:
            return [], [_put_aside(old)]
        return [], []

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


def _put_aside(path: Path) -> str:
    """The name that a damaged file has now; empty where it cannot have another."""
    aside = path.with_name(f"draft.{DAMAGED}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}.json")
    try:
        path.replace(aside)
    except OSError:
        return ""
    return aside.name


def _damaged_words(names: Sequence[str]) -> list[str]:
    """What became of damaged files, by their new names: one sentence, however many they are."""
    aside = [one for one in names if one]
    stay, said = len(names) - len(aside), []
    if len(aside) == 1:
        said.append(f"A saved draft was damaged; it is left out. The old file is kept as {aside[0]}.")
    elif aside:
        count = plural(len(aside), "saved draft")
        said.append(f"{count} were damaged; they are left out. The old files are kept as draft.{DAMAGED}-*.json.")
    if stay:
        count, them = ("A saved draft", "it is") if stay == 1 else (plural(stay, "saved draft"), "they are")
        said.append(f"{count} cannot be read; {them} left out.")
    return said


def _unread_words(found: Sequence[tuple[str, str]]) -> list[str]:
    """What keeps files from being read, each reason once."""
    said = []
    for why in dict.fromkeys(why for why, _ in found):
        first, *others = [name for each, name in found if each == why]
        count = plural(len(others) + 1, "draft") if others else "A draft"
        more = f" and {plural(len(others), 'other')}" if others else ""
        said.append(f"{count} cannot be read: {why} ({first}{more})")
    return said
