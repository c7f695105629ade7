"""The hint: what it takes from the numbers, and when it stays silent."""

from __future__ import annotations

import math
import random
import statistics
from typing import Any

import pytest

from loratui.events.history import History
from loratui.results.best_checkpoint import VERDICT, MeasuredStep, checkpoints_of, hint
from loratui.results.checkpoint_table import on_what, table_lines
from loratui.results.facts import RunFacts
from loratui.results.paired import difference, student
from loratui.results.run_hint import UNSEEN, run_hint


def at(step: int, shift: float, held: bool = True, norm: float = 1.0, views: float | None = None) -> MeasuredStep:
    """A checkpoint whose eight losses lie `shift` above 0.1, a little apart from each other and from other steps."""
    draws = random.Random(step)
    losses = tuple(0.1 + place / 50 + shift + draws.uniform(-0.0005, 0.0005) for place in range(8))
    return MeasuredStep(step, losses, held, norm, step / 10 if views is None else views, kept=True)


BASE = MeasuredStep(0, at(0, 0.05).losses, True, 0.0, 0.0)


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
    mean, error = difference(found[2].losses, found[3].losses)
    assert mean > 0 and student(mean / error, 7) > 0.05
    said = hint(found, "style")
    assert said.step == 600
    assert "is the lowest within the noise; step 900 has" in said.sentences[0]


LEVELS = (0.004, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)  # losses by noise level, as far apart as they are in a run


def scaled(step: int, *factors: float, kept: bool = True) -> MeasuredStep:
    """A checkpoint whose losses are the base model's by these factors, one for each draw."""
    rounds = [level for _ in range(len(factors) // 8) for level in LEVELS]
    losses = tuple(level * factor for level, factor in zip(rounds, factors, strict=True))
    return MeasuredStep(step, losses, True, 1.0, step / 10, kept)


def test_losses_that_fall_in_every_draw_are_better_than_the_base_model_whatever_their_levels() -> None:
    base = scaled(0, *[1.0] * 8, kept=False)
    early = scaled(150, 0.6, 0.7, 0.5, 0.6, 0.7, 0.6, 0.5, 0.6)
    late = scaled(300, 0.3, 0.4, 0.25, 0.3, 0.35, 0.3, 0.25, 0.3)
    raw = [a - b for a, b in zip(base.losses, late.losses, strict=True)]
    # what was asked before: the draws of high noise are all that the plain differences see
    assert statistics.mean(raw) < 2.36 * statistics.stdev(raw) / math.sqrt(8)
    logs = [math.log(a / b) for a, b in zip(base.losses, late.losses, strict=True)]
    mean, error = difference(base.losses, late.losses)
    assert math.isclose(mean, statistics.mean(logs)) and math.isclose(error, statistics.stdev(logs) / math.sqrt(8))
    said = hint((base, early, late), "style")
    assert said.step == 300 and "Step 300: the lowest loss on pictures that it never saw" in said.sentences[0]


def test_draws_that_go_both_ways_are_no_better_than_the_base_model() -> None:
    base = scaled(0, *[1.0] * 8, kept=False)
    one, other = scaled(150, *[0.5, 2.0] * 4), scaled(300, *[0.6, 1.5] * 4)
    said = hint((base, one, other), "style")
    assert said.step is None and "no checkpoint is measurably better than the base model" in said.sentences[0]


def test_measurements_of_different_lengths_are_compared_in_the_draws_that_they_share() -> None:
    base = scaled(0, *[1.0] * 8, kept=False)
    said = hint((base, scaled(150, *[0.9, 0.8] * 4), scaled(300, *[0.5, 0.4] * 4, *[9.0] * 8)), "style")
    assert said.step == 300


def test_a_log_with_means_alone_gives_a_weaker_hint() -> None:
    one, other = (MeasuredStep(n, (), True, 1.0, n / 10, True, mean) for n, mean in ((150, 0.2), (300, 0.1)))
    said = hint((MeasuredStep(0, (), True, mean=0.4), one, other), "style")
    assert said.step == 300 and "their noise is not known" in said.sentences[0]
    assert hint((MeasuredStep(0, (), True, mean=0.05), one, other), "style").step is None


def test_differences_below_the_noise_are_said_and_the_views_decide() -> None:
    found = (BASE, at(310, 0.0, views=30), at(620, 0.0, views=60), at(930, 0.0, views=220))
    said = hint(found, "style")
    assert said.step == 620
    assert "differ by less than the noise" in said.sentences[0]
    assert "step 620" in said.sentences[1].lower() and "(60)" in said.sentences[1]


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


def test_a_training_loss_that_still_falls_takes_the_later_step_while_no_set_overfits() -> None:
    falling = [at(step, shift, held=False, views=step / 2) for step, shift in ((150, 0.05), (300, 0.0), (500, -0.05))]
    said = hint(tuple(falling), "object")
    assert said.step == 300  # 75 views were good, 150 are below the 200 that overfitted, 250 are not
    assert "still falls measurably to step 300, at 150 views" in said.sentences[-2]
    still = [at(step, 0.0, held=False, views=step / 2) for step in (150, 300)]
    assert hint(tuple(still), "object").step == 150


def test_few_views_are_said_as_too_few() -> None:
    said = hint((at(10, 0.0, held=False), at(20, 0.0, held=False)), "face")
    assert said.step == 20
    assert "2 times at most, where 75 to 120 were good: step 20, the last, is the nearest" in said.sentences[1]


def test_one_checkpoint_none_and_unmeasured_ones_are_silent() -> None:
    assert hint((BASE, at(300, 0.0)), "style").step is None
    assert "one checkpoint" in hint((BASE, at(300, 0.0)), "style").sentences[0]
    gone = MeasuredStep(300, at(300, 0.0).losses, True, 1.0, 30.0, kept=False)
    assert hint((BASE, gone), "style").sentences == ("No checkpoint is kept, so there is none to choose.",)
    bare = (MeasuredStep(1, kept=True), MeasuredStep(2, kept=True))
    assert hint(bare, "style").step is None
    assert "was measured at no checkpoint" in hint(bare, "style").sentences[0]
    one = hint((at(300, 0.0), MeasuredStep(310, kept=True)), "style")
    assert one.step is None and "was measured at one checkpoint" in one.sentences[0]


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("where", [1, 305, 905])
def test_a_checkpoint_without_a_measurement_is_left_out_by_name_and_the_others_are_compared(
    held: bool, where: int
) -> None:
    measured = (at(0, 0.05, held), at(300, 0.02, held), at(600, 0.0, held), at(900, 0.03, held))
    alone = hint(measured, "style")
    assert alone.step is not None
    for bare in ((where,), (where, where + 1)):
        all_of_them = sorted((*measured, *(MeasuredStep(step, kept=True) for step in bare)), key=lambda one: one.step)
        said = hint(tuple(all_of_them), "style")
        assert said.step == alone.step
        named = f"{'steps' if len(bare) > 1 else 'step'} {' and '.join(map(str, bare))}"
        left = f"Left out: {named}, where this loss was not measured."
        assert said.sentences == (*alone.sentences[:-1], left, alone.sentences[-1])


def test_views_need_no_measurement_so_a_checkpoint_of_a_stop_is_chosen_by_them() -> None:
    """The views of a step are plain arithmetic: a stop at 340 steps has seen the pictures oftener than step 240."""
    history = History()
    steps = [{"type": "step", "step": n, "loss": 0.1, "views": n / 10} for n in (240, 340)]
    history.absorb([{"type": "run", "steps": 400, "name": "x", "resumed_from": None}, *steps])
    history.absorb([measure(n, list(at(n, 0.0).losses)) | {"views": n / 10} for n in (120, 240)])
    found = checkpoints_of(history, {120, 240, 340})
    assert [(one.step, one.views) for one in found] == [(120, 12.0), (240, 24.0), (340, 34.0)]
    assert found[-1].losses == ()
    said = hint(found, "face")
    assert said.step == 340 and "seen 34 times at most" in " ".join(said.sentences)
    assert "Left out" not in " ".join(said.sentences)


def test_losses_on_held_out_pictures_are_never_compared_with_those_on_training_pictures() -> None:
    found = (at(300, 0.5), at(600, 0.4), at(900, 0.0, held=False))
    said = hint(found, "style")
    assert said.step == 600 and "Left out: step 900" in " ".join(said.sentences)
    means = [MeasuredStep(n, (), True, 1.0, n / 10, True, n / 9000) for n in (300, 600)]
    weak = hint((*means, MeasuredStep(610, kept=True)), "style")
    assert weak.step == 300 and "Left out: step 610" in " ".join(weak.sentences)


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
    found = (BASE, at(300, 0.0), MeasuredStep(600, at(600, 0.0).losses, True, 12.345, 60.0))
    head, *rows = table_lines(found, 300)
    assert head.split() == ["step", "loss", "norm", "views"]
    assert rows[0].endswith("base model") and rows[1].startswith("*") and rows[1].endswith("the hint")
    assert rows[2].split() == ["600", "0.1702", "12.3", "60.0", "not", "kept"]
    assert max(map(len, [head, *rows])) <= 56
    assert on_what(found) == "loss at fixed noise: held-out pictures, 8 draws"


@pytest.mark.parametrize(
    "found",
    [
        (BASE, at(300, 0.02), at(600, 0.0)),
        (BASE, at(300, 0.5), at(600, 0.6)),
        (at(300, 0.0, held=False), at(600, 0.0, held=False)),
    ],
)
@pytest.mark.parametrize(("draws", "drew"), [(True, False), (False, False), (False, True)])
def test_pictures_are_pointed_to_only_where_the_run_drew_some(
    found: tuple[MeasuredStep, ...], draws: bool, drew: bool
) -> None:
    """Also where a run was told later to draw none: what it drew before is there."""
    history = History()
    drawn = {"type": "sample", "step": 2, "index": 0, "prompt": "a dog", "path": "samples/000002-0.png"}
    history.absorb([{"type": "run", "steps": 9, "name": "x", "resumed_from": None}, *([drawn] if drew else [])])
    said, plain = run_hint(found, history, RunFacts(kind="style", draws=draws)), hint(found, "style")
    assert said.step == plain.step
    if draws or drew:
        assert said == plain and said.sentences[-1] == VERDICT
    else:
        assert said.sentences[-1] == UNSEEN
        assert not [one for one in said.sentences if "look at the pictures" in one or "by step" in one]
