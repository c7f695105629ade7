"""The hint of one run: what its numbers say, ending with its pictures only where it drew some."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from loratui.events.history import History
from loratui.results.best_checkpoint import BY_PICTURES, VERDICT, CheckpointHint, MeasuredStep, hint
from loratui.results.facts import RunFacts

UNSEEN = "A hint, not a verdict: this run drew no pictures, so draw some with its files."


def run_hint(found: tuple[MeasuredStep, ...], history: History, facts: RunFacts) -> CheckpointHint:
    """What is said of the checkpoints `found` of a run with this log; it may have drawn before it was told not to."""
    said = hint(found, facts.kind)
    if facts.draws or history.samples:
        return said
    return replace(said, sentences=_without_pictures(said.sentences))


def _without_pictures(sentences: Collection[str]) -> tuple[str, ...]:
    return tuple(UNSEEN if one == VERDICT else one for one in sentences if one != BY_PICTURES)
