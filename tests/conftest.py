"""What every test starts from: the signals of an ordinary shell, whatever started the tests."""

from __future__ import annotations

import gc
import os
import signal
import sys

import pytest

pytest_plugins = ["tests.warm.fixtures", "tests.slow_motion"]
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"  # no hub answers, wherever the tests run
os.environ["TEXTUAL_ANIMATIONS"] = "none"

# where a shell forbids it, torch and diffusers are compiled anew by each program that a test starts: 10 s instead of 4
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# under nohup a hang-up is ignored, in the background an interrupt; so they would be by all that the tests start
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Where no file is named, two files run at a time; `-n 0` runs them one by one."""
    asked = config.option
    if hasattr(config, "workerinput"):  # a worker that started workers of its own would never end
        return
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS or asked.usepdb or asked.collectonly:
        return
    if getattr(asked, "numprocesses", 0) is None and asked.dist == "no":  # xdist is there, and was told nothing
        asked.numprocesses, asked.dist = 2, "loadfile"


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was imported stays: each of the many full collections of a training need not look at it again."""
    gc.collect()
    gc.freeze()
