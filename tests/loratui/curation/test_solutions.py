"""Every finding has a key that solves it or a sentence why none can; a crop shows the face and nobody else."""

from __future__ import annotations

import inspect
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from loratui.cli import app
from loratui.curation.checks.damage import inside_bars
from loratui.curation.codes import CODES
from loratui.curation.copies.bars import BEHIND, without_bars
from loratui.curation.copies.crops import crop_box, crop_size_words, crops_of
from loratui.curation.copies.folder import FixSettings, fix_pictures
from loratui.curation.copies.masks import masks_of
from loratui.curation.measures import MEASURED
from loratui.curation.overlays.seams import pieces_of
from loratui.curation.people.faces import turned_box
from loratui.curation.report import PictureReport
from loratui.curation.solutions import SOLUTIONS, SOLVED_BY, WHY_NONE, solution_words, solutions_of
from tests.loratui.curation.conftest import scene, write_scene
from trainer.contract.pictures.folder import list_pictures
from trainer.contract.plan.masks import masks_of as masks_found


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_solved_or_says_why_not(code: str) -> None:
    assert (code in SOLVED_BY) != (code in WHY_NONE)
    assert solution_words(code)
    assert MEASURED[code].endswith(".") and "|" not in MEASURED[code]
    assert not re.match(r"(the same|as)\b", MEASURED[code], re.I), "it is read alone: no sentence stands above it"
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
        assert scene.height - 2 * BEHIND <= copy.height <= scene.height and copy.width == scene.width


@pytest.mark.parametrize("quality", [70, 95])
@pytest.mark.parametrize("colour", ["black", "white", "#204080"])
@pytest.mark.parametrize(("top", "side"), [(113, 0), (61, 77), (0, 90)])
def test_no_line_of_a_bar_is_left(quality: int, colour: str, top: int, side: int) -> None:
    inner = scene(4, (900, 700))
    framed = Image.new("RGB", (inner.width + 2 * side, inner.height + 2 * top), colour)
    framed.paste(inner, (side, top))
    raw = io.BytesIO()
    framed.save(raw, "JPEG", quality=quality)
    left, over, right, under = without_bars(np.asarray(Image.open(raw))) or (0, 0, 0, 0)
    assert side <= left <= side + BEHIND and side + 900 - BEHIND <= right <= side + 900
    assert top <= over <= top + BEHIND and top + 700 - BEHIND <= under <= top + 700
    assert without_bars(np.asarray(inner)) is None


def test_a_crop_stays_on_its_side_of_a_seam(folder: Path) -> None:
    left, right = (0.1, 0.3, 0.1, 0.2), (0.6, 0.3, 0.1, 0.2)
    halves = ((0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 0.5, 1.0))
    one = PictureReport(
        "a.png",
        folder / "a.png",
        True,
        2000,
        1000,
        None,
        "none",
        "",
        boxes=(right, left),
        persons=(0, 1),
        pieces=halves,
    )
    for meant, piece in ((0, halves[1]), (1, halves[0])):
        x, _, w, _ = crops_of([one], meant)["a.png"]
        assert piece[0] <= x and x + w <= piece[0] + piece[2]
    small = replace(one, boxes=(), persons=(), pieces=((0.0, 0.0, 0.3, 1.0), (0.3, 0.0, 0.7, 1.0)))
    assert crops_of([small]) == {"a.png": (0.3, 0.0, 0.7, 1.0)}
    lying = replace(one, width=1000, height=2000, turns=1, boxes=(turned_box(right, 3),), persons=(0,))
    lying = replace(lying, pieces=tuple(turned_box(piece, 3) for piece in halves))
    assert turned_box(crops_of([lying])["a.png"], 1) == pytest.approx(crops_of([one], 0)["a.png"])


def test_pieces_are_told_to_the_pixel() -> None:
    softened = (scene(number, (480, 480)).filter(ImageFilter.GaussianBlur(1)) for number in (3, 8, 1, 6))
    scenes = [np.asarray(one.convert("L")) for one in softened]
    grid = np.vstack([np.hstack(scenes[:2]), np.hstack(scenes[2:])])
    whole = {(0.0, 0.0, 0.5, 0.5), (0.5, 0.0, 0.5, 0.5), (0.0, 0.5, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)}
    assert set(pieces_of(grid)) == whole and pieces_of(scenes[0]) == ()


def test_one_pass_cuts_bars_and_makes_a_mask(folder: Path, tmp_path: Path) -> None:
    inner = scene(4, (600, 500))
    framed = Image.new("RGB", (600, 700))
    framed.paste(inner, (0, 100))
    framed.save(folder / "a.png")
    box = (0.25, 0.4, 0.25, 0.2)
    settings = FixSettings(barred=frozenset({"a.png"}), masks={"a.png": box})
    looked = fix_pictures(folder, None, settings)
    made = fix_pictures(folder, tmp_path / "new", settings)
    assert (
        [one.code for one in made.pictures[0].done] == ["crop", "mask"] == [one.code for one in looked.pictures[0].done]
    )
    with Image.open(tmp_path / "new" / "mask" / "a.png") as mask, Image.open(tmp_path / "new" / "a.png") as copy:
        assert mask.size == copy.size and mask.mode == "L"
        values = np.asarray(mask)
    cut = (700 - copy.height) // 2
    assert values[280 - cut + 2 : 420 - cut - 2, 152:298].min() > 240 and values[:, -80:].max() < 5
    assert list_pictures(tmp_path / "new").pictures[0].name == "a.png"
    found = masks_found(tmp_path / "new", [tmp_path / "new" / "a.png"])
    assert found["a.png"].path == tmp_path / "new" / "mask" / "a.png"


def test_a_mask_is_around_who_is_meant_as_she_stands() -> None:
    face = (0.4, 0.2, 0.1, 0.2)
    one = PictureReport(
        "a", Path("a"), True, 900, 900, None, "none", "", boxes=(face, (0.8, 0.1, 0.3, 0.3)), persons=(0, 1)
    )
    x, y, w, h = masks_of([one], 0, "face")["a"]
    assert x < 0.4 < 0.5 < x + w < 0.6 and y < 0.2 < 0.4 < y + h < 0.6
    assert masks_of([one], 0, "person")["a"][3] > 0.8 and masks_of([replace(one, boxes=())], 0, "face") == {}
    lying = replace(one, boxes=(turned_box(face, 3),), persons=(0,), turns=1)
    assert turned_box(masks_of([lying], 0, "face")["a"], 1) == pytest.approx((x, y, w, h))


@pytest.mark.parametrize("name", SOLUTIONS)
def test_each_solution_is_a_command_too(name: str) -> None:
    from typer.main import get_command

    words = SOLUTIONS[name].command.split()
    command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    options = {option for one in command.params for option in one.opts}
    assert {one for one in words[1:] if one.startswith("--")} <= options
    assert words[0] != "fix" or "--dry-run" in options


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


@pytest.mark.parametrize(
    ("sides", "resolution", "said"),
    [
        ((328,), 1024, "328 x 328 px, fewer than the training resolution, 1024 px"),
        ((1024,), 1024, "1024 x 1024 px; the training resolution is 1024 px."),
        ((328, 1200), 1024, "328 to 1200 px, 1 of them fewer than the training resolution, 1024 px"),
        ((328, 328), 512, "328 px, all fewer than the training resolution, 512 px"),
    ],
)
def test_the_size_of_crops_is_told_beside_the_resolution(sides: tuple[int, ...], resolution: int, said: str) -> None:
    pictures = [
        PictureReport(f"{n}.png", Path(f"{n}.png"), True, 2 * side, 4 * side, None, "none", "")
        for n, side in enumerate(sides)
    ]
    crops = {one.name: (0.1, 0.1, 0.5, 0.25) for one in pictures}
    words, small = crop_size_words(pictures, crops, resolution)
    assert said in words and small == (min(sides) < resolution)
