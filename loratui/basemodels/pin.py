"""Which commits of a base model and VAE of the hub a run takes, written down so that a replay takes the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from loratui.basemodels.facts import BaseModelFacts, BaseModelNeed, look, look_vae
from loratui.basemodels.hub import HubRefusal, HubSilent, ask
from trainer.contract.settings.config import TrainConfig, flat

if TYPE_CHECKING:
    from loratui.settings.answers import Answers
    from loratui.settings.resolve import Resolved


def ask_commit(config: TrainConfig) -> None:
    """Ask the hub for the newest commits of a base model and VAE that are not on this disk. Waits, but not long."""
    for known, revision in _looked(config).values():
        if known.kind == "hub" and not known.here:
            try:
                ask(known.value, revision=revision)
            except HubRefusal:
                continue  # it is said with the model
            except HubSilent:
                return  # the trainer says it better


def pinned(resolved: Resolved, answers: Answers) -> tuple[Resolved, Answers]:
    """The run on the commits that a start would use now, in configuration and answers; unchanged where nobody knows.

    Nothing is asked: what counts is the commit in the hub's cache, else what the hub last said.
    """
    config = resolved.config
    looked = _looked(config)
    commits = {key: one.commit for key, (one, revision) in looked.items() if one.commit not in ("", revision)}
    if not commits:
        return resolved, answers
    model = config.model.model_copy(update={key.removeprefix("model."): one for key, one in commits.items()})
    values = {**answers.values, **commits}
    return replace(resolved, config=config.model_copy(update={"model": model})), replace(answers, values=values)


def _looked(config: TrainConfig) -> dict[str, tuple[BaseModelFacts, str]]:
    """By the setting of its revision: what is known of base model and VAE, and the revision that is set."""
    base, need = config.model.base, BaseModelNeed.of(flat(config))
    found = {"model.revision": (look(base, need), need.revision)}
    if (vae := look_vae(base, need)) is not None:
        found["model.vae_revision"] = (vae, need.vae_revision)
    return found
