"""A sweep is declared once: read from options or a file, judged as answers are, always the same points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loratui.errors import Refusal
from loratui.settings.answers import Answers
from loratui.settings.problems import AnswersError
from loratui.settings.resolve import resolve
from loratui.sweeps.declaration import Axis, Sweep, declared, grid_axis, zip_axis
from loratui.sweeps.files import SHIPPED, freeze, pattern, read_file, read_sweep, shipped
from loratui.sweeps.naming import suggested_name
from loratui.sweeps.place import folder_of, names
from loratui.sweeps.points import label, points
from trainer.contract.settings.config import NAME


def said(text: str, read: object = grid_axis) -> str:
    with pytest.raises(AnswersError) as refusal:
        read(text)  # type: ignore[operator]
    return "\n".join(refusal.value.messages)


def test_every_combination_is_a_point_and_the_same_declaration_gives_the_same_points(ranks: Sweep) -> None:
    found = points(ranks)
    assert found == points(ranks) and len(found) == ranks.runs == 8
    assert ranks.words == "rank 2, 4 x optimizer prodigy, adamw x 2 seeds: 8 runs"
    many = declared("many", Answers(), [grid_axis("train.rank=1,2,3,4,5,6,7")])
    assert many.words == "rank 1, 2, 3, ..., 7: 7 runs"
    both = declared("both", Answers(), [zip_axis("train.rank=4,16,train.alpha=4,8")])
    assert both.words == "rank, alpha (4, 4; 16, 8): 2 runs"
    assert [label(ranks, one) for one in found[:3]] == [
        "rank 2, optimizer prodigy, seed 0",
        "rank 2, optimizer prodigy, seed 1",
        "rank 2, optimizer adamw, seed 0",
    ]
    assert found[5].values == {"train.rank": 4, "train.optimizer": "prodigy", "train.seed": 1, "name": found[5].name}
    assert found[5].name == "ranks-06-rank4-prodigy-seed1"
    assert len({one.name for one in found}) == 8 and all(NAME.fullmatch(one.name) for one in found)


def test_names_stay_apart_however_long_the_values_are() -> None:
    long = [f"{'x' * 70} {number}" for number in range(3)]
    axis = Axis(("dataset.instance_prompt",), tuple((one,) for one in long))
    found = points(declared("s" * 40, Answers(), [axis]))
    assert len({one.name for one in found}) == 3 and all(NAME.fullmatch(one.name) for one in found)


def test_settings_that_change_together_are_one_axis() -> None:
    axis = zip_axis("train.optimizer=prodigy,adamw,train.learning_rate=1.0,1e-4")
    assert axis.places == (("prodigy", 1.0), ("adamw", 1e-4))
    assert axis.title == "optimizer, learning rate" and axis.label(1) == "adamw, 0.0001"
    lists = grid_axis('train.blocks=[["up_blocks.0.attentions.0"], []]')
    assert lists.places == ((("up_blocks.0.attentions.0",),), ((),))


def test_what_is_wrong_is_said_of_each_value_with_what_was_meant() -> None:
    assert "unknown setting; did you mean 'train.rank'?" in said("train.rnk=2,4")
    assert "did you mean 'prodigy'?" in said("train.optimizer=prodgy,adamw")
    assert "5000 is out of bounds; allowed is 1 to 1024" in said("train.rank=4,5000")
    assert "'four' is not a whole number" in said("train.rank=four")
    assert "is there twice" in said("train.rank=4,8,4")
    assert "write it as KEY=VALUE,VALUE" in said("train.rank")
    assert "a sweep names its runs itself" in said("name=a,b")
    assert "as many values each; there are train.rank 2, train.alpha 1" in said(
        "train.rank=1,2,train.alpha=3", zip_axis
    )
    assert "train.rank: it is there twice" in said("train.rank=1,2,train.rank=3,4", zip_axis)
    assert "write it as KEY=VALUE,VALUE" in said("=2")


def test_what_does_not_go_together_is_said() -> None:
    rank = grid_axis("train.rank=2,4")
    for axes, seeds, words in (
        ([], 1, "a sweep needs something that changes"),
        ([rank, rank], 1, "train.rank: it stands on two axes; leave one of them out"),
        ([grid_axis("train.seed=1,2")], 2, "it is an axis already"),
        ([rank], 51, "51 is out of bounds"),
        ([grid_axis("train.steps=" + ",".join(map(str, range(1, 20))))] * 1 + [rank], 50, "at most 500"),
    ):
        with pytest.raises(AnswersError, match=words):
            declared("s", Answers(), axes, seeds)
    with pytest.raises(AnswersError, match="cannot name a sweep"):
        declared("../evil", Answers(), [rank])


def test_a_sweep_is_written_once_and_read_back_as_it_was(ranks: Sweep, root: Path) -> None:
    both = replace(
        ranks,
        title="wide",
        source="the post",
        fixed={"train.batch": 2},
        axes=(*ranks.axes, zip_axis("dataset.repeats=1,2,train.min_snr_gamma=0.0,5.0")),
    )
    folder, new = freeze(both, root)
    assert new and folder == folder_of("ranks", root) and names(root) == ["ranks"]
    again = read_sweep("ranks", root)
    assert points(again) == points(both) and again.base.values == both.base.values
    assert (again.title, again.source, again.seeds, again.axes) == ("wide", "the post", 2, both.axes)
    assert freeze(both, root) == (folder, False)
    with pytest.raises(Refusal, match="is another sweep already"):
        freeze(replace(both, seeds=3), root)
    other = replace(both.base, values={**both.base.values, "train.steps": 5})
    with pytest.raises(Refusal, match="--name"):
        freeze(replace(both, base=other), root)
    with pytest.raises(Refusal, match="did you mean 'ranks'"):
        read_sweep("rank", root)


def test_a_damaged_file_is_named_with_all_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('schema = 1\naxes = 3\n[set]\n"train.rnk" = 4\n[[axis]]\n"train.rank" = [4, 0]\n[[axis]]\nx = 1\n')
    with pytest.raises(AnswersError) as refusal:
        read_file(path)
    told = "\n".join(refusal.value.messages)
    for words in ("axes: unknown; did you mean 'axis'?", "did you mean 'train.rank'", "0 is out of bounds", "a list"):
        assert words in told
    path.write_text("schema = [")
    with pytest.raises(AnswersError, match="not valid TOML"):
        read_file(path)


@pytest.mark.parametrize("name", sorted(one.stem for one in SHIPPED.glob("*.toml")))
def test_each_grid_of_the_post_has_its_source_and_every_point_of_it_is_a_run(name: str, pictures: Path) -> None:
    found = pattern(name)
    assert found.name == name and found.title and "the post" in found.source
    assert all("the post" in axis.source for axis in found.axes)
    base = Answers("face", {"dataset.path": str(pictures)})
    configs = [resolve(base, one.values, 6).config for one in points(replace(found, base=base))]
    assert len({repr(one.model_copy(update={"name": "x", "preset": "x"})) for one in configs}) == found.runs


def test_the_grids_are_those_of_the_post() -> None:
    by_name = {one.name: one for one in shipped()}
    assert [one for (one,) in by_name["post-rank"].axes[0].places] == [4, 16, 32, 64]
    assert [one for (one,) in by_name["post-repeats"].axes[0].places] == [1, 2, 3, 4]
    y2k = by_name["post-y2k"].axes[0]
    versions = dict(zip(y2k.labels, y2k.places, strict=True))
    assert y2k.keys[:4] == ("train.steps", "dataset.repeats", "train.batch", "train.min_snr_gamma")
    assert versions["v4"][:4] == (1000, 2, 4, 5.0) and versions["v6"][:4] == (1000, 1, 1, 0.0)
    face = replace(by_name["post-steps"], base=Answers("face", {"dataset.path": "x"}))
    assert [resolve(face.base, one.values, 6).config.train.steps for one in points(face)] == [450, 600, 720]


def test_a_name_is_found_where_none_is_given() -> None:
    axes = [grid_axis("train.rank=2,4"), grid_axis("train.min_snr_gamma=0.0,5.0")]
    assert suggested_name(Answers(values={"name": "anna"}), axes) == "anna-rank-min-snr-gamma"
    assert suggested_name(Answers(values={"name": "a" * 64}), axes, "post-rank") == "a" * 40
