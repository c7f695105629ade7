"""What every test starts from: the signals of an ordinary shell, whatever started the tests."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["tests.warm.fixtures", "tests.slow_motion", "tests.outside"]
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"  # no hub answers, wherever the tests run
os.environ["TEXTUAL_ANIMATIONS"] = "none"

# where a shell forbids it, torch and diffusers are compiled anew by each program that a test starts: 10 s instead of 4
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# under nohup a hang-up is ignored, in the background an interrupt; so they would be by all that the tests start
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def kept_environment() -> Iterator[None]:
    """What a test, or the code that it calls, writes into this process's environment ends with it.

    One that left HF_HUB_OFFLINE behind made the pushes of another file fail, in the order of one machine only.
    """
    own = {"PYTEST_CURRENT_TEST", "OPENCV_LOG_LEVEL"}  # pytest's, and what is set once for the whole process
    before = {name: value for name, value in os.environ.items() if name not in own}
    yield
    for name in os.environ.keys() - before.keys() - own:
        del os.environ[name]
    os.environ.update(before)


LONGEST = {"test_demo_learns.py": 600, "test_resume.py": 500}  # few tests, but of most of a minute


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Where no file is named, three files run at a time; `-n 0` runs them one by one."""
    asked = config.option
    asked.loadscopereorder = False  # `pytest_collection_modifyitems` below has the order
    if hasattr(config, "workerinput"):  # a worker that started workers of its own would never end
        return
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS or asked.usepdb or asked.collectonly:
        return
    if getattr(asked, "numprocesses", 0) is None and asked.dist == "no":  # xdist is there, and was told nothing
        asked.numprocesses, asked.dist = 3, "loadfile"


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Of several workers each begins to import at another file: what one has compiled the others only read.

    In a fresh folder that is half of what they need until the first test. What cannot be imported is told later.
    """
    name, count = os.environ.get("PYTEST_XDIST_WORKER", ""), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if not name or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    gc.disable()  # until all is imported
    files = sorted(Path(__file__).parent.rglob("test_*.py"))
    first = int(name.removeprefix("gw")) * len(files) // count
    for path in (*files[first:], *files[:first]):
        module = ".".join(path.relative_to(session.config.rootpath).with_suffix("").parts)
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(module)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of several workers none is left with a long file at the end: the files that cost most come first.

    xdist would begin with the files of most tests, and would end with the one test that trains for most of a minute.
    """
    if not hasattr(config, "workerinput"):
        return
    costs: Counter[Path] = Counter()
    for item in items:
        costs[item.path] += 20 if item.get_closest_marker("slow") or item.get_closest_marker("tmux") else 1
    items.sort(key=lambda item: (-LONGEST.get(item.path.name, costs[item.path]), item.path))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was imported stays: each of the many full collections of a training need not look at it again.

    Nor need what a screen draws be looked through every 700 objects, which is a fifth of what tests of screens take.
    """
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
