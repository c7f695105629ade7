"""Hostile inputs: every reader of the program gets files that someone else made, and refuses or reads them."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from tests.faults import forks
from tests.faults.readers import READERS, Reader
from tests.faults.tally import Tally

PROMISE = "read, or refused with a sentence; no other error, no hang (10 s), no more than 1 GB, nothing outside touched"
BATCH = 200  # inputs a process
MOST_MEMORY = 1 << 30  # bytes beyond what the process has
PATIENCE = 10  # seconds


class Hang(BaseException):
    """It took longer than PATIENCE; no reader can catch it by mistake."""


def campaign(place: Path, rng: random.Random, tries: int | None = None) -> Iterator[Tally]:
    """For ever, one reader after the other; yields the tally after each batch. All readers share a few `tries`."""
    batch = BATCH if tries is None else min(BATCH, -(-tries // len(READERS)))
    tally = Tally("hostile inputs", PROMISE)
    place.mkdir(parents=True, exist_ok=True)
    while True:
        for reader in READERS:
            for end, problems in _batch(reader, rng.randrange(1 << 60), batch, place):
                tally.add(reader.name, end, problems)
            yield tally


def _batch(reader: Reader, seed: int, count: int, place: Path) -> list[tuple[str, list[str]]]:
    """In a process of its own with bounded memory: how each input ended, and which promises broke."""
    report, log = place / "report.jsonl", place / "said.log"
    for path in (report, log):
        path.unlink(missing_ok=True)
    work = place / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    code = forks.wait(forks.child(lambda: _all(reader, seed, count, work, report), log), count * PATIENCE)
    told = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
    found = [(str(end), list(problems)) for end, problems in told]
    if code != 0:
        said = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
        found.append(("died", [f"input {len(told)} of seed {seed}: the process ended with {code}: {said}"]))
    return found


def _all(reader: Reader, seed: int, count: int, work: Path, report: Path) -> int:
    os.environ.update({name: str(work / name) for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")})
    reader.warm(work)
    forks.limit_memory(MOST_MEMORY)
    signal.signal(signal.SIGALRM, _ring)
    with report.open("a") as out:
        for number in range(count):
            rng = random.Random(f"{seed}-{number}")
            end, problems = _try(reader, rng, work)
            named = [f"input {number} of seed {seed}: {one}" for one in problems]
            out.write(json.dumps([end, named]) + "\n")
            out.flush()
    return 0


def _try(reader: Reader, rng: random.Random, work: Path) -> tuple[str, list[str]]:
    folder = work / "in"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    reader.place(folder, rng)
    signal.alarm(PATIENCE)
    try:
        said: Any = reader.read(folder)
    except Hang:
        return "hang", ["it takes longer than 10 s"]
    except reader.refusals as error:
        return "refused", [] if str(error).strip() else [f"refused without a word: {type(error).__name__}"]
    except Exception as error:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        line = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else ""
        return "another error", [f"{type(error).__name__}: {str(error)[:100]} at {line}"]
    finally:
        signal.alarm(0)
    return "refused" if said is False else "read", []


def _ring(_number: int, _frame: FrameType | None) -> None:
    raise Hang
