"""What a captioner that can be told something is told: describe everything but what the trigger stands for."""

from __future__ import annotations

from trainer.contract.settings.triggers import split_triggers

WORDS = 45  # about 60 tokens of CLIP, so that a trigger and the words around it still fit in 75
ANSWER = (
    "Begin with what is shown; name nobody; no opinion, nothing of quality, watermarks or that this is a picture. "
    "Answer with the caption alone, in plain English and in one line."
)
# by the kind: what changes from picture to picture and is told, and what is the same in all and so left to the trigger
TOLD = {
    "face": "pose, where they look, expression, clothes, what they hold and do, surroundings, light, framing",
    "object": "where it is and what is around it, what it does, the angle, light, framing",
    "one-picture": "where it is and what is around it, what it does, the angle, light, framing",
    "character-style": "who and what is shown, pose, expression, clothes, surroundings, framing",
    "style": "who and what is shown, what happens, surroundings, time of day, composition",
}
LEFT = {
    "face": "what {it} always looks like: face, eyes, skin, age, build, the colour of the hair",
    "object": "what {it} always looks like: shape, colours, material, markings",
    "one-picture": "what {it} always looks like: shape, colours, material, markings",
    "character-style": "how it is made: technique, material, shading, the kind of drawing",
    "style": "how it is made: style, medium, technique, brush or line, palette",
}
SUBJECTS = ("face", "object", "one-picture")  # kinds in which the trigger stands for something that is in the picture


def instruction(kind: str, trigger: str = "", class_word: str = "") -> str:
    """The question for one picture. `trigger`: how the subject is to be called, "" where the words around name it."""
    it = class_word or ("the person" if kind == "face" else "the main subject")
    left = LEFT[kind].format(it=it)
    said = f"Describe this picture as the caption of a training picture, in at most {WORDS} words: {TOLD[kind]}. "
    said += f"Say nothing of {left}. "
    words = split_triggers(trigger)
    if kind in SUBJECTS and words:
        name = " ".join(one for one in (words[0], class_word) if one)
        said += f"Call {it} '{name}', once, exactly so. "
    elif kind in SUBJECTS and class_word:
        said += f"Call it '{class_word}' and nothing more. "
    return said + ANSWER
