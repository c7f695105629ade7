"""`python -m tests.faults --minutes 10 --seed N`: the campaign, its counts as a table; exit 1 if a promise broke."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from tests.faults import forks, syscalls
from tests.faults.tally import Tally, table

PARTS = ("kills", "calls", "inputs", "races")
SAID_EVERY = 20.0  # seconds
SHARES = {"kills": 0.4, "calls": 0.3, "inputs": 0.2, "races": 0.1}  # of the time


def main(arguments: list[str] | None = None) -> int:
    """Run the parts that are asked for, each for its share of the time; returns 1 if a promise broke.

    SIGINT and SIGTERM end it after the try at hand, with the table of what was tried until then.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given more than once")
    parser.add_argument("--tries", type=int, help="end each part after so many tries, whatever time they take")
    parser.add_argument("--every", action="store_true", help="every call of every operation, however long it takes")
    asked = parser.parse_args(arguments)
    parts = tuple(asked.only or PARTS)
    if "calls" in parts and (why := syscalls.missing()):
        print(f"no system call is made to fail: {why}", file=sys.stderr)
        parts = tuple(one for one in parts if one != "calls")
    place = Path(tempfile.mkdtemp(prefix="loratui-faults-"))
    forks.prepare()
    stop = Stop()
    tallies = []
    try:
        for name in parts:
            if stop.asked:
                break
            seconds = asked.minutes * 60 * SHARES[name] / sum(SHARES[one] for one in parts)
            endless = asked.tries or (asked.every and name == "calls")
            tallies.append(_spend(_part(name, place, asked), float("inf") if endless else seconds, asked.tries, stop))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print(table(tallies, asked.seed))
    return 1 if any(one.broken for one in tallies) else 0


class Stop:
    """Whether SIGINT or SIGTERM came; a second one ends the program at once."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(number, signal.SIG_DFL)


def _part(name: str, place: Path, asked: argparse.Namespace) -> Iterator[Tally]:
    from tests.faults import inputs, kills, races, runs
    from tests.trainer.conftest import draw_dataset

    rng = random.Random(f"{name}-{asked.seed}")
    if name == "inputs":
        return inputs.campaign(place / name, rng, asked.tries)
    if name == "calls":
        return (syscalls.campaign if asked.every else syscalls.sampled)(place / name, rng)
    config = runs.short_run(draw_dataset(place / f"{name}-pictures"))
    return (kills if name == "kills" else races).campaign(place / name, config, rng)


def _spend(part: Iterator[Tally], seconds: float, tries: int | None, stop: Stop) -> Tally:
    """Let a part go on for so long, or for so many tries; each broken promise is said at once."""
    began = said = time.monotonic()
    told = 0
    for tally in part:
        for one in tally.bad[told:]:
            print(f"BROKEN {tally.name}: {one}", file=sys.stderr, flush=True)
        told = len(tally.bad)
        now = time.monotonic()
        if now - said > SAID_EVERY:
            said = now
            print(f"{tally.name}: {tally.total:,} tried, {tally.broken} broken", file=sys.stderr, flush=True)
        if stop.asked or now - began > seconds or (tries is not None and tally.total >= tries):
            break
    return tally


if __name__ == "__main__":
    sys.exit(main())
