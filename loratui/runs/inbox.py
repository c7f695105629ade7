"""Sends a command to a running trainer and waits a moment for its answer."""

from __future__ import annotations

import time
from typing import Any

from loratui.errors import Refusal
from loratui.runs.find import run_info
from loratui.runs.possible import leaves_slurm, takes
from loratui.runs.queue import cancel
from loratui.runs.states import next_words, run_word
from loratui.terminal.text import os_words, safe_text, show_path
from trainer.contract.run.control import Cmd, send
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir

PATIENCE = 5.0  # seconds; the trainer looks between two steps, and a step may be long


def ask(run: RunDir, command: Cmd, **arguments: Any) -> str:
    """Send `command`; returns a sentence: the trainer's answer, or that it was sent. Raises Refusal if none runs."""
    info = run_info(run)
    if leaves_slurm(info, command):
        # of a job that begins too: a trainer passes over what was sent before it was there
        cancel(run)
        return f"{command}: it is taken out of Slurm; its folder stays; back with: loratui resume {run_word(run)}"
    if info.state == "queued" and info.slurm:
        raise Refusal(f"{show_path(run.path)}: {info.slurm}; 'loratui stop' takes it out")
    if info.state == "queued":
        raise Refusal(f"{show_path(run.path)} waits in the queue; take it out with 'loratui queue cancel'")
    if not info.alive:
        back = f". {next_words(run, info.state)}" if takes(info, "resume") else ""
        raise Refusal(f"{show_path(run.path)} ({info.state}): there is nothing to {command}{back}")
    tail = Tail(run.events)
    while tail.read():
        pass
    try:
        sent = send(run, command, **arguments)
    except OSError as error:
        raise Refusal(f"{show_path(run.control)} takes no command: {os_words(error)}") from None
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for event in tail.read():
            if event["type"] == "command" and event.get("id") == sent:
                return f"{command}: {safe_text(event.get('message') or 'done')}"
        time.sleep(0.1)
    return f"{command}: sent; the trainer looks at it between two steps (loratui attach {run_word(run)} shows it)"
