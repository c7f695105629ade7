"""What every test starts from: the signals of an ordinary shell, whatever started the tests."""

from __future__ import annotations

import gc
import os
import signal

import pytest

pytest_plugins = ["tests.warm.fixtures"]
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"  # no hub answers, wherever the tests run
os.environ["TEXTUAL_ANIMATIONS"] = "none"

# under nohup a hang-up is ignored, in the background an interrupt; so they would be by all that the tests start
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was imported stays: each of the many full collections of a training need not look at it again."""
    gc.collect()
    gc.freeze()
