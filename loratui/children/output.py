"""Runs one of the trainer's programs and passes on what it says, made safe: its words may be a hostile file's."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Thread
from typing import IO, TextIO

from loratui.children.start import start_child
from loratui.terminal.text import safe_text, speakable
from loratui.terminal.ticker import Ticker
from trainer.contract.run import exits
from trainer.contract.run.program import signals_held

MOMENT = 1.0  # seconds in which one that the terminal interrupted has mostly left
PATIENCE = 10.0  # seconds that an interrupted program may take to leave


def run_shown(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run `command` to its end; its exit code, STOPPED where the person interrupted it, FAILED where a signal did."""
    with signals_held(signal.SIGINT):
        child = start_child(
            command,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            bufsize=1,
        )
    assert child.stdout is not None and child.stderr is not None
    for stream in (child.stdout, child.stderr):
        stream.reconfigure(newline="")  # type: ignore[attr-defined]  # a progress bar's line ends in \r: told apart
    aside = Thread(target=_pass_on, args=(child.stderr, sys.stderr), daemon=True)
    aside.start()
    try:
        _pass_on(child.stdout, sys.stdout)
        aside.join()
        code = child.wait()
    except KeyboardInterrupt:
        _end(child)
        return exits.STOPPED
    if code < 0:
        print(killed_words(-code), file=sys.stderr, flush=True)
    return exits.FAILED if code < 0 else code


def killed_words(number: int) -> str:
    """What is said of a program that a signal ended, and that could not say it itself."""
    why = ", as Linux does where memory runs out: close other programs" if number == signal.SIGKILL else ""
    return f"the program was ended from outside by {signal.Signals(number).name}{why}; the same command starts again"


def _end(child: subprocess.Popen[str]) -> None:
    """The terminal has interrupted the child as well; it is told again where only we were."""
    with suppress(subprocess.TimeoutExpired):
        child.wait(MOMENT)
    with suppress(subprocess.TimeoutExpired):
        child.send_signal(signal.SIGINT)  # nothing where it has left
        child.wait(PATIENCE)
    child.kill()


def _pass_on(stream: IO[str], out: TextIO) -> None:
    """Each line as it comes; one that the next is to replace goes to the ticker."""
    with Ticker() as ticker:
        for line in stream:
            words = safe_text(line.rstrip("\r\n"))
            if line.endswith("\r"):
                ticker.say(words)
                continue
            ticker.wipe()
            print(speakable(words, out.encoding), file=out, flush=True)
