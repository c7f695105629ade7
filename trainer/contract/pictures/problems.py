"""What is wrong with the files of a folder of pictures, and which of it stops a run: one rule for all who ask."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from trainer.contract.pictures.inside import MEND

Severity = Literal["block", "warn", "hint"]

FATAL = frozenset({"metadata-outside"})  # a path that leaves the folder: hostile, or a mistake to know of


@dataclass(frozen=True)
class Problem:
    """Something to say about a file of the dataset (`file` is empty for the whole set), in words for the person.

    `mild`: no picture lost anything by it.
    """

    file: str
    code: str
    message: str
    remedy: str
    mild: bool = False
    value: int | tuple[str, ...] | None = None  # how many, or which columns there are


def outside_problem(file: str, name: str, what: str) -> Problem:
    """Of a caption file or table `name` that is not read for what it is, in the words of `NotInside`."""
    said = f"{name} is {what}: it is not read"
    return Problem(file, "caption-outside", said, f"take it away, or {MEND}", value=(name,))


def severity_of(problem: Problem) -> Severity:
    """block: nothing but mending it helps. warn: it must be accepted. hint: nothing to decide."""
    if problem.code in FATAL:
        return "block"
    return "hint" if problem.mild else "warn"


def accept_key(code: str, file: str) -> str:
    """What stands in dataset.accept once a person has accepted it: "low-resolution:anna_003.jpg", or the code alone."""
    return f"{code}:{file}" if file else code


def is_accepted(code: str, file: str, accepted: Collection[str]) -> bool:
    """Whether a person has accepted it: this kind of finding altogether, or of this file."""
    return code in accepted or f"{code}:{file}" in accepted


def stopping(problems: Iterable[Problem], accepted: Collection[str] = ()) -> tuple[Problem, ...]:
    """Those without whose mending no run starts: what is fatal, and the warnings that nobody has accepted."""
    found = [(one, severity_of(one)) for one in problems]
    return tuple(
        one
        for one, severity in found
        if severity == "block" or (severity == "warn" and not is_accepted(one.code, one.file, accepted))
    )
