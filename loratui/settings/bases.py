"""Another base model in a draft: its own size is taken with it."""

from __future__ import annotations

from loratui.settings.answers import Answers
from loratui.settings.checks import answers_of, effective
from loratui.settings.drafts.draft import Draft
from loratui.settings.problems import AnswersError
from loratui.settings.resolve import resolve
from trainer.contract.basemodel.inspect import NotSDXL, base_of


def native_side(answers: Answers) -> int:
    """The side in pixels that the base model of these answers was made for; 0 where that is not known."""
    try:
        return base_of(resolve(answers).config.model).native
    except (AnswersError, NotSDXL):
        return 0


def with_base(draft: Draft, base: str) -> Draft:
    """`draft` on another base model, at its size where the resolution was the size of the one before.

    A resolution that a person chose otherwise stays.
    """
    before, now = native_side(answers_of(draft)), int(effective(draft)["train.resolution"])
    changed = draft.with_settings({"model.base": base})
    after = native_side(answers_of(changed))
    return changed.with_settings({"train.resolution": after}) if after and now == before else changed
