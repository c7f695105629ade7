"""A small world in which every text from outside is hostile, and what must never come out of a terminal program."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from trainer.contract.run.events import EventLog
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config

# Each piece is one that nothing in the program has a reason to write: found in the output, it came from data.
ESCAPES = {
    "clipboard": "\x1b]52;c;Q0FOQVJZ\x07",
    "title": "\x1b]2;CANARY\x1b\\",
    "link": "\x1b]8;;http://canary\x07",
    "colour": "\x1b[31;9;53m",
    "cursor": "\x1b[66;166H",
    "scroll": "\x1b[3;7r",
    "report": "\x1b[5n",
    "device string": "\x1bPCANARY\x1b\\",
    "reset": "\x1bc",
    "alignment": "\x1b#8",
    "C1": "\x9b31;9;53m",
    "C1 string": "\x90CANARY\x9c",
}
LOOSE = "\x07\x08\x0e\u202e\u2066\u200f\ufeff"  # bell, backspace, shift out, bidi: never, wherever they stand
MARKUP = "[@click=app.quit()]x[/] [b]y[/b] [link=http://canary]z[/link] [$error]"
HOSTILE = "".join(ESCAPES.values()) + LOOSE + MARKUP
NAME = "\x1b]2;CANARY\x07\x1b[31;9;53m\u202e[b]\x9b66;166H"  # fits a file name
# what a terminal program legitimately writes holds none of these
FORBIDDEN = re.compile(
    rb"\x1b\]52|\x1b\]2;CANARY|\x1b\]8;;http://canary|\x1b\[31;9;53m|\x1b\[66;166H|\x1b\[3;7r|\x1b\[5n|\x1bPCANARY|\x1bc"
    rb"|\x1b#8|\x07|\x08|\x0e|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf"
)
POINTER = re.compile(rb"\x1b\]22;[a-z-]*\x07")  # Textual's own: the shape of the mouse's pointer
OWN = re.compile(rb"\x1b\](?:0|9|777;notify;loratui);([^\x00-\x1f\x7f]*)\x07")  # the title, and the notice of an end


@dataclass(frozen=True)
class World:
    """Where things lie."""

    home: Path
    photos: Path
    answers: Path
    run: RunDir
    other: RunDir


def found(wrote: bytes) -> list[bytes]:
    """Escape bytes in `wrote` that came from data."""
    return FORBIDDEN.findall(OWN.sub(rb"\1", POINTER.sub(b"", wrote)))


def make_world(home: Path) -> World:
    """Photographs, captions, metadata, answers and two runs, each with all that can be hostile in it."""
    photos = home / "photos"
    photos.mkdir(parents=True)
    for number in range(4):
        stem = f"{number}{NAME}"
        picture = Image.new("RGB", (1100, 1100), (60 * number, 90, 200))
        ImageDraw.Draw(picture).ellipse((100, 80 * number, 700, 900), fill=(20, 200, 30 * number))
        exif = Image.Exif()
        exif[0x010E] = exif[0x013B] = HOSTILE.encode("utf-8", "replace").decode("latin-1")
        picture.save(photos / f"{stem}.jpg", exif=exif)
        (photos / f"{stem}.txt").write_text(f"a TOK thing {HOSTILE}", encoding="utf-8")
    (photos / f"cut{NAME}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + HOSTILE.encode())
    (photos / f"{NAME}.doc").write_text(HOSTILE)
    (photos / os.fsdecode(b"raw\xff\x9b31m.jpg")).write_bytes(b"no picture")
    row = {"file_name": f"../{NAME}.jpg", "text": HOSTILE, NAME: NAME}
    (photos / "metadata.jsonl").write_text(json.dumps(row) + "\n{" + HOSTILE + "\n")
    answers = home / "answers.toml"
    text = json.dumps(HOSTILE)
    answers.write_text(
        f'schema = 1\npreset = "object"\nname = "toy"\n[dataset]\npath = {json.dumps(str(photos))}\nskip = [{text}]\n'
        f"accept = [{text}]\nclass_word = {text}\ninstance_prompt = {json.dumps('a TOK ' + HOSTILE)}\n"
        f"[sample]\nprompts = [{json.dumps('a TOK ' + HOSTILE)}]\n[model]\nbase = {json.dumps(str(home / NAME))}\n"
    )
    broken = home / "broken.toml"
    broken.write_text(f"schema = 1\n[train]\n{json.dumps(NAME)} = {text}\nrank = {text}\n")
    presets = home / ".config" / "loratui" / "presets"
    presets.mkdir(parents=True)
    (presets / "bad.toml").write_text(f"title = {text}\nsummary = {text}\n{json.dumps(NAME)} = 1\n")
    (presets / f"{NAME}.toml").write_text(HOSTILE)
    runs = home / "runs"
    first, second = (RunDir(runs / f"2026-11-2{one}{NAME}") for one in (1, 2))
    for run in (first, second):
        make_run(run, photos, answers)
    return World(home, photos, answers, first, second)


def make_run(run: RunDir, photos: Path, answers: Path) -> None:
    """A run that failed, and said so in the worst words; its pictures, files and model card are hostile too."""
    for folder in (run.samples, run.export, run.checkpoints / "step-000004"):
        folder.mkdir(parents=True)
    config = TrainConfig(
        dataset={"path": str(photos), "class_word": HOSTILE},
        sample={"prompts": ["a TOK " + HOSTILE]},
        model={"base": str(photos / NAME)},
    )
    run.config.write_text(dump_config(config), encoding="utf-8")
    (run.path / "answers.toml").write_bytes(answers.read_bytes())
    log = EventLog(run.events)
    rates = {NAME: {"lr": 1.0, "d": 1e-5, "effective": 1e-5}, "unet": {"lr": 1.0, "d": None, "effective": 1e-5}}
    log.emit("run", v=1, pid=1, host=NAME, gpu=HOSTILE, versions={NAME: NAME}, name=HOSTILE, steps=8, resumed_from=None)
    log.emit("phase", name=NAME, done=1, total=3)
    for step in range(1, 6):
        log.emit("step", step=step, loss=0.1, grad_norm=0.5, rates=rates, s=0.5, epoch=1.0, views=1.0, rss=1e9)
    for step in (0, 4):
        picture = run.samples / f"{step:06d}{NAME}.png"
        Image.new("RGB", (64, 64), "red").save(picture)
        name = f"samples/{picture.name}"
        log.emit("sample", step=step, index=0, prompt=HOSTILE, seed=1, path=name, thumb=name)
    log.emit("checkpoint", step=4, path=f"checkpoints/{NAME}", bytes=10)
    log.emit("warn", code=NAME, message=HOSTILE, advice=HOSTILE)
    log.emit("command", id="1", cmd=NAME, ok=False, message=HOSTILE)
    log.emit("error", kind="nan", message=HOSTILE, advice=[HOSTILE, HOSTILE], vram=NAME)
    log.emit("end", status="failed", step=5, seconds=10, files=[f"export/{NAME}.safetensors"])
    log.close()
    run.log.write_text(HOSTILE + "\n" + HOSTILE)
    (run.export / f"{NAME}.safetensors").write_bytes(HOSTILE.encode())
    (run.export / "README.md").write_text(f"---\ntitle: {HOSTILE}\n---\n# {HOSTILE}\n")
