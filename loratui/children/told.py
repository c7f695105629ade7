"""`--notify URL`: the address goes from the command line, where others see it, into the environment of this process."""

from __future__ import annotations

import importlib.util
import os
import sys

from loratui.errors import Refusal
from trainer.contract.run.notify import EXTRA, NAME, OPTION, addresses, kind_of, taken_out

NEW = f"{NAME}_NEW"  # set while an address was just given, and has to be looked at


def start_without_addresses() -> None:
    """Start this program anew without the addresses among its arguments; returns where there are none."""
    rest, found = taken_out(sys.argv[1:])
    if not found:
        return
    own = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]  # the interpreter and how it was told what to run
    os.environ[NAME] = " ".join([*addresses(), *found])
    os.environ[NEW] = "1"
    os.execv(sys.executable, [*own, *rest])


def refuse_unknown() -> None:
    """Refuse an address that was just given and that nothing can be sent to, in words that hold nothing of it."""
    if os.environ.pop(NEW, None) is None:
        return
    if importlib.util.find_spec("apprise") is None:
        raise Refusal(f"{OPTION} needs apprise: {EXTRA}")
    import logging

    logging.getLogger("apprise").disabled = True  # it names addresses
    from apprise import Apprise

    for place, one in enumerate(addresses(), 1):
        if not Apprise().add(one):
            said = f"{OPTION}: address {place} ({kind_of(one)}) is not one that apprise knows"
            raise Refusal(f"{said}; see 'apprise --details' for how they are written")
