"""The dataset doctor against photographs with ground truth: `python -m tests.bench.curation` with the flags below.

Looks for ../shared/photos (ground_truth.csv, score.py, make_hard_cases.py). Nothing is tuned to these files' names.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageFilter, ImageOps

from loratui.curation.as_json import report_json
from loratui.curation.checks.files import open_picture
from loratui.curation.checks.measure import measure
from loratui.curation.checks.quality import blurry
from loratui.curation.scan import ScanSettings, scan
from tests.bench import judgement
from tests.bench.overlays import overlays
from tests.bench.spoiled import spoiled
from tests.loratui.curation.conftest import PHOTOS

Pictures = dict[str, dict[str, Any]]


def main() -> None:
    """Print every table that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--derived", action="store_true", help="blur and enlargement made from every sharp photograph")
    parser.add_argument("--large", action="store_true", help="30 photographs of 12 megapixels")
    parser.add_argument(
        "--judgement", action="store_true", help="nothing but how it judges: warnings, keep-best, identity"
    )
    parser.add_argument("--overlays", action="store_true", help="nothing but collages and words laid over pictures")
    parser.add_argument("--spoiled", action="store_true", help="nothing but every photograph spoiled in many ways")
    parser.add_argument("--against", type=Path, metavar="TREE", help="time the checkout in TREE in turns with this one")
    asked = parser.parse_args()
    if not PHOTOS.is_dir():
        sys.exit(f"{PHOTOS} is not on this machine")
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CACHE_HOME"] = f"{place}/cache"
        if asked.overlays:
            overlays()
            return
        if asked.spoiled:
            spoiled()
            return
        if not asked.judgement:
            photographs(Path(place))
            hard_cases(Path(place))
        judgement.false_warnings()
        judgement.spoiled_sets()
        judgement.identity()
        if asked.derived:
            derived()
        if asked.large:
            large(Path(place))
        if asked.against:
            judgement.against(asked.against.resolve())


def photographs(place: Path) -> None:
    """The real ones: all as kind face, then each set as a person would use it."""
    truth = PHOTOS / "ground_truth.csv"
    rows = list(csv.DictReader(truth.open(newline="")))
    start = time.perf_counter()
    found = looked_at(PHOTOS, "face")
    seconds = time.perf_counter() - start
    print(f"== {len(rows)} photographs, all as kind face: {len(found) / seconds:.1f} pictures a second, pairs included")
    score(truth, found, place)
    people = {row["set"] for row in rows if row["faces"] not in ("", "0")}
    used: Pictures = {}
    for name in sorted({row["set"] for row in rows}):
        one = looked_at(PHOTOS / name, "face" if name in people else "object")
        used |= {f"{name}/{file}": words for file, words in one.items()}
    print("== each set as what it shows")
    exact_faces(rows, used)
    findings_table(rows, used, people)


def exact_faces(rows: list[dict[str, str]], found: Pictures) -> None:
    """The exact count, on photographs with up to three faces, drawn faces left out."""
    right = total = 0
    for row in rows:
        count = found.get(row["file"], {}).get("faces")
        if count is None or row["faces"] == "" or int(row["faces"]) > 3 or int(row["depicted_faces"] or 0):
            continue
        low, _, high = (row["faces_ok"] or row["faces"]).partition("-")
        right += int(low) <= count <= int(high or low)
        total += 1
    print(f"faces, exact count      {right}/{total} = {right / total:.3f}")


def findings_table(rows: list[dict[str, str]], found: Pictures, people: set[str]) -> None:
    """Precision and recall of the findings that the ground truth speaks of."""
    truths: dict[str, Callable[[dict[str, str]], bool | None]] = {
        "blurred": lambda row: {"y": True, "n": False}.get(row["blurry"]),
        "no-face": lambda row: None if row["faces_ok"] == "0-1" else row["faces"] == "0",
        "several-faces": lambda row: None if "-" in row["faces_ok"] else int(row["faces"] or 0) > 1,
        "far-away": lambda row: None if row["faces"] == "0" or "|" in row["framing_ok"] else row["framing"] == "far",
    }
    for code, truth in truths.items():
        pairs = []
        for row in rows:
            one, wanted = found.get(row["file"]), truth(row)
            if one is None or wanted is None or not one["opens"]:
                continue
            if code != "blurred" and (row["set"] not in people or int(row["depicted_faces"] or 0)):
                continue
            pairs.append((wanted, code in {finding["code"] for finding in one["findings"]}))
        print_pairs(code, pairs)


def print_pairs(name: str, pairs: list[tuple[bool, bool]]) -> None:
    """One line of precision and recall from (true, said)."""
    tp, fp = sum(t and s for t, s in pairs), sum(s and not t for t, s in pairs)
    fn = sum(t and not s for t, s in pairs)
    precision = f"{tp / (tp + fp):.3f}" if tp + fp else "-"
    recall = f"{tp / (tp + fn):.3f}" if tp + fn else "-"
    print(f"{name:22}  precision {precision:>5}  recall {recall:>5}   tp {tp} fp {fp} fn {fn} of {len(pairs)}")


def hard_cases(place: Path) -> None:
    """What make_hard_cases.py makes: scored, and each file alone for its time and memory."""
    folder = place / "hard"
    made = [str(PHOTOS / "whitehouse" / name) for name in ("biden2.jpg", "obama.jpg")]
    command = [sys.executable, str(PHOTOS / "make_hard_cases.py"), *made, str(folder), "--seed", "1"]
    subprocess.run(command, check=True, capture_output=True)
    found: Pictures = {}
    for part in ("images", "names", "captions"):
        one = looked_at(folder / part, "face")
        for words in one.values():
            words["duplicates"] = [f"{part}/{name}" for name in words["duplicates"]]
        found |= {f"{part}/{name}": words for name, words in one.items()}
    images = {name: words for name, words in found.items() if name.startswith("images/")}
    print(f"== {len(found)} hard cases (duplicates: within images/)")
    score(folder / "hard_ground_truth.csv", images, place)
    alone = [(file, *cost(file)) for file in sorted(folder.rglob("*")) if file.is_file() and file.suffix != ".txt"]
    for what, at, unit in (("slowest", 1, "s"), ("largest", 2, "MB")):
        worst = sorted(alone, key=lambda one: -one[at])[:3]
        print(f"{what}: " + ", ".join(f"{one[0].name[:30]!r} {one[at]:.2f} {unit}" for one in worst))


def looked_at(folder: Path, kind: str) -> Pictures:
    """The pictures of the JSON that `loratui check --json` writes."""
    report = scan(folder, ScanSettings(kind=kind, subfolders=True))
    pictures: Pictures = json.loads(report_json(report))["pictures"]
    return pictures


def score(truth: Path, found: Pictures, place: Path) -> None:
    """What score.py says."""
    (place / "found.json").write_text(json.dumps(found))
    command = [sys.executable, str(PHOTOS / "score.py"), str(truth), str(place / "found.json")]
    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.rstrip())


def cost(file: Path) -> tuple[float, float]:
    """Seconds and megabytes that measuring one file takes, in a process of its own that has everything loaded."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        before, start = resident(), time.perf_counter()
        measure(file.name, file, "#ffffff", True)
        spent = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        os.write(write, f"{spent} {max(0.0, peak - before)}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as answer:
        seconds, megabytes = answer.read().split()
    return float(seconds), float(megabytes)


def resident() -> float:
    """MB of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def variants(one: Image.Image) -> Iterator[tuple[str, str, Image.Image]]:
    """(what it should be called, how it was made, picture)."""
    yield "sharp", "as it is", one
    yield "sharp", "jpeg 30", coded(one, 30)
    yield "sharp", "half", coded(one.resize((one.width // 2, one.height // 2), Image.Resampling.LANCZOS), 88)
    for radius in (2, 3, 4):
        yield "blurred", f"gauss {radius}", coded(one.filter(ImageFilter.GaussianBlur(radius)))
    yield "blurred", "box 6", coded(one.filter(ImageFilter.BoxBlur(6)))
    for factor in (2, 3, 4):
        size = (one.width // factor, one.height // factor)
        small = one.resize(size, Image.Resampling.LANCZOS)
        for kind in ("BICUBIC", "LANCZOS", "NEAREST"):
            yield "enlarged", f"{factor}x {kind.lower()}", coded(small.resize(one.size, Image.Resampling[kind]))


def coded(one: Image.Image, quality: int = 90) -> Image.Image:
    """Through JPEG and back."""
    buffer = io.BytesIO()
    one.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def derived() -> None:
    """Blur and enlargement made from every photograph that is sharp."""
    said: dict[tuple[str, str], list[tuple[bool | None, bool | None]]] = {}
    with tempfile.TemporaryDirectory() as place:
        for row in csv.DictReader((PHOTOS / "ground_truth.csv").open(newline="")):
            opened = open_picture("a", PHOTOS / row["file"]).picture
            if row["blurry"] != "n" or opened is None or row["set"] == "archive_pd":
                continue
            for truth, how, changed in variants(opened):
                file = Path(place, "a.png")
                changed.save(file, compress_level=1)
                one = measure("a.png", file, "#ffffff", False)
                said.setdefault((truth, how), []).append((blurry(one), one.enlarged))
    print("== derived from the sharp photographs: called blurred, called enlarged, not judged, of")
    for (truth, how), answers in said.items():
        blurred, enlarged = (sum(one[at] is True for one in answers) for at in (0, 1))
        unjudged = sum(one[1] is None for one in answers)
        print(f"{truth:9} {how:12} {blurred:4} {enlarged:4} {unjudged:4} {len(answers):4}")
    sharp = [one for (truth, _), all_ in said.items() if truth == "sharp" for one in all_]
    for name, at in (("blurred", 0), ("enlarged", 1)):
        there = [one for (truth, _), all_ in said.items() if truth == name for one in all_]
        print_pairs(name, [(True, one[at] is True) for one in there] + [(False, one[at] is True) for one in sharp])


def large(place: Path) -> None:
    """Thirty photographs of 12 megapixels: the first and the second scan, and the memory of the first."""
    folder = place / "large"
    folder.mkdir()
    sets = ("hagrid", "dreambooth_dog6", "dreambooth_cat")
    for number, file in enumerate(one for name in sets for one in sorted((PHOTOS / name).iterdir())):
        with Image.open(file) as one:
            big = ImageOps.fit(one.convert("RGB"), (4000, 3000), Image.Resampling.BICUBIC)
        big.save(folder / f"{number:02}.jpg", quality=92)
    code = (
        "import re, sys, time\nfrom pathlib import Path\nfrom loratui.curation.scan import ScanSettings, scan\n"
        "start = time.perf_counter()\nreport = scan(Path(sys.argv[1]), ScanSettings(kind='face'))\n"
        "print(f'{len(report.pictures)} pictures: {time.perf_counter() - start:.2f} s wall, '"
        "f'{time.process_time():.2f} s of processor, '"
        "'peak', re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1], 'kB')"
    )
    print("== 12 megapixels each: first and second scan, in processes of their own")
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code, str(folder)], check=True, capture_output=True, text=True)
        print(done.stdout.rstrip())


if __name__ == "__main__":
    main()
