"""Every finding has a key that solves it or a sentence why none can; a crop shows the face and nobody else."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from PIL import Image

from loratui.curation.codes import CODES
from loratui.curation.copies.crops import crop_box
from loratui.curation.copies.folder import FixSettings, fix_pictures
from loratui.curation.solutions import SOLUTIONS, SOLVED_BY, WHY_NONE, solution_words, solutions_of
from tests.loratui.curation.conftest import write_scene


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_solved_or_says_why_not(code: str) -> None:
    assert (code in SOLVED_BY) != (code in WHY_NONE)
    assert solution_words(code)
    if CODES[code].severity == "warn":
        assert {one.name for one in solutions_of(code)} & {"accept"}, "what stops a run can be accepted at least"


def test_no_solution_is_without_a_code_and_no_code_is_unknown() -> None:
    assert {name for names in SOLVED_BY.values() for name in names} == set(SOLUTIONS)
    assert {*SOLVED_BY, *WHY_NONE} == set(CODES)


def test_the_screen_knows_every_solution() -> None:
    from loratui.screens.wizard.solving import SolvingStep

    source = inspect.getsource(SolvingStep._offers_of)
    assert [name for name in SOLUTIONS if f'"{name}"' not in source] == []


def test_a_crop_is_a_square_around_the_first_face_without_the_others() -> None:
    face = (0.1, 0.2, 0.1, 0.2)  # 100 x 100 px of 1000 x 500
    x, y, w, h = crop_box(1000, 500, (face,)) or (0, 0, 0, 0)
    assert w * 1000 == pytest.approx(h * 500) == pytest.approx(400)
    assert x <= 0.1 and x + w >= 0.2 and y <= 0.2 and y + h >= 0.4
    x, _, w, _ = crop_box(1000, 500, (face, (0.35, 0.2, 0.1, 0.2))) or (0, 0, 0, 0)
    assert x <= 0.1 and 0.2 <= x + w <= 0.35
    assert crop_box(1000, 500, (face, (0.12, 0.2, 0.1, 0.2))) is None  # one before the other


def test_a_copy_is_cropped_and_the_original_is_not(folder: Path, tmp_path: Path) -> None:
    write_scene(folder / "a.png", 1)
    write_scene(folder / "b.png", 2)
    before = (folder / "a.png").read_bytes()
    made = fix_pictures(folder, tmp_path / "new", FixSettings(crops={"a.png": (0.25, 0.0, 0.375, 0.5)}))
    with Image.open(tmp_path / "new" / "a.png") as cropped, Image.open(folder / "a.png") as whole:
        assert cropped.size == (240, 240)
        assert cropped.tobytes() == whole.crop((160, 0, 400, 240)).tobytes()
    assert [one.code for one in made.pictures[0].done] == ["crop"] and made.pictures[1].done == ()
    assert (folder / "a.png").read_bytes() == before
