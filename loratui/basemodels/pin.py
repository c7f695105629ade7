"""Which commit of a base model of the hub a run takes, written down so that a replay takes the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from loratui.basemodels.facts import BaseModelNeed, look
from loratui.basemodels.hub import HubSilent, ask
from trainer.contract.settings.config import TrainConfig, flat

if TYPE_CHECKING:
    from loratui.settings.answers import Answers
    from loratui.settings.resolve import Resolved


def ask_commit(config: TrainConfig) -> None:
    """Ask the hub for the newest commit of a base model that is not on this disk. Waits for it, but not long."""
    known = look(config.model.base, BaseModelNeed.of(flat(config)))
    if known.kind != "hub" or known.here:
        return
    try:
        ask(config.model.base, revision=config.model.revision)
    except HubSilent:
        return  # the trainer says it better


def pinned(resolved: Resolved, answers: Answers) -> tuple[Resolved, Answers]:
    """The run on the commit that a start would use now, in configuration and answers; unchanged where nobody knows it.

    Nothing is asked: what counts is the commit in the hub's cache, else what the hub last said.
    """
    config = resolved.config
    commit = look(config.model.base, BaseModelNeed.of(flat(config))).commit
    if not commit or commit == config.model.revision:
        return resolved, answers
    model = config.model.model_copy(update={"revision": commit})
    values = {**answers.values, "model.revision": commit}
    return replace(resolved, config=config.model_copy(update={"model": model})), replace(answers, values=values)
