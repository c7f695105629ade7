"""Every code that a finding can have, in one place: how grave it is, and what it says. The README's table is made here.

block: a run does not start. warn: must be accepted or the picture left out. hint: to know, nothing to decide.
"""

from __future__ import annotations

from dataclasses import dataclass

from loratui.curation.report import Severity


@dataclass(frozen=True)
class Code:
    """One kind of finding. `severity` is the gravest that it takes; some are milder for other kinds of training."""

    name: str
    group: str
    severity: Severity
    says: str


CODES: dict[str, Code] = {
    one.name: one
    for one in (
        Code("no-pictures", "files", "block", "Every picture is skipped."),
        Code("empty-file", "files", "block", "The file has 0 bytes."),
        Code("unreadable", "files", "block", "The file is not a picture, or cannot be decoded."),
        Code("truncated", "files", "block", "The file ends before the picture does."),
        Code("too-large", "files", "block", "More than 100 megapixels or 200 MB: it is not decoded."),
        Code("stalling", "files", "block", "A JPEG of very many passes, made to keep a reader busy."),
        Code("picture-outside", "files", "block", "A link that leads out of the folder: it is not read."),
        Code("animated", "files", "warn", "Several frames: only the first would be trained."),
        Code("wrong-ending", "files", "hint", "The name's ending is of another format than the content."),
        Code("sixteen-bit", "files", "hint", "More than 8 bits a channel are brought to 8."),
        Code(
            "colour-profile", "files", "hint", "Pictures in another colour space (Display P3, ...) are brought to sRGB."
        ),
        Code("broken-profile", "files", "hint", "The file's colour profile cannot be used: read as sRGB."),
        Code("cmyk", "files", "hint", "Printing colours are converted; they may shift."),
        Code("palette", "files", "hint", "At most 256 colours, or two."),
        Code("transparent", "files", "hint", "Transparent parts are laid on dataset.background."),
        Code("not-looked-at", "files", "hint", "So large that its quality was not looked at."),
        Code("turned", "files", "hint", "Cameras' turn marks (EXIF) were found, and are applied."),
        Code(
            "in-subfolder",
            "files",
            "block",
            "Pictures lie in sub-folders, which no run searches; a hint where not all do.",
        ),
        Code("companions", "files", "hint", "Masks, depth or poses of other pictures: left out."),
        Code("links", "files", "hint", "A link that leads nowhere, out of the folder, or to another picture of it."),
        Code("other-formats", "files", "warn", "Formats that are not read, such as HEIC; a hint where they are few."),
        Code("archives", "files", "hint", "A zip or another archive beside the pictures is not looked into."),
        Code("hidden-files", "files", "hint", "Hidden pictures are not used."),
        Code("same-name", "files", "hint", "Pictures that differ only in their ending share one caption file."),
        Code(
            "low-resolution",
            "size",
            "warn",
            "Below the training resolution; below half of it a picture is never among the best.",
        ),
        Code("thin", "size", "warn", "So long and thin that the square cut from it keeps little."),
        Code("face-cut", "size", "warn", "The square cut from the middle loses part of the face."),
        Code("upscaled", "quality", "warn", "The finest details are missing: enlarged from a small picture."),
        Code("blurred", "quality", "warn", "Out of focus or blurred by motion, the face or the whole."),
        Code("damaged", "quality", "warn", "A JPEG whose data is damaged though it can be decoded."),
        Code("noisy", "quality", "warn", "Noise covers the details; a hint for styles."),
        Code(
            "coarse-jpeg",
            "quality",
            "warn",
            "Saved so coarsely that blocks show, or details are gone; a hint for styles.",
        ),
        Code("barred", "quality", "warn", "Bars or a frame around the picture; a hint for styles."),
        Code("corners", "quality", "warn", "Corners of one colour, as turning leaves them; a hint for styles."),
        Code("collage", "quality", "warn", "A straight edge goes right across: pasted together; a hint for styles."),
        Code("posterised", "quality", "warn", "Shades in few steps; a hint for styles."),
        Code("oversaturated", "quality", "warn", "Colours pushed to their end; a hint for styles."),
        Code("pixelated", "quality", "warn", "Square blocks of one colour; a hint for styles."),
        Code("lettering", "quality", "hint", "Letters in one line and colour: a caption, a date, a watermark."),
        Code("soft", "quality", "hint", "Slightly soft."),
        Code("too-dark", "quality", "warn", "Hardly any light; a hint for styles."),
        Code("too-bright", "quality", "warn", "Hardly anything but white; a hint for styles."),
        Code("low-contrast", "quality", "warn", "All of nearly one brightness; a hint for styles."),
        Code("not-upright", "faces", "warn", "The face lies on its side or is upside down (kind face)."),
        Code("no-face", "faces", "warn", "No face was found (kind face)."),
        Code("several-faces", "faces", "warn", "More than one face (kind face)."),
        Code("unsure-face", "faces", "hint", "Something that may be a face."),
        Code("far-away", "faces", "warn", "The face is small: the subject is far away (kind face)."),
        Code("bystander", "faces", "hint", "A face, where something else is taught."),
        Code("other-person", "faces", "hint", "Judging by the face, not the person in the other pictures (kind face)."),
        Code("several-persons", "faces", "hint", "Several persons, and in how many pictures each (kind face)."),
        Code("same-pose", "faces", "hint", "Nearly all faces look the same way (kind face)."),
        Code("same-light", "faces", "hint", "Nearly all faces are lit alike (kind face)."),
        Code("no-full-body", "faces", "hint", "Close-ups only: full-body pictures help to generalise."),
        Code("no-close-up", "faces", "hint", "No close-up: they make a face lifelike."),
        Code("duplicate", "variety", "warn", "The same file twice."),
        Code("near-duplicate", "variety", "warn", "The same photograph: re-encoded, cropped, mirrored, brightened."),
        Code("same-shot", "variety", "hint", "Almost the same shot as another."),
        Code("same-look", "variety", "hint", "Several pictures share their colours: one backdrop, one set of clothes."),
        Code(
            "same-clothes",
            "variety",
            "hint",
            "Clothes of the same colours in pictures that differ otherwise (kind face).",
        ),
        Code(
            "same-ground",
            "variety",
            "hint",
            "A backdrop of the same colours in pictures that differ otherwise (kind face).",
        ),
        Code("one-shooting", "variety", "hint", "Most of the set looks like one photo shoot."),
        Code("no-caption", "captions", "hint", "Trained with the instance prompt."),
        Code("caption-empty", "captions", "hint", "The caption file has no words in it."),
        Code("caption-unreadable", "captions", "warn", "The caption file is too large or cannot be read."),
        Code("caption-outside", "captions", "warn", "A link that leads out of the folder, or no file: it is not read."),
        Code("caption-not-utf8", "captions", "warn", "The caption file or table is neither UTF-8 nor UTF-16."),
        Code(
            "caption-bom",
            "captions",
            "hint",
            "Byte order marks, DOS line ends, UTF-16, full-width letters: read correctly.",
        ),
        Code("caption-control", "captions", "warn", "Control or invisible characters in the caption."),
        Code("caption-long", "captions", "warn", "Longer than the model reads: the end is cut off."),
        Code("trigger-missing", "captions", "warn", "The trigger is not a word of the caption."),
        Code("trigger-twice", "captions", "hint", "The trigger stands in the caption more than once."),
        Code("trigger-common", "captions", "hint", "The base model already knows the trigger as a word."),
        Code("class-word-missing", "captions", "hint", "Captions without the class word."),
        Code("same-caption", "captions", "hint", "All captions are the same."),
        Code("constant-words", "captions", "hint", "Words in nearly every caption become part of the concept."),
        Code(
            "caption-syntax",
            "captions",
            "warn",
            "Weights, JSON, markup, addresses, file names, settings or chat in captions; a hint for underscores.",
        ),
        Code(
            "caption-filler", "captions", "hint", "'The image shows', words for quality, the same tag again and again."
        ),
        Code("other-trigger", "captions", "warn", "Captions with the trigger of another training, such as sks."),
        Code("caption-bare", "captions", "hint", "Captions with nothing but the trigger."),
        Code("trigger-late", "captions", "hint", "The trigger comes late in the caption."),
        Code("caption-marks", "captions", "hint", "Captions that mention a watermark or another flaw."),
        Code("caption-language", "captions", "hint", "Captions in another language than English."),
        Code("prompt-words", "captions", "hint", "Words of your own sample prompts that no caption mentions."),
        Code(
            "lookalike",
            "captions",
            "hint",
            "Optionally, a famous person who looks alike, named in captions (kind face).",
        ),
        Code("caption-several", "captions", "warn", "Several captions for one picture: the first is read."),
        Code("captions-found", "captions", "hint", "Captions are read from files or columns of other names."),
        Code("captions-unread", "captions", "warn", "Files look like captions, and it is not clear how to read them."),
        Code("captions-in-names", "captions", "warn", "The pictures' names read like captions; a hint if not all do."),
        Code("metadata-unreadable", "captions", "warn", "The metadata file is too large or cannot be read."),
        Code("metadata-outside", "captions", "block", "The metadata names a file outside the folder."),
        Code("metadata-without-picture", "captions", "warn", "Captions for no picture; a hint if none lacks one."),
        Code("metadata-bad-row", "captions", "warn", "A row cannot be used; a hint if no picture lacks a caption."),
        Code("few-pictures", "set", "hint", "Fewer pictures than the kind wants."),
        Code("many-pictures", "set", "hint", "Less is more: which ones to keep, and why."),
        Code("many-views", "set", "hint", "Each picture would be seen so often that the set overfits."),
        Code("few-views", "set", "hint", "Each picture would be seen too rarely to be learned."),
    )
}
