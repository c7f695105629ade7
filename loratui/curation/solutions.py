"""What solves each finding by a key of the pictures' step, and where nothing can, the sentence why. By code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Solution:
    """Something that the pictures' step does for a finding: how it is offered there, and as a command."""

    name: str
    words: str
    command: str


SOLUTIONS = {
    one.name: one
    for one in (
        Solution("resolution", "train at a resolution that these pictures have", "replay --set train.resolution=PX"),
        Solution("best", "keep the best, as many as you say, each with its reason", "fix --best N"),
        Solution("crop", "make copies cropped around the face, or to the largest picture of a collage", "fix --crop"),
        Solution("unbar", "make copies without the bars", "fix --unbar"),
        Solution("mask", "make copies with masks of who is meant, so that nothing else is learned", "fix --mask face"),
        Solution("copies", "make copies with that put right", "fix"),
        Solution("trigger", "put the trigger into these captions", "fix --trigger TOK"),
        Solution("caption", "have a model write the captions now", "caption"),
        Solution("edit", "edit captions, one by one or many at once", "fix --replace OLD=NEW"),
        Solution("steps", "take the number of steps that suits the pictures", "replay --set train.steps=N"),
        Solution("background", "choose the colour under transparent parts", "fix --background #rrggbb"),
        Solution("column", "choose the column that holds the captions", "fix --caption-column NAME"),
        Solution("leave-out", "leave these pictures out", "fix --leave-out CODE"),
        Solution("accept", "accept it: train all the same", "replay --set dataset.accept=CODE"),
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
    **dict.fromkeys(("captions-in-names", "other-formats"), ("accept",)),
    "captions-unread": ("column", "accept"),
    "low-resolution": ("resolution", *OUT),
    "transparent": ("background",),
    **dict.fromkeys(("trigger-missing", "other-trigger"), ("trigger", "edit", "accept")),
    **dict.fromkeys(("trigger-twice", "trigger-late", "caption-bare", "caption-language"), ("edit",)),
    **dict.fromkeys(("prompt-words", "class-word-missing", "constant-words"), ("edit",)),
}

WHY_NONE = {
    "no-pictures": "Every picture is left out: space brings one back.",
    "in-subfolder": "A run takes one folder: type the sub-folder in the line above.",
    "companions": "They are left out; rename their folder, if they are pictures to learn from.",
    "links": "No file is removed here: take the link away, then press r.",
    "hidden-files": "No file is renamed here: take the dot from its name, then press r.",
    "same-name": "No file is renamed here: give one of them another name, then press r.",
    "no-full-body": "Only new photographs help: add one to three that show the whole body.",
    "no-close-up": "Only new photographs help: add some in which the face fills half of the height.",
    "several-persons": "Each picture of somebody else has a row of its own, where space leaves it out.",
    "same-pose": "Only new photographs help: add some in which the head is turned another way.",
    "same-light": "Only new photographs help: add some in another light.",
    "caption-marks": "The flaw is in the picture: look at it, and leave it out by space.",
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


def solution_words(code: str) -> str:
    """How a finding is solved, for a table: what the key `s` offers there, or why it offers nothing."""
    return "; ".join(one.words for one in solutions_of(code)) or WHY_NONE.get(code, "")
