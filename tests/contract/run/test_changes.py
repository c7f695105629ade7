"""What a run may go on with in place of what its checkpoint was trained with, and what forbids it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainer.contract.run.changes import (
    FREE,
    RECOMPUTED,
    RECORDED,
    SHARES,
    SettingChange,
    changes_between,
    effect_between,
    effect_of,
    is_free,
    left_out,
    plain,
    read_changes,
    record_changes,
    refusals_of,
    settings_at,
)
from trainer.contract.run.longer import held_pivot, length_words
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import BY_KEY, TrainConfig, flat, nested


def made(**own: Any) -> TrainConfig:
    values = {"train.batch": 4, "dataset.trigger": "TOK"} | {key.replace("__", "."): one for key, one in own.items()}
    return TrainConfig.model_validate(nested(values))


def saved(config: TrainConfig) -> dict[str, Any]:
    return {key: plain(one) for key, one in flat(config).items() if not is_free(key)}


@pytest.mark.parametrize(
    ("own", "effect"),
    [
        ({"train__keep_checkpoints": 1}, "none"),
        ({"sample__steps": 3, "dataset__path": "/moved"}, "none"),
        ({"train__gradient_checkpointing": False}, "rounding"),
        ({"train__batch": 1, "train__accumulation": 4}, "rounding"),
        ({"train__deterministic": True}, "rounding"),
        ({"train__learning_rate": 0.5, "train__keep_checkpoints": 1}, "training"),
        ({"dataset__skip": ("a.png",)}, "training"),
    ],
)
def test_what_may_change_and_what_that_is_to_the_training(own: dict[str, Any], effect: str) -> None:
    assert refusals_of(made(), made(**own), 300) == []
    assert effect_of(changes_between(made(), made(**own))) == effect
    assert effect_between(made(), made(**own)) == effect


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            {},
            {"train__rank": 8},
            "train.rank: the checkpoint of step 300 was trained with 16, but 8 is asked for: it is the",
        ),
        ({}, {"train__optimizer": "adamw"}, "holds the other optimizer's state"),
        ({}, {"train__steps": 10}, "300 steps taken already"),
        ({}, {"dataset__flip": True}, "depends on it"),
        ({}, {"train__batch": 2}, "batch x accumulation must stay the same"),
        ({"train__dropout": 0.1}, {"train__dropout": 0.1, "train__batch": 2, "train__accumulation": 2}, "the draws"),
        ({"prior__enabled": True}, {"prior__enabled": True, "train__resolution": 768}, "class pictures are drawn"),
        ({"dataset__skip": ("a.png",)}, {"dataset__skip": ()}, "none can come back"),
    ],
)
def test_what_may_not_change_says_field_old_new_and_why(before: Any, after: Any, said: str) -> None:
    refused = refusals_of(made(**before), made(**after), 300)
    assert refused and all(said in one or "train.accumulation" in one for one in refused)
    assert any(said in one for one in refused)
    if "taken already" not in said:  # a run begun again may be as short as it likes: it is another one all the same
        assert effect_between(made(**before), made(**after)) == "training"


def test_every_setting_named_in_the_rules_is_a_setting() -> None:
    assert {*FREE, *RECORDED, RECOMPUTED, *SHARES} <= set(BY_KEY)


def test_a_checkpoint_takes_another_value_only_where_the_record_leads_to_it() -> None:
    first, now = made(), made(train__learning_rate=0.25, train__gradient_checkpointing=False, train__rank=8)
    alone = settings_at(saved(first), now, ())
    assert alone == {"train.gradient_checkpointing": "auto"}  # the same step needs no record; a rank is never led to
    half, quarter = SettingChange("train.learning_rate", 0.0, 0.5), SettingChange("train.learning_rate", 0.5, 0.25)
    led = settings_at(saved(first), now, (half, quarter, SettingChange("train.rank", 32, 8)))
    assert led == {"train.gradient_checkpointing": "auto", "train.learning_rate": 0.0}
    assert "train.learning_rate" in settings_at(saved(made(train__learning_rate=0.5)), now, (half, quarter))
    # edited by hand after the change: the record does not lead to what stands there now
    assert "train.learning_rate" not in settings_at(saved(first), now, (half,))
    assert "train.learning_rate" not in settings_at(saved(made(train__learning_rate=0.7)), now, (half, quarter))


def test_pictures_left_out_are_those_of_the_record_that_are_still_skipped() -> None:
    record = (
        SettingChange("dataset.skip", ["old.png"], ["old.png", "a.png"]),
        SettingChange("dataset.skip", [], ["b.png"]),
    )
    assert left_out(made(dataset__skip=("old.png", "a.png", "c.png")), record) == {"a.png"}


def test_the_record_grows_and_a_damaged_one_allows_nothing(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert read_changes(run) == ()
    first, second = SettingChange("train.batch", 4, 2), SettingChange("dataset.skip", [], ["ä.png"])
    record_changes(run, [first])
    record_changes(run, [second])
    assert read_changes(run) == (first, second)
    assert run.changes.stat().st_mode & 0o777 == 0o600
    moved = SettingChange("concepts", [{"path": "/a"}], [{"path": "/b"}])  # where a concept lies may change
    record_changes(run, [moved])
    assert read_changes(run) == (first, second, moved)
    run.changes.write_text('[{"key": "train.batch"')
    assert read_changes(run) == ()


def test_a_longer_run_keeps_the_pivot_that_has_passed_and_says_what_its_schedule_does() -> None:
    own: dict[str, Any] = {"pivotal__enabled": True, "train__schedule": "constant"}
    old, new = made(train__steps=300, **own), made(train__steps=700, **own)
    held = held_pivot(old, new, 150)  # half of 300: passed with that very step
    assert held == {"pivotal.fraction": 150 / 700}
    kept = made(train__steps=700, pivotal__fraction=150 / 700, **own)
    assert refusals_of(old, kept, 300) == []
    assert length_words(old, kept) == [
        "The pivot stays after step 150.",
        "The rate is constant: it ends as a run of 700 steps with the pivot there would have ended.",
    ]
    assert "what it froze cannot be trained again" in refusals_of(old, new, 300)[0]
    assert held_pivot(old, new, 149) == {} and refusals_of(old, new, 149) == []
    assert length_words(old, new)[0] == "The pivot was not reached yet: it moves from step 150 to step 350."
    some = {**own, "pivotal__fraction_each": "clip_l = 0.1; TOK = 0.3"}
    apart, longer = made(train__steps=300, **some), made(train__steps=700, **some)
    held = held_pivot(apart, longer, 60)  # clip_l has ended with step 30, TOK would with 90
    assert held == {"pivotal.fraction_each": f"clip_l = {30 / 700}; TOK = 0.3"}
    both = held_pivot(apart, longer, 300)
    assert both == {"pivotal.fraction": 150 / 700, "pivotal.fraction_each": f"clip_l = {30 / 700}; TOK = {90 / 700}"}
    for step, own_held in ((60, held), (300, both)):
        kept = TrainConfig.model_validate(nested(flat(longer) | own_held))
        assert refusals_of(apart, kept, step) == []
    assert "the end of TOK in clip_l was after step 30" in refusals_of(apart, longer, 60)[0]
    assert "holds all words as one, or each apart" in refusals_of(old, apart, 20)[0]
    bent = {**own, "train__schedule": "cosine"}
    (first, *_) = length_words(made(train__steps=300, **bent), made(train__steps=700, **bent))
    assert first.startswith("The cosine schedule now spans 700 steps: those taken had the rates of 300")
    assert "300 steps taken already" in refusals_of(old, made(train__steps=200, **own), 300)[0]
