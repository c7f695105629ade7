"""`python -m loratui`, and the command `loratui`: guarded before anything is imported that takes time."""

import sys

from trainer.contract.run.notify import OPTION
from trainer.contract.run.program import begin, run_program


def main() -> None:
    """The entry point: a command to its end, with its exit code."""
    begin()
    if any(one.startswith(OPTION) for one in sys.argv[1:]):
        from loratui.children.told import start_without_addresses

        start_without_addresses()
    from loratui.cli import main as command

    run_program(command)


if __name__ == "__main__":
    main()
