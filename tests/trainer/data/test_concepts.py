"""Several concepts in one run: whose pictures are seen how often, under which words and names."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.conftest import draw_dataset, make_config
from trainer.contract.plan.advice import advice, refusals
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.prompts import sample_prompts
from trainer.contract.settings.taught import class_sets, epoch_places, taught
from trainer.data.dataset import DataError, ViewPlan, hold_out, read_dataset
from trainer.ground import draws
from trainer.inputs import read_inputs


def two(folder: Path, *, captions: bool = True, second: dict[str, Any] | None = None, **own: Any) -> TrainConfig:
    """Five pictures of a TOK that are seen once in an epoch, and five of a REX, seen three times."""
    beside = {"path": str(draw_dataset(folder / "rex", captions=False, grey=40)), "trigger": "REX", "class_word": "dog"}
    own = {"dataset__class_word": "star", "train__measure": True, **own}
    return make_config(
        draw_dataset(folder / "tok", captions), concepts=[beside | {"repeats": 3} | (second or {})], **own
    )


def test_an_epoch_of_one_concept_is_what_it_was_before_there_were_several() -> None:
    """The order of every run that was begun with one folder: repeated in rounds, and shuffled then."""
    items, repeats = 5, 3
    for index in range(2 * items * repeats):
        epoch, place = divmod(index, items * repeats)
        copy, item = divmod(draws.permutation(items * repeats, 7, "order", epoch)[place], items)
        assert draws.item_at(index, draws.Epoch((repeats,) * items), 7) == draws.Seen(item, epoch * repeats + copy)


@pytest.mark.parametrize("buckets", [False, True])
def test_each_picture_is_seen_as_often_as_its_concept_says(tmp_path: Path, buckets: bool) -> None:
    config = two(tmp_path, dataset__buckets=buckets, train__batch=4, train__resolution=128)
    plan = ViewPlan(read_dataset(config), (), config)
    assert plan.places == epoch_places(config, (5, 5)) == 5 * 1 + 5 * 3
    # with buckets a turn gives a whole step of one size: an epoch is as many steps
    steps = plan.places if buckets else plan.places // 4
    seen = Counter(view.item.name for step in range(1, steps + 1) for view in plan.micro_batch(step, 0))
    each = 4 if buckets else 1
    assert seen == {f"{n}.png": each for n in range(5)} | {f"concept-2/{n}.png": 3 * each for n in range(5)}
    order = [view.item.concept for step in range(1, steps + 1) for view in plan.micro_batch(step, 0)]
    assert order != sorted(order)  # mixed, not one after the other


def test_the_views_of_a_picture_are_numbered_without_a_gap_whatever_the_others_repeats() -> None:
    epoch = draws.Epoch((1, 3, 2))
    seen = [draws.item_at(place, epoch, 1) for place in range(6 * 4)]
    for item, repeats in enumerate(epoch.repeats):
        assert sorted(one.number for one in seen if one.item == item) == list(range(4 * repeats))


def test_each_concept_has_its_own_words(tmp_path: Path) -> None:
    config = two(tmp_path)
    prompts = {item.name: item.prompt for item in read_dataset(config)}
    assert prompts["0.png"] == "a TOK star" and prompts["concept-2/0.png"] == "a photo of a REX dog"
    assert config.triggers == ("TOK", "REX")
    plain = two(tmp_path, sample__prompts=[])
    assert [one.words for one in sample_prompts(plain)] == ["a photo of a TOK", "a photo of a REX dog"]
    more = two(tmp_path, second={"trigger": "", "class_word": ""})  # another folder of the same
    assert more.triggers == ("TOK",) and taught(more)[1].prompt == "a photo of a TOK"


def test_pictures_are_left_out_by_the_names_that_a_run_has_for_them(tmp_path: Path) -> None:
    config = two(tmp_path, dataset__skip=["0.png", "concept-2/4.png"])
    assert [item.name for item in read_dataset(config)] == [
        *(f"{n}.png" for n in range(1, 5)),
        *(f"concept-2/{n}.png" for n in range(4)),
    ]
    (tmp_path / "rex" / "2.png").write_bytes(b"no picture")
    with pytest.raises(DataError) as caught:
        read_inputs(config, None)
    assert caught.value.files == ("concept-2/2.png",)


def test_pictures_are_held_out_of_each_concept(tmp_path: Path) -> None:
    config = two(tmp_path, dataset__hold_out=2)
    kept, held = hold_out(read_dataset(config), config)
    assert Counter(item.concept for item in held) == {0: 2, 1: 2} and len(kept) == 6
    alone = config.model_copy(update={"concepts": ()})
    assert {one.name for one in hold_out(read_dataset(alone), alone)[1]} == {
        one.name for one in held if not one.concept
    }
    with pytest.raises(DataError, match=r"concept 2: dataset.hold_out is 5 of 5 pictures"):
        few = two(tmp_path, dataset__hold_out=4, dataset__skip=[])
        hold_out(read_dataset(few), few.model_copy(update={"dataset": few.dataset.model_copy(update={"hold_out": 5})}))


def test_concepts_of_one_class_share_its_pictures_and_one_may_have_none(tmp_path: Path) -> None:
    both = two(tmp_path, prior__enabled=True)
    assert [(one.number, one.prompt) for one in class_sets(both)] == [(1, "a photo of a star"), (2, "a photo of a dog")]
    same = two(tmp_path, prior__enabled=True, second={"class_word": "star"})
    assert [one.number for one in class_sets(same)] == [1]
    none = two(tmp_path, prior__enabled=True, second={"prior": False})
    assert [one.number for one in class_sets(none)] == [1]


def test_class_photographs_are_those_of_every_class(tmp_path: Path) -> None:
    folders = [str(draw_dataset(tmp_path / name, captions=False, grey=grey)) for name, grey in (("a", 100), ("b", 160))]
    own = {"prior__enabled": True, "prior__path": folders[0], "prior__images": 3}
    config = two(tmp_path, second={"class_path": folders[1]}, **own)
    found = read_inputs(config, None).class_photographs
    assert Counter((item.concept, item.prompt) for item in found) == {
        (0, "a photo of a star"): 5,
        (1, "a photo of a dog"): 5,
    }
    gone = two(tmp_path, second={"class_path": str(tmp_path / "nowhere")}, **own)
    with pytest.raises(ValueError, match="concepts: concept 2: class_path: there is no folder"):
        read_inputs(gone, None)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"instance_prompt": "a dog"}, "concept 2: instance_prompt 'a dog' does not hold the trigger 'REX'"),
        ({"trigger": "R X"}, "a trigger is one word"),
        ({"path": ""}, "at least 1 character"),
        ({"repeats": 0}, "greater than or equal to 1"),
        ({"trigger": "tok"}, "differ only in punctuation or case"),
    ],
)
def test_what_is_no_concept_is_refused(tmp_path: Path, second: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        two(tmp_path, second=second)


def test_one_folder_is_no_two_concepts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"concept 2: its folder is that of \[dataset\] already"):
        two(tmp_path, second={"path": str(tmp_path / "tok")})


@pytest.mark.parametrize(
    ("second", "times"),
    [
        ({"trigger": ""}, 1),  # that of [dataset], a star
        ({"trigger": "", "class_word": ""}, 0),  # another folder of the same
        ({"trigger": "TOK", "class_word": "Star"}, 0),
        ({}, 0),
    ],
)
def test_one_trigger_for_two_things_is_said_once(tmp_path: Path, second: dict[str, Any], times: int) -> None:
    said = [one for one in advice(two(tmp_path, second=second)) if "stands for 2 things" in one]
    assert len(said) == times and all("'star' in [dataset] and 'dog' in concept 2" in one for one in said)


def test_nor_is_one_folder_by_two_paths(tmp_path: Path) -> None:
    plain = two(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "tok")
    for place in (tmp_path / "link", tmp_path / "rex" / ".." / "tok"):
        config = plain.model_copy(update={"concepts": (plain.concepts[0].model_copy(update={"path": str(place)}),)})
        (said,) = refusals(config)
        assert said.startswith("concepts: concept 2: its folder is that of [dataset] already, by another path")
        assert refusals(config, begun=True) == []
    assert refusals(plain) == []
