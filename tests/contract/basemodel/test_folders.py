"""One judgement of a folder: what the plan refuses the trainer refuses, before torch; what it passes can be loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.contract.basemodel.folders import BROKEN, WHOLE, linked
from tests.trainer.conftest import draw_dataset, make_config, make_run
from trainer.contract.basemodel.inspect import NotSDXL, inspect_base
from trainer.contract.plan.advice import refusals
from trainer.contract.run import exits
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.ground.digests import weights_digest
from trainer.model.parts import load_parts

# each run by the program's own entry, one after the other in one process
MANY = """
import sys
from trainer.__main__ import main
for path in sys.argv[1:]:
    print(main([path]), "torch" in sys.modules, flush=True)
"""


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_be_trained_is_said_with_what_it_is(kind: str, tmp_path: Path) -> None:
    breaks, said = BROKEN[kind]
    folder = linked(tmp_path / "model")
    breaks(folder)
    with pytest.raises(NotSDXL, match=said) as caught:
        inspect_base(str(folder))
    assert str(caught.value).startswith(f"'{folder}' ")
    assert refusals(make_config(tmp_path, model__base=str(folder))) == [f"model.base: {caught.value}"]


@pytest.mark.slow
def test_the_trainer_refuses_in_the_same_words_before_torch_is_loaded(tmp_path: Path) -> None:
    pictures = draw_dataset(tmp_path / "pictures")
    runs, expected = [], []
    for kind, (breaks, _) in BROKEN.items():
        folder = linked(tmp_path / kind)
        breaks(folder)
        config = make_config(pictures, model__base=str(folder))
        runs.append(make_run(tmp_path / f"run {kind}", config))
        expected.append("\n".join(refusals(config)))
    done = subprocess.run(
        [sys.executable, "-c", MANY, *(str(run.config) for run in runs)], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.splitlines() == [f"{exits.USAGE} False"] * len(runs), done.stderr
    for run, sentence in zip(runs, expected, strict=True):
        events = Tail(RunDir(run.path).events).read()
        assert [(one["type"], one.get("message", one.get("status"))) for one in events] == [
            ("error", sentence),
            ("end", "failed"),
        ]


@pytest.mark.parametrize(("kind", "precision"), [*((kind, "bf16") for kind in WHOLE), ("mixed", "fp32")])
def test_what_is_passed_is_loaded(kind: str, precision: str, tmp_path: Path) -> None:
    folder = linked(tmp_path / "model")
    WHOLE[kind](folder)
    own, shipped = (
        make_config(tmp_path, model__base=base, train__precision=precision) for base in (str(folder), "sdxl-small")
    )
    assert refusals(own) == []
    parts, expected = (load_parts(one, torch.device("cpu")) for one in (own, shipped))
    assert parts.text_encoders is not None and expected.text_encoders is not None
    for one, other in zip(
        (parts.unet, parts.vae, *parts.text_encoders),
        (expected.unet, expected.vae, *expected.text_encoders),
        strict=True,
    ):
        assert weights_digest(one) == weights_digest(other)


def test_a_folder_around_a_model_or_within_it_is_told_from_one(tmp_path: Path) -> None:
    folder = linked(tmp_path / "around" / "own-xl")
    for given, said in (
        (folder.parent, f"give the folder inside it: '{folder}'"),
        (folder / "unet", "the folder above"),
    ):
        with pytest.raises(NotSDXL) as caught:
            inspect_base(str(given))
        assert said in str(caught.value)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "juggernaut.safetensors").write_bytes(b"x" * 99)
    with pytest.raises(NotSDXL, match=r"give the file: '.*juggernaut\.safetensors'"):
        inspect_base(str(tmp_path / "files"))


def test_what_was_seen_is_seen_anew_when_a_file_changes(tmp_path: Path) -> None:
    folder = linked(tmp_path / "model")
    assert inspect_base(str(folder)).native == 64
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").unlink()
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "FluxPipeline"}))
    with pytest.raises(NotSDXL, match="Flux"):
        inspect_base(str(folder))
