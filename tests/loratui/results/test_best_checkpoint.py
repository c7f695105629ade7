"""The hint: what it takes from the numbers, and when it stays silent."""

from __future__ import annotations

import random
from typing import Any

from loratui.events.history import History
from loratui.results.best_checkpoint import NOISE, Checkpoint, checkpoints_of, difference, hint, on_what, table_lines


def at(step: int, shift: float, held: bool = True, norm: float = 1.0, views: float | None = None) -> Checkpoint:
    """A checkpoint whose eight losses lie `shift` above 0.1, a little apart from each other and from other steps."""
    draws = random.Random(step)
    losses = tuple(0.1 + place / 50 + shift + draws.uniform(-0.0005, 0.0005) for place in range(8))
    return Checkpoint(step, losses, held, norm, step / 10 if views is None else views, kept=True)


BASE = Checkpoint(0, at(0, 0.05).losses, True, 0.0, 0.0)


def test_the_lowest_held_out_loss_is_taken_and_the_reason_said() -> None:
    found = (BASE, at(300, 0.02), at(600, 0.0, norm=2.0), at(900, 0.03, norm=4.0))
    said = hint(found, "style")
    assert said.step == 600
    assert said.sentences == (
        "Step 600: the lowest loss on pictures that it never saw (0.1702). After it the change only grew "
        "(norm 2 to 4 at step 900).",
        "It saw each picture 60 times; 37 to 148 were good before.",
        "A hint, not a verdict: look at the pictures.",
    )
    assert "one-standard-error rule" in said.sources[0] and "Y2K" in said.sources[-1]


def test_of_two_within_the_noise_the_earlier_is_taken() -> None:
    found = (BASE, at(300, 0.02), at(600, 0.0), at(900, -0.00001))
    mean, error = difference(found[2], found[3])
    assert 0 < mean < NOISE * error
    said = hint(found, "style")
    assert said.step == 600
    assert "is the lowest within the noise; step 900 has" in said.sentences[0]


def test_differences_below_the_noise_are_said_and_the_views_decide() -> None:
    found = (BASE, at(300, 0.0, views=30), at(600, 0.0, views=60), at(900, 0.0, views=220))
    said = hint(found, "style")
    assert said.step == 600
    assert "differ by less than the noise" in said.sentences[0]
    assert "step 600" in said.sentences[1].lower() and "(60)" in said.sentences[1]


def test_a_run_that_is_no_better_than_the_base_model_gets_no_hint() -> None:
    found = (BASE, at(300, 0.05), at(600, 0.06))
    said = hint(found, "style")
    assert said.step is None
    assert "no checkpoint is measurably better than the base model" in said.sentences[0]


def test_a_loss_on_the_training_pictures_chooses_nothing() -> None:
    found = (at(0, 0.05, held=False), at(300, 0.02, held=False), at(600, 0.0, held=False), at(900, 0.0, held=False))
    said = hint(found, "style")
    assert said.step == 900  # 90 views per image: the last that was good before, not the lowest loss
    assert "falls with overfitting too and chooses nothing. From step 600 on it does not fall" in said.sentences[0]
    falling = hint((at(300, 0.02, held=False, views=50), at(600, -0.05, held=False, views=300)), "style")
    assert falling.step == 300  # 300 views per image, however low the loss
    assert "does not fall" not in falling.sentences[0]
    late = hint(tuple(at(step, -step / 9000, held=False, views=float(step)) for step in (250, 500)), "style")
    assert late.step == 250 and "above 200 sets overfitted" in late.sentences[1]


def test_few_views_are_said_as_too_few() -> None:
    said = hint((at(10, 0.0, held=False), at(20, 0.0, held=False)), "face")
    assert said.step == 20
    assert "2 times at most, where 75 to 120 were good: step 20, the last, is the nearest" in said.sentences[1]


def test_one_checkpoint_none_and_unmeasured_ones_are_silent() -> None:
    assert hint((BASE, at(300, 0.0)), "style").step is None
    assert "one checkpoint" in hint((BASE, at(300, 0.0)), "style").sentences[0]
    gone = Checkpoint(300, at(300, 0.0).losses, True, 1.0, 30.0, kept=False)
    assert hint((BASE, gone), "style").sentences == ("No checkpoint is kept, so there is none to choose.",)
    bare = (Checkpoint(1, kept=True), Checkpoint(2, kept=True))
    assert hint(bare, "style").step is None
    assert "was not measured" in hint(bare, "style").sentences[0]


def test_for_one_picture_no_number_of_views_is_known() -> None:
    said = hint((at(500, 0.0, held=False), at(1000, 0.0, held=False)), "one-picture")
    assert said.step is None and said.sources == ()


def measure(step: int, loss: Any, **own: Any) -> dict[str, Any]:
    return {"type": "measure", "step": step, "losses": loss, "of": "held-out", "norm": 1.5, "views": 2.0, **own}


def test_the_log_is_read_with_what_is_damaged_left_out() -> None:
    history = History()
    history.absorb(
        [
            {"type": "run", "steps": 9, "name": "x", "resumed_from": None},
            measure(0, [0.2, 0.3]),
            measure(3, [0.1, None]),  # a loss that was not finite
            measure(6, "text", norm="text"),
            {"type": "measure", "losses": [1.0]},
            {"type": "checkpoint", "step": 3, "bytes": 1},
            measure(9, [0.1, 0.2]),
        ]
    )
    found = checkpoints_of(history, {3, 9, 12})
    assert [(one.step, one.losses, one.kept) for one in found] == [
        (0, (0.2, 0.3), False),
        (3, (), True),
        (6, (), False),
        (9, (0.1, 0.2), True),
        (12, (), True),
    ]
    assert found[2].norm is None
    history.absorb([{"type": "run", "steps": 9, "name": "x", "resumed_from": 3}])
    assert [one["step"] for one in history.measures] == [0, 3]


def test_the_table_names_what_it_shows() -> None:
    found = (BASE, at(300, 0.0), Checkpoint(600, at(600, 0.0).losses, True, 12.345, 60.0))
    head, *rows = table_lines(found, 300)
    assert head.split() == ["step", "loss", "norm", "views"]
    assert rows[0].endswith("base model") and rows[1].startswith("*") and rows[1].endswith("the hint")
    assert rows[2].split() == ["600", "0.1702", "12.3", "60.0", "not", "kept"]
    assert max(map(len, [head, *rows])) <= 56
    assert on_what(found) == "loss at fixed noise: held-out pictures, 8 draws"
