"""Pictures are told by their content; what cannot be read is named, with what has it read."""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loratui.curation.checks.files import open_picture
from loratui.curation.copies.pixels import remake
from loratui.curation.report import Finding
from loratui.curation.scan import ScanSettings, scan
from loratui.errors import Refusal
from loratui.planning.lines import plan_lines
from loratui.planning.prepared import prepare, refuse_if_needed
from loratui.settings.answers import Answers
from trainer.contract.pictures import formats
from trainer.contract.pictures.decoding import BadPicture
from trainer.contract.pictures.folder import NoDataset, list_pictures
from trainer.contract.pictures.opening import jxl_size
from trainer.data.images import open_rgb

KINDS = {"a.jpg": "JPEG", "a.png": "PNG", "a.webp": "WEBP", "a.bmp": "BMP", "a.tif": "TIFF", "a.gif": "GIF"}
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
JXL = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(200)


def chart() -> Image.Image:
    small = np.random.default_rng(1).integers(20, 236, (8, 8, 3), np.uint8)
    return Image.fromarray(small).resize((160, 120), Image.Resampling.NEAREST)


def forget() -> None:
    formats.can_read.cache_clear()
    formats.endings.cache_clear()


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation without the packages for HEIC and JPEG XL."""
    forget()
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    yield
    forget()


def with_package(name: str) -> None:
    module = pytest.importorskip(name)
    if hasattr(module, "register_heif_opener"):
        module.register_heif_opener()
    importlib.invalidate_caches()
    forget()


def names(folder: Path) -> list[str]:
    return [one.name for one in list_pictures(folder).pictures]


def other_formats(folder: Path) -> Finding | None:
    found = scan(folder, ScanSettings(resolution=64)).findings
    return next((one for one in found if one.code == "other-formats"), None)


def test_a_picture_is_one_whatever_its_name_says(tmp_path: Path) -> None:
    chart().save(tmp_path / "no-ending", "JPEG")
    chart().save(tmp_path / "a.jfif", "JPEG")
    chart().save(tmp_path / "photo.jpg_large", "PNG")
    chart().save(tmp_path / "named.png", "JPEG")
    chart().save(tmp_path / "notes.txt", "PNG")  # captions are never pictures
    (tmp_path / "words").write_text("BM is how this begins")
    (tmp_path / "a.npz").write_bytes(b"PK\3\4")
    assert names(tmp_path) == ["a.jfif", "named.png", "no-ending", "photo.jpg_large"]
    for name in names(tmp_path):
        assert open_rgb(tmp_path / name).size == (160, 120)
    assert [one.code for one in open_picture("named.png", tmp_path / "named.png").notes] == ["wrong-ending"]
    assert remake(tmp_path / "no-ending", "#ffffff").ending == ".jpg"


@pytest.mark.parametrize("name", [*KINDS, "a.avif"])
def test_every_format_is_known_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    chart().save(tmp_path / name)
    assert formats.kind_of((tmp_path / name).read_bytes()[: formats.SNIFFED]) == KINDS.get(name, "AVIF")


def test_avif_is_read_checked_and_copied(tmp_path: Path) -> None:
    chart().save(tmp_path / "a.avif", quality=95)
    assert names(tmp_path) == ["a.avif"] and open_picture("a.avif", tmp_path / "a.avif").notes == ()
    seen = np.asarray(open_rgb(tmp_path / "a.avif"), float)
    assert np.abs(seen - np.asarray(chart(), float)).mean() < 6
    assert remake(tmp_path / "a.avif", "#ffffff").ending == ".png"


def test_heic_and_jpeg_xl_are_read_where_their_package_is_there(tmp_path: Path) -> None:
    for package, name in (("pillow_heif", "a.heic"), ("pillow_jxl", "b.jxl")):
        with_package(package)
        chart().save(tmp_path / name, quality=95)
    (tmp_path / "a.heic").rename(tmp_path / "called.jpg")
    assert names(tmp_path) == ["b.jxl", "called.jpg"]
    for name in names(tmp_path):
        seen = np.asarray(open_rgb(tmp_path / name), float)
        assert np.abs(seen - np.asarray(chart(), float)).mean() < 6, name
        assert open_picture(name, tmp_path / name).problem is None


def test_a_turn_mark_is_applied_once_in_every_format(tmp_path: Path) -> None:
    with_package("pillow_jxl")
    exif = Image.Exif()
    exif[274] = 6
    chart().save(tmp_path / "a.avif", exif=exif.tobytes())
    chart().save(tmp_path / "a.jxl", exif=exif.tobytes())  # its turn stands in the stream, which says upright
    sizes = {name: open_rgb(tmp_path / name).size for name in ("a.avif", "a.jxl")}
    assert sizes == {"a.avif": (120, 160), "a.jxl": (160, 120)}


def test_the_size_of_jpeg_xl_is_known_before_it_is_decoded(tmp_path: Path) -> None:
    with_package("pillow_jxl")
    for size in ((160, 120), (64, 64), (1001, 333), (1600, 900)):
        out = io.BytesIO()
        chart().resize(size).save(out, "JXL")
        assert jxl_size(out.getvalue()) == size
    assert jxl_size(JXL) is None
    # 2^30 x 2^30 in twelve bytes: 1 + 30 bits each, after the mark of large sizes
    bits = 0 | 3 << 1 | (2**30 - 1) << 3 | 0 << 33 | 3 << 36 | (2**30 - 1) << 38
    (tmp_path / "bomb.jxl").write_bytes(b"\xff\x0a" + bits.to_bytes(10, "little") + bytes(50))
    with pytest.raises(BadPicture, match="megapixels"):
        open_rgb(tmp_path / "bomb.jxl")


@pytest.mark.usefixtures("plain")
def test_a_folder_of_heic_is_told_with_the_command_that_has_it_read(tmp_path: Path) -> None:
    for number in range(15):
        (tmp_path / f"IMG_{number}.HEIC").write_bytes(HEIC)
    with pytest.raises(NoDataset) as caught:
        list_pictures(tmp_path)
    assert "15 .HEIC files (to have them read: pip install 'loratui[formats]')" in str(caught.value)


@pytest.mark.usefixtures("plain")
def test_much_that_is_left_out_is_a_warning_and_little_a_hint(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"IMG_{number:02}.HEIC").write_bytes(HEIC)
    for number in range(3):
        chart().rotate(number).save(tmp_path / f"{number}.jpg")
    found = other_formats(tmp_path)
    assert found is not None and found.severity == "warn" and found.message.startswith("12 of 15 are left out")
    assert "pip install 'loratui[formats]'" in found.remedy
    for number in range(11):
        (tmp_path / f"IMG_{number:02}.HEIC").unlink()
    for number in range(3, 6):
        chart().rotate(number).save(tmp_path / f"{number}.jpg")
    found = other_formats(tmp_path)
    assert found is not None and found.severity == "hint"


@pytest.mark.slow
@pytest.mark.usefixtures("plain")
def test_what_is_left_out_of_a_phones_folder_stands_in_the_plan_and_stops_a_run(tmp_path: Path) -> None:
    """Issue kohya_ss#1600: twelve HEIC with captions, three JPEG beside them."""
    for number in range(12):
        (tmp_path / f"IMG_{4000 + number}.HEIC").write_bytes(HEIC)
        (tmp_path / f"IMG_{4000 + number}.txt").write_text(f"a photo of a TOK, scene {number}")
    for number in range(3):
        chart().rotate(40 * number).resize((1100, 1100)).save(tmp_path / f"IMG_{5000 + number}.jpg")
        (tmp_path / f"IMG_{5000 + number}.txt").write_text(f"a photo of a TOK, number {number}")
    values = {"model.base": "sdxl-small", "dataset.path": str(tmp_path), "train.device": "cpu"}
    ready = prepare(Answers("object", values, {}, "answers.toml"), {}, "answers.toml")
    lines = " ".join(" ".join(plan_lines(ready.plan, 100)).split())
    assert "12 of 15 are left out, in a format that is not read: IMG_4000.HEIC" in lines
    assert "pip install 'loratui[formats]'" in lines
    with pytest.raises(Refusal, match="to decide before training"):
        refuse_if_needed(ready)


def test_the_film_or_the_raw_beside_a_picture_is_not_missed(tmp_path: Path) -> None:
    for number in range(3):
        chart().rotate(number).save(tmp_path / f"IMG_{number}.JPG")
        (tmp_path / f"IMG_{number}.MOV").write_bytes(b"film")
        (tmp_path / f"img_{number}.dng").write_bytes(b"II*\0 raw")
    assert other_formats(tmp_path) is None and len(names(tmp_path)) == 3


@pytest.mark.usefixtures("plain")
def test_heic_under_another_name_is_told_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(HEIC)
    problem = open_picture("a.jpg", tmp_path / "a.jpg").problem
    assert problem is not None and "HEIC" in problem.message and "loratui[formats]" in problem.remedy
    with pytest.raises(BadPicture, match=r"HEIC.*loratui\[formats\]"):
        open_rgb(tmp_path / "a.jpg")


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "it is empty"),
        ({"photos.zip": b"PK\3\4" + bytes(300)}, "1 zip archive (photos.zip: unpack it)"),
        ({"a.txt": b"x", "b.txt": b"x"}, "2 .txt files"),
        ({"a.mp4": b"\0\0\0\x18ftypisom"}, "1 .mp4 file (films: save frames of them as pictures)"),
        ({"a.NEF": b"MM\0*"}, "1 .NEF file (develop them to JPEG or PNG)"),
        ({"IMG_1": HEIC}, "1 file without ending (to have them read: pip install 'loratui[formats]')"),
        ({"10_dog/a.png": b"\x89PNG\r\n\x1a\n", "notes/a.txt": b"x"}, "2 sub-folders (10_dog, notes: "),
        ({"10_dog/a.png": b"\x89PNG\r\n\x1a\n"}, "'10_dog' has pictures: name it"),
        ({".a.png": b"x", "__MACOSX/a.jpg": b"x"}, "only hidden files"),
    ],
)
def test_what_lies_there_instead_of_pictures_is_said(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    for name, raw in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(raw)
    with pytest.raises(NoDataset) as caught:
        list_pictures(tmp_path)
    assert said in str(caught.value)


def test_an_archive_or_a_picture_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"PK\3\4" + bytes(300))
    chart().save(tmp_path / "a.png")
    with pytest.raises(NoDataset, match="is a zip archive, not a folder of pictures; unpack it"):
        list_pictures(tmp_path / "photos.zip")
    with pytest.raises(NoDataset, match="is one picture; name the folder that it lies in"):
        list_pictures(tmp_path / "a.png")


def test_the_litter_of_other_programs_is_no_picture(tmp_path: Path) -> None:
    chart().save(tmp_path / "p0.jpg")
    raw = (tmp_path / "p0.jpg").read_bytes()
    for name in ("__MACOSX/._p0.jpg", ".ipynb_checkpoints/p0-checkpoint.jpg", "@eaDir/p0.jpg/SYNOPHOTO_THUMB_XL.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(raw)
    for name in ("._p0.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "p0.jpg:Zone.Identifier", "p0.npz"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7 Mac OS X")
    report = scan(tmp_path, ScanSettings(resolution=64))
    assert [one.name for one in report.pictures] == ["p0.jpg"]
    assert not {"in-subfolder", "other-formats", "hidden-files"} & {one.code for one in report.findings}
