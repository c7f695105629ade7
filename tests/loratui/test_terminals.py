"""One real training, watched through every kind of terminal: by their names, by their sizes, without UTF-8."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.loratui.conftest import SMALL_RUN
from tests.loratui.test_tmux import PROMPT, Terminal, drawn_pictures, events, stop, until
from tests.ptys import Pty
from tests.slow_motion import slow_motion
from tests.warm.fixtures import WarmServers
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir

pytestmark = [
    pytest.mark.tmux,
    pytest.mark.slow,
    pytest.mark.usefixtures("warm_trainer"),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]
LORATUI = [sys.executable, "-m", "loratui"]


@pytest.fixture(scope="module")
def training(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], warm_servers: WarmServers
) -> Iterator[tuple[RunDir, dict[str, str]]]:
    """A run on the small SDXL that goes on until the tests are through with it."""
    folder = tmp_path_factory.mktemp("terminals")
    pictures = drawn_pictures(folder / "balls")
    (folder / "answers.toml").write_text(SMALL_RUN.format(folder=pictures, steps=100_000))
    run = RunDir(folder / "runs" / "long")
    command = [*LORATUI, "replay", "answers.toml", "--detach", "--out", str(run.path)]
    with warm_servers.active("trainer"):
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        until(lambda: bool(events(run, "step")), "the first step")
        with slow_motion(run):
            yield run, environment
    finally:
        stop(run)


@pytest.fixture
def terminal(training: tuple[RunDir, dict[str, str]]) -> Iterator[Callable[[], Terminal]]:
    run, environment = training
    opened: list[Terminal] = []

    def start() -> Terminal:
        opened.append(Terminal(run.path.parents[1], {**environment, "TEXTUAL_ANIMATIONS": "none"}))
        opened[-1].wait(PROMPT)
        return opened[-1]

    yield start
    for one in opened:
        one.kill()


def attach(screen: Terminal, before: str = "", after: str = "") -> None:
    screen.type(f"{before} {' '.join(LORATUI)} attach {after}; echo LEFT $?")
    screen.press("Enter")


@pytest.mark.parametrize("name", ["xterm", "screen", "xterm-256color", "tmux-256color", "vt100", "linux"])
def test_the_monitor_works_under_every_name_of_a_terminal(terminal: Callable[[], Terminal], name: str) -> None:
    screen = terminal()
    attach(screen, f"TERM={name}")
    text = screen.wait(r"● training")
    assert re.search(r"step \d+ of 100000", text) and re.search("[⠁-⣿]", text)
    screen.press("F1")
    screen.wait("Help: Monitor")
    screen.press("Escape")
    screen.settled(r"● training")
    screen.press("q")
    screen.wait("LEFT 0")
    assert "The training goes on" in screen.screen()


@pytest.mark.parametrize(
    "locale", ["LANG=C", "LC_ALL=C", "LC_ALL=POSIX PYTHONCOERCECLOCALE=0", "LANG=de_DE.ISO-8859-1"]
)
def test_the_monitor_works_in_every_locale(terminal: Callable[[], Terminal], locale: str) -> None:
    screen = terminal()
    attach(screen, locale)
    screen.wait(r"● training")
    screen.press("q")
    screen.wait("LEFT 0")


def test_a_dumb_terminal_gets_lines(terminal: Callable[[], Terminal]) -> None:
    screen = terminal()
    attach(screen, "TERM=dumb")
    screen.wait(r"step \d+/100000  loss")
    screen.press("C-c")
    screen.wait("LEFT 0")
    assert "Detached; training goes on." in screen.screen()
    screen.type(f"clear; TERM=dumb {' '.join(LORATUI)}; echo LEFT $?")
    screen.press("Enter")
    assert "the guided way needs a terminal" in screen.wait("LEFT 2")


def test_lines_with_a_bar_leave_the_terminal_as_it_was(terminal: Callable[[], Terminal]) -> None:
    screen = terminal()
    attach(screen, "TERM=xterm-256color", "--plain")
    screen.wait(r"training ━+.* of 100000")
    screen.press("C-c")
    screen.wait("LEFT 0")
    text = screen.screen()
    assert "Detached; training goes on." in text and "━" not in text


def test_a_window_of_one_cell_and_back_while_it_trains(
    terminal: Callable[[], Terminal], training: tuple[RunDir, dict[str, str]]
) -> None:
    run, _ = training
    screen = terminal()
    attach(screen)
    screen.wait(r"● training")
    for columns, rows in ((1, 1), (300, 5), (2, 60), (80, 1), (1, 24), (80, 24)):
        screen.resize(columns, rows)
        seen = len(events(run, "step"))
        until(lambda seen=seen: len(events(run, "step")) > seen + 2, "steps")
    screen.settled(r"● training(.|\n)*s Sample")
    screen.press("q")
    screen.wait("LEFT 0")
    assert lock_holder(run.lock) is not None


def test_a_terminal_that_says_it_has_no_size(training: tuple[RunDir, dict[str, str]]) -> None:
    """`ssh -tt` from a script reports 0x0; the program takes that for 80x24, and the size when it comes."""
    run, environment = training
    own = {**environment, "TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none"}
    with Pty([*LORATUI, "attach", str(run.path)], run.path, own, (0, 0)) as pty:
        pty.until(lambda wrote: "● training".encode() in wrote)
        pty.resize(120, 36)
        pty.read(2.0)
        pty.type(b"q")
        assert pty.end() == 0
        assert b"Traceback" not in pty.wrote
