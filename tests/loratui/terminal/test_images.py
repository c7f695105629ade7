"""Sharp pictures: what the terminal is asked, what is said where it cannot, and what reaches it where it can."""

from __future__ import annotations

import base64
import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from loratui.terminal.images import Answer, prepare, read_answer
from tests.loratui.screens.conftest import HOSTILE, fake_run, sample, training
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir

PATIENCE = 60.0  # seconds; nothing here measures time
extra = pytest.mark.skipif(find_spec("textual_image") is None, reason="the extra 'images' is not installed")
KITTY, DA1, SIXEL = b"\x1b_Gi=31;OK\x1b\\", b"\x1b[?62;22c", b"\x1b[?62;4;22c"


@dataclass
class Terminal:
    """A pseudo-terminal that says of itself what it is told to; `heard` is all that was written to it."""

    environment: dict[str, str]
    answer: bytes = DA1
    size: tuple[int, int] = (24, 80)
    late: float = 0.0  # seconds before it answers
    heard: bytes = b""
    process: subprocess.Popen[bytes] | None = None
    master: int = field(default=-1)

    def start(self, *words: str, cwd: Path) -> None:
        """Run a program in it."""
        self.master, slave = pty.openpty()
        rows, columns = self.size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 10 * columns, 20 * rows))
        self.process = subprocess.Popen(
            [sys.executable, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**self.environment, "TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none"},
            start_new_session=True,
        )
        os.close(slave)

    def read(self) -> bool:
        """Take what is there; False once the program is gone."""
        if not select.select([self.master], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:
            return False
        self.heard += data
        if b"\x1b[c" in data:
            time.sleep(self.late)
            os.write(self.master, b"\x1b[6;20;10t" + self.answer)
        return bool(data)

    def wait(self, pattern: bytes, start: int = 0) -> None:
        """Read until `pattern` was written after byte `start`."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.heard[start:], re.S):
            assert time.monotonic() < end, f"waited for {pattern!r}: {self.heard[start:][-3000:]!r}"
            assert self.read() or re.search(pattern, self.heard[start:], re.S), self.heard[-3000:]

    def press(self, keys: bytes) -> int:
        """Type; returns how much was written before."""
        os.write(self.master, keys)
        return len(self.heard)

    def close(self) -> None:
        """End the program."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            os.close(self.master)


@pytest.fixture
def terminal(environment: dict[str, str]) -> Iterator[Terminal]:
    """A terminal that draws no pictures, until it is told otherwise."""
    without = {key: value for key, value in environment.items() if key not in ("COLORTERM", "NO_COLOR")}
    if find_spec("textual_image") is not None:  # wherever this process has it from
        without["PYTHONPATH"] = os.pathsep.join(filter(None, (without["PYTHONPATH"], os.environ.get("PYTHONPATH"))))
    one = Terminal(without)
    yield one
    one.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    """A run that trains, with a hostile prompt and pictures that carry escape bytes in their metadata."""
    run = fake_run(tmp_path / "runs" / "dog", [*training(), sample(40, 0, HOSTILE)])
    run.config.write_text('[dataset]\ntrigger = "TOK"\n')
    run.samples.mkdir()
    for step in (0, 30, 40):
        picture = Image.radial_gradient("L").convert("RGB")
        picture.save(run.samples / f"{step:06d}-0.jpg", comment=b"\x1b]52;c;aGk=\x07")
        words = PngInfo()
        words.add_text("prompt", "\x1b[31mpurloined\x1b\\")
        picture.save(run.samples / f"{step:06d}-0.png", pnginfo=words)
    lock = RunLock(run.lock)
    yield run
    lock.release()


def attach(terminal: Terminal, run: RunDir, mode: str) -> None:
    """Open the monitor, then the picture full screen."""
    terminal.start("-m", "loratui", "attach", str(run.path), "--images", mode, cwd=run.path)
    terminal.wait(rb"Leave")
    before = terminal.press(b"v")
    terminal.wait(rb"Base beside", before)


def leave(terminal: Terminal) -> None:
    """Back, and out: the exit code is that of a run that goes on."""
    before = terminal.press(b"q")
    terminal.wait(rb"Graphs", before)
    terminal.press(b"q")
    terminal.wait(rb"The training goes on")
    assert terminal.process is not None
    assert terminal.process.wait(30) == 0


@pytest.mark.parametrize(
    ("heard", "answer"),
    [
        (b"", Answer(False, False, False, None)),
        (b"typed" + DA1, Answer(True, False, False, None)),
        (KITTY + b"\x1b[6;20;10t" + DA1, Answer(True, True, False, (10, 20))),
        (b"\x1b_Gi=31;ENOTSUPPORTED:no\x1b\\" + SIXEL, Answer(True, False, True, None)),
        (b"\x1b_Gi=32;OK\x1b\\\x1b[6;0;0t\x1b[?64c", Answer(True, False, False, None)),
        (b"\x1b[?14;44c", Answer(True, False, False, None)),  # 4 stands alone or not at all
    ],
)
def test_what_the_terminal_says_of_itself(heard: bytes, answer: Answer) -> None:
    assert read_answer(heard) == answer


def test_a_slow_answer_is_waited_for_and_nothing_of_it_is_typed(terminal: Terminal, tmp_path: Path) -> None:
    terminal.answer, terminal.late = KITTY + SIXEL, 0.5
    code = "from loratui.terminal.images import ask_terminal; print(ask_terminal()); print('typed', repr(input()))"
    terminal.start("-c", code, cwd=tmp_path)
    terminal.wait(rb"Answer\(heard=True, kitty=True, sixel=True, cell=\(10, 20\)\)")
    terminal.press(b"mine\n")
    terminal.wait(rb"typed 'mine'")


def test_nothing_is_asked_and_nothing_imported_unless_wanted(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = "print(prepare('blocks')); print('textual_image' in sys.modules)"
    code = f"import sys; from loratui.terminal.images import prepare; {ask}"
    terminal.start("-c", code, cwd=tmp_path)
    terminal.wait(rb"ImageMode\(protocol='', words='', cell=\(10, 20\)\)\r\nFalse")
    assert b"\x1b" not in terminal.heard
    monkeypatch.setenv("NO_COLOR", "1")
    assert "NO_COLOR" in prepare("kitty").words
    prepare("blocks")


def test_another_mode_is_refused_with_those_there_are(loratui: Any, run: RunDir) -> None:
    from loratui.errors import Refusal

    with pytest.raises(Refusal, match="one of blocks, auto, kitty, sixel"):
        prepare("iterm\x1b[31m")
    assert "--images" in loratui("attach", "--help").stdout


@pytest.mark.skipif(find_spec("textual_image") is not None, reason="the extra 'images' is installed")
def test_without_the_extra_it_says_how_to_have_it_and_draws_blocks(terminal: Terminal, run: RunDir) -> None:
    terminal.answer = KITTY + SIXEL
    attach(terminal, run, "kitty")
    terminal.wait("▀".encode())
    assert b"--images kitty: half blocks: sharp pictures need textual-image; pip install 'loratui[images]'" in (
        terminal.heard
    )
    assert b"\x1b_G" not in terminal.heard
    leave(terminal)


@extra
def test_kitty_pictures_are_sent_as_pixels_and_nothing_of_the_file_with_them(terminal: Terminal, run: RunDir) -> None:
    terminal.answer = KITTY + DA1
    attach(terminal, run, "kitty")
    terminal.wait("\U0010eeee".encode())
    terminal.wait(rb"\x1b_Ga=p,i=\d+,c=\d+,r=\d+,U=1,q=2\x1b\\")
    for key in (b"\x1b[D", b"b", b"w", b"w"):
        terminal.press(key)
        terminal.read()
    leave(terminal)
    sent = [one for one in re.findall(rb"\x1b_G(.*?)\x1b\\", terminal.heard, re.S) if b"a=q" not in one]
    assert sent
    assert all(re.fullmatch(rb"[a-zA-Z]=\w+(,[a-zA-Z]=\w+)*(;[A-Za-z0-9+/=]+)?", one) for one in sent)
    first = re.search(rb"i=(\d+)", sent[0])
    assert first is not None
    data = b"".join(one.partition(b";")[2] for one in sent if b"m=" in one and first[0] + b"," in one + b",")
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert min(picture.size) >= 200
        assert picture.info == {}
    assert b"purloined" not in terminal.heard
    assert b"aGk=\x07" not in terminal.heard  # OSC 52, from the prompt and the comment of the JPEG


@extra
def test_sixel_pictures_are_sent_in_their_own_alphabet(terminal: Terminal, run: RunDir) -> None:
    terminal.answer = SIXEL
    attach(terminal, run, "auto")
    terminal.wait(rb"\x1bP.*?\x1b\\")
    leave(terminal)
    pictures = re.findall(rb"\x1bP(.*?)\x1b\\", terminal.heard, re.S)
    assert all(re.fullmatch(rb'[\d;]*q"[\d;]+[#$!\-?-~\d;]*', one) for one in pictures)
    assert b"purloined" not in terminal.heard
    assert "\U0010eeee".encode() not in terminal.heard


@extra
@pytest.mark.parametrize(
    ("mode", "answer", "size", "words"),
    [
        ("kitty", SIXEL, (24, 80), b"it draws no Kitty pictures"),
        ("sixel", KITTY + DA1, (24, 80), b"it draws no Sixel pictures"),
        ("auto", DA1, (24, 80), b"it draws no Kitty or Sixel pictures"),
        ("auto", KITTY + SIXEL, (0, 0), b"the terminal reports no size"),
    ],
)
def test_where_the_terminal_cannot_it_is_said_and_blocks_are_drawn(
    terminal: Terminal, run: RunDir, mode: str, answer: bytes, size: tuple[int, int], words: bytes
) -> None:
    terminal.answer, terminal.size = answer, size
    attach(terminal, run, mode)
    terminal.wait("▀".encode())
    assert b"half blocks: " in terminal.heard
    assert words in terminal.heard
    assert b"\x1b_Ga=p" not in terminal.heard
    assert b"\x1bP" not in terminal.heard
    leave(terminal)
