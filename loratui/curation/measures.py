"""How each finding is measured, in a sentence whose figures are those of the checks: for the table and the screens."""

from __future__ import annotations

from loratui.curation.captions import languages
from loratui.curation.checks import (
    caption_faults,
    caption_offers,
    caption_words,
    colours,
    damage,
    duplicates,
    enlarged,
    folder,
    measure,
    overdone,
    quality,
    same_shot,
    size,
    whole_set,
)
from loratui.curation.checks.captions import SURELY
from loratui.curation.checks.files import LOOK_PIXELS
from loratui.curation.overlays import lettering, repeats, seams
from loratui.curation.people import faces, framing, identity, persons, poses
from trainer.contract.pictures.captions import WORDY
from trainer.contract.pictures.decoding import PASSES
from trainer.contract.pictures.folder import MAX_CAPTION_BYTES
from trainer.contract.pictures.opening import MAX_BYTES, MAX_PIXELS
from trainer.contract.plan import views
from trainer.contract.units import in_bytes

WANTED = ", ".join(f"{kind} {least} to {most}" for kind, (least, most) in whole_set.WANTED.items() if least < most)
PEOPLE_KEPT = (
    f"a person who is in {persons.LEAST} pictures or more, and in more than anybody else, is the one meant; "
    "copies of one photograph count once"
)
FOUND = f"YuNet's score is {faces.SURE} or more"
PERSON = f"SFace's features are one person's where their cosine is {identity.SAME} or more on average"
BLUR = "Blur effect of Crete and others (0 sharp, 1 blurred) of the face, or of the whole or its sharpest parts"
HISTOGRAM = f"Histograms of {'x'.join(map(str, colours.BINS))} LAB colours"
PERCENTILES = "5th, 50th and 95th percentile of the luminance, 0 to 255"
WORDS = "Read from the captions' words"

MEASURED: dict[str, str] = {
    "no-pictures": "What is left of the list once dataset.skip is taken away.",
    "empty-file": "The size of the file.",
    "unreadable": "Every picture is opened by its content and decoded to its end.",
    "truncated": "Every picture is decoded to its end.",
    "too-large": (
        f"Size of the file over {in_bytes(MAX_BYTES)}, or pixels of its header over {MAX_PIXELS / 1e6:.0f} million."
    ),
    "stalling": f"Scans counted in the file before anything is decoded: over {PASSES}.",
    "picture-outside": "Each part of the path is opened without following links.",
    "animated": "The number of frames that the header tells; the second picture of a phone's MPO is none.",
    "wrong-ending": "The format of the content beside the ending of the name.",
    "sixteen-bit": "The depth that the header tells, or the largest grey of deep grey pictures.",
    "colour-profile": "The ICC profile, or the colour tags of the format.",
    "broken-profile": "The ICC profile is read and applied; here that failed.",
    "cmyk": "The mode of the file.",
    "palette": "The mode of the file.",
    "transparent": "Any pixel that is not opaque.",
    "not-looked-at": f"More than {LOOK_PIXELS / 1e6:.0f} million pixels would have to be decoded to look.",
    "turned": "The EXIF orientation.",
    "in-subfolder": f"Pictures counted by their endings, {folder.DEEPEST} levels deep.",
    "companions": "Names as other programs give them: a-masklabel.png, a_mask.png, folders mask, depth, pose.",
    "links": "Where each link of the folder leads.",
    "other-formats": f"Files told by their first bytes; a warning from {folder.MUCH:.0%} of the folder.",
    "archives": "Endings of names: .zip, .rar, .7z, .tar, .tgz, .gz.",
    "hidden-files": "Names that begin with a dot.",
    "same-name": "Names without their endings.",
    "low-resolution": "The shorter side after the EXIF turn, beside train.resolution.",
    "thin": f"Long side over short side, above {size.THIN:g}.",
    "face-cut": f"The part of the face's box that lies in the square from the middle, below {size.FACE_KEPT:.0%}.",
    "upscaled": (
        f"What halving loses over what quartering loses, below {enlarged.FINEST} (at half the size "
        f"{enlarged.NEXT}); or more than {enlarged.STEPS:.0%} of the columns and rows repeat the one before."
    ),
    "blurred": f"{BLUR}, above {quality.BLURRED}.",
    "damaged": "libjpeg's own warnings while it reads every coefficient.",
    "corners": (
        f"Triangles of one colour with straight edges in two corners or more, {damage.TURNED:.0%} of the picture."
    ),
    "collage": (
        f"A step between two columns or rows, all of it in one pixel, along {seams.SHARE:.0%} of its length, and in "
        f"one line in {seams.SAME:.0%} of {seams.PARTS} parts; not where there are bars, damage or enlarged "
        f"blocks. Or a part that stands in it twice, mirrored or not, with a correlation of {repeats.ALIKE:g} or more."
    ),
    "lettering": (
        f"Pieces of white, black or a strong colour, {lettering.LOW} px high or more at {lettering.SIDE} px, of "
        f"about one height and in one line: {lettering.ENOUGH} or more."
    ),
    "noisy": (
        f"Deviation of neighbouring pixels in the calmest squares of {damage.TILE} px, above {damage.NOISY:g} "
        f"grey levels; or specks on more than {damage.SPECKLED:.0%} of the pixels."
    ),
    "posterised": (
        f"Calm places' levels, folded at each distance of even steps, agree by {overdone.BANDED:g} or more (1: all), "
        "in the middle one of the three channels; not in drawings. Or, where most are photographs, at most "
        f"{overdone.FEW_COLOURS} colours ({overdone.FEW_GREYS} greys)."
    ),
    "oversaturated": (
        f"One channel at its end and another far from it in {overdone.CLIPPED:.0%} of the pixels, or a face whose "
        f"LAB chroma is above {overdone.VIVID:g}."
    ),
    "pixelated": (
        f"Lines that stand out by {overdone.STANDS_OUT:g} times and are evenly spaced, the same across and down."
    ),
    "coarse-jpeg": (
        f"Mean of the JPEG's table above {measure.COARSE:g} (about quality 19), of a WebP's above "
        f"{measure.COARSE_WEBP:g} (quality 5 or less), or steps at every "
        f"{damage.BLOCK}th line over the others above {measure.BLOCKS_IN_FINE:g} to {measure.BLOCKS:g}."
    ),
    "barred": (
        f"Lines of one colour with a straight edge behind, at least {damage.THIN:.1%} of a side; above "
        f"{quality.FRAMED:.0%} of the picture."
    ),
    "soft": f"{BLUR}, from {quality.SOFT} to {quality.BLURRED}.",
    "too-dark": (
        f"{PERCENTILES}: the last below {quality.DARK} with the middle below {quality.DEEP}, or the face's median "
        f"below {quality.FACE_DARK}."
    ),
    "too-bright": (
        f"{PERCENTILES}: the first above {quality.BRIGHT}, or the face's median above {quality.FACE_BRIGHT}."
    ),
    "low-contrast": f"{PERCENTILES}: between the first and the last fewer than {quality.FLAT}.",
    "not-upright": f"YuNet looks from all four sides: surer from another ({faces.TURNED} or more) by {faces.BETTER}.",
    "no-face": f"YuNet finds none with a score of {faces.UNSURE} or more.",
    "several-faces": f"More than one face of which {FOUND}.",
    "unsure-face": f"The only face has a score of {faces.UNSURE} to {faces.SURE}.",
    "far-away": f"Height of the face over that of the picture, below {framing.FULL}.",
    "bystander": f"A face of which YuNet's score is {framing.BYSTANDER} or more, where no person is taught.",
    "other-person": f"{PERSON}; {PEOPLE_KEPT}.",
    "several-persons": f"{PERSON}.",
    "same-pose": (
        f"Nose beside the middle of the eyes, in distances of the eyes: within {poses.STRAIGHT}, or beyond on one "
        f"side, in {poses.NEARLY_ALL:.0%} of {poses.ENOUGH} faces or more."
    ),
    "same-light": (
        f"Medians of both cheeks: the same side lighter by {poses.SIDEWAYS} powers of two or neither, and within "
        f"{poses.SAME_LIGHT} grey levels, in {poses.NEARLY_ALL:.0%} of {poses.ENOUGH} faces or more."
    ),
    "no-full-body": (
        f"Height of the face and the room below it: a body has {framing.KNEES:g} heights of the face; of "
        f"{framing.ENOUGH} pictures or more."
    ),
    "no-close-up": (
        f"Height of the face, {framing.CLOSE_UP} of the picture's or more; of {framing.ENOUGH} pictures or more."
    ),
    "duplicate": "SHA-256 of the files.",
    "near-duplicate": (
        f"Perceptual hashes of picture and mirror image that differ in at most {duplicates.NEAR} of 64 bits "
        f"(drawings {duplicates.NEAR_DRAWN}), or one laid on the other by ORB with a correlation of "
        f"{same_shot.SAME} over {same_shot.OVERLAP:.0%}, up to {same_shot.MOST_MIRRORED} pictures mirrored too."
    ),
    "same-shot": (
        f"One laid on the other by ORB: correlation {same_shot.ALIKE} or more over {same_shot.ALIKE_OVERLAP:.0%}; "
        f"up to {same_shot.MOST} pictures."
    ),
    "same-look": f"{HISTOGRAM} of the whole: distance below {colours.SAME} on average.",
    "same-clothes": (
        f"{HISTOGRAM} below the chin: distance below {colours.SAME_CLOTHES}, in {whole_set.SEVERAL} pictures or more."
    ),
    "same-ground": (
        f"{HISTOGRAM} beside the person: distance below {colours.SAME_GROUND}, in {whole_set.SEVERAL} pictures or more."
    ),
    "one-shooting": (
        f"{HISTOGRAM} of the whole: distance below {colours.SAME} on average, in {whole_set.SHOOTING:.0%} of "
        f"{whole_set.ENOUGH} pictures or more."
    ),
    "no-caption": "No file, row or field for the picture was found.",
    "caption-empty": "The file without its byte order mark and spaces.",
    "caption-unreadable": f"Files over {in_bytes(MAX_CAPTION_BYTES)} are not read.",
    "caption-outside": "Each part of the path is opened without following links.",
    "caption-not-utf8": "The file is decoded.",
    "caption-bom": "The first bytes, line ends and full-width letters of the file.",
    "caption-control": "Unicode's categories of what is not printed, but for the joiner of emoji.",
    "caption-long": (
        f"Tokens by the base model's own tokenizer, above caption.max_tokens; an estimate where it is not on this "
        f"disk, a warning {SURELY - 1:.0%} above that."
    ),
    "trigger-missing": "The trigger is looked for as a whole word, with the same small and capital letters.",
    "trigger-twice": "How often the trigger stands in the caption as a whole word.",
    "trigger-common": (
        "One single token of the base model's tokenizer; a list of words where it is not on this disk. Not with "
        "new tokens."
    ),
    "class-word-missing": "dataset.class_word as a whole word, whatever its case.",
    "same-caption": f"{caption_words.ENOUGH} captions or more, all alike.",
    "constant-words": (
        f"Words in {caption_words.MOST:.0%} of the captions and in {caption_words.ENOUGH} at least; not trigger, "
        "class word or words of grammar."
    ),
    "caption-syntax": f"{WORDS}: patterns of each kind, an example is shown.",
    "caption-filler": f"{WORDS}: patterns of each kind, an example is shown.",
    "other-trigger": f"Any of {', '.join(caption_faults.TRIGGERS)} as a whole word, unless it is yours.",
    "caption-bare": f"{WORDS}: none is left without trigger, class word and words such as 'a photo of'.",
    "trigger-late": f"Words before the trigger: {caption_faults.LATE} or more.",
    "caption-marks": f"{WORDS}: a list of flaws, without a 'no' before; blurry and the like as tags alone.",
    "caption-language": (
        f"More than {languages.FOREIGN:.0%} letters of another script; or two small words of German, French, Spanish, "
        "Italian, Portuguese or Dutch and none of English; or words for what is seen (Polish and Swedish too; German "
        "compounds by their end), two at least and half of all."
    ),
    "prompt-words": (
        f"The first {caption_offers.STEM} letters of each word of your prompts, looked for in the captions."
    ),
    "lookalike": "Not measured: nobody's face is compared with anybody famous.",
    "caption-several": "Several rows, or keys, for one picture.",
    "captions-found": "Files and columns in the order of docs/pictures.md.",
    "captions-unread": "Files that carry pictures' names, or fields of words, where no caption was found.",
    "captions-in-names": f"Names of {WORDY} words or more in most of the set.",
    "metadata-unreadable": "The file is read as what its ending says.",
    "metadata-outside": "Each file_name, resolved.",
    "metadata-without-picture": "Each file_name beside the folder's pictures.",
    "metadata-bad-row": "Each row is read by itself.",
    "few-pictures": f"Pictures that open, beside what the kind wants: {WANTED}.",
    "many-pictures": (
        f"Pictures that open, beside what the kind wants ({WANTED}); only for faces and objects. "
        "The best have the fewest faults, and no two of them are alike."
    ),
    "many-views": f"Steps x batch / pictures, above {views.MOST}.",
    "few-views": f"Steps x batch / pictures, below {views.LEAST}.",
}
