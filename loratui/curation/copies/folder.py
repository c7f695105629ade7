"""A folder of copies in which is right what a program can put right; the originals are only read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loratui.curation.copies.captions import Change, copy_caption
from loratui.curation.copies.pixels import CannotFix, Cut, FixStep, remake
from loratui.curation.guess import trigger_before
from loratui.curation.people.framing import PEOPLE
from loratui.curation.report import Box
from loratui.terminal.text import not_written, safe_text, show_path
from trainer.contract.entries import folder_aside, rename, sweep, write_atomic
from trainer.contract.paths import can_see, is_folder
from trainer.contract.pictures.companions import MASK_FOLDERS
from trainer.contract.pictures.folder import Picture, list_pictures
from trainer.contract.settings.config import BY_KEY

RECORD = "FIXED.json"
Progress = Callable[[int, int, str], None]  # done, total, the picture worked on


@dataclass(frozen=True)
class FixSettings:
    """What the copies shall have."""

    trigger: str = ""  # put before captions that lack it; empty: none
    background: str = BY_KEY["dataset.background"].default
    caption_column: str = BY_KEY["dataset.caption_column"].default
    skip: tuple[str, ...] = ()  # not copied
    kind: str = ""  # what is taught; a face is turned upright
    captions: Mapping[str, str] = field(default_factory=dict)  # by picture, in place of those on disk
    crops: Mapping[str, Box] = field(default_factory=dict)  # by picture: what of it is kept, of its upright form
    barred: frozenset[str] = frozenset()  # pictures whose bars or frame are cut away
    masks: Mapping[str, Box] = field(
        default_factory=dict
    )  # by picture: what counts in a masked loss, of its upright form
    change: Change = str  # what is made of the words of each caption


@dataclass(frozen=True)
class FixedPicture:
    """One picture: the names of its copies, relative to the new folder (None: no such file), and what was done."""

    name: str
    copy: str | None
    caption: str | None
    done: tuple[FixStep, ...] = ()
    problem: str = ""  # why it was not copied, or what could not be put right


@dataclass(frozen=True)
class FixResult:
    """What was done, or with `into` None what would be."""

    folder: Path
    into: Path | None
    pictures: tuple[FixedPicture, ...]

    @property
    def changed(self) -> int:
        """Copies that differ from their originals."""
        return sum(bool(one.done) for one in self.pictures)

    @property
    def copies(self) -> dict[str, str]:
        """The copy's name by the original's."""
        return {one.name: one.copy for one in self.pictures if one.copy is not None}


class CannotWrite(ValueError):
    """The folder for the copies cannot be used; the text says why and what to do."""


class FixCancelled(Exception):
    """It was told to stop; no folder was made."""


def fix_pictures(
    folder: Path,
    into: Path | None,
    settings: FixSettings | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> FixResult:
    """Write repaired copies of the pictures and captions of `folder` into the new folder `into`.

    It appears whole or not at all, with FIXED.json that says what was done. With `into` None nothing is written.
    Raises NoDataset, CannotWrite, or FixCancelled.
    """
    settings = settings or FixSettings()
    pictures = list_pictures(folder, settings.caption_column, settings.skip).pictures
    if into is None:
        return FixResult(folder, None, _copies(pictures, None, settings, progress, cancelled))
    _prepare(folder, into)
    try:
        with folder_aside(into) as aside:
            made = FixResult(folder, into, _copies(pictures, aside, settings, progress, cancelled))
            write_atomic(aside / RECORD, record(made, settings))
            rename(aside, into, into.parent)  # also over an empty folder
    except OSError as error:
        raise CannotWrite(not_written(into, error, "name another folder for the copies")) from None
    return made


def _prepare(folder: Path, into: Path) -> None:
    """See that copies can be gathered beside `into`, and take its place."""
    shown = show_path(into)
    if into.resolve() == folder.resolve():
        raise CannotWrite(f"{shown} is the folder of the originals; name another for the copies")
    if can_see(into) and (not is_folder(into) or any(into.iterdir())):
        what = "is not empty" if is_folder(into) else "is a file"
        raise CannotWrite(f"{shown} {what}; name a new folder for the copies")
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(not_written(into, error, "name another folder for the copies")) from None
    sweep(into.parent)


def _copies(
    pictures: tuple[Picture, ...],
    aside: Path | None,
    settings: FixSettings,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> tuple[FixedPicture, ...]:
    names = _Names(picture.name for picture in pictures)
    before = trigger_before([one.caption for one in pictures if one.caption], settings.trigger)
    made: list[FixedPicture] = []
    for number, picture in enumerate(pictures):
        if cancelled is not None and cancelled():
            raise FixCancelled
        if progress is not None:
            progress(number, len(pictures), picture.name)
        made.append(_copy(picture, aside, settings, names, before))
    if progress is not None:
        progress(len(pictures), len(pictures), "")
    return tuple(made)


def _copy(picture: Picture, aside: Path | None, settings: FixSettings, names: _Names, before: str) -> FixedPicture:
    try:
        name = picture.name
        cut = Cut(settings.kind in PEOPLE, settings.crops.get(name), name in settings.barred, settings.masks.get(name))
        remade = remake(picture.path, settings.background, cut)
    except CannotFix as error:
        return FixedPicture(picture.name, None, None, (), f"not copied: {error}")
    edited = settings.captions.get(picture.name)
    caption = copy_caption(picture, settings.trigger, edited, before, settings.change)
    name = names.free(picture.name, remade.ending)
    text = Path(name).with_suffix(".txt").name if caption.raw is not None else None
    if aside is not None:
        write_atomic(aside / name, remade.raw)
        if remade.mask is not None:
            write_mask(aside, name, remade.mask)
        if text is not None and caption.raw is not None:
            write_atomic(aside / text, caption.raw)
    return FixedPicture(picture.name, name, text, (*remade.done, *caption.done), caption.problem)


def write_mask(folder: Path, name: str, mask: bytes) -> None:
    """The mask where a run looks for it, mask/a.png of a.jpg; of a second a it is called by the whole name."""
    place = folder / MASK_FOLDERS[0]
    place.mkdir(exist_ok=True)
    own = place / f"{Path(name).stem}.png"
    write_atomic(place / f"{name}.png" if can_see(own) else own, mask)


class _Names:
    """Names for the copies that no other picture has, not even in another case."""

    def __init__(self, originals: Iterable[str]) -> None:
        self._taken = {one.casefold() for one in originals}

    def free(self, name: str, ending: str) -> str:
        """`name` itself where the ending stays, else with the new one: "a.webp" is "a.png" or "a-webp.png"."""
        old = Path(name)
        if old.suffix.lower() == ending:
            return name
        wanted, number = f"{old.stem}{ending}", 1
        while wanted.casefold() in self._taken:
            tail = f"-{old.suffix[1:].lower() or 'copy'}" + (f"-{number}" if number > 1 else "")
            wanted, number = f"{old.stem}{tail}{ending}", number + 1
        self._taken.add(wanted.casefold())
        return wanted


def record(result: FixResult, settings: FixSettings) -> str:
    """What was done, as JSON: it lies beside the copies as FIXED.json."""
    pictures = {
        one.name: {
            "copy": one.copy,
            "caption": one.caption,
            "done": [{"code": done.code, "words": done.words} for done in one.done],
            "problem": one.problem or None,
        }
        for one in result.pictures
    }
    words = {
        "version": 1,
        "from": show_path(result.folder),
        "trigger": settings.trigger,
        "background": settings.background,
        "pictures": pictures,
    }
    return json.dumps(words, indent=1) + "\n"


def fix_lines(result: FixResult) -> list[str]:
    """What was done to each picture, then the count."""
    lines = []
    for one in result.pictures:
        renamed = f" -> {safe_text(one.copy)}" if one.copy not in (None, one.name) else ""
        said = [safe_text(done.words) for done in one.done] + ([safe_text(one.problem)] if one.problem else [])
        mark = "x" if one.copy is None else "!" if one.problem else "+" if one.done else " "
        lines.append(f"{mark} {safe_text(one.name)}{renamed}: {'; '.join(said) or 'copied as it is'}")
    whole = sum(one.copy is not None for one in result.pictures)
    what = "copied" if result.into is not None else "would be copied"
    lost = len(result.pictures) - whole
    tail = f", {lost} left out: see x" if lost else ""
    lines.append(f"{whole} of {len(result.pictures)} {what}, {result.changed} put right{tail}.")
    return lines
