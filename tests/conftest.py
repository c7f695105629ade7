"""What every test starts from: the signals of an ordinary shell, whatever started the tests."""

from __future__ import annotations

import signal

pytest_plugins = ["tests.warm.fixtures"]

# under nohup a hang-up is ignored, in the background an interrupt; so they would be by all that the tests start
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
