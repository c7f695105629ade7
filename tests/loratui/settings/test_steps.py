"""Steps that suit the number of pictures; a base model's own size; a decision taken back leaves the later ones."""

from __future__ import annotations

import pytest

from loratui.curation.checks.whole_set import views_findings
from loratui.settings.bases import with_base
from loratui.settings.checks import answers_of
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.undo import Decision
from loratui.settings.presets import preset
from loratui.settings.resolve import resolve
from loratui.settings.steps import good_views, planned_steps, suiting_reason, suiting_steps
from trainer.contract.plan.advice import advice
from trainer.contract.plan.views import fitting_steps


@pytest.mark.parametrize(
    ("preset", "images", "planned", "suiting"),
    [
        ("style", 27, 1000, 0),  # as the post's set: 148 views
        ("style", 5, 1000, 150),  # 800 views
        ("style", 300, 1000, 9000),  # 13 views
        ("face", 8, 960, 0),
        ("face/75x", 8, 600, 0),
        ("b-lora", 1, 1000, 0),  # its source says so
        ("demo", 100, 300, 2500),  # too few are too few for each model
        ("demo", 5, 300, 0),  # the small model is not what the post speaks of
    ],
)
def test_a_preset_whose_steps_do_not_suit_the_pictures_is_told(
    preset: str, images: int, planned: int, suiting: int
) -> None:
    draft = Draft(preset=preset, images=images)
    assert planned_steps(draft)[0] == planned and suiting_steps(draft) == suiting
    if suiting:
        assert suiting_steps(draft.with_settings({"train.steps": suiting})) == 0


@pytest.mark.parametrize("name", ["object", "face", "face/75x", "face/100x"])
@pytest.mark.parametrize("images", [5, 7])
def test_steps_set_too_low_are_proposed_as_the_preset_proposes_them(name: str, images: int) -> None:
    draft = Draft(preset=name, images=images)
    proposed, one = planned_steps(draft)[0], preset(name)
    low = draft.with_settings({"train.steps": 60})
    assert suiting_steps(low) == proposed
    assert one.steps_source in suiting_reason(low) and suiting_reason(low).startswith("inferred") is one.steps_inferred
    (finding,) = views_findings(images, 60, 1, one.kind, good=good_views(name))
    assert f"about {proposed} steps" in finding.remedy
    assert any(
        f"about {proposed} steps" in said for said in advice(resolve(answers_of(low)).config, images, good_views(name))
    )


def test_nothing_is_proposed_where_nothing_is_known() -> None:
    assert fitting_steps(1000, 4, 0, "style") == 0 and fitting_steps(0, 4, 5, "style") == 0


def test_a_base_model_brings_its_size_unless_another_was_chosen() -> None:
    draft = Draft(preset="object")
    small = with_base(draft, "sdxl-small")
    assert small.values == {"model.base": "sdxl-small", "train.resolution": 64}
    assert with_base(small, "stabilityai/stable-diffusion-xl-base-1.0").values["train.resolution"] == 1024
    own = draft.with_settings({"train.resolution": 768})
    assert with_base(own, "sdxl-small").values["train.resolution"] == 768


def test_what_was_chosen_since_stays() -> None:
    before = Draft(values={"dataset.skip": ("a.png",)}, captions={"b.png": "x"})
    after = before.with_settings({"dataset.skip": None, "train.resolution": 512}).with_fields(captions={})
    later = after.with_fields(preset="face", step=4).with_settings({"train.rank": 8})
    back = Decision.between("words", before, after).taken_back(later)
    assert back.values == {"dataset.skip": ("a.png",), "train.rank": 8}
    assert (back.captions, back.preset, back.step) == ({"b.png": "x"}, "face", 4)
