"""Every finding has a key that solves it or a sentence why none can; a crop shows the face and nobody else."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loratui.curation.checks.damage import inside_bars
from loratui.curation.codes import CODES
from loratui.curation.copies.crops import crop_box, crops_of
from loratui.curation.copies.folder import FixSettings, fix_pictures
from loratui.curation.measures import MEASURED
from loratui.curation.report import PictureReport
from loratui.curation.solutions import SOLUTIONS, SOLVED_BY, WHY_NONE, solution_words, solutions_of
from tests.loratui.curation.conftest import write_scene


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_solved_or_says_why_not(code: str) -> None:
    assert (code in SOLVED_BY) != (code in WHY_NONE)
    assert solution_words(code)
    assert MEASURED[code].endswith(".") and "|" not in MEASURED[code]
    if CODES[code].severity == "warn":
        assert {one.name for one in solutions_of(code)} & {"accept"}, "what stops a run can be accepted at least"


def test_no_solution_is_without_a_code_and_no_code_is_unknown() -> None:
    assert {name for names in SOLVED_BY.values() for name in names} == set(SOLUTIONS)
    assert {*SOLVED_BY, *WHY_NONE} == set(CODES) == set(MEASURED)


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


def test_a_crop_is_around_the_person_who_is_meant(folder: Path) -> None:
    large, small = (0.1, 0.2, 0.1, 0.2), (0.7, 0.3, 0.06, 0.12)
    one = PictureReport(
        "a.png", folder / "a.png", True, 1000, 500, None, "none", "", boxes=(large, small), persons=(1, 0)
    )
    for meant, (x, _, w, _) in ((None, large), (1, large), (0, small), (2, large)):
        left, _, wide, _ = crops_of([one], meant)["a.png"]
        assert left <= x and x + w <= left + wide, meant
    assert crops_of([replace(one, boxes=(), persons=())]) == {}


def test_a_copy_loses_its_bars(folder: Path, tmp_path: Path) -> None:
    write_scene(folder / "a.png", 1)
    with Image.open(folder / "a.png") as scene:
        framed = Image.new("RGB", (scene.width, scene.height + 200), "#000000")
        framed.paste(scene, (0, 80))
    framed.save(folder / "b.png")
    x, y, w, h = inside_bars(np.asarray(framed))
    assert (x, w) == (0.0, 1.0) and abs(y * framed.height - 80) <= 2 and abs(h * framed.height - scene.height) <= 4
    made = fix_pictures(folder, tmp_path / "new", FixSettings(barred=frozenset({"a.png", "b.png"})))
    done = {one.name: [step.code for step in one.done] for one in made.pictures}
    assert done == {"a.png": [], "b.png": ["crop"]}
    with Image.open(tmp_path / "new" / "b.png") as copy:
        assert abs(copy.height - scene.height) <= 4 and copy.width == scene.width


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
