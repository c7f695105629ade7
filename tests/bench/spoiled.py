"""How often the doctor tells what a script spoiled: every photograph turned, cut in quality, with noise, rot or blur.

Part of `python -m tests.bench.curation --spoiled`; every draw has a seed, so that the counts come again.
"""

from __future__ import annotations

import csv
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from loratui.curation.checks.files import open_picture
from loratui.curation.checks.measure import SMALLEST, PictureMeasure, measure
from loratui.curation.checks.quality import quality_findings
from loratui.curation.people.faces import turned
from loratui.curation.people.framing import counted, face_findings
from tests.loratui.curation.conftest import PHOTOS
from tests.loratui.curation.test_damage import encoded

SIDE = 1000  # px of the longer side at most
CHANGED, VISIBLY = 40, 0.1  # grey levels of a pixel that rot changed; the share of those that anyone sees
SEED = 0
Counts = dict[str, list[tuple[bool, str]]]


def spoiled() -> None:
    """Print for each way of spoiling how many of the photographs were told to have it."""
    found: Counts = defaultdict(list)
    rng = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "a.jpg")
        for row in csv.DictReader((PHOTOS / "ground_truth.csv").open(newline="")):
            picture = open_picture("a", PHOTOS / row["file"]).picture
            if picture is None or min(picture.size) < SMALLEST or row["set"] == "archive_pd":
                continue
            picture.thumbnail((SIDE, SIDE))
            _photograph(found, row, picture.convert("RGB"), file, rng)
    print(f"== spoiled by script, seed {SEED}: told of how many, and of which not")
    for name, answers in sorted(found.items()):
        missed = [file for told, file in answers if told != (not name.startswith("sound"))]
        print(f"{name:44} {sum(told for told, _ in answers):3} of {len(answers):3}   {', '.join(missed[:4])}")


def _photograph(found: Counts, row: dict[str, str], one: Image.Image, file: Path, rng: np.random.Generator) -> None:
    name, kind = row["file"], "face" if row["faces"] not in ("", "0") else "object"

    def told(raw: bytes) -> tuple[set[str], PictureMeasure]:
        file.write_bytes(raw)
        measured = measure(file.name, file, "#ffffff", False)
        codes = {each.code for each in quality_findings(file.name, measured, kind)}
        if measured.faces is not None and kind == "face":
            faces = tuple(turned(each, measured.turns) for each in counted(measured.faces, kind))
            codes |= {each.code for each in face_findings(file.name, faces, kind, measured.drawn, measured.turns)}
        return codes, measured

    codes, sound = told(encoded(one, 92))
    for code in ("not-upright", "noisy", "coarse-jpeg", "damaged", "blurred"):
        if code != "blurred" or row["blurry"] == "n":
            found[f"sound, as {kind}: {code}"].append((code in codes, name))
    if row["faces_ok"] == "1" and not sound.turns:
        for turn in (90, 180, 270):
            codes, measured = told(encoded(one.rotate(turn, expand=True), 92))
            found[f"turned by {turn}"].append(
                ("not-upright" in codes and (90 * measured.turns + turn) % 360 == 0, name)
            )
    for quality in (3, 4, 8):
        codes, measured = told(encoded(one, quality))
        found[f"JPEG {quality}: coarse, and no drawing"].append(("coarse-jpeg" in codes and not measured.drawn, name))
    for deviation in (15, 25, 45):
        grain = rng.normal(0, deviation, (*one.size[::-1], 3))
        noisy = Image.fromarray((np.asarray(one) + grain).clip(0, 255).astype(np.uint8))
        found[f"noise of {deviation} levels"].append(("noisy" in told(encoded(noisy, 92))[0], name))
    for radius in (3, 6):
        codes, _ = told(encoded(one.filter(ImageFilter.GaussianBlur(radius)), 92))
        found[f"blurred by {radius} px, as {kind}"].append(("blurred" in codes, name))
    for flips in (3, 10, 30):
        raw = bytearray(encoded(one))
        for at in rng.integers(len(raw) // 3, len(raw) - 2, flips):
            raw[at] ^= 0x35
        if _visible(bytes(raw), one, file):
            codes, _ = told(bytes(raw))
            found[f"{flips} bytes flipped: damaged"].append(("damaged" in codes, name))
            found[f"{flips} bytes flipped: that, or an edge"].append(
                (not codes.isdisjoint({"damaged", "collage"}), name)
            )


def _visible(raw: bytes, one: Image.Image, file: Path) -> bool:
    """Whether a rotten file can be decoded, and shows that it is rotten."""
    file.write_bytes(raw)
    try:
        with Image.open(file) as opened:
            pixels = np.asarray(opened.convert("L"), np.int16)
    except (OSError, SyntaxError):
        return False
    apart = np.abs(pixels - np.asarray(one.convert("L"), np.int16)) > CHANGED
    return bool(apart.mean() > VISIBLY)
