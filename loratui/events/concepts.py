"""The loss at fixed noise of each concept over a run of several: one curve a concept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loratui.terminal.numbers import number
from trainer.contract.run.events import Event


@dataclass(frozen=True)
class ConceptCurve:
    """What was measured of one concept, by rising step; `trigger` is a file's word and never trusted."""

    trigger: str
    steps: tuple[int, ...]
    losses: tuple[float, ...]


def concept_curves(measures: Sequence[Event]) -> tuple[ConceptCurve, ...]:
    """Of each concept of the `measure` events; nothing for a run of one, whose measurements are not told apart."""
    found: dict[int, tuple[str, list[tuple[int, float]]]] = {}
    for event in sorted(measures, key=lambda one: int(one["step"])):
        for place, one in enumerate(_tables(event.get("concepts"))):
            _, points = found.setdefault(place, (str(one.get("trigger") or place + 1), []))
            if (loss := number(one.get("loss"))) is not None:
                points.append((int(event["step"]), loss))
    return tuple(
        ConceptCurve(trigger, tuple(step for step, _ in points), tuple(loss for _, loss in points))
        for trigger, points in found.values()
        if points
    )


def _tables(found: Any) -> list[dict[str, Any]]:
    return [one if isinstance(one, dict) else {} for one in found] if isinstance(found, list) else []
