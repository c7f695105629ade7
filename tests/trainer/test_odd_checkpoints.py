"""A checkpoint whose files are odd is passed over with a reason, and the whole one before it is used."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from loratui.results.comparison import facts_of
from loratui.runs.find import resumable_steps, saved_steps
from tests.contract.documents.test_documents import mutated
from trainer.checkpoints.snapshot import Damaged, Snapshot, load_checkpoint, newest_checkpoint, save_checkpoint
from trainer.contract.run.rundir import RunDir

DEEP = b"[" * 100_000
STATE = {"version": 1, "step": 4, "identity": {"settings": {"train.rank": 8}, "pictures": {"a.png": "0"}, "base": {}}}
Odd = Callable[[Path], object]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path)
    for step in (2, 4):
        tensors = {"a": torch.full((2, 2), float(step))}
        save_checkpoint(run, Snapshot(step, tensors, tensors, tensors, STATE["identity"]))
    return run


def signed(path: Path, raw: bytes) -> None:
    """`raw` in place of a file, with its hash in the manifest: as one writes it who wants it to be taken."""
    path.write_bytes(raw)
    manifest = path.with_name("manifest.json")
    hashes = json.loads(manifest.read_bytes()) | {path.name: hashlib.sha256(raw).hexdigest()}
    manifest.write_text(json.dumps(hashes))


def replaced(kind: Callable[[Path], object]) -> Odd:
    def replace(path: Path) -> None:
        path.unlink()
        kind(path)

    return replace


def state(**own: object) -> Odd:
    return lambda path: signed(path, json.dumps({**STATE, **own}).encode())


ODD: dict[str, tuple[str, Odd]] = {
    "a list": ("manifest.json", lambda path: path.write_bytes(b"[1]")),
    "deep": ("manifest.json", lambda path: path.write_bytes(DEEP)),
    "no hashes": ("manifest.json", lambda path: path.write_bytes(b'{"state.json": [1]}')),
    "a pipe": ("manifest.json", replaced(os.mkfifo)),
    "a folder": ("manifest.json", replaced(Path.mkdir)),
    "a link": ("manifest.json", replaced(lambda path: path.symlink_to("../step-000002/manifest.json"))),
    "deep state": ("state.json", lambda path: signed(path, DEEP)),
    "a state that is a list": ("state.json", lambda path: signed(path, b"[1]")),
    "no identity": ("state.json", state(identity=[])),
    "settings that are none": ("state.json", state(identity={"settings": {"train.rank": {}}})),
    "a scale that is none": ("state.json", state(loss_scale={"scale": "x", "calm": 0, "more": 1})),
    "another version": ("state.json", state(version=9)),
    "no tensors": ("lora.safetensors", lambda path: signed(path, b"x")),
    "a header without end": ("lora.safetensors", lambda path: signed(path, b"\xff" * 9)),
    "another shape": (
        "lora.safetensors",
        lambda path: signed(path, path.read_bytes().replace(b"[2,2]", b"[2,9]")),
    ),
    "weights that are a pipe": ("optimizer.safetensors", replaced(os.mkfifo)),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_checkpoint_leads_back_to_the_one_before_it(run: RunDir, odd: str) -> None:
    name, change = ODD[odd]
    change(run.checkpoint(4) / name)
    found = newest_checkpoint(run)
    assert found.step == 2 and len(found.damaged) == 1
    assert found.damaged[0].startswith("step-000004")
    assert 2 in resumable_steps(run) and 2 in saved_steps(run)
    assert facts_of(run).pictures == {"a.png": "0"}


def test_no_mutation_of_a_checkpoint_raises_anything_else(run: RunDir) -> None:
    draws, folder = random.Random(8), run.checkpoint(4)
    names = [one.name for one in folder.iterdir()]
    kept = {name: (folder / name).read_bytes() for name in names}
    for number in range(50):
        name = draws.choice(names)
        raw = mutated(kept[name], draws)
        (folder / name).write_bytes(raw)
        if number % 2 and name != "manifest.json":
            signed(folder / name, raw)
        try:
            load_checkpoint(folder)
        except Damaged as error:
            assert str(error).startswith("step-000004")
        for one in (name, "manifest.json"):
            (folder / one).write_bytes(kept[one])
