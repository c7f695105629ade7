"""Starts a program that loratui listens to, or says in a sentence why it cannot be started."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

from loratui.errors import Refusal
from loratui.terminal.text import os_words, show_path
from trainer.contract.run import exits


def start_child(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """`command` as a child of ours that reads nothing. Raises Refusal where its program cannot be started."""
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
    except OSError as error:
        said = f"{show_path(command[0])} cannot be started: {os_words(error)}; it is the Python that loratui runs in"
        raise Refusal(f"{said}: put it back, or install loratui again", exits.FAILED) from None
