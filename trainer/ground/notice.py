"""Tells the end of a run to the addresses of LORATUI_NOTIFY, through apprise; no run ends or waits because of it.

`python -m trainer.ground.notice RUN` tells what the log says of a run whose trainer was gone before it could.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path
from typing import Any

from trainer.contract.documents.files import read_json, read_toml
from trainer.contract.run.events import Event, EventLog, Tail
from trainer.contract.run.notify import EXTRA, addresses, kind_of
from trainer.contract.run.rundir import RunDir
from trainer.contract.units import in_time

# what an error is called where others may read it: its own words may hold paths and names
KINDS = {
    "oom": "out of memory",
    "data": "its pictures or settings",
    "disk": "no room on the disk",
    "moved": "its folder was moved",
    "nan": "numbers that are not finite",
}


class Notice:
    """Listens to the events of a run, and says at its end how it went: name, state, steps and time, nothing else."""

    def __init__(self, name: str, steps: int, log: EventLog, run: RunDir) -> None:
        """Listen where there is an address; say so in the log where apprise is not installed."""
        self._run = run
        self._name, self._steps, self._step = name, steps, 0
        self._state, self._seconds, self._error = "", 0.0, ""
        self._addresses = addresses()
        if self._addresses and importlib.util.find_spec("apprise") is None:
            self._addresses = ()
            message = "nobody can be told when the run ends: apprise is not installed"
            log.emit("warn", code="notify", message=message, advice=f"{EXTRA}; the run goes on without it")
        if self._addresses:
            log.tell(self.take)

    def take(self, type: str, fields: Event) -> None:
        """An event of the log."""
        if type == "run":
            self._error = ""
        elif type == "step":
            self._step = int(fields["step"])
        elif type == "error":
            self._error = str(fields.get("kind", ""))
        elif type == "end":
            self._state, self._seconds = str(fields["status"]), float(fields["seconds"])
            self._step = self._step if fields.get("step") is None else int(fields["step"])

    @property
    def words(self) -> str:
        """What is told."""
        why = f" ({KINDS[self._error]})" if self._error in KINDS else ""
        steps = f"step {self._step:,} of {self._steps:,}"
        by = " by Slurm" if self._state == "stopped" and self._is_slurms else ""
        return f"{self._name}: {self._state}{by}{why}, {steps}, after {in_time(self._seconds)}"

    @property
    def _is_slurms(self) -> bool:
        """Whether a cluster wanted the place, and no person: its job says so before it ends the trainer."""
        words: dict[str, Any] = read_json(self._run.slurm, dict, root=self._run.path).value or {}
        return words.get("again") is True

    def send(self) -> None:
        """Tell it, once the run is over and its lock is free; what goes wrong is said by the kind of address alone."""
        waiting, self._addresses = self._addresses if self._state else (), ()
        for address in waiting:
            if not _sent(address, self.words):
                print(f"{kind_of(address)}: the end of the run could not be told there", file=sys.stderr)


def tell(run: RunDir) -> None:
    """Tell the last end that the log of `run` has."""
    words = read_toml(run.config, root=run.path).value or {}
    train = words.get("train")
    steps = train.get("steps") if isinstance(train, dict) else 0
    log = EventLog(run.events)
    notice = Notice(str(words.get("name", run.path.name)), steps if isinstance(steps, int) else 0, log, run)
    said = Tail(run.events)
    while events := said.read():
        for one in events:
            notice.take(str(one["type"]), one)
    log.close()
    notice.send()


def _sent(address: str, words: str) -> bool:
    """Whether apprise took it. Its own log and its exceptions may hold the address: they are not looked at."""
    log = logging.getLogger("apprise")
    log.disabled = True
    logging.getLogger("urllib3").disabled = True
    try:
        import apprise

        return bool(_told(apprise, address, words))
    except Exception:
        return False


def _told(apprise: Any, address: str, words: str) -> bool | None:
    told = apprise.Apprise()
    return told.add(address) and told.notify(body=words, title="loratui")


if __name__ == "__main__":
    tell(RunDir(Path(sys.argv[1])))
