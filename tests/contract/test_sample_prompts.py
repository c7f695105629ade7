"""The prompts of validation pictures: what is written behind their words, and how many pictures with which seeds."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.contract.plan.test_estimate import config
from trainer.contract.plan.advice import advice
from trainer.contract.plan.estimate import estimate
from trainer.contract.run.added_prompts import AddedPrompts, NotAdded, why_not, without_trigger
from trainer.contract.settings.prompts import sample_pictures, sample_prompts, sample_side
from trainer.contract.settings.sample_prompts import SamplePrompt, read_sample_prompt


@pytest.mark.parametrize(
    ("text", "words", "negative", "seed"),
    [
        ("a TOK dog", "a TOK dog", "", None),
        (" a TOK  dog ", " a TOK  dog ", "", None),  # a plain prompt is not touched
        ("a TOK dog --n blurry, dull --d 42", "a TOK dog", "blurry, dull", 42),
        ("a TOK dog --d 0 --n TOK", "a TOK dog", "TOK", 0),
        ("a TOK dog --n", "a TOK dog", "", None),
        ("a --name, a--n b, --new", "a --name, a--n b, --new", "", None),
        ("a dog --d 9223372036854775807", "a dog", "", 2**63 - 1),
    ],
)
def test_a_prompt_may_have_a_negative_one_and_a_seed(text: str, words: str, negative: str, seed: int | None) -> None:
    assert read_sample_prompt(text) == SamplePrompt(text, words, negative, seed)


@pytest.mark.parametrize("wrong", ["--d", "--d x", "--d -1", "--d 4.5", "--d 9223372036854775808", "--d 1 2"])
def test_a_seed_that_is_none_is_refused_wherever_it_is_typed(wrong: str) -> None:
    text = f"a TOK dog {wrong}"
    with pytest.raises(ValidationError, match=f"'{wrong}"):
        config(sample__prompts=["a TOK", text])
    assert "is not a seed; write a whole number, such as --d 42" in why_not(text)
    with pytest.raises(NotAdded, match="is not a seed"):
        AddedPrompts().with_prompt(text, True, ())


def test_an_added_prompt_needs_words_and_its_trigger_among_them() -> None:
    assert why_not("--n blurry --d 4") == "a prompt needs at least one word before --n and --d"
    assert why_not("a dog --n blurry --d 4") == ""
    assert without_trigger("a TOK --n x", "TOK") == ""
    assert without_trigger("a dog --n TOK", "TOK").startswith("TOK is not in it")


def test_every_picture_of_a_prompt_has_the_next_seed() -> None:
    prompts = ["a TOK", "a house", "a TOK", "a TOK --d 100", "a TOK --n dull"]
    own = config(sample__prompts=prompts, sample__count=2, sample__seed=7)
    found = [(one.index, one.prompt.words, one.prompt.negative, one.seed) for one in sample_pictures(own)]
    assert found == [
        (0, "a TOK", "", 7),
        (1, "a TOK", "", 8),
        (2, "a house", "", 7),
        (3, "a house", "", 8),
        (4, "a TOK", "", 9),
        (5, "a TOK", "", 10),
        (6, "a TOK", "", 100),
        (7, "a TOK", "", 101),
        (8, "a TOK", "dull", 7),
        (9, "a TOK", "dull", 8),
    ]
    (plain,) = sample_pictures(config(dataset__instance_prompt="a TOK --n x"))  # a caption, and no prompt of ours
    assert (plain.prompt.words, plain.seed) == ("a TOK --n x", 0)


def test_the_pictures_count_on_the_disk() -> None:
    own = {"train__steps": 100, "train__sample_every": 50, "sample__prompts": ["a TOK", "a TOK, red"]}
    one, three = (estimate(config(**own, sample__count=count), 5) for count in (1, 3))
    kept = [next(part.bytes for part in found.disk if part.name == "samples") for found in (one, three)]
    assert kept == [round(3 * 2 * 1024**2 * 1.6), round(3 * 6 * 1024**2 * 1.6)]  # of steps 0, 50 and 100


def test_an_option_that_is_none_is_told() -> None:
    (said,) = (one for one in advice(config(sample__prompts=["a TOK --s 20 --n dull"])) if "sample.prompts" in one)
    assert said.startswith("sample.prompts: --s is read as words")
    assert not [one for one in advice(config(sample__prompts=["a TOK --n dull --d 1"])) if "sample.prompts" in one]


def test_a_size_is_the_prompts_own_else_that_of_the_settings_else_the_trainings() -> None:
    found = config(sample__prompts=["a TOK", "a TOK --w 768 --h 1344", "a TOK --h 512"], sample__width=640)
    side = found.train.resolution
    assert [(one.width, one.height) for one in sample_prompts(found)] == [(640, side), (768, 1344), (640, 512)]
    assert sample_side(found) == 1024 if side < 1024 else side
    for wrong in ("--w 700", "--h 32", "--w x", "--h 9000"):
        with pytest.raises(
            ValidationError, match="cannot be the side of a picture; write a multiple of 8 from 64 to 4096"
        ):
            config(sample__prompts=[f"a TOK {wrong}"])
    with pytest.raises(ValidationError, match="1001 px cannot be the side of a picture"):
        config(sample__width=1001)


def test_what_no_picture_shall_show_is_that_of_the_settings_where_a_prompt_says_nothing() -> None:
    found = config(sample__prompts=["a TOK", "a TOK --n dull"], sample__negative="blurry")
    assert [one.negative for one in sample_prompts(found)] == ["blurry", "dull"]
    assert [one.prompt.text for one in sample_pictures(found)] == ["a TOK", "a TOK --n dull"]


def test_larger_pictures_are_in_the_plan() -> None:
    small, large = config(), config(sample__width=2048, sample__height=2048)
    before, after = (estimate(one, 10) for one in (small, large))
    assert after.disk_total > before.disk_total and after.first_flop > before.first_flop
