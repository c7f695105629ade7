"""What every test starts from: the signals of an ordinary shell, whatever started the tests."""

from __future__ import annotations

import signal

# under nohup a hang-up is ignored, and so it would be by every program that the tests start
signal.signal(signal.SIGHUP, signal.SIG_DFL)
