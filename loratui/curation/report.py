"""What the checks found, and what that means once pictures are skipped and warnings accepted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trainer.contract.pictures.problems import Severity as Severity
from trainer.contract.pictures.problems import accept_key, is_accepted

Box = tuple[float, float, float, float]  # x, y, width, height as fractions of the picture
SEVERITIES: tuple[Severity, ...] = ("block", "warn", "hint")

TWICE = frozenset({"duplicate", "near-duplicate", "same-shot"})  # findings that another picture is the cause of


@dataclass(frozen=True)
class Finding:
    """One thing that a check has to say about a picture, or about the set (`file` is then empty or no picture)."""

    code: str
    severity: Severity
    file: str  # relative to the folder
    value: Any
    message: str
    remedy: str
    acceptable: bool = True  # False: nothing but skipping or repairing the picture helps
    limit: float | None = None  # what `value` is measured against
    files: tuple[str, ...] = ()  # the pictures that a finding about several is said of
    concept: int = 1  # the number of that whose folder it is said of

    @property
    def accept_key(self) -> str:
        """What stands in dataset.accept once a person has accepted it: "low-resolution:anna_003.jpg"."""
        return accept_key(self.code, self.file)

    def is_accepted(self, accepted: Collection[str]) -> bool:
        """Whether what stands in dataset.accept holds for it."""
        return self.acceptable and is_accepted(self.code, self.file, accepted)


@dataclass(frozen=True)
class PictureReport:
    """One picture. Width and height in pixels after the EXIF rotation, 0 where the header could not be read."""

    name: str
    path: Path
    opens: bool
    width: int
    height: int
    caption: str | None
    caption_source: str
    sha256: str
    findings: tuple[Finding, ...] = ()
    duplicates: Sequence[str] = ()
    # None: not checked
    faces: int | None = None
    framing: str | None = None
    blurry: bool | None = None
    upscaled: bool | None = None
    turns: int = 0  # quarter turns to the left that bring its face upright
    pieces: tuple[Box, ...] = ()  # the pictures that it was pasted together from
    boxes: tuple[Box, ...] = ()  # the faces, the largest first
    blur: float | None = None  # 0 sharp, 1 blurred: of the face where one was measured
    judged: bool = False  # whether its pixels were looked at
    look: int | None = None  # pictures of one number share their colours
    clothes: int | None = None  # the same of the clothes below the largest face
    ground: int | None = None  # and of the ground beside the person
    tokens: int | None = None  # of the caption, without the two that stand around it
    persons: tuple[int | None, ...] = ()  # who each of the faces is: 0 is in most pictures; None: not known
    turn: float | None = None  # of the largest face: 0 looks straight (people.poses)
    cheeks: tuple[int, int] | None = None  # their grey levels
    better: Sequence[str] = ()  # the best first: those of `duplicates` that are preferred to this one

    @property
    def worst(self) -> Severity | None:
        """The gravest severity among the findings."""
        return next((one for one in SEVERITIES if any(f.severity == one for f in self.findings)), None)


# findings that no sharpness makes good: such a picture is not kept while one without them is left out
SPOILING = (
    "damaged", "not-upright", "blurred", "noisy", "coarse-jpeg", "upscaled", "several-faces", "no-face", "barred",
    "collage", "corners", "posterised", "oversaturated", "pixelated",
    "too-dark", "too-bright", "far-away", "thin",
)  # fmt: skip


# what makes a copy the worse one, though it spoils none: the other has more to teach from
FLAWS = ("low-contrast", "unsure-face", "face-cut", "lettering")


def flawed(picture: PictureReport) -> int:
    """How many of FLAWS a picture has."""
    return len({one.code for one in picture.findings} & set(FLAWS))


def spoilt(picture: PictureReport) -> frozenset[str]:
    """The codes of what spoils a picture; empty where nothing does."""
    codes = {one.code for one in picture.findings if one.severity != "hint"}
    small = {
        one.code for one in picture.findings if one.code == "low-resolution" and 2 * (one.value or 0) < (one.limit or 0)
    }
    return frozenset(codes & set(SPOILING)) | small | {one.code for one in picture.findings if one.severity == "block"}


@dataclass(frozen=True)
class Report:
    """The whole folder; `findings` are about the set, not about one picture."""

    folder: Path
    kind: str
    pictures: tuple[PictureReport, ...]
    findings: tuple[Finding, ...] = ()
    not_checked: tuple[str, ...] = ()  # what no picture was judged by
    how_to_check: tuple[str, ...] = ()  # what was not checked for want of a package, with how to have it
    summary: tuple[str, ...] = ()  # the set in words, a sentence each
    beside: tuple[Path, ...] = ()  # the folders of further concepts, whose pictures are among these

    @property
    def folders(self) -> dict[int, Path]:
        """The folder of each concept, by its number."""
        return dict(enumerate((self.folder, *self.beside), 1))

    def about(self, picture: PictureReport) -> tuple[Finding, ...]:
        """What is said of a picture: by itself, and what of the set is to be decided and names it."""
        named = (one for one in self.findings if one.severity != "hint" and picture.name in one.files)
        return picture.findings + tuple(named)

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Of the set first, then of each picture in order."""
        return self.findings + tuple(one for picture in self.pictures for one in picture.findings)


@dataclass(frozen=True)
class Outcome:
    """What is left to decide, and which pictures would be trained on."""

    blocking: tuple[Finding, ...]  # these stop a run
    unaccepted: tuple[Finding, ...]  # warnings that were neither accepted nor skipped
    images: tuple[str, ...]
    unknown: tuple[str, ...] = ()  # skipped names that are not in the folder
    unknown_accepted: tuple[str, ...] = ()  # what was accepted of such names
    found: tuple[Finding, ...] = ()  # all that is said of what is not left out, accepted or not

    @property
    def to_decide(self) -> tuple[Finding, ...]:
        """All that keeps a run from starting, the gravest first."""
        return self.blocking + self.unaccepted

    @property
    def ready(self) -> bool:
        """Whether a run may start."""
        return not self.to_decide

    @cached_property
    def _held(self) -> frozenset[tuple[str, str]]:
        return frozenset((one.code, one.file) for one in self.found)

    @cached_property
    def _waiting(self) -> frozenset[tuple[str, str]]:
        return frozenset((one.code, one.file) for one in self.to_decide)

    def holds(self, one: Finding) -> bool:
        """Whether it is said of what is not left out."""
        return (one.code, one.file) in self._held

    def waits(self, one: Finding) -> bool:
        """Whether it is left to decide."""
        return (one.code, one.file) in self._waiting


def outcome(report: Report, skip: Collection[str] = (), accept: Collection[str] = ()) -> Outcome:
    """Weigh the findings against what the person decided."""
    left_out, accepted = set(skip), set(accept)
    used = [one for one in report.pictures if one.name not in left_out]
    found = [
        one
        for one in report.findings
        if one.file not in left_out and not (one.files and left_out.issuperset(one.files))
    ]
    names = {one.name for one in used}
    for picture in used:
        alone = names.isdisjoint(picture.better)  # those that were preferred to it are left out
        found += [one for one in picture.findings if not (alone and one.code in TWICE)]
    open_findings = [one for one in found if not one.is_accepted(accepted)]
    blocking = [one for one in open_findings if one.severity == "block"]
    blocking += nothing_left(report, left_out)
    known, of_set = {one.name for one in report.pictures}, {one.file for one in report.findings}
    return Outcome(
        blocking=tuple(blocking),
        unaccepted=tuple(one for one in open_findings if one.severity == "warn"),
        images=tuple(one.name for one in used),
        unknown=tuple(sorted(left_out - known)),
        unknown_accepted=tuple(sorted(one for one in accepted if one.partition(":")[2] not in known | of_set | {""})),
        found=tuple(found),
    )


def nothing_left(report: Report, skip: Collection[str]) -> tuple[Finding, ...]:
    """What is said where every picture is skipped; nothing where all are in sub-folders, which is said of itself."""
    count = len(report.pictures)
    below = any(one.code == "in-subfolder" and one.severity == "block" for one in report.findings)
    if below or any(one.name not in skip for one in report.pictures):
        return ()
    said = f"every picture of {count} is skipped: there is nothing to train on"
    remedy = "take a picture out of dataset.skip"
    return (Finding("no-pictures", "block", "", count, said, remedy, acceptable=False),)
