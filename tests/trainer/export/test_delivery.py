"""An export takes the place of the one before as a whole; what a person has put there stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainer.contract.run.exports import FILES
from trainer.contract.run.rundir import RunDir
from trainer.export.delivery import deliver


def filled(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_st", ".st")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def held(folder: Path) -> dict[str, str]:
    return {str(one.relative_to(folder)): one.read_text() for one in sorted(folder.rglob("*")) if one.is_file()}


def test_a_new_export_replaces_the_old_one_in_one_step(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    former = next(one.formerly for one in FILES if one.formerly)
    filled(run.export, toy_st="old", diffusers__a_st="old", mine="a person's", mine2__b="too")
    (run.export / former).write_text("of an older version")
    (run.export / "empty").mkdir()
    before, inode = os.open(run.export, os.O_RDONLY), run.export.stat().st_ino
    aside = filled(tmp_path / ".aside", toy_st="new", diffusers__a_st="new")
    names = deliver(aside, run.export, run, run.path)
    assert names == ["export/diffusers/a.st", "export/toy.st"]
    assert held(run.export) == {"diffusers/a.st": "new", "toy.st": "new", "mine": "a person's", "mine2/b": "too"}
    assert (run.export / "empty").is_dir()
    assert run.export.stat().st_ino != inode  # who had opened the old one never sees a mix
    with os.scandir(before) as left:
        assert list(left) == [] and not aside.exists()
    os.close(before)


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_folder_of_ones_own_choice_keeps_its_mode_and_its_other_files(tmp_path: Path, mode: int) -> None:
    run = RunDir(tmp_path / "run")
    out = filled(tmp_path / "out", toy_st="old")
    out.chmod(mode)
    assert deliver(filled(tmp_path / "a", toy_st="new"), out, run, tmp_path) == [str(out / "toy.st")]
    assert held(out) == {"toy.st": "new"} and out.stat().st_mode & 0o777 == mode
    (out / "empty").mkdir()
    inode = out.stat().st_ino
    deliver(filled(tmp_path / "c", toy_st="new"), out, run, tmp_path)
    assert (out / "empty").is_dir() and out.stat().st_ino == inode
    filled(out, other_st="a person's")
    deliver(filled(tmp_path / "b", toy_st="newer"), out, run, tmp_path)
    assert held(out) == {"other.st": "a person's", "toy.st": "newer"}
    assert out.stat().st_ino == inode  # file by file: the folder is theirs
