"""What was measured, kept between scans: a second look at an unchanged folder measures nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from loratui.curation.checks.duplicates import Relation, Shots
from loratui.curation.checks.measure import PictureMeasure
from loratui.curation.people.faces import Face
from loratui.curation.pixels import versions
from loratui.curation.report import Finding
from trainer.contract.documents.files import read_json
from trainer.contract.entries import make_private, write_atomic
from trainer.contract.pictures.flatten import RULE
from trainer.contract.run import rundir

CHECKS = 15  # raised when a measurement changes; one that is new is missing in what was kept, and measured of itself
MEASURES = tuple(one.name for one in fields(PictureMeasure))
PACKED = tuple(one.name for one in fields(PictureMeasure) if one.type == "bytes")
MOST_FILES = 60  # folders that are remembered; the oldest go first


def cache_folder() -> Path:
    """Where scans are kept."""
    return rundir.cache_folder() / "scans"


MAX_BYTES = 1 << 28  # of the measurements of a very large set
MAX_PARTS = 20_000_000


class ScanCache:
    """The measurements of one folder, by name, size and times; damaged or foreign ones are not there."""

    def __init__(self, folder: Path, background: str) -> None:
        place = os.fsencode(os.path.realpath(folder))
        self._file = cache_folder() / f"{hashlib.sha256(place).hexdigest()[:24]}.json"
        self._key = f"{CHECKS}.{RULE} {background} {versions()}"
        self._found = self._read()
        self._pictures: dict[str, Any] = {}
        self._pairs: dict[str, Relation] = self._found["pairs"]
        self._compared: list[str] = self._found["compared"]
        self._new = False

    def get(self, name: str, path: Path, with_grey: bool) -> PictureMeasure | None:
        """What was measured of a picture that has not changed since."""
        kept = self._found["pictures"].get(name)
        if not isinstance(kept, dict) or kept.get("stamp") != _stamp(path):
            return None
        try:
            found = _measured(kept["measured"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        if with_grey and found.look and not found.drawn and not found.grey:
            return None
        self._pictures[name] = kept
        return found

    def put(self, name: str, path: Path, measured: PictureMeasure) -> None:
        """Remember what was measured."""
        stamp = _stamp(path)
        if stamp:
            self._pictures[name] = {"stamp": stamp, "measured": _plain(measured)}
            self._new = True

    def remembering(self, shots: Shots, measured: list[PictureMeasure]) -> Shots:
        """`shots`, asked only for pairs that were not compared before."""
        before = set(self._found["compared"])
        sha = [one.sha256 for one in measured]

        def compare(pairs: list[tuple[int, int]]) -> Mapping[tuple[int, int], Relation]:
            known = [(a, b) for a, b in pairs if sha[a] in before and sha[b] in before]
            new = sorted(set(pairs) - set(known))
            found = {
                pair: self._found["pairs"][_pair(sha, pair)]
                for pair in known
                if _pair(sha, pair) in self._found["pairs"]
            }
            found |= shots(new)
            self._pairs = {_pair(sha, pair): relation for pair, relation in found.items()}
            self._compared = sorted(set(sha))
            self._new = self._new or bool(new)
            return found

        return compare

    def store(self) -> None:
        """Write what this scan knows, if it is more than was known. A full disk or a read-only home is no error."""
        if not self._new and set(self._pictures) == set(self._found["pictures"]):
            return
        words = {"key": self._key, "pictures": self._pictures, "compared": self._compared, "pairs": self._pairs}
        try:
            make_private(self._file.parent)
            write_atomic(self._file, json.dumps(words))
            _forget_the_oldest(self._file.parent)
        except OSError:
            return

    def _read(self) -> dict[str, Any]:
        found = read_json(self._file, dict, MAX_BYTES, constants=True, parts=MAX_PARTS).value
        wanted = {"pictures": dict, "compared": list, "pairs": dict}
        ours = found is not None and found.get("key") == self._key
        if found is not None and ours and all(isinstance(found.get(name), kind) for name, kind in wanted.items()):
            return found
        return {name: kind() for name, kind in wanted.items()}


def _pair(sha: list[str], pair: tuple[int, int]) -> str:
    return " ".join(sorted((sha[pair[0]], sha[pair[1]])))


def _stamp(path: Path) -> list[int] | None:
    try:
        info = path.stat()
    except OSError:
        return None
    # a copy may bring its old time along; nobody can set the time at which the file itself was changed
    return [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]


def _forget_the_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda one: one.stat().st_mtime, reverse=True)
    for one in files[MOST_FILES:]:
        one.unlink(missing_ok=True)


def _plain(measured: PictureMeasure) -> dict[str, Any]:
    words = asdict(measured)
    for name in PACKED:
        words[name] = _packed(words[name])
    for face in words["faces"] or ():
        face["feature"] = _packed(face["feature"])
    return words


def _packed(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _measured(words: dict[str, Any]) -> PictureMeasure:
    words = {name: tuple(one) if isinstance(one := words[name], list) else one for name in MEASURES}
    for name in PACKED:
        words[name] = base64.b64decode(words[name])
    words["pieces"] = tuple(tuple(one) for one in words["pieces"])
    words["problem"] = None if words["problem"] is None else Finding(**{**words["problem"], "files": ()})
    words["notes"] = tuple(Finding(**{**one, "files": ()}) for one in words["notes"])
    if words["faces"] is not None:
        words["faces"] = tuple(
            Face(tuple(one["box"]), one["score"], tuple(one["points"]), base64.b64decode(one["feature"]))
            for one in words["faces"]
        )
    return PictureMeasure(**words)
