"""What solves each finding by a key of the pictures' step, and where nothing can, the sentence why. By code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loratui.terminal.text import shell_path
from trainer.contract.settings.config import BY_KEY

if TYPE_CHECKING:
    from loratui.curation.groups import FindingGroup
    from loratui.curation.report import Report


@dataclass(frozen=True)
class Solution:
    """Something that the pictures' step does for a finding: how it is offered there, and as a command.

    In the command {of} is the folder with its kind, {copies} that and the new folder, {code} the finding. What a person
    has to put in stands in capitals, and `choose` says what it is.
    """

    name: str
    words: str
    command: str
    choose: str = ""


SOLUTIONS = {
    one.name: one
    for one in (
        Solution(
            "resolution",
            "train at a resolution that these pictures have",
            "init {of} --set train.resolution=PX",
            "PX: a side that your pictures have, in pixels",
        ),
        Solution(
            "best",
            "keep the best, as many as you say, each with its reason",
            "fix {copies} --best N",
            "N: how many pictures to keep",
        ),
        Solution(
            "crop", "make copies cropped around the face, or to the largest picture of a collage", "fix {copies} --crop"
        ),
        Solution("unbar", "make copies without the bars", "fix {copies} --unbar"),
        Solution(
            "mask",
            "make copies with masks of who is meant, so that nothing else is learned",
            "fix {copies} --mask face",
        ),
        Solution("copies", "make copies with that put right", "fix {copies}"),
        Solution("trigger", "put the trigger into these captions", "fix {copies} --trigger TOK", "TOK: your trigger"),
        Solution("caption", "have a model write the captions now", "caption {of}"),
        Solution(
            "edit",
            "edit captions, one by one or many at once",
            "fix {copies} --replace OLD=NEW",
            "OLD=NEW: words in the captions, and those to put in their place",
        ),
        Solution(
            "steps",
            "take the number of steps that suits the pictures",
            "init {of} --set train.steps=N",
            "N: how many steps to train",
        ),
        Solution(
            "background",
            "choose the colour under transparent parts",
            "fix {copies} --background '#ffffff'",
            "#ffffff is white; any other colour is written so too",
        ),
        Solution(
            "column",
            "choose the column that holds the captions",
            "fix {copies} --caption-column NAME",
            "NAME: the column, or the ending of the files; file_name: the pictures' names",
        ),
        Solution("leave-out", "skip these pictures", "fix {copies} --leave-out {code}"),
        Solution("accept", "accept it: train all the same", "init {of} --set dataset.accept={code}"),
    )
}

OUT = ("leave-out", "accept")
SOLVED_BY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("empty-file", "unreadable", "truncated", "too-large", "stalling", "picture-outside"), OUT[:1]),
    **dict.fromkeys(("upscaled", "blurred", "damaged", "noisy", "coarse-jpeg", "no-face"), OUT),
    **dict.fromkeys(("too-dark", "too-bright", "low-contrast", "duplicate", "near-duplicate"), OUT),
    **dict.fromkeys(("corners", "posterised", "oversaturated", "pixelated"), OUT),
    **dict.fromkeys(
        ("soft", "unsure-face", "bystander", "other-person", "same-shot", "not-looked-at", "palette"), OUT[:1]
    ),
    "lettering": OUT[:1],
    "collage": ("crop", *OUT),
    **dict.fromkeys(("wrong-ending", "sixteen-bit", "broken-profile", "cmyk"), ("copies",)),
    **dict.fromkeys(("turned", "colour-profile", "caption-bom", "caption-filler"), ("copies",)),
    **dict.fromkeys(("animated", "not-upright"), ("copies", *OUT)),
    **dict.fromkeys(("caption-control", "caption-not-utf8", "caption-syntax"), ("copies", "edit", "accept")),
    **dict.fromkeys(("caption-unreadable", "caption-outside"), ("edit", *OUT)),
    **dict.fromkeys(("caption-long", "caption-several"), ("edit", "accept")),
    **dict.fromkeys(("face-cut", "far-away", "thin"), ("crop", *OUT)),
    "several-faces": ("crop", "mask", *OUT),
    "barred": ("unbar", *OUT),
    **dict.fromkeys(("no-caption", "caption-empty", "same-caption"), ("caption", "edit")),
    **dict.fromkeys(("many-pictures", "same-look"), ("best",)),
    **dict.fromkeys(("same-clothes", "same-ground"), ("best", "mask")),
    **dict.fromkeys(("many-views", "few-views"), ("steps",)),
    **dict.fromkeys(("metadata-without-picture", "metadata-bad-row", "metadata-unreadable"), ("accept",)),
    "other-formats": ("accept",),
    **dict.fromkeys(("captions-in-names", "captions-unread"), ("column", "accept")),
    "low-resolution": ("resolution", *OUT),
    "transparent": ("background",),
    **dict.fromkeys(("trigger-missing", "other-trigger"), ("trigger", "edit", "accept")),
    **dict.fromkeys(("trigger-twice", "trigger-late", "caption-bare", "caption-language"), ("edit",)),
    **dict.fromkeys(("prompt-words", "class-word-missing", "constant-words"), ("edit",)),
}

WHY_NONE = {
    "no-pictures": "Every picture is skipped: space brings one back.",
    "in-subfolder": "A run takes one folder: type the sub-folder in the line above.",
    "companions": "They are left out; rename their folder, if they are pictures to learn from.",
    "links": "No file is removed here: take the link away, then press r.",
    "archives": "Nothing is unpacked here: unpack it yourself, then press r.",
    "hidden-files": "No file is renamed here: take the dot from its name, then press r.",
    "same-name": "No file is renamed here: give one of them another name, then press r.",
    "no-full-body": "Only new photographs help: add one to three that show the whole body.",
    "no-close-up": "Only new photographs help: add some in which the face fills half of the height.",
    "several-persons": "Each picture of somebody else has a row of its own, where space skips it.",
    "same-pose": "Only new photographs help: add some in which the head is turned another way.",
    "same-light": "Only new photographs help: add some in another light.",
    "caption-marks": "The flaw is in the picture: look at it, and skip it by space.",
    "lookalike": "Optional: if the person looks like somebody famous, e lets a caption say so.",
    "one-shooting": "Only new photographs help: add some of other days and places.",
    "few-pictures": "Only new pictures help: add some that show it in other places and light.",
    "trigger-common": "The word is chosen at the next step: F2, then another trigger.",
    "captions-found": "Nothing is wrong: this says where the captions were read.",
    "metadata-outside": "No file is changed here: take the row out of the metadata, then press r.",
}


def solutions_of(code: str, some_good: bool = True) -> tuple[Solution, ...]:
    """What solves a finding, the best first; nothing where `WHY_NONE` says why.

    Where no picture is good, keeping the best would keep none: it is not among them.
    """
    return tuple(SOLUTIONS[name] for name in SOLVED_BY.get(code, ()) if some_good or name != "best")


def holds_for(way: Solution, group: FindingGroup, report: Report) -> bool:
    """Whether it can be done for these findings: not every one can be accepted, and not every picture left out."""
    if way.name == "accept":
        return group.acceptable
    return way.name != "leave-out" or not {one.name for one in report.pictures} <= set(group.files)


def command_of(way: Solution, group: FindingGroup, report: Report) -> str:
    """The whole command, to be pasted; copies go beside the folder."""
    kind = "" if report.kind == BY_KEY["kind"].default else f" --kind {report.kind}"
    of = shell_path(report.folder) + kind
    limits = {one.limit for one in group.findings} if group.code == "low-resolution" else set()
    side = next((f" --resolution {one:g}" for one in limits if one and one != BY_KEY["train.resolution"].default), "")
    place = report.folder.absolute()  # "." has no name
    beside = shell_path(place.parent / f"{place.name}-fixed")
    copies = f"{of} --into {beside}{side}"
    return f"loratui {way.command.format(of=of, copies=copies, code=group.code)}"


def solution_words(code: str) -> str:
    """How a finding is solved, for a table: what the key `s` offers there, or why it offers nothing."""
    return "; ".join(one.words for one in solutions_of(code)) or WHY_NONE.get(code, "")
