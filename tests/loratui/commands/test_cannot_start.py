"""A program that cannot be started is told in a sentence by everything that starts one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import loratui
from loratui.children.output import run_shown
from loratui.commands.caption import _run
from loratui.curation.scan import ScanSettings
from loratui.curation.sources import as_folder
from loratui.errors import Refusal
from trainer.contract.pictures.folder import NoDataset


@pytest.fixture(params=["gone", "shut", "no program"])
def python(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The path of a Python that cannot be started."""
    place = tmp_path / "python"
    if request.param != "gone":
        place.write_bytes(b"not a program")
        place.chmod(0o600 if request.param == "shut" else 0o700)
    return str(place)


def test_a_python_that_cannot_be_started_is_a_sentence(
    python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for start in (lambda: run_shown([python], dict(os.environ)), lambda: _run([python], tmp_path)):
        with pytest.raises(Refusal) as refused:
            start()
        assert "cannot be started: " in str(refused.value) and "install loratui again" in str(refused.value)
    rows = tmp_path / "rows"
    rows.mkdir()
    (rows / "train.parquet").write_bytes(b"PAR1")  # a data set: a program of its own reads it
    monkeypatch.setattr(sys, "executable", python)
    with pytest.raises(NoDataset, match="cannot be started: "):
        as_folder(str(rows), ScanSettings())


def test_programs_are_started_in_one_place() -> None:
    """`job` is the screens' own, who answer its OSError themselves."""
    root = Path(loratui.__file__).parent
    found = {one.name for one in root.rglob("*.py") if "subprocess.Popen(" in one.read_text()}
    assert found == {"start.py", "job.py"}
