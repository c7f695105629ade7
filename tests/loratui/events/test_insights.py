"""What matters, in words: each sentence has a log in which it is said, and one close by in which it is not."""

from __future__ import annotations

from typing import Any

import pytest

from loratui.events.curves import RECENT, RECENT_NORMS, WARMING
from loratui.events.history import History
from loratui.events.insights import RULES, Insight, insights, new_insights
from trainer.contract.settings.config import TrainConfig, nested

Steps = list[dict[str, Any]]


def config(**own: Any) -> TrainConfig:
    return TrainConfig.model_validate(nested({key.replace("__", "."): value for key, value in own.items()}))


def run(**own: Any) -> dict[str, Any]:
    return {"t": 1.0, "type": "run", "v": 1, "pid": 7, "name": "dog", "steps": 1000, "resumed_from": None, **own}


def step(number: int, d: float | None = 1e-5, **own: Any) -> dict[str, Any]:
    rates = {"unet": {"lr": 1.0, "d": d, "effective": d or 1e-4}}
    usual = {"loss": 0.1, "grad_norm": 1.0, "s": 0.5, "data": 0.001, "vram": 8e9, "views": number / 10, "applied": True}
    return {"t": float(number), "type": "step", "step": number, "rates": rates, **usual, **own}


def history(*events: dict[str, Any], **start: Any) -> History:
    made = History()
    made.absorb([run(**start), *events])
    return made


def said(made: History, own: TrainConfig | None = None) -> dict[str, Insight]:
    return {one.code: one for one in insights(made, own or config())}


def grown(number: int) -> float:
    """d as it should be: larger with each step."""
    return 1e-6 * 1.05 ** min(number, 100)


def test_a_healthy_run_is_left_in_peace() -> None:
    steps = [step(n, d=grown(n)) for n in range(1, 501)]
    assert insights(history(*steps, vram_total=24e9), config(kind="style")) == ()


def test_no_event_at_all_says_nothing() -> None:
    assert insights(History(), None) == ()


def test_d_at_its_first_value_after_a_hundred_steps() -> None:
    stuck = history(*(step(n, d=1e-6) for n in range(1, 102)))
    assert said(stuck)["d-stuck"].text == "d is still at its first value after 101 steps: raise d0"
    assert "prodigy.d0 to 1e-05" in said(stuck)["d-stuck"].advice
    assert "d-stuck" not in said(history(*(step(n, d=1e-6) for n in range(1, 100))))
    moved = [*(step(n, d=1e-6) for n in range(1, 101)), step(101, d=1.1e-6)]
    assert "d-stuck" not in said(history(*moved))


def test_a_group_that_left_at_the_pivot_is_no_sign() -> None:
    both = {name: {"lr": 1.0, "d": 1e-6, "effective": 1e-6} for name in ("unet", "embeddings")}
    first = [step(n, rates=both) for n in range(1, 121)]
    assert "d-stuck" in said(history(*first))
    assert "d-stuck" not in said(history(*first, *(step(n, d=5e-6) for n in range(121, 125))))


def test_a_warm_up_gives_d_its_hundred_steps_afterwards() -> None:
    stuck = history(*(step(n, d=1e-6) for n in range(1, 151)))
    assert "d-stuck" not in said(stuck, config(train__warmup_steps=100))
    assert "d-stuck" in said(stuck, config(train__warmup_steps=50))


def test_adamw_has_no_d_that_could_be_stuck() -> None:
    assert "d-stuck" not in said(history(*(step(n, d=None) for n in range(1, 301))))


def test_a_high_d0_is_not_raised_further() -> None:
    stuck = history(*(step(n, d=1e-4) for n in range(1, 151)))
    assert said(stuck)["d-stuck"].text.endswith("raise d_coef")


def test_a_loss_that_is_not_finite() -> None:
    bad = step(5, loss=None, nonfinite=True, applied=False)
    assert said(history(step(4), bad))["not-finite"].tone == "bad"
    assert "step 5" in said(history(step(4), bad))["not-finite"].text
    ended = {"type": "error", "kind": "nan", "message": "the loss of step 5 is not finite", "advice": []}
    assert "not-finite" in said(history(step(4), ended))
    assert "not-finite" not in said(history(step(4), {**ended, "kind": "oom"}))
    before = said(history({**ended, "cause": {"kind": "latents"}}))["not-finite"]  # no step is to blame
    assert "once they are encoded" in before.text and "timestep" not in before.advice
    assert "loss" in said(history({**ended, "cause": {"kind": "loss"}, "step": 1}))["not-finite"].text
    told = {**ended, "advice": ["leave out\x1b[31m a.png: add to dataset.skip", "what was trained is saved"]}
    helps = said(history(step(4), told))["not-finite"].advice  # the trainer's own, which knows the cause
    assert helps.startswith("Leave out") and "learning_rate" not in helps and "\x1b" not in helps
    assert "lower train.learning_rate" in said(history(step(4), bad), config())["not-finite"].advice.lower()
    overflow = step(5, grad_norm=None, nonfinite=True, applied=False)  # fp16's scale is being found
    assert "not-finite" not in said(history(step(4), overflow))
    assert "not-finite" not in said(history(step(4), bad, run(resumed_from=4)))


def test_views_per_image_past_the_seeds_limit_in_a_style() -> None:
    for kind in ("style", "character-style"):
        assert "views" in said(history(step(1, views=221)), config(kind=kind))
        assert "views" not in said(history(step(1, views=220)), config(kind=kind))
    for kind in ("face", "object", "one-picture"):  # no source has a limit for these
        assert "views" not in said(history(step(1, views=1000)), config(kind=kind))
    assert insights(history(step(1, views=500)), None) == ()


def test_pictures_are_spoken_of_only_where_there_are_any() -> None:
    """Of a run that draws none there is nothing to compare, nor a checkpoint that has good ones."""
    style = config(kind="style", sample__count=0)
    pictures = [{"t": 1.0, "type": "sample", "step": n, "index": 0, "prompt": "p", "seed": 1} for n in (0, 200)]
    pictures = [one | {"path": f"samples/{one['step']}.png", "thumb": f"samples/{one['step']}.jpg"} for one in pictures]
    burst = [step(n, d=grown(n), grad_norm=1.0 if n < 200 else 11.0, views=500) for n in range(1, 200 + RECENT_NORMS)]
    for shown, compares, good in (((), False, False), (pictures[:1], False, True), (pictures, True, True)):
        found = said(history(*shown, *burst), style)
        assert ("newest pictures" in found["views"].advice) is compares
        assert ("with good pictures" in found["gradient"].advice) is good
        assert found["views"].advice[0].isupper() and "of about 150 views" in found["views"].advice


def test_data_waits() -> None:
    def waiting(seconds: float, count: int = RECENT) -> History:
        return history(*(step(n, d=grown(n), data=seconds) for n in range(1, count + 1)))

    assert "data waits: 10 %" in said(waiting(0.05))["data"].text
    assert "data" not in said(waiting(0.025))  # 5 %
    assert "data" not in said(waiting(0.05, RECENT - 1))
    cold = [*(step(n, data=0.4) for n in range(1, RECENT)), *(step(n, data=0.001) for n in range(RECENT, 2 * RECENT))]
    assert "data" not in said(history(*cold))  # the first epoch reads from disk, later ones from memory
    without = [{key: value for key, value in step(n).items() if key != "data"} for n in range(1, 100)]
    assert "data" not in said(history(*without))  # a log of an earlier version


def test_memory_nearly_full() -> None:
    assert said(history(step(1, vram=22.5e9), vram_total=24e9))["memory"].text.endswith("22.5 GB of 24 GB")
    assert "memory" not in said(history(step(1, vram=22e9), vram_total=24e9))
    assert "memory" not in said(history(step(1, vram=22.5e9)))  # the log does not say how large the GPU is
    assert "memory" not in said(history(step(1, vram=None, rss=9e9), vram_total=None))


def test_an_exploding_gradient_but_no_single_spike() -> None:
    calm = [step(n, d=grown(n)) for n in range(1, 200)]
    burst = [step(n, grad_norm=11.0) for n in range(200, 200 + RECENT_NORMS)]
    assert "11 times its median" in said(history(*calm, *burst))["gradient"].text
    assert "gradient" not in said(history(*calm, *burst[:3]))
    assert "gradient" not in said(history(*calm, *(one | {"grad_norm": 9.0} for one in burst)))
    early = [step(n, grad_norm=0.01 if n < 30 else 5.0) for n in range(1, 40)]
    assert "gradient" not in said(history(*early))
    still = [step(n, grad_norm=0.0) for n in range(1, 100)]
    assert "gradient" not in said(history(*still))


def test_a_run_that_has_become_slow() -> None:
    opening = [step(n, d=grown(n)) for n in range(1, RECENT + WARMING + 1)]
    first = RECENT + WARMING + 1

    def later(seconds: float) -> Steps:
        return [step(n, s=seconds) for n in range(first, first + RECENT)]

    assert "1.6 times as long" in said(history(*opening, *later(0.8)))["slower"].text
    assert "slower" not in said(history(*opening, *later(0.7)))
    assert "slower" not in said(history(*opening, *later(0.8)[: RECENT // 4]))
    # another machine, or the other half of the run, is measured against itself
    assert "slower" not in said(history(*opening, run(resumed_from=first - 1), *later(0.8)))
    assert "slower" not in said(history(*opening, {"type": "pivot", "step": first - 1}, *later(0.8)))


def test_steps_that_overflow_again_and_again() -> None:
    def overflowing(first: int, count: int) -> Steps:
        bad = [step(n, grad_norm=None, nonfinite=True, applied=False) for n in range(first, first + count)]
        return [*(step(n, d=grown(n)) for n in range(1, first)), *bad]

    assert "overflow" in said(history(*overflowing(100, 7)))
    assert "overflow" not in said(history(*overflowing(100, 6)))
    assert "overflow" not in said(history(*overflowing(1, 16)))  # torch's own search for the scale
    assert "overflow" not in said(history(*overflowing(100, 7), *(step(n) for n in range(107, 180))))


def test_the_worst_comes_first_and_each_is_new_once() -> None:
    bad = step(301, d=1e-6, loss=None, nonfinite=True, applied=False, views=300.0)
    made = history(*(step(n, d=1e-6, views=230.0) for n in range(1, 301)), bad)
    own = config(kind="style")
    found = insights(made, own)
    assert [one.code for one in found] == ["not-finite", "d-stuck", "views"]
    assert new_insights(made, (), own) == list(found)
    assert [one.code for one in new_insights(made, {"not-finite", "views"}, own)] == ["d-stuck"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_each_sentence_fits_a_line_and_names_its_source(rule: Any) -> None:
    worst = {"d": 1e-6, "s": 40.0, "data": 30.0, "views": 230.0, "vram": 23e9}
    made = history(
        *(step(n, **{**worst, "s": 0.4, "data": 0.3}) for n in range(1, 121)),
        *(step(n, **worst, grad_norm=1234.0, applied=n < 190) for n in range(121, 200)),
        step(200, **worst, grad_norm=1234.0, loss=None, nonfinite=True),
        vram_total=24e9,
    )
    one = rule(made, config(kind="style"))
    assert one is not None
    assert len(one.text) <= 76
    assert one.advice.endswith(".") and one.source
