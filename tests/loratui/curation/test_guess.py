"""What a folder seems to teach: by kohya's name for it, by faces, by the word that captions begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loratui.curation.guess import guess_subject, named_so
from loratui.curation.report import PictureReport, Report
from trainer.contract.settings.model import SDXL


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("10_ohwx woman", {"repeats": 10, "trigger": "ohwx", "class_word": "woman", "kind": "face"}),
        ("5_zkz_dog", {"repeats": 5, "trigger": "zkz", "class_word": "dog"}),
        ("1_mystyle", {"repeats": 1, "trigger": "mystyle"}),
        ("3_ohwx oil style", {"repeats": 3, "trigger": "ohwx", "class_word": "oil style", "kind": "style"}),
        ("2024_holiday", {}),
        ("0_x", {}),
        ("photos", {}),
    ],
)
def test_a_name_as_kohyas_trainers_read_it(name: str, values: dict[str, Any]) -> None:
    found, why = named_so(name)
    assert found == {key if key == "kind" else f"dataset.{key}": value for key, value in values.items()}
    assert bool(why) == bool(values)


def report(faces: list[int | None], captions: list[str]) -> Report:
    captions = [*captions, *[""] * (len(faces) - len(captions))]
    pictures = tuple(
        PictureReport(f"{n}.jpg", Path(f"{n}.jpg"), True, 9, 9, words or None, "none", "", faces=count)
        for n, (count, words) in enumerate(zip(faces, captions, strict=True))
    )
    return Report(Path("photos"), "object", pictures)


@pytest.mark.parametrize(
    ("faces", "captions", "values"),
    [
        ([1, 1, 1, 2, 0], [], {"kind": "face"}),
        ([1, 1, 0, 2, 0], [], {}),
        ([None, None], [], {}),
        ([0] * 4, ["ohwx, a dog", "ohwx on grass", "ohwx", "ohwx."], {"dataset.trigger": "ohwx"}),
        ([0] * 4, ["a dog", "a cat", "a bird", "a fish"], {}),
        ([0] * 4, ["woman, red", "woman, blue", "woman, green", "woman"], {}),  # a word that means something
        ([0] * 4, ["sks dog", "sks dog 2", "sks dog 3", "sks"], {"dataset.trigger": "sks"}),
        ([0] * 4, ["ohwx, a dog", "ohwx on grass"], {}),  # too few to say
    ],
)
def test_faces_and_first_words_are_taken_for_a_guess(
    faces: list[int | None], captions: list[str], values: dict[str, Any]
) -> None:
    found = guess_subject(report(faces, captions), SDXL)
    assert found.values == values and bool(found.why) == bool(values)
