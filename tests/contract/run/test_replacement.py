"""A folder takes another's place in one step; where that cannot be, a kill in between is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.contract.run.replacement import old_name, put_back, replace_folder

REPLACE = """
import sys
from pathlib import Path
from trainer.contract.run.replacement import replace_folder
root = Path(sys.argv[1])
replace_folder(root / "new", root / "final", root)
"""


def folders(root: Path) -> Path:
    for name, text in (("final", "old"), ("new", "new")):
        (root / name).mkdir(parents=True)
        (root / name / "file").write_text(text)
    return root


def held(root: Path) -> dict[str, str]:
    return {str(one.relative_to(root)): one.read_text() for one in sorted(root.rglob("*")) if one.is_file()}


def traced(root: Path, *faults: str) -> int:
    """The exit code of a process that replaces a folder, with system calls that fail or kill."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    words = [word for one in faults for word in ("-e", f"inject={one}")]
    done = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", *words, sys.executable, "-c", REPLACE, str(root)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )
    if "PTRACE" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
    return done.returncode


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    root = folders(tmp_path / "a")
    replace_folder(root / "new", root / "final", root)
    assert held(root) == {"final/file": "new"}
    shutil.rmtree(root / "final")
    folders(tmp_path / "b")
    shutil.rmtree(tmp_path / "b" / "final")
    replace_folder(tmp_path / "b" / "new", tmp_path / "b" / "final", tmp_path / "b")
    assert held(tmp_path / "b") == {"final/file": "new"}


def test_what_cannot_be_replaced_stays(tmp_path: Path) -> None:
    root = folders(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        replace_folder(root / "nothing", root / "final", root)
    assert held(root)["final/file"] == "old"


def test_one_step_is_all_it_takes(tmp_path: Path) -> None:
    root = folders(tmp_path / "a")
    assert traced(root, "renameat2:signal=KILL:when=1") != 0
    assert held(root)["final/file"] in ("old", "new")
    put_back(root / "final", root)
    assert held(root)["final/file"] in ("old", "new")


@pytest.mark.parametrize("step", [1, 2])
def test_where_names_cannot_be_exchanged_a_kill_in_between_is_put_right(tmp_path: Path, step: int) -> None:
    root = folders(tmp_path / "a")
    code = traced(root, "renameat2:error=EINVAL", f"rename,renameat:signal=KILL:when={step}")
    assert code != 0
    if step == 2:
        assert not (root / "final").exists() and (root / old_name("final") / "file").read_text() == "old"
    put_back(root / "final", root)
    assert held(root)["final/file"] == "old" and not (root / old_name("final")).exists()


def test_where_names_cannot_be_exchanged_it_takes_two_steps(tmp_path: Path) -> None:
    root = folders(tmp_path / "a")
    assert traced(root, "renameat2:error=EINVAL") == 0
    assert held(root) == {"final/file": "new"}


def test_a_folder_whose_successor_is_there_is_removed(tmp_path: Path) -> None:
    root = folders(tmp_path / "a")
    (root / "final").rename(root / old_name("final"))
    (root / "new").rename(root / "final")
    put_back(root / "final", root)
    assert held(root) == {"final/file": "new"}


def test_no_name_but_its_own_is_looked_at(tmp_path: Path) -> None:
    """The folder for an export may be anywhere: what a person calls .NAME.old there is theirs."""
    root = folders(tmp_path / "a")
    for name in (".final.old", ".new.old", ".bashrc.old", ".loratui-other.old"):
        (root / name).write_text("a person's")
    before = held(root)
    put_back(root / "final", root)
    assert held(root) == before
    replace_folder(root / "new", root / "final", root)
    assert [name for name in held(root) if name.endswith(".old")] == [name for name in before if name.endswith(".old")]
