"""`python -m trainer.next_run RUNS ENDED`: left behind by a trainer that ends; starts the next of the queue, and ends.

Its stdin is a pipe that only that trainer holds open: its end is the trainer's.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, which take seconds
    from trainer.contract.run.program import begin

    begin()

import sys
from pathlib import Path

from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import hand_over


def main(arguments: list[str]) -> int:
    """Wait for the end of the trainer, then start what waits; says so in the log of the run that ended."""
    root, ended = map(Path, arguments)
    sys.stdin.read()
    for started in hand_over(root, RunDir(ended)):
        print(f"the queue goes on: {started.run.path.name} (process {started.process.pid})", flush=True)
    return 0


if __name__ == "__main__":
    from trainer.contract.run.program import run_program

    run_program(lambda: main(sys.argv[1:]))
