"""What a part of the campaign tried, how it came out, and what was not as promised."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

KEPT = 40  # sentences about what went wrong that are kept; more than these help nobody


@dataclass
class Tally:
    """Counts of one part; `bad` holds a sentence for each broken promise, the first ones in full."""

    name: str
    promise: str  # what is held against each try
    tried: Counter[str] = field(default_factory=Counter)  # by kind
    ends: Counter[str] = field(default_factory=Counter)  # how the tries ended, in words
    bad: list[str] = field(default_factory=list)
    broken: int = 0

    def add(self, kind: str, end: str, problems: list[str]) -> None:
        """Count one try."""
        self.tried[kind] += 1
        self.ends[end] += 1
        self.broken += bool(problems)
        self.bad += [f"{kind}: {one}" for one in problems][: max(0, KEPT - len(self.bad))]

    @property
    def total(self) -> int:
        """How many tries there were."""
        return sum(self.tried.values())


def table(tallies: list[Tally], seed: int) -> str:
    """The counts in Markdown, as they stand in README.md."""
    rows = ["| part | tried | kinds | broken | how they ended |", "|---|---|---|---|---|"]
    for one in tallies:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(one.tried.items()))
        ends = ", ".join(f"{end} {count:,}" for end, count in one.ends.most_common(8))
        rows.append(f"| {one.name}: {one.promise} | {one.total:,} | {kinds} | {one.broken} | {ends} |")
    return "\n".join([f"seed {seed}", "", *rows])
