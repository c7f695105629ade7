"""Every program, interrupted while it is imported, into a full disk, without streams, without UTF-8: no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest

from tests.interruption import interrupted
from tests.loratui.conftest import SMALL_RUN
from tests.loratui.runs.test_find import logged, make
from trainer.contract.run import exits
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config, nested
from trainer.demo.draw import COLOURS, Ground, Spec, draw, named

ROOT = Path(__file__).parents[1]
EARLY = "stopped before training began\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures whose names are no Latin-1, answers for them, and a run that was called so."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("日本", "pictures"):
        (folder / name).mkdir()
        for number in range(2):
            spec = Spec(named("star", COLOURS["red"]), Ground("plain", (250, 250, 250), (0, 0, 0)))
            draw(spec, 96).save(folder / name / f"é{number}.png")
            (folder / name / f"é{number}.txt").write_text("a TOK star … ‘ünd’", encoding="utf-8")
        text = SMALL_RUN.format(folder=folder / name, steps=20)
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    told = [("step", {"step": 3, "loss": 0.125, "rates": {}, "s": 0.5}), ("warn", {"code": "x", "message": "日本 → é"})]
    begun = ("run", {"v": 1, "pid": 1, "name": "ünd日", "steps": 10})
    logged(make(folder / "runs", "2026-é日"), begun, *told, ("end", {"status": "completed", "step": 3}))
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "LORATUI", "LC_", "LANG"))}
    return kept | {"HOME": str(home), "PYTHONPATH": str(ROOT), "COLUMNS": "120"}


@pytest.mark.parametrize(
    ("number", "name", "module", "words", "code", "said"),
    [
        (SIGINT, "typer", "loratui", "runs", exits.STOPPED, ""),
        (SIGTERM, "typer", "loratui", "runs", -SIGTERM, ""),  # as it ends any program
        (SIGINT, "loratui.runs.queue", "loratui", "runs", exits.STOPPED, ""),
        (SIGINT, "pydantic", "trainer", "config.toml", exits.STOPPED, EARLY),
        (SIGTERM, "pydantic", "trainer", "config.toml", exits.STOPPED, EARLY),
        (SIGINT, "trainer.checkpoints.snapshot", "trainer.export", ".", exits.STOPPED, "stopped\n"),
        (SIGINT, "trainer.captioner.files", "trainer.captioner", ".", exits.STOPPED, ""),
        (SIGINT, "trainer.materialise.hub", "trainer.materialise", ".", exits.STOPPED, ""),
        (SIGINT, "trainer.contract.settings.sample_prompts", "trainer.samples.generate", ".", exits.STOPPED, ""),
        (SIGINT, "trainer.contract.run.trainer_start", "trainer.next_run", ".", exits.STOPPED, ""),
    ],
)
def test_an_interrupt_while_a_program_is_imported_is_one_line_at_most(
    place: Path, own: dict[str, str], number: int, name: str, module: str, words: str, code: int, said: str
) -> None:
    done = interrupted(number, name, module, [words], place, own)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_a_trainer_that_holds_its_run_says_in_the_log_that_it_was_stopped(
    place: Path, own: dict[str, str], tmp_path: Path, number: int
) -> None:
    run = RunDir(tmp_path / "run")
    run.path.mkdir()
    values = {"name": "toy", "dataset.path": str(place / "日本"), "model.base": "sdxl-small"}
    run.config.write_text(dump_config(TrainConfig.model_validate(nested(values))))
    done = interrupted(number, "torch", "trainer", [str(run.config)], tmp_path, own)
    assert (done.returncode, done.stdout, done.stderr) == (exits.STOPPED, "", "")
    assert [(one["type"], one.get("status")) for one in Tail(run.events).read()] == [("end", "stopped")]
    assert run.lock.read_bytes() == b""


COMMANDS = {
    "--help": exits.DONE,
    "--version": exits.DONE,
    "runs": exits.DONE,
    "queue": exits.DONE,
    "doctor": exits.DONE,
    "check 日本": exits.DATASET,
    "plan pictures.toml": exits.DATASET,
    "fix 日本 --dry-run": exits.DONE,
    "diff runs/2026-é日 pictures.toml": exits.USAGE,  # it has no answers
    "checkpoints runs/2026-é日": exits.DONE,
    "preset list": exits.DONE,
    "attach runs/2026-é日 --plain": exits.DONE,
    "stop runs/2026-é日": exits.USAGE,  # refused, in a sentence with the name
    "replay missing-日.toml": exits.USAGE,
}
ALL = """
import sys
from loratui.__main__ import main
for line in sys.argv[1:]:
    sys.argv = ["loratui", *line.split()]
    try:
        main()
    except SystemExit as left:
        print(f"CODE {left.code}", flush=True)
"""


def spoken(lines: list[str], place: Path, environment: dict[str, str], coding: str) -> tuple[list[int], str]:
    """The exit codes of `loratui LINE` for each line, all in one process, and all that was said."""
    command = [sys.executable, "-c", ALL, *lines]
    done = subprocess.run(
        command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=100
    )
    said = done.stdout.decode(coding)
    return [int(line.removeprefix("CODE ")) for line in said.splitlines() if line.startswith("CODE ")], said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("coding", "locale"),
    [
        ("ascii", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii:strict"}),
        ("latin-1", {"PYTHONIOENCODING": "latin-1"}),
    ],
)
def test_every_command_speaks_on_a_terminal_without_utf8(
    place: Path, own: dict[str, str], coding: str, locale: dict[str, str]
) -> None:
    codes, said = spoken(list(COMMANDS), place, own | locale, coding)
    assert "Traceback" not in said
    assert dict(zip(COMMANDS, codes, strict=True)) == COMMANDS, said


def test_a_name_that_the_locale_cannot_express_is_a_sentence_with_the_remedy(place: Path, own: dict[str, str]) -> None:
    """Where Python is told that file names are ASCII, those of an answer file may be others."""
    codes, said = spoken(["plan 日本.toml"], place, own | {"LC_ALL": "C", "PYTHONUTF8": "0"}, "ascii")
    assert codes == [exits.USAGE]
    assert "PYTHONUTF8=1" in said and len(said.splitlines()) == 2


@pytest.mark.parametrize(
    ("line", "redirection", "why"),
    [
        ("--help", ">/dev/full", "the disk is full"),
        ("runs", ">/dev/full", "the disk is full"),
        ("runs", "<&- >&-", "it is closed"),
        ("check pictures", ">/dev/full", "the disk is full"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line_and_an_exit_code(
    place: Path, own: dict[str, str], line: str, redirection: str, why: str
) -> None:
    done = in_shell(f"{line} {redirection}", place, own)
    assert (done.returncode, done.stderr) == (exits.OUTPUT, f"the output cannot be written: {why}\n")


def in_shell(line: str, place: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", f"exec {sys.executable} -m loratui {line}"]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("redirection", ["<&- 2>&-", "2>/dev/full"])
def test_other_streams_that_are_not_there_change_nothing(place: Path, own: dict[str, str], redirection: str) -> None:
    done = in_shell(f"runs {redirection}", place, own)
    assert done.returncode == exits.DONE and "3/10" in done.stdout and not done.stderr
