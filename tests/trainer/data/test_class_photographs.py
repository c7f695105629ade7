"""Real pictures of the class: a folder, kohya's layout, a data set; under the class prompt or words of their own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.datasets_made import CAPTIONS, parquet_folder, table
from tests.trainer.conftest import draw_dataset, make_run, train
from trainer.contract.plan.class_folder import class_refusals
from trainer.contract.run import exits
from trainer.contract.settings.config import TrainConfig
from trainer.inputs import other_files, read_inputs
from trainer.materialise.asked import with_class_folders

Settings = Callable[..., TrainConfig]
PRIOR = {"prior__enabled": True, "dataset__class_word": "star"}


def words_of(config: TrainConfig) -> dict[str, str]:
    """Of each class photograph what it is trained as."""
    return {item.name: item.prompt for item in read_inputs(config, None).class_photographs}


def reworded(folder: Path, words: str) -> Path:
    for one in folder.glob("*.txt"):
        one.write_text(words)
    return folder


def test_captions_beside_them_are_used_where_that_is_asked_for(settings: Settings, tmp_path: Path) -> None:
    folder = reworded(draw_dataset(tmp_path / "class", grey=200), "a drawing of a shape")
    (folder / "3.txt").unlink()
    plain = settings(**PRIOR, prior__path=str(folder))
    assert set(words_of(plain).values()) == {"a photo of a star"}
    own = settings(**PRIOR, prior__path=str(folder), prior__caption_column="prompt")
    found = words_of(own)
    assert found.pop("3.png") == "a photo of a star" and set(found.values()) == {"a drawing of a shape"}
    assert other_files(own, read_inputs(own, None).class_photographs) == []


def test_a_caption_of_the_class_that_names_the_concept_is_refused(settings: Settings, tmp_path: Path) -> None:
    folder = reworded(draw_dataset(tmp_path / "class", grey=200), "a shape")
    (folder / "1.txt").write_text("a TOK shape")
    own = settings(**PRIOR, prior__path=str(folder), prior__caption_column="prompt")
    (said,) = class_refusals(own)
    assert said.startswith("class pictures: 1.png: its caption holds the trigger 'TOK'")
    with pytest.raises(ValueError, match="its caption holds the trigger 'TOK'"):
        read_inputs(own, None)
    assert class_refusals(settings(**PRIOR, prior__path=str(folder))) == []  # its captions are not read


def test_kohyas_folders_are_read_and_several_say_what_they_show(settings: Settings, tmp_path: Path) -> None:
    draw_dataset(tmp_path / "reg" / "1_woman", captions=False, grey=200)
    one = settings(**PRIOR, prior__path=str(tmp_path / "reg"))
    assert words_of(one) == {f"1_woman/{place}.png": "a photo of a star" for place in range(5)}
    draw_dataset(tmp_path / "reg" / "2_old_man", captions=False, grey=160)
    (tmp_path / "reg" / "notes").mkdir()
    found = words_of(one)
    assert (found["1_woman/0.png"], found["2_old_man/4.png"]) == ("a photo of a woman", "a photo of an old man")
    assert len(found) == 10 and class_refusals(one) == []
    assert other_files(one, read_inputs(one, None).class_photographs) == ["notes"]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="needs the extra 'datasets'")
def test_a_data_set_is_written_out_when_the_run_starts(settings: Settings, tmp_path: Path) -> None:
    folder = parquet_folder(tmp_path / "set", table(column="text"))
    plain = settings(**PRIOR, prior__path=str(folder), prior__images=4, train__steps=1, train__checkpoint_every=0)
    assert class_refusals(plain) == []
    heard: list[tuple[int, int]] = []
    written = with_class_folders(plain, lambda done, total: heard.append((done, total)))
    assert words_of(written) == {
        f"{place:06d}.{end}": "a photo of a star" for place, end in enumerate(("png", "jpg", "webp", "png"))
    }
    assert other_files(written, read_inputs(written, None).class_photographs) == []
    events = train(make_run(tmp_path / "run", plain))
    assert next(one for one in events if one["type"] == "end")["status"] == "completed"
    captioned = settings(
        **PRIOR,
        prior__path=str(folder),
        prior__caption_column="text",
        dataset__trigger="ZED",
        dataset__instance_prompt="a ZED",
    )
    assert sorted(words_of(with_class_folders(captioned, lambda done, total: None)).values()) == sorted(CAPTIONS)
    wrong = make_run(tmp_path / "wrong", settings(**PRIOR, prior__path=str(folder), prior__caption_column="words"))
    said = next(one for one in train(wrong, exits.USAGE) if one["type"] == "error")["message"]
    assert said.startswith("prior.path: the caption column 'words' is not there; the columns are image, text")
    assert said.endswith("name one with prior.caption_column")
