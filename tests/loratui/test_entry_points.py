"""How little each entry point loads: a subprocess for each looks at its own modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from tests.test_walls import TRAINING
from trainer.contract.run.rundir import RunDir

HEAVY = TRAINING | {"textual", "numpy", "PIL", "tomlkit", "huggingface_hub"}
START = HEAVY | {"pydantic"}  # typer itself loads pydantic, but only to read the arguments of a command

MAIN = (
    "import sys; sys.argv = ['loratui', *{words!r}]\nfrom loratui.cli import main\ntry: main()\nexcept SystemExit: pass"
)
PROGRAM = MAIN.replace("loratui.cli", "loratui.__main__")
FIRST_SCREEN = """
import asyncio
import loratui.screens.ahead
loratui.screens.ahead.PAUSE = 3600.0  # what is loaded while one reads is not needed to draw it
from loratui.app import LoratuiApp
async def look():
    async with LoratuiApp().run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        print(*(one.id for one in pilot.app.screen.query_one('#ways').options))
        print('SCREEN', type(pilot.app.screen).__name__)
asyncio.run(look())
"""
DRAWN = TRAINING | {"numpy", "PIL", "pydantic", "typer", "tomlkit", "huggingface_hub"}
ENTRIES = {
    "import loratui.cli": ("import loratui.cli", START),
    "--help": (PROGRAM.format(words=["--help"]), START | {"typer", "inspect", "argparse"}),
    "--help in a narrow terminal": (MAIN.format(words=["--help"]), START),
    "--version": (MAIN.format(words=["--version"]), HEAVY),
    "runs": (MAIN.format(words=["runs"]), HEAVY),
    "queue": (MAIN.format(words=["queue"]), HEAVY),
    "stop": (MAIN.format(words=["stop"]), HEAVY),
    "attach --plain": (MAIN.format(words=["attach", "--plain"]), HEAVY),
    "doctor": (MAIN.format(words=["doctor"]), HEAVY - {"huggingface_hub"}),
    "preset list": (MAIN.format(words=["preset", "list"]), HEAVY),
    "diff": (MAIN.format(words=["diff", "a", "b"]), HEAVY),
    "check": (MAIN.format(words=["check", "pictures"]), TRAINING | {"textual", "numpy"}),
    # without a GPU the plan times one product of matrices to say how long the run takes: numpy's
    "plan": (MAIN.format(words=["plan", "answers.toml"]), TRAINING | {"textual"}),
    # refused, for there is no terminal here
    "the wizard": (PROGRAM.format(words=[]), START | {"typer", "inspect", "argparse"}),
    "the wizard's first screen": (FIRST_SCREEN, DRAWN),
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


def test_the_first_screen_of_who_comes_back_loads_no_more(environment: dict[str, str], tmp_path: Path) -> None:
    own = environment | {"XDG_STATE_HOME": str(tmp_path / "state")}
    store = DraftStore(tmp_path / "state" / "loratui")
    assert store.save(Draft(values={"train.rank": 8})) == ""  # no folder yet, and of the usual kind
    (tmp_path / "sweeps" / "tried").mkdir(parents=True)
    (tmp_path / "sweeps" / "tried" / "sweep.toml").touch()
    run = RunDir(tmp_path / "runs" / "2026-11-23-1000-dog")
    run.path.mkdir(parents=True)
    run.config.write_text('name = "dog"\n')
    run.events.write_text('{"type":"run","t":1,"name":"dog","steps":5}\n{"type":"end","status":"completed"}\n')
    code = FIRST_SCREEN + f"\nimport sys\nprint('HEAVY', sorted({DRAWN} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=own, capture_output=True, text=True, check=True, timeout=60
    )
    shown, screen, heavy = done.stdout.splitlines()[-3:]
    assert {f"draft:{store.open_key}", "run:2026-11-23-1000-dog", "sweeps"} <= {*shown.split()}
    assert (screen, heavy) == ("SCREEN WelcomeScreen", "HEAVY []")


def test_what_comes_next_is_loaded_while_one_reads_and_no_more_once_one_has_gone_on(tmp_path: Path) -> None:
    code = """
import asyncio, sys, time
import loratui.screens.ahead
from loratui.app import LoratuiApp
async def look(first, piece):
    loratui.screens.ahead.PAUSE = 0.01 if first == 'reads' else 3600.0
    async with LoratuiApp().run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        screen = pilot.app.screen
        if first != 'reads':
            pilot.app.action_command_palette()
            await pilot.pause()
            loratui.screens.ahead._load(screen, ('this', 'is no module'))
        until = time.monotonic() + 50
        while first == 'reads' and piece not in sys.modules and time.monotonic() < until:
            await pilot.pause(0.05)
last = loratui.screens.ahead.PIECES[-1]
asyncio.run(look('goes on', last))
print(last in sys.modules)
asyncio.run(look('reads', last))
print(last in sys.modules, {*loratui.screens.ahead.PIECES} <= {*sys.modules})
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines()[-2:] == ["False", "True True"]


def test_the_first_screen_stands_before_what_validates_settings_is_built(tmp_path: Path) -> None:
    ask = (
        "\nfrom trainer.contract.settings.config import TrainConfig\n"
        "tables = [TrainConfig, *(field.annotation for field in TrainConfig.model_fields.values())]\n"
        "built = lambda: [one.__name__ for one in tables if getattr(one, '__pydantic_complete__', False)]\n"
        "print(built(), bool(TrainConfig() and built()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", FIRST_SCREEN + ask], capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[] True"


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_help_is_that_of_the_commands_however_wide_the_terminal(columns: str, environment: dict[str, str]) -> None:
    ways = [[sys.executable, "-m", "loratui", "-h"], [sys.executable, "-c", MAIN.format(words=["-h"])]]
    found = [
        subprocess.run(way, env=environment | {"COLUMNS": columns}, capture_output=True, text=True, check=True).stdout
        for way in ways
    ]
    assert found[0] == found[1] != ""
    assert max(map(len, found[0].splitlines())) < int(columns)
