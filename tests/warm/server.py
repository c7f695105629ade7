"""`python -m tests.warm.server FOLDER NAME`: imports what NAME needs, then forks a process for each that asks.

It ends when the last of those that hold a session open at FOLDER/NAME.held is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import termios
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from tests.warm.client import fixed, install


def load(name: str) -> None:
    """What takes the programs their seconds; the libraries load their parts when they are asked for."""
    if name == "loratui":
        import autocrop  # noqa: F401
        import imagehash  # noqa: F401
        import scipy.fftpack  # noqa: F401

        import loratui.app
        import loratui.cli
        import loratui.commands
        import loratui.screens.monitor.monitor
        import loratui.screens.results.result  # noqa: F401
    else:
        load_all()
        with contextlib.suppress(ImportError):  # an extra
            import datasets  # noqa: F401


def load_all() -> None:
    """What takes a trainer seconds before its first step; the libraries load their parts when they are asked for."""
    import diffusers
    import transformers

    import trainer.loop
    import trainer.trackers  # noqa: F401

    for name in ("UNet2DConditionModel", "AutoencoderKL", "StableDiffusionXLPipeline", "EulerDiscreteScheduler"):
        getattr(diffusers, name)
    for name in ("CLIPTextModel", "CLIPTextModelWithProjection", "CLIPTokenizer"):
        getattr(transformers, name)


def receive(link: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A request: its words, and the descriptors that are to be the child's."""
    head, passed, _, _ = socket.recv_fds(link, 4, 32)
    size, text = int.from_bytes(head, "big"), b""
    while len(text) < size:
        text += link.recv(size - len(text))
    return json.loads(text), passed


def become(words: dict[str, Any], given: list[int]) -> None:
    """In the child: its streams, session, folder, environment, arguments; then the program, to its end."""
    high = [fcntl.fcntl(one, fcntl.F_DUPFD, 300) for one in given]
    signal.set_wakeup_fd(-1)
    os.closerange(3, 300)
    for number, one in zip([0, 1, 2, *words["passed"]], high, strict=True):
        os.dup2(one, number)
    os.closerange(300, 400)
    os.setsid()  # also where none was asked for: a signal to its group is never one to the server
    if words["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(words["cwd"])
    os.environ.clear()
    os.environ.update(words["env"])
    time.tzset()
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        rules = "backslashreplace" if number == 2 else "strict"
        stream = open(number, mode, encoding="utf-8", errors=rules, closefd=False)  # noqa: SIM115
        if mode == "w":
            lines = number == 2 or stream.isatty()
            stream.reconfigure(line_buffering=lines, write_through="PYTHONUNBUFFERED" in words["env"])
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    install()
    os._exit(run([word for word in words["command"] if word != "-u"]))


def run(command: list[str]) -> int:
    """`-m MODULE ...` or `-c CODE ...`, with an end as the interpreter makes it; the exit code."""
    code = 0
    try:
        sys.argv = [command[0], *command[2:]]
        if command[0] == "-c":
            exec(compile(command[1], "<string>", "exec"), {"__name__": "__main__"})
        else:
            runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)
    except KeyboardInterrupt:
        traceback.print_exc()
        code = -signal.SIGINT
    except BaseException:
        traceback.print_exc()
        code = 1
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
        import atexit

        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return code & 255


def serve(folder: Path, name: str) -> None:
    """Fork on request, tell of ends, until nobody holds a session."""
    own = fixed(os.environ)  # before the libraries write theirs into it
    install()  # first: what is loaded may keep the Popen that it finds
    load(name)
    gc.collect()
    gc.freeze()
    door, held = listen(folder / name), listen(folder / f"{name}.held")
    ended, wakes = os.pipe()
    for end in (ended, wakes):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    ready = folder / f"{name}.json"
    ready.with_suffix(".new").write_text(json.dumps(own))
    ready.with_suffix(".new").rename(ready)
    sessions = {held.accept()[0]}
    children: dict[int, socket.socket] = {}
    while sessions:
        for one in select.select([door, held, ended, *sessions], [], [])[0]:
            if one is door:
                pid, link = fork(door)
                children[pid] = link
            elif one is held:
                sessions.add(held.accept()[0])
            elif one is ended:
                os.read(ended, 1 << 16)
            else:
                sessions.discard(one)
                one.close()
        tell_ends(children)
    ready.unlink()


def listen(path: Path) -> socket.socket:
    """A socket that is asked there."""
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(path))
    door.listen(64)
    return door


def fork(door: socket.socket) -> tuple[int, socket.socket]:
    """A process for the one who asks; its id, and where its end is to be told."""
    link, _ = door.accept()
    words, given = receive(link)
    child = os.fork()
    if not child:
        become(words, given)
    for number in given:
        os.close(number)
    with contextlib.suppress(OSError):
        link.sendall(child.to_bytes(4, "big"))
    return child, link


def tell_ends(children: dict[int, socket.socket]) -> None:
    """Collect the processes that have ended, and tell the exit code to those who wait for it."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            link = children.pop(found[0])
            with contextlib.suppress(OSError):
                link.sendall(os.waitstatus_to_exitcode(found[1]).to_bytes(4, "big", signed=True))
            link.close()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
