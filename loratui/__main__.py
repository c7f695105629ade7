"""`python -m loratui`, and the command `loratui`: guarded before anything is imported that takes time."""

import gc
import os
import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # until `begin`: its own import would say a traceback
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # exits.STOPPED

from loratui.terminal.shipped_help import COMPLETION, shipped_help
from trainer.contract.run.program import begin, run_program

YOUNG = 100_000, 20, 50  # objects before Python looks for circles; what is imported and drawn here stays


def main() -> None:
    """The entry point: a command to its end, with its exit code."""
    gc.set_threshold(*YOUNG)
    begin()
    if (text := shipped_help(sys.argv[1:], os.environ)) is not None:
        run_program(lambda: print(text, end="") or 0)
    if not sys.argv[1:] and COMPLETION not in os.environ:
        from loratui.commands.guided import alone

        run_program(alone)
    from trainer.contract.run.notify import OPTION

    if any(one.startswith(OPTION) for one in sys.argv[1:]):
        from loratui.children.told import start_without_addresses

        start_without_addresses()
    from loratui.cli import main as command

    run_program(command)


if __name__ == "__main__":
    main()
