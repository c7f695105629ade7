"""What spoils a picture is told, in photographs that are sound nothing is; of copies the sound one is preferred."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from loratui.curation.checks.best_pictures import keep_best
from loratui.curation.checks.damage import bars_of, blocks_of, corners_of, noise_of, read_jpeg, specks_of
from loratui.curation.checks.measure import is_drawn
from loratui.curation.checks.overdone import has_few_colours
from loratui.curation.copies.folder import FixSettings, fix_pictures
from loratui.curation.report import Report
from tests.loratui.curation.conftest import PHOTOS, codes, look, needs_photos, picture, scene

pytestmark = pytest.mark.usefixtures("one_measure")
Spoil = Callable[[Image.Image], bytes]
PORTRAITS = (
    "whitehouse/biden2.jpg",
    "whitehouse/obama.jpg",
    "us_pd/grace_hopper.jpg",
    "hagrid/hg_00c84257.jpg",
    "hagrid/hg_1f5fb137.jpg",
    "hagrid/hg_0a71a6e8.jpg",
)


def encoded(one: Image.Image, quality: int = 90) -> bytes:
    out = io.BytesIO()
    one.save(out, "JPEG", quality=quality)
    return out.getvalue()


def grainy(one: Image.Image) -> bytes:
    grain = np.random.default_rng(0).normal(0, 45, (*one.size[::-1], 3))
    return encoded(Image.fromarray((np.asarray(one) + grain).clip(0, 255).astype(np.uint8)))


def rotten(one: Image.Image) -> bytes:
    """Some bytes flipped, so that it can still be decoded and libjpeg complains; few flips are not told by it."""
    for seed in range(1, 60):
        raw = bytearray(encoded(one))
        for at in np.random.default_rng(seed).integers(len(raw) // 3, len(raw) - 2, 30):
            raw[at] ^= 0x35
        with contextlib.suppress(OSError), Image.open(io.BytesIO(raw)) as tried:
            tried.load()
            if read_jpeg(bytes(raw), "L", (1, 1), 8)[1]:
                return bytes(raw)
    raise AssertionError("no seed leaves it decodable")


def screenshot(one: Image.Image) -> bytes:
    width, height = one.size
    page = Image.new("RGB", (width, height + 300), (245, 245, 247))
    page.paste(one.resize((width * 8 // 10, height * 8 // 10)), (width // 10, 150))
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, width, 60), fill=(30, 30, 30))
    draw.text((20, 20), "12:41  87 %", fill="white")
    return encoded(page, 95)


def watermarked(one: Image.Image) -> bytes:
    made = one.copy()
    font = ImageFont.load_default(size=max(20, one.width // 14))
    for height in (0.2, 0.5, 0.8):
        ImageDraw.Draw(made).text((20, int(height * one.height)), "PREVIEW example", fill="white", font=font)
    return encoded(made, 95)


def specked(one: Image.Image) -> bytes:
    made = np.array(one)
    where = np.random.default_rng(0).random(made.shape[:2])
    made[where < 0.03], made[where > 0.97] = 255, 0
    return encoded(Image.fromarray(made))


SPOILED: dict[str, Spoil] = {
    "noisy": grainy,
    "coarse-jpeg": lambda one: encoded(one, 4),
    "damaged": rotten,
    "not-upright": lambda one: encoded(one.rotate(180)),
    "barred": screenshot,
    "blurred": lambda one: encoded(one.filter(ImageFilter.GaussianBlur(6))),
    "posterised": lambda one: encoded(ImageOps.posterize(one, 3)),
    "oversaturated": lambda one: encoded(ImageEnhance.Color(one).enhance(4)),
    "pixelated": lambda one: encoded(mosaic(one)),
}


def mosaic(one: Image.Image, side: int = 24) -> Image.Image:
    """In square blocks, so many of them across."""
    small = one.resize((one.width // side, one.height // side), Image.Resampling.BOX)
    return small.resize(one.size, Image.Resampling.NEAREST)


def portrait(name: str) -> Image.Image:
    with Image.open(PHOTOS / name) as one:
        return ImageOps.exif_transpose(one).convert("RGB")


def resaved(one: Image.Image) -> bytes:
    return encoded(Image.open(io.BytesIO(encoded(one, 4))), 95)


@pytest.mark.slow
@needs_photos
@pytest.mark.parametrize("code", [*SPOILED, "coarse-jpeg again", "sideways", "crop of black", "specks", "leaning"])
@pytest.mark.parametrize("name", PORTRAITS[:2])
def test_what_spoils_a_portrait_is_told(tmp_path: Path, name: str, code: str) -> None:
    more: dict[str, Spoil] = {
        "coarse-jpeg again": resaved,  # what was lost once does not come back with a fine table
        "sideways": lambda one: encoded(one.rotate(270, expand=True)),
        "specks": specked,
        "leaning": lambda one: encoded(one.rotate(8, expand=True, fillcolor="white")),
        "crop of black": lambda one: encoded(ImageOps.pad(one, (one.width * 3 // 2, one.height))),
    }
    meant = {"coarse-jpeg again": "coarse-jpeg", "sideways": "not-upright", "specks": "noisy"}
    said = {**meant, "crop of black": "barred", "leaning": "corners"}.get(code, code)
    (tmp_path / "a.jpg").write_bytes((SPOILED | more)[code](portrait(name)))
    report = look(tmp_path, kind="face", resolution=128)
    assert said in codes(report, "a.jpg")
    assert "no-face" not in codes(report, "a.jpg") or said != "not-upright"


@needs_photos
@pytest.mark.slow
def test_of_sound_photographs_none_is_told() -> None:
    """Nor is one called pasted together or written on: they are looked at once for all of these."""
    damage = {"noisy", "coarse-jpeg", "damaged", "not-upright", "barred", "posterised", "oversaturated", "pixelated"}
    told = set()
    for folder in sorted(one for one in PHOTOS.iterdir() if one.is_dir() and one.name != "archive_pd"):
        report = look(folder, kind="face" if folder.name in ("hagrid", "whitehouse", "us_pd") else "object")
        told |= {(one.file, one.code) for one in report.all_findings if one.code in damage | {"collage", "lettering"}}
    # two have wide black bars and three say "bottom" in white letters, as anyone sees
    barred = {(f"obama-{side}p.jpg", "barred") for side in (240, 1080)}
    assert told == barred | {(f"{name}.jpg", "lettering") for name in ("Landscape_5", "Portrait_1", "Portrait_6")}


@needs_photos
def test_of_two_copies_the_one_that_is_told_to_be_flat_is_to_be_skipped(tmp_path: Path) -> None:
    """Fog takes noise and blocks away, and spoils nothing: what is warned of all the same is not the better one."""
    for source in ("dreambooth_dog6/02.jpg", "dreambooth_clock/03.jpg"):
        folder = tmp_path / source.partition("/")[0]
        folder.mkdir()
        one = portrait(source).resize((768, 768))
        (folder / "z_good.jpg").write_bytes(encoded(one, 95))
        (folder / "a_fog.jpg").write_bytes(encoded(Image.blend(one, Image.new("RGB", one.size, "#d0d0d0"), 0.75), 95))
        report = look(folder, kind="object", resolution=512)
        found = {each.name: each for each in report.pictures}
        assert "low-contrast" in {one.code for one in found["a_fog.jpg"].findings}
        assert found["z_good.jpg"].better == () and found["a_fog.jpg"].better in ((), ("z_good.jpg",))


@needs_photos
@pytest.mark.parametrize("spoil", [*SPOILED, "watermark"])
@pytest.mark.parametrize("first", ["a.jpg", "z.jpg"])
def test_of_two_copies_the_spoiled_one_is_to_be_skipped(tmp_path: Path, spoil: str, first: str) -> None:
    one = portrait(PORTRAITS[0]).resize((700, 700))
    (tmp_path / "m.jpg").write_bytes(encoded(one, 85))
    (tmp_path / first).write_bytes((SPOILED | {"watermark": watermarked})[spoil](one))
    report = look(tmp_path, kind="face", resolution=128)
    better = {each.name: each.better for each in report.pictures}
    assert better["m.jpg"] == (), picture(report, "m.jpg").findings
    if spoil not in ("not-upright", "barred", "damaged"):  # what is turned or torn is no copy to a hash
        assert better[first] == ("m.jpg",)


@needs_photos
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))  # `python -m tests.bench.curation --judgement` does ten
def test_no_spoiled_picture_is_kept_while_a_good_one_is_left_out(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    good = rng.sample(PORTRAITS, 4)
    names = [f"{number:02}.jpg" for number in range(15)]
    rng.shuffle(names)
    for name in good:
        (tmp_path / names.pop()).write_bytes(encoded(portrait(name), 92))
    sound = {one.name for one in tmp_path.iterdir()}
    spoils: list[Spoil] = [*SPOILED.values(), watermarked, _pair, lambda one: encoded(one.resize((1, 1)))]
    for spoil in rng.sample(spoils, 9):
        (tmp_path / names.pop()).write_bytes(spoil(portrait(rng.choice(good))))
    assert {one.name for one in keep_best(look(tmp_path, kind="face", resolution=256), 8)} == sound


def _pair(one: Image.Image) -> bytes:
    other = portrait(PORTRAITS[-1]).resize(one.size)
    made = Image.new("RGB", (2 * one.width, one.height))
    made.paste(one, (0, 0))
    made.paste(other, (one.width, 0))
    return encoded(made)


def test_what_has_hardly_any_light_is_no_drawing() -> None:
    grey = np.asarray(scene(2, (640, 480)).convert("L"))
    assert not is_drawn((grey * 0.05).astype(np.uint8)) and not is_drawn(grey)
    page = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(page).rectangle((40, 40, 200, 200), outline=0, width=3)
    assert is_drawn(np.asarray(page)) and not is_drawn(np.zeros((0, 0), np.uint8))


def test_measures_of_drawn_scenes() -> None:
    grey = np.asarray(scene(2, (640, 480)).convert("L"))
    assert noise_of(np.full((32, 32), 9, np.uint8)) is None and blocks_of(np.full((32, 32), 9, np.uint8)) is None
    assert noise_of(np.full((128, 128), 9, np.uint8)) == 0
    noise, blocks = noise_of(grey), blocks_of(grey)
    assert noise is not None and noise < 7.5 and blocks is not None and blocks < 2
    assert specks_of(grey) < 0.01
    leaning = scene(2, (640, 480)).rotate(10, expand=True, fillcolor="black")
    assert 0.1 < corners_of(np.asarray(leaning)) < 0.6 and corners_of(np.asarray(scene(2, (640, 480)))) == 0
    assert bars_of(np.full((64, 64, 3), 7, np.uint8)) == 0  # of one colour as a whole: nothing has a bar around it


@pytest.mark.parametrize("side", [400, 800, 1300])
def test_a_frame_of_a_hundredth_is_one_and_a_copy_in_it_is_the_worse_one(folder: Path, side: int) -> None:
    one = scene(3, (side, side * 3 // 4)).filter(ImageFilter.GaussianBlur(0.7))
    wide = -(-side // 100)
    for name, made, quality in (("z.jpg", one, 88), ("a.jpg", ImageOps.expand(one, wide, "black"), 95)):
        (folder / name).write_bytes(encoded(made, quality))
        found = bars_of(np.asarray(portrait(str(folder / name))))
        assert found == pytest.approx(1 - (side * side * 3 // 4) / (made.width * made.height), abs=0.02)
    report = look(folder, kind="object")
    assert picture(report, "z.jpg").better == () and picture(report, "a.jpg").better == ("z.jpg",)


@pytest.mark.parametrize(("smaller", "quality"), [(2, 90), (1, 30)])
@pytest.mark.parametrize(("framed", "plain"), [("a.jpg", "z.jpg"), ("z.jpg", "a.jpg")])
def test_a_narrow_frame_is_no_reason_to_prefer_a_small_or_coarse_copy(
    folder: Path, framed: str, plain: str, smaller: int, quality: int
) -> None:
    one = scene(3, (1200, 900)).filter(ImageFilter.GaussianBlur(0.7))
    (folder / framed).write_bytes(encoded(ImageOps.expand(one, 8, "black"), 92))
    (folder / plain).write_bytes(encoded(one.resize((1200 // smaller, 900 // smaller)), quality))
    report = look(folder, kind="object")
    assert picture(report, framed).better == () and picture(report, plain).better == (framed,)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_whole_jpeg_of_any_kind_is_not_called_damaged(mode: str, progressive: bool) -> None:
    out = io.BytesIO()
    scene(1, (160, 120)).convert(mode).save(out, "JPEG", quality=80, progressive=progressive)
    for raw in (out.getvalue(), out.getvalue() + b"a phone's film behind it"):
        made, said = read_jpeg(raw, mode, (160, 120), 1)
        assert said == "" and (made is None) == (mode == "CMYK")


@pytest.mark.slow
@needs_photos
@pytest.mark.parametrize("turn", [90, 180, 270])
def test_fix_turns_a_face_upright(tmp_path: Path, turn: int) -> None:
    upright = portrait(PORTRAITS[1])
    (tmp_path / "in").mkdir()
    upright.rotate(turn, expand=True).save(tmp_path / "in" / "a.png")
    made = fix_pictures(tmp_path / "in", tmp_path / "out", FixSettings(kind="face"))
    assert [step.code for step in made.pictures[0].done] == ["rotate"]
    with Image.open(tmp_path / "out" / "a.png") as copy:
        assert np.array_equal(np.asarray(copy), np.asarray(upright))
    untouched = fix_pictures(tmp_path / "in", None, FixSettings(kind="object"))
    assert untouched.pictures[0].done == ()


@pytest.mark.slow
@needs_photos
def test_a_soft_ground_is_no_blur(tmp_path: Path) -> None:
    """The subject's face is judged alone; where there is none, its sharpest parts."""
    one = portrait(PORTRAITS[1])
    ground = one.filter(ImageFilter.GaussianBlur(14))
    mask = Image.new("L", one.size, 0)
    ImageDraw.Draw(mask).ellipse([one.width * 0.2, 0, one.width * 0.8, one.height * 0.7], fill=255)
    Image.composite(one, ground, mask.filter(ImageFilter.GaussianBlur(20))).save(tmp_path / "face.jpg", quality=92)
    with Image.open(PHOTOS / "dreambooth_dog6" / "00.jpg") as dog:
        soft = dog.convert("RGB").filter(ImageFilter.GaussianBlur(14))
        mask = Image.new("L", dog.size, 0)
        ImageDraw.Draw(mask).ellipse([dog.width * 0.3, dog.height * 0.3, dog.width * 0.75, dog.height * 0.8], fill=255)
        Image.composite(dog.convert("RGB"), soft, mask).save(tmp_path / "dog.jpg", quality=92)
    report = look(tmp_path, kind="object", resolution=128)
    assert not {"blurred", "soft"} & {one.code for one in report.all_findings}


def test_a_report_without_judged_pictures_keeps_none() -> None:
    assert keep_best(Report(Path(), "object", ()), 4) == ()


def in_png(one: Image.Image) -> bytes:
    out = io.BytesIO()
    one.save(out, "PNG")
    return out.getvalue()


def palette(one: Image.Image, colours: int) -> Image.Image:
    """In so many colours, each the mean of what it stands for: not evenly spaced, as levels are."""
    return one.quantize(colours).convert("RGB")


def test_a_photograph_of_few_colours_is_told_and_is_not_the_better_copy(folder: Path) -> None:
    spoiled: list[Spoil] = [
        lambda one: in_png(palette(one, 8)),
        lambda one: in_png(ImageOps.posterize(one, 1)),
        lambda one: in_png(palette(one, 40)),
        lambda one: in_png(one.convert("1").convert("RGB")),
    ]
    for number in range(5):
        made = scene(number, (200, 160))
        made.save(folder / f"{number}.png")
        for spoil in spoiled[number : number + 1]:
            (folder / f"{number} spoiled.png").write_bytes(spoil(made))
    report = look(folder, kind="object", resolution=128)
    told = {one.file: one.severity for one in report.all_findings if one.code == "posterised"}
    assert told == {f"{number} spoiled.png": "warn" for number in range(4)}
    assert not any(picture(report, f"{number}.png").better for number in range(5))
    mild = look(folder, kind="style", resolution=128)
    assert {one.severity for one in mild.all_findings if one.code == "posterised"} == {"hint"}
    assert not any(picture(mild, f"{number}.png").better for number in range(5))


def test_where_most_have_few_colours_they_are_what_is_taught(folder: Path) -> None:
    for number in range(3):
        made = scene(number, (200, 160))
        (palette(made, 8) if number else made).save(folder / f"{number}.png")
    assert "posterised" not in {one.code for one in look(folder, resolution=128).all_findings}


def test_grey_photographs_have_few_colours_by_nature() -> None:
    grey = scene(1).convert("L").point(lambda level: 100 + level // 8)  # hazy too: 32 levels
    assert not has_few_colours(np.asarray(grey.convert("RGB")))
    assert has_few_colours(np.asarray(grey.point(lambda level: level // 4 * 4).convert("RGB")))
