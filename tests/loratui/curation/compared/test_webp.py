"""How coarsely a WebP was saved stands in its header, and of two copies the coarser one is the one to skip."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from loratui.curation.checks.measure import measure
from loratui.curation.checks.quality import quality_findings
from loratui.curation.compared.webp import webp_quantiser
from tests.loratui.curation.conftest import PHOTOS, look, needs_photos, scene

pytestmark = pytest.mark.usefixtures("one_measure")


def webp(one: Image.Image, **how: object) -> io.BytesIO:
    out = io.BytesIO()
    one.save(out, "WEBP", **how)
    return out


def test_a_worse_quality_has_a_larger_step_and_what_loses_nothing_has_none() -> None:
    one = scene(3, (320, 240))
    found = [webp_quantiser(webp(one, quality=quality)) or 0.0 for quality in (0, 5, 20, 50, 80, 100)]
    assert found == sorted(found, reverse=True) and len(set(found)) == 6
    assert (found[0], found[-1]) == (142, 2)  # the ends of the format's own table, halved
    assert webp_quantiser(webp(one, lossless=True)) is None
    plain = webp_quantiser(webp(one, quality=50))
    assert webp_quantiser(webp(one, quality=50, exif=b"Exif\0\0" + bytes(60))) == plain
    jpeg = io.BytesIO()
    one.save(jpeg, "JPEG")
    assert webp_quantiser(jpeg) is None


@pytest.mark.parametrize("keep", [0, 12, 30, 45, 60, 300])
def test_a_torn_file_is_no_error_and_is_left_where_it_was(keep: int) -> None:
    torn = io.BytesIO(webp(scene(3, (320, 240)), quality=30).getvalue()[:keep])
    torn.seek(3)
    webp_quantiser(torn)
    assert torn.tell() == 3


@needs_photos
@pytest.mark.parametrize("name", ["dreambooth_clock/00.jpg", "dreambooth_vase/02.jpg", "hagrid/hg_0a4a8907.jpg"])
def test_a_coarse_webp_is_told_also_where_it_stands_alone(tmp_path: Path, name: str) -> None:
    with Image.open(PHOTOS / name) as opened:
        one = opened.convert("RGB")
    one.thumbnail((800, 800))
    for quality in (0, 5, 15, 60):
        (tmp_path / f"{quality:02}.webp").write_bytes(webp(one, quality=quality).getvalue())
    one.save(tmp_path / "z.webp", lossless=True)
    found = {}
    for file in sorted(tmp_path.iterdir()):
        measured = measure(file.name, file, "#ffffff", False)
        for kind, severity in (("object", "warn"), ("style", "hint")):
            told = [each for each in quality_findings(file.name, measured, kind) if each.code == "coarse-jpeg"]
            found[file.stem] = [each.message for each in told]
            assert [each.severity for each in told] in ([], [severity])
    smeared = ["saved so coarsely that its details are smeared"]
    assert found == {"00": smeared, "05": smeared, "15": [], "60": [], "z": []}


@needs_photos
@pytest.mark.slow
@pytest.mark.parametrize("name", ["dreambooth_clock/00.jpg", "dreambooth_backpack/00.jpg", "dreambooth_vase/01.jpg"])
def test_no_coarse_webp_is_the_better_copy(tmp_path: Path, name: str) -> None:
    with Image.open(PHOTOS / name) as opened:
        one = opened.convert("RGB")
    one.thumbnail((1000, 1000))
    one.save(tmp_path / "z.png")
    for quality in (2, 5, 20):
        (tmp_path / f"{quality:02}.webp").write_bytes(webp(one, quality=quality).getvalue())
    report = look(tmp_path, kind="object", resolution=256)
    better = {each.name: set(each.better) for each in report.pictures}
    assert better["z.png"] == set() and better["20.webp"] == {"z.png"}
    assert better["05.webp"] == {"z.png", "20.webp"} and better["02.webp"] == {"z.png", "20.webp", "05.webp"}
