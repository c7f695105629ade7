"""The walls between the packages and between their rooms."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TRAINING = {"torch", "diffusers", "transformers", "accelerate", "peft", "prodigyopt", "datasets", "safetensors"}


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, also inside functions, with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((one.name, node.lineno) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield from ((f"{base}.{one.name}", node.lineno) for one in node.names)


def _files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def test_loratui_imports_nothing_of_the_trainer_but_its_contract() -> None:
    for path in _files("loratui"):
        for name, line in _imports(path):
            if name.partition(".")[0] == "trainer":
                assert name.startswith("trainer.contract"), f"{path}:{line}: {name}"
            assert name.partition(".")[0] not in TRAINING, f"{path}:{line}: {name}"


def test_the_trainer_never_imports_loratui() -> None:
    for path in _files("trainer"):
        assert not [found for found in _imports(path) if found[0].partition(".")[0] == "loratui"], path


def test_the_contract_imports_no_torch_and_nothing_of_the_trainer_beyond_itself() -> None:
    for path in _files("trainer/contract"):
        for name, line in _imports(path):
            assert name.partition(".")[0] not in TRAINING, f"{path}:{line}: {name}"
            if name.partition(".")[0] == "trainer":
                assert name.startswith("trainer.contract"), f"{path}:{line}: {name}"


def test_the_rooms_import_downwards_only_and_in_no_circle() -> None:
    """The contracts of pyproject.toml; imports inside functions and for types count as well."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert "Contracts: 5 kept, 0 broken." in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_no_folder_shows_more_than_a_person_takes_in() -> None:
    for package in ("loratui", "trainer", "tests"):
        for folder in [ROOT / package, *(one for one in (ROOT / package).rglob("*") if one.is_dir())]:
            files = [one for one in folder.glob("*.py") if one.name != "__init__.py"]
            assert len(files) <= 20, f"{folder} shows {len(files)} files"
    for package, most in (("loratui", 5), ("trainer", 8)):
        shown = [one.name for one in (ROOT / package).glob("*.py") if one.name != "__init__.py"]
        assert len(shown) <= most, f"{package}/ itself holds {shown}: what is new has a room"


def test_a_room_says_what_it_is_for_and_hands_on_nothing() -> None:
    for path in [*(ROOT / "loratui").rglob("__init__.py"), *(ROOT / "trainer").rglob("__init__.py")]:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert path.parent.parent == ROOT or ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path
        assert not any(isinstance(node, ast.Import | ast.ImportFrom) for node in body), path


def test_importing_any_part_of_the_trainer_runs_nothing() -> None:
    assert (ROOT / "trainer" / "__init__.py").read_text().strip() == ""


def test_every_module_opens_with_one_sentence_and_stays_short() -> None:
    for path in (*_files("loratui"), *_files("trainer/contract")):
        text = path.read_text(encoding="utf-8")
        if text.strip():
            assert ast.get_docstring(ast.parse(text)), path
            assert len(text.splitlines()) <= 300, path
