"""Whatever the check calls a warning can be accepted, and then trains; what is fatal stops the trainer as well."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from loratui.cli import main
from loratui.commands.check import run_check
from loratui.curation.codes import CODES
from loratui.curation.report import outcome
from loratui.curation.scan import ScanSettings, scan
from tests.loratui.curation.conftest import PHOTOS, needs_photos, scene, write_scene
from trainer.contract.run import exits
from trainer.contract.run.events import Tail
from trainer.contract.settings.config import TrainConfig, dump_config, nested

pytestmark = pytest.mark.usefixtures("one_measure")
Make = Callable[[Path], object]


def text(name: str, words: str | bytes) -> Make:
    return lambda folder: (folder / name).write_bytes(words if isinstance(words, bytes) else words.encode())


def outside_caption(folder: Path) -> None:
    (folder.parent / "netrc").write_text("machine git.example login anna password hunter2 TOK")
    (folder / "b.txt").symlink_to("../netrc")


def outside_picture(folder: Path) -> None:
    scene(9).save(folder.parent / "other.png")
    (folder / "x.png").symlink_to("../other.png")


def shot(name: str, change: Callable[[Image.Image], Image.Image]) -> Make:
    return lambda folder: change(scene(9)).save(folder / name)


def moving(folder: Path) -> None:
    scene(9, (300, 300)).save(folder / "x.gif", save_all=True, append_images=[scene(8, (300, 300))])


def layered(folder: Path) -> None:
    for number in range(3):
        (folder / f"{number}.psd").write_bytes(b"8BPS\0\1" + bytes(64))


def enlarged(one: Image.Image) -> Image.Image:
    return one.resize((160, 120), Image.Resampling.LANCZOS).resize((640, 480), Image.Resampling.BICUBIC)


def grainy(one: Image.Image) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray((np.asarray(one) + rng.normal(0, 30, (*one.size[::-1], 3))).clip(0, 255).astype(np.uint8))


def rotten(folder: Path) -> None:
    """A JPEG of which a card or a cable lost some bytes; it can still be decoded."""
    scene(9).save(folder / "x.jpg", quality=90)
    raw = bytearray((folder / "x.jpg").read_bytes())
    for at in np.random.default_rng(1).integers(len(raw) // 3, len(raw) - 2, 5):
        raw[at] ^= 0x5A
    (folder / "x.jpg").write_bytes(raw)


def row(name: str, words: object) -> str:
    return json.dumps({"file_name": name, "prompt": words}) + "\n"


def stalls(folder: Path) -> None:
    """A JPEG that repeats its last pass 300 times."""
    scene(7).save(folder / "x.jpg", progressive=True)
    raw = (folder / "x.jpg").read_bytes()
    last = raw.rindex(b"\xff\xda")
    (folder / "x.jpg").write_bytes(raw[:last] + raw[last:-2] * 300 + raw[-2:])


def below(folder: Path) -> None:
    """All pictures lie one folder deeper."""
    (folder / "more").mkdir()
    for one in folder.glob("*.png"):
        one.rename(folder / "more" / one.name)


def pasted(one: Image.Image) -> Image.Image:
    made = Image.new("RGB", (2 * one.width, one.height))
    for place, ground in enumerate(("black", "white")):
        made.paste(Image.blend(one, Image.new("RGB", one.size, ground), 0.6), (place * one.width, 0))
    return made


def soft(one: Image.Image) -> Image.Image:
    """With calm places, whose levels can be counted."""
    return Image.blend(Image.linear_gradient("L").resize(one.size).convert("RGB"), one, 0.2)


WARNINGS: dict[str, Make] = {
    "animated": moving,
    "other-formats": layered,
    "low-resolution": shot("x.png", lambda one: one.resize((200, 200))),
    "thin": shot("x.png", lambda one: one.crop((0, 0, 640, 70)).resize((2560, 280))),
    "upscaled": shot("x.png", enlarged),
    "blurred": shot("x.png", lambda one: one.filter(ImageFilter.GaussianBlur(3))),
    "too-dark": shot("x.png", lambda one: ImageEnhance.Brightness(one).enhance(0.08)),
    "too-bright": shot("x.png", lambda one: Image.blend(one, Image.new("RGB", one.size, "white"), 0.95)),
    "low-contrast": shot("x.png", lambda one: Image.blend(one, Image.new("RGB", one.size, "#808080"), 0.95)),
    "noisy": shot("x.png", grainy),
    "coarse-jpeg": lambda folder: scene(9).save(folder / "x.jpg", quality=5),
    "damaged": rotten,
    "collage": shot("x.png", pasted),
    "posterised": shot("x.png", lambda one: ImageOps.posterize(soft(one), 3)),
    "oversaturated": shot("x.png", lambda one: ImageEnhance.Color(one).enhance(6)),
    "pixelated": shot(
        "x.png", lambda one: one.resize((40, 30), Image.Resampling.BOX).resize((640, 480), Image.Resampling.NEAREST)
    ),
    "corners": shot("x.png", lambda one: one.rotate(10, expand=True, fillcolor="black")),
    "barred": shot("x.png", lambda one: ImageOps.pad(one, (960, 480))),
    "duplicate": lambda folder: (folder / "x.png").write_bytes((folder / "a.png").read_bytes()),
    "near-duplicate": lambda folder: Image.open(folder / "a.png").save(folder / "x.jpg", quality=90),
    "caption-outside": outside_caption,
    "caption-unreadable": text("b.txt", "a TOK " * 20_000),
    "caption-not-utf8": text("b.txt", b"a TOK, caf\xe9"),
    "caption-control": text("b.txt", "a TOK\0 cat"),
    "caption-long": text("b.txt", "a TOK " + "dog " * 99),
    "caption-syntax": text("b.txt", "a TOK, (sharp:1.2)"),
    "trigger-missing": text("b.txt", "a cat"),
    "other-trigger": text("b.txt", "a TOK as a sks cat"),
    "caption-several": text("metadata.jsonl", row("b.png", ["a TOK", "another TOK"])),
    "captions-unread": text("metadata.jsonl", json.dumps({"file_name": "b.png", "short": "x", "long": "y"})),
    "metadata-without-picture": text("metadata.jsonl", row("gone.png", "a TOK")),
    "metadata-bad-row": text("metadata.jsonl", "no row\n" + row("a.png", "a TOK")),
    "metadata-unreadable": lambda folder: (folder / "metadata.jsonl").open("w").truncate(65 * 1024 * 1024),
    "captions-in-names": lambda folder: [
        (folder / f"{one}.png").rename(folder / f"a photo of the TOK, {one}.png") for one in "ab"
    ],
}
FATAL: dict[str, Make] = {
    "metadata-outside": text("metadata.jsonl", row("../secret.png", "x")),
    "picture-outside": outside_picture,
    "empty-file": text("x.png", b""),
    "unreadable": text("x.png", b"no picture at all"),
    "truncated": lambda folder: (folder / "x.png").write_bytes((folder / "a.png").read_bytes()[:9000]),
    "too-large": lambda folder: Image.new("1", (10_001, 10_001)).save(folder / "x.png"),
    "stalling": stalls,
}
NOTHING: dict[str, Make] = {"no-pictures": lambda folder: None, "in-subfolder": below}  # is left to train on
FACES = {"not-upright", "no-face", "several-faces", "far-away", "face-cut"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "set"
    place.mkdir()
    for number, name in enumerate("ab"):
        write_scene(place / f"{name}.png", number)
    return place


def decided(folder: Path, code: str) -> tuple[list[str], bool]:
    """What is to be accepted of the folder, and whether a run is ready then."""
    report = scan(folder, ScanSettings(resolution=256, trigger="TOK"))
    assert code in {one.code for one in report.all_findings if one.severity in ("block", "warn")}
    accept = [one.accept_key for one in report.all_findings if one.acceptable]
    return accept, outcome(report, (), accept).ready


def config(folder: Path, accept: list[str]) -> TrainConfig:
    values = {"name": "x", "dataset.path": str(folder), "dataset.accept": accept, "train.resolution": 256}
    return TrainConfig.model_validate(nested(values))


def test_every_code_that_stops_a_run_is_tried_here() -> None:
    stopping = {name for name, one in CODES.items() if one.severity in ("block", "warn")}
    assert stopping == {*WARNINGS, *FATAL, *NOTHING, *FACES}


@pytest.mark.parametrize("code", WARNINGS)
def test_a_warning_that_is_accepted_trains(folder: Path, code: str) -> None:
    from trainer.data.dataset import read_dataset

    WARNINGS[code](folder)
    accept, ready = decided(folder, code)
    assert ready
    items = read_dataset(config(folder, accept))
    pictures = [one.name for one in folder.iterdir() if one.suffix in (".png", ".jpg", ".gif")]
    assert [item.name for item in items] == sorted(pictures)


@needs_photos
@pytest.mark.slow
def test_warnings_of_faces_that_are_accepted_train(tmp_path: Path) -> None:
    from trainer.data.dataset import read_dataset

    with Image.open(PHOTOS / "whitehouse" / "obama.jpg") as one:
        face = one.convert("RGB").resize((480, 600))
    sizes = {"two": (960, 600), "far": (1800, 1400), "cut": (1500, 600)}
    places = {"two": [(0, 0), (480, 0)], "cut": [(0, 0)]}
    scene(3).save(tmp_path / "none.png")
    for name, size in sizes.items():
        made = Image.new("RGB", size, "#557799")
        for place in places.get(name, []):
            made.paste(face, place)
        if name == "far":
            made.paste(face.resize((200, 250)), (800, 500))
        made.save(tmp_path / f"{name}.png")
    face.rotate(90, expand=True).save(tmp_path / "side.png")
    report = scan(tmp_path, ScanSettings(kind="face", resolution=256, trigger="TOK"))
    assert {one.code for one in report.all_findings} >= FACES
    accept = [one.accept_key for one in report.all_findings if one.acceptable]
    assert outcome(report, (), accept).ready
    assert len(read_dataset(config(tmp_path, accept))) == 5


@pytest.mark.parametrize("code", FATAL)
def test_what_is_fatal_cannot_be_accepted_anywhere(folder: Path, code: str) -> None:
    from trainer.data.dataset import DataError, read_dataset

    FATAL[code](folder)
    accept, ready = decided(folder, code)
    assert not ready
    with pytest.raises(DataError):
        read_dataset(config(folder, [*accept, f"{code}:", f"{code}:metadata.jsonl", f"{code}:x.png"]))


@pytest.mark.parametrize("code", ["caption-not-utf8", "captions-unread", "metadata-bad-row", "metadata-outside"])
def test_what_nobody_accepted_is_refused_by_check_and_trainer_before_torch(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    (WARNINGS | FATAL)[code](folder)
    assert run_check(folder, ScanSettings(resolution=256, trigger="TOK"), False) == exits.DATASET
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.toml").write_text(dump_config(config(folder, [])))
    asked = "import sys; from trainer.__main__ import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    command = [sys.executable, "-c", asked, run / "config.toml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(exits.DATASET), "False"], done.stderr
    assert ("b.txt" if code == "caption-not-utf8" else "metadata.jsonl") in done.stderr


MANY = """
import sys
from trainer.__main__ import main
for path in sys.argv[1:]:
    print(main([path]), "torch" in sys.modules)
"""


@pytest.mark.slow
def test_what_blocks_is_refused_by_check_plan_replay_and_trainer_before_torch(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers, runs = tmp_path / "answers.toml", []
    said = {"no-pictures": "skipped", "in-subfolder": "more", "stalling": "passes", "truncated": "x.png"}
    for code, words in said.items():
        place, run, skip = tmp_path / code, tmp_path / f"run-{code}", ["a.png", "b.png"] * (code == "no-pictures")
        shutil.copytree(folder, place)
        (FATAL | NOTHING)[code](place)
        answers.write_text(
            f'schema = 1\npreset = "object"\n[model]\nbase = "sdxl-small"\n[train]\nresolution = 256\n'
            f"[dataset]\npath = {json.dumps(str(place))}\nskip = {json.dumps(skip)}\n"
        )
        asked: list[list[object]] = [["plan", answers], ["replay", answers, "--out", tmp_path / "out"]]
        for command in asked if skip else [["check", place, "--resolution", 256], *asked]:  # check skips nothing
            assert left_with(monkeypatch, *command) == exits.DATASET, command
            told = capsys.readouterr()
            assert words in told.out + told.err, (command, told)
        run.mkdir()
        values = {"dataset.path": str(place), "dataset.skip": skip, "train.resolution": 256, "name": "x"}
        (run / "config.toml").write_text(dump_config(TrainConfig.model_validate(nested(values))))
        runs.append(run / "config.toml")
    done = subprocess.run([sys.executable, "-c", MANY, *runs], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(exits.DATASET), "False"] * len(runs), done.stderr
    for run, (code, words) in zip(runs, said.items(), strict=True):
        (error,) = (one for one in Tail(run.with_name("events.jsonl")).read() if one["type"] == "error")
        assert words in error["message"]
        cure = {"stalling": ["x.jpg"], "truncated": ["x.png"]}.get(code, [])
        assert error["pictures"] == cure  # leaving it out is one


def left_with(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit code of `loratui WORDS`."""
    monkeypatch.setattr(sys, "argv", ["loratui", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def test_check_agrees_with_a_run_on_sub_folders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ScanSettings(resolution=256, trigger="TOK", subfolders=True)
    assert run_check(folder, settings, False) == exits.DONE
    (folder / "more").mkdir()
    (folder / "more" / "x.png").write_bytes(b"")  # no run looks there
    assert run_check(folder, settings, False) == exits.DONE
    assert run_check(folder.parent, settings, False) == exits.DATASET  # and all pictures are there


def test_a_folder_of_masks_is_counted_and_not_offered_as_pictures(folder: Path) -> None:
    (folder / "mask").mkdir()
    Image.new("L", (640, 480)).save(folder / "mask" / "a.png")
    report = scan(folder, ScanSettings(resolution=256, trigger="TOK", subfolders=True))
    assert [one.name for one in report.pictures] == ["a.png", "b.png"]
    found = {one.code: one.message for one in report.findings}
    assert "in-subfolder" not in found and found["companions"].startswith("1 file in mask")
