"""What of a run goes to the hub: an allow-list of files, what each tells, and what forbids to send it."""

from __future__ import annotations

import json
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui.errors import Refusal
from loratui.results.leaks import looked_through
from loratui.terminal.text import plural, safe_text, show_path
from loratui.terminal.units import in_bytes
from trainer.contract.run.exports import CARD, lora_file, place_of

REPOSITORY = re.compile(r"(?:[A-Za-z0-9][\w-]{0,95}/)?[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9])?")
SAMPLE = re.compile(r"sample-\d{1,4}\.png")


@dataclass(frozen=True)
class Upload:
    """One file that goes, with its size in bytes and what a stranger learns from it."""

    path: Path
    size: int
    tells: str

    @property
    def name(self) -> str:
        """Its name in the repository."""
        return self.path.name


@dataclass(frozen=True)
class Parcel:
    """Everything that goes, what stays, and why nothing may go."""

    files: tuple[Upload, ...]
    stays: tuple[str, ...]  # names in the folder that are not on the allow-list
    problems: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(one.size for one in self.files)


def make_parcel(folder: Path, name: str, samples: bool = True, accept: tuple[str, ...] = ()) -> Parcel:
    """Look through what `folder`, the export of a run called `name`, holds.

    `accept`: findings to let pass, as host:FILE; nothing else can be. Raises Refusal where there is no LoRA.
    """
    try:
        there = sorted(folder.iterdir(), key=lambda one: (place_of(one.name, name), one.name))
    except OSError:
        raise Refusal(f"there is no folder {show_path(folder)}; 'loratui export' writes the files") from None
    wanted = [one for one in there if allowed(one.name, name, samples)]
    if not any(one.suffix == ".safetensors" for one in wanted):
        raise Refusal(f"{show_path(folder)} holds no LoRA of '{safe_text(name)}'; 'loratui export' writes the files")
    files, problems = [], []
    for path in wanted:
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                problems.append(f"{safe_text(path.name)}: not a file of its own (a link?); it is not followed")
                continue
            found, header = looked_through(path)
            files.append(Upload(path, path.stat().st_size, _tells(path.name, header, name)))
        except OSError as error:
            problems.append(f"{safe_text(path.name)}: cannot be read ({error.strerror})")
            continue
        for leak in found:
            if leak.code == "host" and f"host:{path.name}" in accept:
                continue
            remedy = f"; if the word is meant: --accept host:{path.name}" if leak.code == "host" else ""
            problems.append(f"{safe_text(path.name)}: {leak.message}{remedy}")
    sent = {one.name for one in wanted}
    stays = tuple(safe_text(one.name) for one in there if one.name not in sent)
    return Parcel(tuple(files), stays, tuple(problems))


def allowed(file: str, name: str, samples: bool = True) -> bool:
    """Whether a file of this name may go: the LoRA, the embeddings, the card, and its pictures unless refused."""
    if SAMPLE.fullmatch(file):
        return samples
    words = re.fullmatch(rf"{re.escape(name)}_(?:[\w-]+_)?emb\.safetensors", file)
    return file == CARD or lora_file(file, name) is not None or words is not None


def parcel_lines(parcel: Parcel, repository: str, public: bool) -> list[str]:
    """The preview: where it goes, who may see it, every file with its size and what it tells, and what stays."""
    who = "public: everyone can see it" if public else "private: only you (or your organisation) can see it"
    lines = [f"to the hub as {safe_text(repository)}", who, ""]
    for one in parcel.files:
        lines += [f"{safe_text(one.name)}  {in_bytes(one.size)}", f"  {one.tells}"]
    total = f"{plural(len(parcel.files), 'file')}, {in_bytes(parcel.size)} in all"
    lines += ["", f"{total}; no EXIF, path, host name or token was found in them"]
    if parcel.problems:
        lines[-1] = total
        lines += ["", "Nothing is sent:", *(f"x {one}" for one in parcel.problems)]
    if parcel.stays:
        lines.append(f"stay here: {', '.join(parcel.stays)}")
    lines.append("answers, settings, log, samples by step, checkpoints and optimizer states never go")
    return lines


def _tells(file: str, header: dict[str, Any], name: str) -> str:
    if file == CARD:
        return "the model card: settings, prompts, how to use the files"
    if file.endswith(".png"):
        return "a validation picture; pixels only"
    tensors = [key for key in header if key != "__metadata__"]
    told = header.get("__metadata__")
    captions = _captions(told if isinstance(told, dict) else {})
    lora = lora_file(file, name)
    if lora is None:
        return "the trained words; tensors only"
    words = f" and {plural(captions, 'caption')} of the pictures" if captions else ""
    return lora.tells.format(tensors=plural(len(tensors), "tensor"), captions=words)


def _captions(told: dict[str, Any]) -> int:
    try:
        tables = json.loads(told.get("ss_tag_frequency", "{}"))
        return sum(len(one) for one in tables.values())
    except (ValueError, AttributeError, TypeError):
        return 0
