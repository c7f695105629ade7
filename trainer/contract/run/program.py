"""What every program here does with signals and streams from its first import to its exit: no traceback, one code."""

from __future__ import annotations

import codecs
import contextlib
import errno
import gc
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn, TextIO

from trainer.contract.paths import os_words
from trainer.contract.run import exits

COUNTERPART = "counterpart"  # the name of the rule for what an encoding lacks
# what the programs themselves draw and write with, for terminals that have ASCII or Latin-1 alone: a cell for a cell
ASCII = {
    mark: plain
    for marks, plain in {
        "‘’‚′": "'",
        "“”„″": '"',
        "‐‑‒–—−─━═╌┄╺╸·": "-",
        "│┃║‖▏▎▍": "|",
        "┌┐└┘├┤┬┴┼╭╮╰╯╞╪╡✓": "+",
        "█▉▊▋▌■▇▆▅▄": "#",
        "▃▂▁░▒▓": ":",
        "•●◆◌": "*",
        "○◦": "o",
        "✗✘×": "x",
        "…≈": "~",
        "→": ">",
        "←": "<",
        "↑": "^",
        "\u00a0\u2800": " ",
        "".join(map(chr, range(0x2801, 0x2900))): ".",  # a chart's dots
    }.items()
    for mark in marks
}

UNNAMED = "this locale has no letters for a file's name; set PYTHONUTF8=1, or LANG to a locale that ends in .UTF-8"


class OutputLost(Exception):
    """The standard output takes nothing any more: its disk is full, or nobody reads it. Not an OSError of the work."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(os_words(cause))
        self.unread = cause.errno == errno.EPIPE  # a reader that has seen enough, such as `head`


class Output(io.TextIOWrapper):
    """The standard output: what cannot be written raises OutputLost."""

    def write(self, text: str) -> int:
        """As a stream does."""
        try:
            return super().write(text)
        except OSError as error:
            raise OutputLost(error) from error

    def flush(self) -> None:
        """As a stream does."""
        try:
            super().flush()
        except OSError as error:
            raise OutputLost(error) from error


class Aside(io.TextIOWrapper):
    """A stream whose words matter less than the work: what cannot be written is dropped."""

    def write(self, text: str) -> int:
        """As a stream does."""
        with contextlib.suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        """As a stream does."""
        with contextlib.suppress(OSError):
            super().flush()


def begin(*signals: int, words: str = "", log: bool = False) -> None:
    """The first act of a program, before its imports: streams that hold, and `signals` that end it at once.

    Until `run_program`, or handlers of the program's own, each of `signals` (SIGINT, where none is named and it is not
    ignored) prints `words` and ends the process with STOPPED. With `log` the standard output is a log as well: nothing
    waits for it.
    """
    if not signals and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell's word that it is not for us
        signals = (signal.SIGINT,)
    for number in signals:
        _end_at_once(number, words)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)  # who started it held them back: `signals_held`
    _open_closed()
    _hold("stdout", 1, Aside if log else Output)
    _hold("stderr", 2, Aside)


@contextlib.contextmanager
def signals_held(*signals: int) -> Iterator[None]:
    """A program that is started meanwhile gets `signals` when its `begin` answers them, and not before.

    Python's own start answers an interrupt with a traceback and exit code 1.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def collector_rests() -> Iterator[None]:
    """What is imported meanwhile stays for good: the collector would search it again and again, and find nothing.

    In a program of the trainer it is never searched afterwards either; in others (a test, a notebook) it is.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            if is_trainers():
                gc.freeze()
            gc.enable()


def is_trainers() -> bool:
    """Whether this process is a program of the trainer, and not one that has imported it."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec is not None and spec.name.startswith("trainer.")


def run_program(main: Callable[[], int | None]) -> NoReturn:
    """Run `main` and exit with its code; an interrupt is STOPPED, an output that cannot be written OUTPUT."""
    interrupted = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    before = sys.unraisablehook

    def again(told: Any) -> None:
        """An interrupt that fell into a destructor or a callback is lost to Python: it comes once more."""
        if isinstance(told.exc_value, KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        else:
            before(told)

    sys.unraisablehook = again
    heard = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    if heard:
        signal.signal(signal.SIGINT, interrupt)
    code: int | str | None = None
    try:
        code = main()
    except SystemExit as left:
        code = left.code
    except OutputLost as lost:
        code = _lost(lost)
    except BaseException as error:
        unnamed = isinstance(error, UnicodeEncodeError) and error.encoding == sys.getfilesystemencoding() != "utf-8"
        # a library may turn an interrupt in the middle of its import into an error of its own
        if not interrupted and not unnamed:
            raise
        code = exits.USAGE if unnamed else exits.STOPPED
        print(UNNAMED if unnamed else "stopped", file=sys.stderr)
    if heard:
        _end_at_once(signal.SIGINT)
    leave(code)


def leave(code: int | str | None) -> NoReturn:
    """Exit with `code`, unless what was said could not be written."""
    try:
        sys.stdout.flush()
    except OutputLost as lost:
        code = _lost(lost)
    sys.exit(code)


def _lost(lost: OutputLost) -> int:
    """What is left in the buffer goes nowhere, so that the interpreter has nothing to complain of at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if not lost.unread:
        print(f"the output cannot be written: {lost}", file=sys.stderr)
    return exits.OUTPUT


def _end_at_once(number: int, words: str = "") -> None:
    def end(_number: int, _frame: FrameType | None) -> None:
        if words:
            with contextlib.suppress(OSError):
                os.write(2, f"{words}\n".encode())
        os._exit(exits.STOPPED)

    signal.signal(number, end)


def _open_closed() -> None:
    """A stream that was closed is one without an end of its own: nothing to read, nothing that could be written to."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
    if sys.stdin is None:
        stream = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        for name in ("stdin", "__stdin__"):
            setattr(sys, name, stream)


def _hold(name: str, number: int, kind: type[Output] | type[Aside]) -> None:
    """The standard stream as one of `kind`, that shows what its encoding lacks by a counterpart."""
    given: TextIO | None = getattr(sys, name)
    if not isinstance(given, io.TextIOWrapper | None):
        return  # a test's
    if given is None:
        raw: Any = open(number, "wb", buffering=0, closefd=False)  # noqa: SIM115
        encoding, lines, through = "utf-8", False, True
    else:
        encoding, lines, through = given.encoding, given.line_buffering, given.write_through
        raw = given.detach()
    stream = kind(raw, encoding=encoding, errors=COUNTERPART, line_buffering=lines, write_through=through)
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def _counterpart(error: UnicodeError) -> tuple[str, int]:
    """In ASCII what has a sign there, else a question mark for each character."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(ASCII.get(one, "?") for one in error.object[error.start : error.end]), error.end


codecs.register_error(COUNTERPART, _counterpart)
