"""Copies that are put right: every kind of fault, the originals untouched, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from loratui.curation.copies.folder import CannotWrite, FixCancelled, FixResult, FixSettings, fix_pictures
from loratui.curation.copies.jpeg import NotPlain, strip_jpeg
from loratui.curation.scan import ScanSettings, scan
from tests.loratui.conftest import LoraTUI
from tests.loratui.curation.conftest import scene
from trainer.contract.run import exits

Draw = Callable[..., Path]
CANARY = b"GPS-CANARY-51.5007N"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "photos"
    made.mkdir()
    return made


def photo(size: tuple[int, int] = (60, 40)) -> Image.Image:
    picture = Image.linear_gradient("L").resize(size).convert("RGB")
    picture.paste((200, 30, 30), (0, 0, 20, 10))
    return picture


def exif(orientation: int = 1) -> Image.Exif:
    made = Image.Exif()
    made[274] = orientation
    made[0x010E] = CANARY.decode()
    return made


def fixed(folder: Path, **settings: object) -> FixResult:
    return fix_pictures(folder, folder.parent / "out", FixSettings(**settings))  # type: ignore[arg-type]


def codes(result: FixResult, name: str) -> list[str]:
    return [done.code for one in result.pictures if one.name == name for done in one.done]


def state(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        one.name: (one.stat().st_mtime_ns, hashlib.sha256(one.read_bytes()).hexdigest()) for one in folder.iterdir()
    }


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_every_exif_rotation_is_turned_upright(folder: Path, orientation: int, ending: str) -> None:
    photo().save(folder / f"a.{ending}", exif=exif(orientation))
    result = fixed(folder)
    with Image.open(folder / f"a.{ending}") as was, Image.open(folder.parent / "out" / f"a.{ending}") as now:
        upright = ImageOps.exif_transpose(was).convert("RGB")
        assert now.size == upright.size and not now.getexif()
        difference = max(abs(a - b) for a, b in zip(now.tobytes(), upright.tobytes(), strict=True))
        assert difference <= (0 if ending == "png" else 12)
    assert codes(result, f"a.{ending}") == ["rotate", "metadata"]


def test_metadata_leaves_a_jpeg_without_touching_its_pixels(folder: Path) -> None:
    photo((500, 300)).save(folder / "a.jpg", exif=exif(), comment=CANARY, quality=80, progressive=True)
    assert codes(fixed(folder), "a.jpg") == ["metadata"]
    was, now = folder / "a.jpg", folder.parent / "out" / "a.jpg"
    assert CANARY in was.read_bytes() and CANARY not in now.read_bytes()
    assert len(now.read_bytes()) < len(was.read_bytes())
    with Image.open(was) as one, Image.open(now) as other:
        assert one.tobytes() == other.tobytes() and other.quantization == one.quantization


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_metadata_leaves_png_and_webp(folder: Path, ending: str) -> None:
    noted = PngInfo()
    noted.add_text("Author", CANARY.decode())
    photo().save(folder / f"a.{ending}", exif=exif(), pnginfo=noted, lossless=True)
    result = fixed(folder)
    assert codes(result, f"a.{ending}") == ["metadata", "convert"][: 1 if ending == "png" else 2]
    assert result.copies == {f"a.{ending}": "a.png"}
    raw = (folder.parent / "out" / "a.png").read_bytes()
    assert CANARY not in raw
    assert Image.open(io.BytesIO(raw)).convert("RGB").tobytes() == photo().tobytes()


def test_odd_colours_become_rgb(folder: Path) -> None:
    photo().convert("CMYK").save(folder / "cmyk.jpg")
    deep = Image.new("I;16", (40, 40), 30000)
    deep.save(folder / "deep.png")
    photo().save(folder / "plain.tiff")
    photo().save(folder / "film.gif", save_all=True, append_images=[Image.new("RGB", (60, 40))])
    result = fixed(folder)
    assert result.copies == {"cmyk.jpg": "cmyk.jpg", "deep.png": "deep.png"} | {
        "plain.tiff": "plain.png",
        "film.gif": "film.png",
    }
    out = folder.parent / "out"
    for name in result.copies.values():
        with Image.open(out / name) as picture:
            assert picture.mode == "RGB" and getattr(picture, "n_frames", 1) == 1
    with Image.open(out / "deep.png") as grey:
        assert grey.getpixel((5, 5)) == (117, 117, 117)  # not clipped to white
    with Image.open(out / "film.png") as frame:
        assert sum(frame.convert("RGB").getpixel((5, 5))) > 100  # type: ignore[arg-type]  # the first frame


def test_transparency_is_laid_on_the_background(folder: Path) -> None:
    picture = photo().convert("RGBA")
    picture.putalpha(Image.new("L", picture.size, 0))
    picture.save(folder / "a.png")
    Image.new("RGBA", (20, 20), (1, 2, 3, 255)).save(folder / "opaque.png")
    result = fixed(folder, background="#00ff00")
    assert codes(result, "a.png") == ["composite"] and codes(result, "opaque.png") == []
    with Image.open(folder.parent / "out" / "a.png") as now:
        assert now.mode == "RGB" and now.getpixel((30, 20)) == (0, 255, 0)


def test_another_colour_profile_is_applied_and_srgb_left_alone(folder: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"....", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"....", b"gXYZ", 1)
    Image.new("RGB", (32, 32), (200, 0, 0)).save(folder / "odd.png", icc_profile=swapped)
    Image.new("RGB", (32, 32), (200, 0, 0)).save(folder / "srgb.png", icc_profile=srgb)
    result = fixed(folder)
    assert codes(result, "odd.png") == ["convert"] and codes(result, "srgb.png") == []
    with Image.open(folder.parent / "out" / "odd.png") as now:
        red, green, _ = now.getpixel((5, 5))  # type: ignore[misc]
        assert green > 150 > red and "icc_profile" not in now.info


def test_a_wrong_ending_is_put_right_and_names_never_collide(folder: Path) -> None:
    photo().save(folder / "a.png")
    photo().rotate(180).save(folder / "a.webp", exif=exif())
    photo().save(folder / "b.jpg", "PNG")
    result = fixed(folder)
    assert result.copies == {"a.png": "a.png", "a.webp": "a-webp.png", "b.jpg": "b.png"}
    assert codes(result, "b.jpg") == ["rename"]
    assert (folder.parent / "out" / "b.png").read_bytes() == (folder / "b.jpg").read_bytes()


CAPTIONS = {
    "bom": ("\ufeffa TOK café".encode(), ["encoding"]),
    "utf16": ("a TOK café".encode("utf-16"), ["encoding"]),
    "windows": ("a TOK café".encode("cp1252"), ["encoding"]),
    "missing": ("a café".encode(), ["trigger"]),
    "fine": ("a TOK café".encode(), []),
    "dos": (b"a TOK caf\xc3\xa9\r\n", ["encoding"]),
    "hidden": ("a TOK \u200bcaf\x07é\u202e".encode(), ["control"]),
    "case": ("a tok café".encode(), ["trigger"]),
}


def test_captions_become_utf8_with_the_trigger(folder: Path) -> None:
    for number, (name, (raw, _)) in enumerate(CAPTIONS.items()):
        photo((60 + number, 40)).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_bytes(raw)
    photo((99, 40)).save(folder / "row.png")
    (folder / "metadata.jsonl").write_text('{"file_name": "row.png", "prompt": "a café"}\n')
    photo((98, 40)).save(folder / "none.png")
    result = fixed(folder, trigger="TOK")
    out = folder.parent / "out"
    for name, (raw, wanted) in CAPTIONS.items():
        assert codes(result, f"{name}.png") == wanted
        text = (out / f"{name}.txt").read_bytes().decode()
        assert text.strip() == ("TOK, a café" if name == "missing" else "a TOK café"), name
        assert wanted or (out / f"{name}.txt").read_bytes() == raw
    assert (out / "row.txt").read_text() == "TOK, a café\n" and codes(result, "row.png") == ["caption", "trigger"]
    assert not (out / "none.txt").exists()
    assert not [one for one in scan(out, ScanSettings(resolution=32)).all_findings if one.code == "trigger-missing"]


def test_originals_stay_and_the_record_says_what_was_done(folder: Path, draw_picture: Draw) -> None:
    photo().save(folder / "a.jpg", exif=exif(6))
    draw_picture(folder / "good.png", 1)
    (folder / "broken.jpg").write_bytes(b"no picture")
    before = state(folder)
    result = fixed(folder)
    assert state(folder) == before
    out = folder.parent / "out"
    assert (out / "good.png").read_bytes() == (folder / "good.png").read_bytes()
    assert sorted(one.name for one in out.iterdir()) == ["FIXED.json", "a.jpg", "good.png"]
    words = json.loads((out / "FIXED.json").read_text())
    assert [one["code"] for one in words["pictures"]["a.jpg"]["done"]] == ["rotate", "metadata"]
    assert "not copied" in words["pictures"]["broken.jpg"]["problem"] and result.changed == 1


def test_what_links_lead_to_elsewhere_is_in_no_copy(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine git.example password hunter2")
    photo().save(tmp_path / "private.png")
    photo().save(folder / "a.png")
    (folder / "a.txt").symlink_to("../netrc")
    (folder / "b.png").symlink_to("../private.png")
    result = fixed(folder)
    assert {one.name: (one.copy, one.problem) for one in result.pictures} == {
        "a.png": ("a.png", "a.txt is a link that leads out of the folder: the copy has no caption"),
        "b.png": (None, "not copied: it is a link that leads out of the folder"),
    }
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["FIXED.json", "a.png"]


def test_edited_captions_and_left_out_pictures(folder: Path) -> None:
    photo().save(folder / "a.png")
    photo((70, 40)).save(folder / "b.png")
    result = fixed(folder, captions={"a.png": "a new TOK"}, skip=("b.png",))
    assert result.copies == {"a.png": "a.png"}
    assert (folder.parent / "out" / "a.txt").read_text() == "a new TOK\n"


@pytest.mark.parametrize("into", ["photos", "full", "file"])
def test_a_folder_that_holds_something_is_refused(folder: Path, tmp_path: Path, into: str) -> None:
    photo().save(folder / "a.png")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CannotWrite, match="name"):
        fix_pictures(folder, tmp_path / into)
    assert (tmp_path / "full" / "x").read_text() == (tmp_path / "file").read_text() == "mine"


def test_stopped_half_way_it_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    for number in range(4):
        photo((60 + number, 40)).save(folder / f"{number}.png")
    looks = iter([False, False, True])
    with pytest.raises(FixCancelled):
        fix_pictures(folder, tmp_path / "out", cancelled=lambda: next(looks))
    assert [one.name for one in tmp_path.iterdir()] == ["photos"]


def test_a_cut_or_bent_jpeg_ends_in_a_sentence_or_a_copy(folder: Path) -> None:
    out = io.BytesIO()
    photo((200, 100)).save(out, "JPEG", exif=exif(), restart_marker_rows=1)
    raw = out.getvalue()
    assert CANARY not in strip_jpeg(raw).raw
    for at in range(0, len(raw), 7):
        for bent in (raw[:at], raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :]):
            try:
                strip_jpeg(bent)
            except NotPlain:
                continue
    (folder / "half.jpg").write_bytes(raw[: len(raw) // 2])
    (only,) = fix_pictures(folder, None).pictures
    assert only.copy is None and "cannot be decoded" in only.problem


def test_the_command_says_what_it_did_and_can_be_asked_first(loratui: LoraTUI, folder: Path) -> None:
    photo().save(folder / "a\x1b[31m.jpg", exif=exif(3))
    (folder / "a\x1b[31m.txt").write_text("a cat")
    dry = loratui("fix", folder, "--dry-run", "--trigger", "TOK")
    assert dry.returncode == 0 and "turned upright" in dry.stdout and "trigger 'TOK'" in dry.stdout
    assert "1 of 1 would be copied" in dry.stdout and "\x1b" not in dry.stdout
    assert [one.name for one in folder.parent.iterdir()] == ["photos"]
    done = loratui("fix", folder, "--into", folder.parent / "out", "--trigger", "TOK")
    assert done.returncode == 0 and "The originals are as they were." in done.stdout
    assert (folder.parent / "out" / "a\x1b[31m.txt").read_text() == "TOK, a cat\n"


def test_its_exit_code_tells_of_a_picture_that_was_left_out(loratui: LoraTUI, folder: Path, draw_picture: Draw) -> None:
    draw_picture(folder / "whole.png", 1)
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:60])
    done = loratui("fix", folder, "--into", folder.parent / "new")
    assert done.returncode == exits.DATASET and "1 of 2 copied" in done.stdout and "1 left out: see x" in done.stdout
    assert (folder.parent / "new" / "whole.png").is_file()  # the others are there


def test_the_command_refuses_with_a_sentence(loratui: LoraTUI, folder: Path, tmp_path: Path) -> None:
    photo().save(folder / "a.jpg")
    wrong = {
        ("fix", folder): (2, "--into FOLDER"),
        ("fix", folder, "--into", folder): (2, "the folder of the originals"),
        ("fix", folder, "--dry-run", "--background", "red"): (2, "#rrggbb"),
        ("fix", folder, "--dry-run", "--trigger", "my dog"): (2, "trigger"),
        ("fix", tmp_path / "nowhere", "--dry-run"): (3, "there is no folder"),
    }
    for words, (code, said) in wrong.items():
        done = loratui(*words)
        assert (done.returncode, done.stdout) == (code, "") and said in done.stderr, words


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("sks man, in a suit", "TOK man, in a suit"),
        ("a man, sks, in a suit", "a man, TOK, in a suit"),
        ("TOK sks man", "TOK man"),
        ("photo of <s0><s1> man", "photo of TOK man"),
        ("a [V] dog", "a TOK dog"),
        ("tasks of a man", "TOK, tasks of a man"),
        ("annaxq woman, smiling", "TOK, annaxq woman, smiling"),  # one alone is no trigger
    ],
)
def test_a_trigger_takes_the_place_of_another_and_never_stands_beside_it(folder: Path, before: str, after: str) -> None:
    photo().save(folder / "a.png")
    (folder / "a.txt").write_text(before)
    assert codes(fixed(folder, trigger="TOK"), "a.png")
    assert (folder.parent / "out" / "a.txt").read_text() == f"{after}\n"


def test_the_word_that_all_captions_begin_with_is_their_trigger(folder: Path) -> None:
    for number, doing in enumerate(("smiling", "in a car", "by the sea", "asleep")):
        photo().save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"annaxq woman, {doing}")
    fixed(folder, trigger="TOK")
    assert [one.read_text() for one in sorted((folder.parent / "out").glob("*.txt"))] == [
        f"TOK woman, {doing}\n" for doing in ("smiling", "in a car", "by the sea", "asleep")
    ]


def test_the_command_has_what_the_wizard_solves_by_a_key(loratui: LoraTUI, folder: Path) -> None:
    for number in range(3):
        made = Image.new("RGB", (640, 680))
        made.paste(scene(number), (0, 100 if number < 2 else 0))
        made.crop((0, 0, 640, 680 if number < 2 else 480)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text("a red cat in a bag")
    asked = ("fix", str(folder), "--unbar", "--leave-out", "duplicate", "--replace", "cat=dog")
    told = loratui(*asked, "--dry-run").stdout
    assert told.count("without its bars") == 2 and "2 pictures without bars" in told
    assert told.count("words of the caption replaced") == 3 and "0 pictures skipped: duplicate" in told
    assert not (folder.parent / "new").exists()
    done = loratui(*asked, "--into", str(folder.parent / "new"))
    assert done.returncode == exits.DONE and (folder.parent / "new" / "2.txt").read_text() == "a red dog in a bag\n"
    best = loratui("fix", str(folder), "--best", "9", "--dry-run").stdout
    assert "the best 0 of 9 asked for: 0 of 3 are good; 2 are spoiled, 1 is too small" in best
    assert "skipped 0.png: spoiled (barred)" in best and "skipped 2.png: too small" in best
    small = loratui("fix", str(folder), "--best", "9", "--dry-run", "--resolution", "512").stdout
    assert "the best 1 of 9 asked for" in small and "kept 2.png: sharp" in small
    hint = loratui("fix", str(folder), "--mask", "face", "--dry-run").stdout
    assert "0 pictures with a mask; checked as object, --kind face looks for faces" in hint
    for wrong in (("--leave-out", "blury"), ("--replace", "=x"), ("--replace", "cat"), ("--mask", "nose")):
        refused = loratui("fix", str(folder), "--dry-run", *wrong)
        assert refused.returncode == exits.USAGE and "Traceback" not in refused.stderr
