"""The dataset doctor on real files: everything wrong is found by name, nothing is changed, nothing is asked twice."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from loratui.curation import pixels
from loratui.curation import scan as scanning
from loratui.curation.as_json import report_json
from loratui.curation.checks.measure import PictureMeasure, measure
from loratui.curation.lines import refusal_lines, report_lines
from loratui.curation.pixels import missing
from loratui.curation.report import Report, outcome
from loratui.curation.scan import Cancelled, ScanSettings, scan
from trainer.contract.pictures.folder import NoDataset

Draw = Callable[..., Path]
SETTINGS = ScanSettings(resolution=64)


def codes(report: Report, name: str) -> list[str]:
    (picture,) = (one for one in report.pictures if one.name == name)
    return [finding.code for finding in picture.findings]


def test_a_good_folder_has_nothing_to_decide(pictures: Path) -> None:
    report = scan(pictures, SETTINGS)
    assert not report.all_findings
    assert outcome(report).ready and outcome(report).images == ("0.png", "1.png", "2.png", "3.png")


def test_what_is_installed_is_asked_before_the_threads_import_it(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that asks for OpenCV while another imports it finds it half there, and the scan ended with that."""
    asked = []

    def measured(*words: object) -> PictureMeasure:
        asked.append(missing.cache_info().currsize)
        return measure(*words)  # type: ignore[arg-type]

    missing.cache_clear()
    monkeypatch.setattr(scanning, "measure", measured)
    scan(pictures, SETTINGS)
    assert asked == [1, 1, 1, 1]


@pytest.mark.parametrize("package", ["cv2", "scipy", "imagehash"])
def test_without_a_package_the_scan_says_what_was_not_checked_and_how_to_have_it(
    package: str, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = pixels.find_spec
    monkeypatch.setattr(pixels, "find_spec", lambda name: None if name == package else found(name))
    monkeypatch.setitem(sys.modules, package, None)  # whoever imports it all the same fails
    missing.cache_clear()
    try:
        report = scan(pictures, SETTINGS)
        asked, absent = pixels.NEEDS[package][0], set(missing())
    finally:
        missing.cache_clear()
    assert set(pixels.NEEDS[package][1]) <= absent
    assert len(report.pictures) == 4 and all(one.opens for one in report.pictures)
    assert any(asked in line for line in report.how_to_check), report.how_to_check


def test_broken_files_are_named_and_can_only_be_skipped(pictures: Path, draw_picture: Draw) -> None:
    (pictures / "text.jpg").write_text("this is not a picture")
    (pictures / "empty.jpg").write_bytes(b"")
    whole = draw_picture(pictures / "cut.jpg", 9, (300, 300)).read_bytes()
    (pictures / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    png = draw_picture(pictures / "bad.png", 8, (300, 300)).read_bytes()
    (pictures / "bad.png").write_bytes(png[:200] + b"garbage" + png[207:])
    report = scan(pictures, SETTINGS)
    assert codes(report, "text.jpg")[0] == "unreadable"
    assert codes(report, "empty.jpg")[0] == "empty-file"
    assert codes(report, "cut.jpg")[0] == "truncated"
    assert codes(report, "bad.png")[0] in ("unreadable", "truncated")
    broken = ("bad.png", "cut.jpg", "empty.jpg", "text.jpg")
    result = outcome(report, (), [one.accept_key for one in report.all_findings])
    assert {one.file for one in result.blocking} == set(broken)
    assert outcome(report, broken).ready


def _png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b"")]
    packed = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize("side", [10_100, 12_000, 40_000])
def test_a_decompression_bomb_is_refused_by_its_header(pictures: Path, side: int, recwarn: object) -> None:
    (pictures / "bomb.png").write_bytes(_png_header(side, side))
    report = scan(pictures, SETTINGS)
    assert codes(report, "bomb.png")[0] == "too-large"
    assert not recwarn, "Pillow's warning would tear the screen"  # type: ignore[truthy-bool]


def test_size_is_measured_after_the_exif_rotation_on_the_shorter_side(pictures: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (200, 50)).save(pictures / "turned.jpg", exif=exif)
    (picture,) = (one for one in scan(pictures, SETTINGS).pictures if one.name == "turned.jpg")
    assert (picture.width, picture.height) == (50, 200)
    assert next((one.code, one.severity, one.value) for one in picture.findings) == ("low-resolution", "warn", 50)


def test_below_half_of_the_resolution_stops_a_run_unless_accepted(pictures: Path, draw_picture: Draw) -> None:
    draw_picture(pictures / "tiny.png", 7, (31, 90))
    report = scan(pictures, SETTINGS)
    assert [one.accept_key for one in outcome(report).unaccepted] == ["low-resolution:tiny.png"]
    assert outcome(report, (), ["low-resolution:tiny.png"]).ready


def test_a_caption_without_the_trigger_is_a_warning_and_none_is_a_hint(pictures: Path) -> None:
    (pictures / "0.txt").write_text("a TOKEN blob")
    (pictures / "1.txt").unlink()
    report = scan(pictures, SETTINGS)
    assert codes(report, "0.png") == ["trigger-missing"] and codes(report, "1.png") == ["no-caption"]
    assert [one.accept_key for one in outcome(report).unaccepted] == ["trigger-missing:0.png"]
    assert "a photo of a TOK" in report.pictures[1].findings[0].message


def test_the_same_file_twice_is_named_with_the_other_until_one_is_skipped(pictures: Path) -> None:
    shutil.copy(pictures / "0.png", pictures / "copy.png")
    shutil.copy(pictures / "0.txt", pictures / "copy.txt")
    report = scan(pictures, SETTINGS)
    assert [one.duplicates for one in report.pictures] == [("copy.png",), (), (), (), ("0.png",)]
    (finding,) = outcome(report).unaccepted
    assert (finding.file, finding.value) == ("copy.png", "0.png") and "0.png" in finding.message
    assert outcome(report, ["0.png"]).ready and outcome(report, ["copy.png"]).ready
    assert outcome(report, (), ["duplicate:copy.png"]).ready


def test_metadata_is_read_and_what_leaves_the_folder_stops_the_run(pictures: Path, draw_picture: Draw) -> None:
    rows = [
        {"file_name": "new.png", "prompt": "a TOK in snow"},
        {"file_name": "../../etc/passwd", "prompt": "x"},
        {"file_name": "gone.png", "prompt": "a TOK in snow"},
    ]
    draw_picture(pictures / "new.png", 6)
    (pictures / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    report = scan(pictures, SETTINGS)
    assert next(one for one in report.pictures if one.name == "new.png").caption == "a TOK in snow"
    found = {one.code: one.severity for one in report.findings}
    assert found == {"metadata-outside": "block", "metadata-without-picture": "hint"}  # no picture lacks one


def test_skipping_everything_leaves_nothing_to_train_on(pictures: Path) -> None:
    report = scan(pictures, SETTINGS)
    (finding,) = outcome(report, [one.name for one in report.pictures]).blocking
    assert finding.code == "no-pictures"


def test_a_skip_that_names_no_picture_is_told(pictures: Path) -> None:
    assert outcome(scan(pictures, SETTINGS), ["0.jpg"]).unknown == ("0.jpg",)
    report = scan(pictures, SETTINGS)
    accepted = ["low-resolution", f"low-resolution:{report.pictures[0].name}", "low-resolution:0.jpg"]
    assert outcome(report, (), accepted).unknown_accepted == ("low-resolution:0.jpg",)


def test_the_lines_to_paste_hold_what_was_decided_before(pictures: Path, draw_picture: Draw) -> None:
    (pictures / 'bad "one".jpg').write_bytes(b"")
    draw_picture(pictures / "small.png", 5, (60, 60))
    report = scan(pictures, SETTINGS)
    lines = refusal_lines(report, outcome(report, ["3.png"]), ["3.png"], [])
    assert '  skip = ["3.png", "bad \\"one\\".jpg"]' in lines
    assert '  accept = ["low-resolution:small.png"]' in lines


def test_hostile_names_are_shown_and_never_obeyed(pictures: Path) -> None:
    name = "a\x1b[31m\n\u202eb.png"
    (pictures / name).write_bytes(b"")
    report = scan(pictures, SETTINGS)
    shown = "\n".join([*report_lines(report), *refusal_lines(report, outcome(report))])
    assert "\x1b" not in shown and "\u202e" not in shown and "\\u001b[31m\\u000a\\u202eb.png" in shown


def test_a_scan_changes_no_file(pictures: Path) -> None:
    def state() -> dict[str, tuple[int, str]]:
        return {
            one.name: (one.stat().st_mtime_ns, hashlib.sha256(one.read_bytes()).hexdigest())
            for one in pictures.iterdir()
        }

    before = state()
    scan(pictures, SETTINGS)
    assert state() == before


def test_progress_counts_every_picture_and_a_scan_can_be_cancelled(pictures: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    scan(pictures, SETTINGS, lambda done, total, name: seen.append((done, total, name)))
    assert [one[0] for one in seen] == [0, 1, 2, 3, 4] and seen[-1] == (4, 4, "")
    with pytest.raises(Cancelled):
        scan(pictures, SETTINGS, cancelled=lambda: True)


@pytest.mark.parametrize("what", ["missing", "empty", "file"])
def test_a_folder_without_pictures_is_a_sentence(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "empty":
        path.mkdir()
    if what == "file":
        path.write_text("x")
    with pytest.raises(NoDataset, match=what if what != "missing" else "no folder"):
        scan(path)


def test_the_json_has_the_promised_shape(pictures: Path, draw_picture: Draw) -> None:
    draw_picture(pictures / "small.png", 5, (60, 70))
    words = json.loads(report_json(scan(pictures, SETTINGS)))
    assert list(words) == ["version", "dir", "kind", "pictures", "set", "not_checked"]
    small = words["pictures"]["small.png"]
    keys = "opens width height faces framing persons blurry upscaled duplicates caption findings"
    assert list(small) == keys.split()
    assert (small["opens"], small["width"], small["height"], small["faces"]) == (True, 60, 70, None)
    assert small["findings"][0]["code"] == "low-resolution" and small["findings"][0]["value"] == 60
    assert set(small["findings"][0]) == {"code", "severity", "value", "message", "remedy"}
    assert {"faces", "framing", "blurry", "upscaled"} <= set(words["not_checked"])
