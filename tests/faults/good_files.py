"""A good file of each kind that a reader reads: what the mutations begin with."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from PIL import Image

from trainer.contract.run.rundir import RunDir

Files = dict[str, bytes]  # by their place in the folder


@lru_cache
def answers_files() -> Files:
    from loratui.settings.answers import Answers, answers_text

    values = {
        "name": "a",
        "dataset.path": "/tmp/x",
        "train.rank": 16,
        "train.lr_unet": 0.5,
        "sample.prompts": ["a TOK"],
    }
    return {"answers.toml": answers_text(Answers("object", values)).encode()}


@lru_cache
def config_files() -> Files:
    from trainer.contract.settings.config import TrainConfig, dump_config, nested

    values = {"name": "a", "dataset.path": "/tmp/x", "train.steps": 8}
    return {"config.toml": dump_config(TrainConfig.model_validate(nested(values))).encode()}


@lru_cache
def run_files() -> Files:
    log = [
        {"t": 1.0, "type": "run", "v": 1, "name": "a", "steps": 8, "pid": 1, "host": "h", "world": 1},
        {"t": 1.5, "type": "phase", "name": "train", "done": 0, "total": 8},
        {"t": 2.0, "type": "step", "step": 1, "loss": 0.5, "d": {"unet": 1e-6}, "lr": {"unet": 1.0}, "seconds": 0.2},
        {"t": 2.5, "type": "sample", "step": 1, "index": 0, "path": "samples/000001-0.png", "prompt": "a TOK"},
        {"t": 2.7, "type": "measure", "step": 1, "loss": 0.4, "losses": [0.4, 0.3], "held_out": True, "norm": 1.0},
        {"t": 2.8, "type": "warn", "code": "x", "message": "m", "advice": "a"},
        {"t": 3.0, "type": "checkpoint", "step": 1, "path": "checkpoints/step-000001", "bytes": 100},
        {"t": 4.0, "type": "end", "status": "completed", "step": 8, "files": [], "seconds": 3.0},
    ]
    return {
        **config_files(),
        **answers_files(),
        "events.jsonl": b"".join(json.dumps(one).encode() + b"\n" for one in log),
        "changes.json": json.dumps([{"key": "train.rank", "old": 4, "new": 8, "step": 2}]).encode(),
        "prompts.json": json.dumps({"v": 1, "added": [{"index": 3, "prompt": "a TOK", "kept": True}]}).encode(),
    }


def in_folder(files: Callable[[], Files], name: str) -> Callable[[], Files]:
    return lambda: {f"{name}/{path}": data for path, data in files().items()}


def queue_files() -> Files:
    return {**in_folder(config_files, "r")(), "r/queued.json": QUEUED}


QUEUED = b'{"place": 1.0, "gpus": 1, "since": 1.7e9, "folder": "/tmp", "tries": 0, "offset": 0}'


def command_files() -> Files:
    return {"control/1700000000000000000-sample.json": b'{"cmd": "sample", "args": {"prompt": "a TOK", "keep": true}}'}


@lru_cache
def checkpoint_files() -> Files:
    import tempfile

    from tests.faults.operations import _snapshot
    from trainer.checkpoints.snapshot import save_checkpoint

    with tempfile.TemporaryDirectory() as place:
        folder, _ = save_checkpoint(RunDir(Path(place)), _snapshot(2, 1))
        return {f"checkpoints/{folder.name}/{one.name}": one.read_bytes() for one in sorted(folder.iterdir())}


@lru_cache
def tensors_files() -> Files:
    import torch
    from safetensors.torch import save

    return {"a.safetensors": save({"a": torch.ones(4, 4), "b": torch.ones(3)}, {"ss_tag_frequency": '{"a": {"b": 1}}'})}


@lru_cache
def base_files() -> Files:
    """The small SDXL as a folder, its weights cut to what their headers need: nothing is loaded here."""
    from trainer.contract.basemodel.inspect import small_model

    return {
        str(path.relative_to(small_model())): path.read_bytes()
        for path in sorted(small_model().rglob("*"))
        if path.is_file() and path.suffix in (".json", ".safetensors", ".txt")
    }


@lru_cache
def picture_files() -> Files:
    files: Files = {}
    picture = Image.effect_noise((64, 48), 60).convert("RGB")
    for ending, name in (
        ("png", "PNG"),
        ("jpg", "JPEG"),
        ("webp", "WEBP"),
        ("tif", "TIFF"),
        ("bmp", "BMP"),
        ("avif", "AVIF"),
    ):
        out = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.save(out, name, **({"exif": exif.tobytes()} if ending in ("jpg", "webp", "png") else {}))
        files[f"a.{ending}"] = out.getvalue()
    return files


def captioned_files() -> Files:
    rows = [{"file_name": f"{n}.png", "prompt": f"a TOK {n}", "more": [1, {"x": 2}]} for n in range(3)]
    listed = "".join(json.dumps(one) + "\n" for one in rows).encode()
    table = b"file_name,prompt\n" + b"".join(f'{n}.png,"a TOK, {n}"\n'.encode() for n in range(3))
    pixel = picture_files()["a.png"]
    return {
        **{f"{n}.png": pixel for n in range(4)},
        "metadata.jsonl": listed,
        "captions.csv": table,
        "3.txt": b"a TOK\n",
        "0.caption": b"a TOK, a dog\n",
        "1.json": b'{"caption": "a TOK", "tags": ["a", "b"]}',
    }


def own_files() -> Files:
    from loratui.settings.drafts.draft import Draft

    return {
        "loratui/drafts/draft-20260101-000000-abc.json": json.dumps(asdict(Draft(values={"name": "a"}))).encode(),
        "loratui/recent-pictures.json": json.dumps(["/tmp/a", "/tmp/b"]).encode(),
        "loratui/preferences.json": b'{"shade": "dark"}',
        "loratui/bases.json": json.dumps(["/tmp/a.safetensors"]).encode(),
    }


def preset_files() -> Files:
    text = """title = "mine"
summary = "s"
kind = "face"
[steps_per_image]
value = 100
source = "me"
[values]
"train.rank" = { value = 16, source = "me" }
"train.batch" = { value = 1, source = "me", inferred = true }
"""
    return {"mine.toml": text.encode()}
