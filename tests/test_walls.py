"""The walls between the packages, and how little each entry point loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRAINING = {"torch", "diffusers", "transformers", "accelerate", "peft", "prodigyopt", "datasets", "safetensors"}
HEAVY = TRAINING | {"textual", "numpy", "PIL", "tomlkit", "huggingface_hub"}
START = HEAVY | {"pydantic"}  # typer itself loads pydantic, but only to read the arguments of a command

MAIN = (
    "import sys; sys.argv = ['loratui', *{words!r}]\nfrom loratui.cli import main\ntry: main()\nexcept SystemExit: pass"
)
FIRST_SCREEN = """
import asyncio
from loratui.app import LoratuiApp
async def look():
    async with LoratuiApp().run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        print('SCREEN', type(pilot.app.screen).__name__)
asyncio.run(look())
"""
ENTRIES = {
    "import loratui.cli": ("import loratui.cli", START),
    "--help": (MAIN.format(words=["--help"]), START),
    "--version": (MAIN.format(words=["--version"]), HEAVY),
    "runs": (MAIN.format(words=["runs"]), HEAVY),
    "queue": (MAIN.format(words=["queue"]), HEAVY),
    "stop": (MAIN.format(words=["stop"]), HEAVY),
    "attach --plain": (MAIN.format(words=["attach", "--plain"]), HEAVY),
    "doctor": (MAIN.format(words=["doctor"]), HEAVY),
    "preset list": (MAIN.format(words=["preset", "list"]), HEAVY),
    "diff": (MAIN.format(words=["diff", "a", "b"]), HEAVY),
    "check": (MAIN.format(words=["check", "pictures"]), TRAINING | {"textual", "numpy"}),
    "plan": (MAIN.format(words=["plan", "answers.toml"]), TRAINING | {"textual", "numpy"}),
    "the wizard's app": ("import loratui.app", TRAINING | {"numpy", "PIL"}),
    "the wizard's first screen": (FIRST_SCREEN, TRAINING | {"numpy", "PIL"}),
    "the contract": (
        "import trainer.contract.settings.config, trainer.contract.run.events",
        TRAINING | {"numpy", "PIL"},
    ),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_point_loads_only_what_it_needs(
    entry: str, answers_file: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    code, forbidden = ENTRIES[entry]
    ask = "\nprint('MODULES', *sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}{ask}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "SCREEN" not in code or "SCREEN WelcomeScreen" in done.stdout
    loaded = set(done.stdout.rpartition("MODULES ")[2].split())
    assert "sys" in loaded
    assert not loaded & forbidden


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


def test_importing_any_part_of_the_trainer_runs_nothing() -> None:
    assert (ROOT / "trainer" / "__init__.py").read_text().strip() == ""


def test_every_module_opens_with_one_sentence_and_stays_short() -> None:
    for path in (*_files("loratui"), *_files("trainer/contract")):
        text = path.read_text(encoding="utf-8")
        if text.strip():
            assert ast.get_docstring(ast.parse(text)), path
            assert len(text.splitlines()) <= 300, path
