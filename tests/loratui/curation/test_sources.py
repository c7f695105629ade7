"""Data sets through the program itself: checked, replayed, pinned in the run's answers, brought back for a resume."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from loratui.curation.sources import bring_back, progress_words
from loratui.errors import Refusal
from loratui.planning.prepared import prepare
from loratui.runs.launch import create_run
from loratui.runs.past_run import draft_of_run
from loratui.settings.answers import read_answers
from loratui.settings.resolve import absolute_places
from tests.datasets_made import CAPTIONS, SHA, encoded, hub_cache, parquet_folder, table
from tests.loratui.conftest import SMALL_RUN, LoraTUI
from tests.warm.client import HUBLESS
from trainer.contract.pictures.folder import NoDataset
from trainer.data.listing import listed

pytest.importorskip("datasets", reason="needs the extra 'datasets'")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return parquet_folder(tmp_path / "set")


def offline(environment: dict[str, str], home: Path, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    given = {
        **environment,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        HUBLESS: "1",
        "XDG_CACHE_HOME": str(home / "cache"),
    }
    command = [sys.executable, "-m", "loratui", *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=given, capture_output=True, text=True, timeout=120, check=False)


def test_check_reads_a_data_set_by_its_caption_column(loratui: LoraTUI, tmp_path: Path) -> None:
    source = parquet_folder(tmp_path / "set", table(column="text"))
    done = loratui("check", source, "--caption-column", "text", "--resolution", 64, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert [one["caption"] for one in found["pictures"].values()] == list(CAPTIONS)
    refused = loratui("check", source)
    assert refused.returncode == 3 and refused.stdout == ""
    assert "'prompt' is not there; the columns are image, text" in refused.stderr and "Traceback" not in refused.stderr


@pytest.mark.parametrize("split", ["train", "dev"])
def test_check_takes_a_split(loratui: LoraTUI, data: Path, split: str) -> None:
    done = loratui("check", data, "--split", split, "--resolution", 64)
    assert done.returncode == (0 if split == "train" else 3)
    assert "no split 'dev'; it has train" in done.stderr or split == "train"


@pytest.mark.slow
@pytest.mark.usefixtures("warm_trainer")
def test_a_replay_of_a_hub_data_set_is_pinned_and_replays(
    environment: dict[str, str], tmp_path: Path, data: Path
) -> None:
    home = tmp_path / "hf"
    hub_cache(home, data)
    (tmp_path / "answers.toml").write_text(SMALL_RUN.format(folder="LinoyTsaban/3d_icon", steps=2))
    done = offline(environment, home, "replay", "answers.toml", "--out", "one", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    config = tomllib.loads((tmp_path / "one/config.toml").read_text())
    assert config["dataset"]["path"].startswith(str(home / "cache" / "loratui" / "datasets"))
    assert read_answers(tmp_path / "one/answers.toml").values["dataset.path"] == f"LinoyTsaban/3d_icon@{SHA}"
    shutil.rmtree(home / "hub")  # pinned and written: the hub is not asked again
    again = offline(environment, home, "plan", "one/answers.toml", cwd=tmp_path)
    assert again.returncode == 0 and "4 used" in again.stdout, again.stdout + again.stderr


def test_a_cleared_cache_is_filled_again_for_a_resume(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "answers.toml").write_text(SMALL_RUN.format(folder=data, steps=2))
    ready = prepare(read_answers(tmp_path / "answers.toml"), {}, "answers.toml")
    run = create_run(ready.resolved, ready.answers, tmp_path / "run")
    assert ready.answers.values["dataset.path"] == str(data)
    folder = Path(ready.resolved.config.dataset.path)
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    shutil.rmtree(tmp_path / "cache")
    bring_back(run)
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before
    shutil.rmtree(tmp_path / "cache")
    os.utime(next(data.glob("data/*")), (1, 1))
    with pytest.raises(NoDataset, match="no longer the data set that this run began with"):
        bring_back(run)


def test_a_row_without_a_picture_is_named_and_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = [{"bytes": encoded(0), "path": None}, {"bytes": None, "path": "elsewhere.png"}]
    source = parquet_folder(tmp_path / "set", table(rows))
    (tmp_path / "answers.toml").write_text(SMALL_RUN.format(folder=source, steps=2))
    answers = read_answers(tmp_path / "answers.toml")
    blocking = prepare(answers, {}, "answers.toml").outcome.blocking
    assert [(one.file, one.code) for one in blocking] == [("000001.jpg", "empty-file")]
    skipping = prepare(answers, {"dataset.skip": ["000001.jpg"]}, "answers.toml")
    assert skipping.outcome.images == ("000000.png",)


def test_progress_is_told_in_words() -> None:
    assert progress_words("a/b", "read", 0, 0) == "reading a/b ..."
    assert progress_words("a/b", "download", 12_000_000, 100_000_000) == "downloading a/b: 12 of 100 MB"
    assert progress_words("a/\x1bb", "write", 12, 0) == "writing the pictures of a/␛b: 12"


def test_a_further_concept_may_be_a_data_set_too(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plain = tmp_path / "plain"
    plain.mkdir()
    for number in range(2):
        (plain / f"{number}.png").write_bytes(encoded(7 + number))
        (plain / f"{number}.txt").write_text("a TOK")
    beside = f'\n[[concepts]]\npath = "{data}"\ntrigger = "REX"\nclass_word = "dog"\n'
    answers = tmp_path / "answers.toml"
    answers.write_text(SMALL_RUN.format(folder=plain, steps=2) + beside)
    ready = prepare(read_answers(answers), {"dataset.accept": ["trigger-missing"]}, "answers.toml")
    assert {"0.png", "concept-2/000000.png"} <= {one.name for one in ready.report.pictures}
    (concept,) = ready.resolved.config.concepts
    folder = Path(concept.path)
    assert folder.parent == tmp_path / "cache/loratui/datasets" and not listed(ready.resolved.config).problems
    assert [one["path"] for one in ready.answers.values["concepts"]] == [str(data)]  # as it replays elsewhere
    run = create_run(ready.resolved, ready.answers, tmp_path / "run")
    assert draft_of_run(run).draft.values["concepts"][0]["path"] == str(data)
    shutil.rmtree(tmp_path / "cache")
    bring_back(run)
    assert sorted(one.suffix for one in folder.glob("0*"))[0] in (".jpg", ".png", ".webp")
    answers.write_text(answers.read_text().replace('trigger = "REX"', 'trigger = "REX"\ncaption_column = "words"'))
    with pytest.raises(Refusal, match=r"concept 2: .*name one with its caption_column"):
        prepare(read_answers(answers), {}, "answers.toml")


def test_a_hub_data_set_of_a_concept_is_no_path() -> None:
    told = absolute_places(({"path": "owner/name@main", "class_path": "owner/faces"}, {"path": "rex"}))
    assert told[0] == {"path": "owner/name@main", "class_path": "owner/faces"}
    assert Path(told[1]["path"]).is_absolute()
