"""What of a run goes to the hub: an allow-list of files, what each tells, and what forbids to send it."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui.errors import Refusal
from loratui.results.leaks import looked_through
from loratui.terminal.glyphs import GLYPHS
from loratui.terminal.text import os_words, plural, safe_text, show_path
from loratui.terminal.units import in_bytes
from trainer.contract.documents.parsers import parse_json
from trainer.contract.paths import is_folder
from trainer.contract.run.exports import INNER, PICTURES, file_at, place_of

NOTHING = "no EXIF, path, host name, e-mail address, password or token was found in them"
REPOSITORY = re.compile(r"(?:[A-Za-z0-9][\w-]{0,95}/)?[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Upload:
    """One file that goes, with its size in bytes and what a stranger learns from it."""

    path: Path
    size: int
    tells: str
    name: str  # in the repository: its path in the folder


@dataclass(frozen=True)
class Parcel:
    """Everything that goes, what stays, and why nothing may go.

    `asked` are the problems that a person may accept, as CODE:FILE; `final`: whether there are others too.
    """

    files: tuple[Upload, ...]
    stays: tuple[str, ...]  # names in the folder that are not on the allow-list
    problems: tuple[str, ...]
    asked: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()  # what is in it all the same
    final: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(one.size for one in self.files)


def make_parcel(folder: Path, name: str, samples: bool = True, accept: tuple[str, ...] = ()) -> Parcel:
    """Look through what `folder`, the export of a run called `name`, holds.

    `accept`: findings to let pass, as CODE:FILE; hidden metadata and files of another kind cannot be. Raises Refusal
    where there is no LoRA.
    """
    try:
        there = sorted(everything(folder), key=lambda one: (place_of(one, name), one))
    except OSError:
        raise Refusal(f"there is no folder {show_path(folder)}; 'loratui export' writes the files") from None
    wanted = [one for one in there if allowed(one, name, samples)]
    if not any(one.endswith(".safetensors") for one in wanted):
        raise Refusal(f"{show_path(folder)} holds no LoRA of '{safe_text(name)}'; 'loratui export' writes the files")
    files: list[Upload] = []
    problems: list[str] = []
    asked: list[str] = []
    passed: list[str] = []
    for one in wanted:
        path = folder / one
        try:
            if path.parent.is_symlink() or not stat.S_ISREG(path.lstat().st_mode):
                problems.append(f"{safe_text(one)}: not a file of its own (a link?); it is not followed")
                continue
            found, header = looked_through(path)
            files.append(Upload(path, path.stat().st_size, _tells(one, header, name), one))
        except OSError as error:
            problems.append(f"{safe_text(one)}: cannot be read ({os_words(error)})")
            continue
        for leak in found:
            key = f"{leak.code}:{one}"
            if leak.acceptable and key in accept:
                passed.append(key)
                continue
            asked += [key] if leak.acceptable else []
            remedy = f"; if it is meant: --accept {key}" if leak.acceptable else ""
            problems.append(f"{safe_text(one)}: {safe_text(leak.message)}{remedy}")
    stays = tuple(safe_text(one) for one in there if one not in wanted)
    keys, accepted = tuple(dict.fromkeys(asked)), tuple(dict.fromkeys(passed))
    return Parcel(tuple(files), stays, tuple(problems), keys, accepted, len(asked) < len(problems))


def card_for(path: Path, repository: str) -> bytes:
    """The model card as it is sent: its script fetches the files from `repository`. Raises OSError."""
    text = path.read_text(encoding="utf-8", errors="replace")
    told = f"repository = {repository!r}"
    return re.sub(r'^repository = ""', lambda _: told, text, count=1, flags=re.MULTILINE).encode()


def everything(folder: Path) -> list[str]:
    """Names in the folder; of an inner one that an export has, those in it. Raises OSError."""
    found = [one.name for one in folder.iterdir() if one.name not in INNER]
    for inner in INNER:
        if is_folder(folder / inner):
            found += [f"{inner}/{one.name}" for one in (folder / inner).iterdir()]
    return found


def allowed(file: str, name: str, samples: bool = True) -> bool:
    """Whether a file of this name may go: LoRA, embeddings, card, what shows the trigger; pictures unless refused."""
    found = file_at(file, name)
    return found is not None and (samples or found not in PICTURES)


def parcel_lines(parcel: Parcel, repository: str, public: bool) -> list[str]:
    """The preview: where it goes, who may see it, every file with its size and what it tells, and what stays."""
    who = "public: everyone can see it" if public else "private: only you (or your organisation) can see it"
    lines = [f"to the hub as {safe_text(repository)}", who, ""]
    for one in parcel.files:
        lines += [f"{safe_text(one.name)}  {in_bytes(one.size)}", f"  {one.tells}"]
    total = f"{plural(len(parcel.files), 'file')}, {in_bytes(parcel.size)} in all"
    found = f"with what you accepted: {', '.join(map(safe_text, parcel.accepted))}" if parcel.accepted else NOTHING
    lines += ["", f"{total}; {found}"]
    if parcel.problems:
        lines[-1] = total
        lines += [
            "",
            "Nothing is sent:" if parcel.final else "Found in it:",
            *(f"{GLYPHS['bad']} {one}" for one in parcel.problems),
        ]
    if parcel.stays:
        lines.append(f"stay here: {', '.join(parcel.stays)}")
    lines.append("answers, settings, log, samples by step, checkpoints and optimizer states never go")
    return lines


def _tells(file: str, header: dict[str, Any], name: str) -> str:
    found, told = file_at(file, name), header.get("__metadata__")
    if found is None:
        return ""
    captions = _captions(told if isinstance(told, dict) else {})
    return found.tells.format(
        tensors=plural(len([key for key in header if key != "__metadata__"]), "tensor"),
        captions=f" and {plural(captions, 'caption')} of the pictures" if captions else "",
    )


def _captions(told: dict[str, Any]) -> int:
    found = told.get("ss_tag_frequency", "")
    tables = parse_json(found, dict).value or {} if isinstance(found, str) else {}
    return sum(len(one) for one in tables.values() if isinstance(one, dict))
