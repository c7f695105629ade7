"""Data sets written out as folders of pictures: the bytes as they were, nothing run, no path followed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.datasets_made import (
    CAPTIONS,
    PICTURES,
    SHA,
    encoded,
    hub_cache,
    parquet_folder,
    table,
    webdataset_folder,
)
from trainer.contract.pictures.folder import NoDataset, list_pictures
from trainer.contract.pictures.sources import NoColumn, is_hub_source, origin_of, written_folder
from trainer.materialise.__main__ import ProgressLines, ending, materialise
from trainer.materialise.rows import WantedRows

pytest.importorskip("datasets", reason="needs the extra 'datasets'")
PROMPT = WantedRows("prompt")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(source: Path | str, wanted: WantedRows = PROMPT) -> Path:
    return materialise(str(source), wanted, ProgressLines())


def written(folder: Path, column: str = "prompt") -> dict[str, tuple[bytes, str | None]]:
    listing = list_pictures(folder, column)
    assert listing.problems == ()
    return {one.name: (one.path.read_bytes(), one.caption) for one in listing.pictures}


def expected() -> dict[str, tuple[bytes, str | None]]:
    names = ("000000.png", "000001.jpg", "000002.webp", "000003.png")
    return {name: (data, text) for name, data, text in zip(names, PICTURES, CAPTIONS, strict=True)}


def saved(folder: Path) -> Path:
    table().save_to_disk(str(folder))
    return folder


def saved_with_splits(folder: Path) -> Path:
    from datasets import DatasetDict

    DatasetDict({"train": table(), "test": table([{"bytes": encoded(9), "path": None}])}).save_to_disk(str(folder))
    return folder


@pytest.mark.parametrize("make", [parquet_folder, saved, saved_with_splits])
def test_bytes_captions_and_endings_are_those_of_the_data_set(make: Any, tmp_path: Path) -> None:
    source = make(tmp_path / "set")
    assert origin_of(str(source)) == "dataset"
    folder = write(source)
    assert written(folder) == expected()
    assert folder.parent == written_folder()
    for path in (folder, folder.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}


def test_a_webdataset_gives_its_pictures_and_texts(tmp_path: Path) -> None:
    found = written(write(webdataset_folder(tmp_path / "set"), WantedRows("txt")), "txt")
    assert found == {f"{n:06d}.png": (encoded(n), CAPTIONS[n]) for n in range(4)}


def test_splits_and_columns_are_chosen_by_name_or_listed(tmp_path: Path) -> None:
    source = saved_with_splits(tmp_path / "set")
    assert list(written(write(source, WantedRows("prompt", split="test")))) == ["000000.png"]
    with pytest.raises(NoDataset, match="no split 'dev'; it has train, test"):
        write(source, WantedRows("prompt", split="dev"))
    with pytest.raises(NoColumn, match="'caption' is not there; the columns are image, prompt") as refused:
        write(source, WantedRows("caption"))
    assert refused.value.columns == ("prompt",)
    with pytest.raises(NoColumn, match="'image' is not text"):
        write(source, WantedRows("image"))


def test_pictures_without_any_text_are_trained_on_without_captions(tmp_path: Path) -> None:
    source = parquet_folder(tmp_path / "set", table().remove_columns("prompt"))
    assert {caption for _, caption in written(write(source)).values()} == {None}
    with pytest.raises(NoColumn):
        write(source, WantedRows("text"))


def test_the_only_split_is_taken_whatever_its_name(tmp_path: Path) -> None:
    source = parquet_folder(tmp_path / "set", path="data/nothing-*")
    (source / "README.md").unlink()
    (source / "data" / "train-00000-of-00001.parquet").rename(source / "data" / "test-00000-of-00001.parquet")
    assert len(written(write(source))) == 4


def test_what_was_written_is_found_again_until_the_data_changes(tmp_path: Path) -> None:
    source = parquet_folder(tmp_path / "set")
    first = write(source)
    marked = first / "000000.txt"
    marked.write_text("mine")
    assert write(source) == first and marked.exists()
    assert write(source, WantedRows("prompt", split="train")) == first
    os.utime(next(source.glob("data/*.parquet")), (1, 1))
    assert write(source) != first


# -- hostile data sets ------------------------------------------------------------------------------------------------


def test_a_path_in_a_row_is_never_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(encoded(7))
    rows = [{"bytes": encoded(0), "path": "/etc/no.png"}, {"bytes": None, "path": str(secret)}]
    found = written(write(parquet_folder(tmp_path / "set", table(rows))))
    assert [data for data, _ in found.values()] == [encoded(0), b""]


@pytest.mark.parametrize("path", ["../secret/*.parquet", "/etc/*", "https://example.org/a.parquet", "zip://a::b.zip"])
def test_a_card_that_leads_out_of_the_folder_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(NoDataset, match="leads out of its folder"):
        write(parquet_folder(tmp_path / "set", path=path))
    assert not list(written_folder().glob("[!.]*"))


@pytest.mark.parametrize("make", [parquet_folder, saved, saved_with_splits, webdataset_folder])
def test_a_data_set_whose_files_are_links_to_elsewhere_is_refused(make: Any, tmp_path: Path) -> None:
    source = make(tmp_path / "set")
    (tmp_path / "home").mkdir()
    for path in [one for one in source.rglob("*") if one.suffix in (".parquet", ".arrow", ".tar")]:
        path.rename(tmp_path / "home" / path.name)
        path.symlink_to(tmp_path / "home" / path.name)
    with pytest.raises(NoDataset, match="of the data set is a link that leads out of the folder"):
        write(source, WantedRows("txt") if make is webdataset_folder else PROMPT)


def test_a_folder_of_a_data_set_that_is_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    source = saved_with_splits(tmp_path / "set")
    (source / "train").rename(tmp_path / "elsewhere")
    (source / "train").symlink_to("../elsewhere")
    with pytest.raises(NoDataset, match="leads out of the folder"):
        write(source)


def test_a_saved_data_set_that_names_files_elsewhere_is_refused(tmp_path: Path) -> None:
    source = saved(tmp_path / "set")
    state = json.loads((source / "state.json").read_text())
    state["_data_files"] = [{"filename": "../other/data.arrow"}]
    (source / "state.json").write_text(json.dumps(state))
    with pytest.raises(NoDataset, match="not a file of its own folder"):
        write(source)


def test_rows_that_name_paths_and_archives_with_pickles_are_refused(tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.mkdir()
    (named / "train.jsonl").write_text(json.dumps({"image": "/etc/passwd", "prompt": "a"}) + "\n")
    (named / "README.md").write_text("---\nconfigs:\n- config_name: default\n  data_files: train.jsonl\n---\n")
    shutil.copy(next(parquet_folder(tmp_path / "good").glob("data/*")), named / "other.parquet")
    with pytest.raises(NoDataset, match="of the kind 'json'"):
        write(named)
    with pytest.raises(NoDataset, match=r"holds '0\.pth'"):
        write(webdataset_folder(tmp_path / "tar", {"0.pth": b"x"}), WantedRows("txt"))


def test_no_code_of_a_data_set_is_run(tmp_path: Path) -> None:
    source = parquet_folder(tmp_path / "evil")
    (source / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(NoDataset, match="cannot be read"):
        write(source)
    assert not (tmp_path / "ran").exists()


def test_broken_files_and_no_rows_are_sentences(tmp_path: Path) -> None:
    source = parquet_folder(tmp_path / "set")
    file = next(source.glob("data/*.parquet"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(NoDataset, match="cannot be read"):
        write(source)
    with pytest.raises(NoDataset, match=r"cannot be read|no rows"):
        write(parquet_folder(tmp_path / "empty", table().select([])))
    assert not list(written_folder().glob("[!.]*")) and not list(written_folder().glob("*.part"))


def test_without_the_extra_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = parquet_folder(tmp_path / "set")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(NoDataset, match=r"pip install 'loratui\[datasets\]'"):
        write(source)


def test_the_ending_follows_the_bytes() -> None:
    kinds = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}
    assert {kind: ending(encoded(1, kind)) for kind in kinds} == kinds
    assert ending(b"") == ending(b"%PDF") == ".jpg"  # the check says that they are no pictures


# -- the hub ----------------------------------------------------------------------------------------------------------


def test_a_hub_id_is_told_from_a_path_mistyped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_hub_source("LinoyTsaban/3d_icon") and is_hub_source(f"LinoyTsaban/3d_icon@{SHA}")
    assert not any(map(is_hub_source, ("anna", "./photos/anna", "~/photos", "/photos/anna", "a/b/c", "../a", "")))
    (tmp_path / "photos").mkdir()
    assert not is_hub_source("photos/ana")
    assert origin_of("photos/ana") == "pictures"


def offline(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    command = [sys.executable, "-m", "trainer.materialise", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def last(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LinoyTsaban/3d_icon", f"LinoyTsaban/3d_icon@{SHA}"])
def test_a_data_set_of_the_hub_is_written_and_pinned(name: str, tmp_path: Path) -> None:
    hub_cache(tmp_path / "hf", parquet_folder(tmp_path / "set"))
    done = offline(tmp_path / "hf", name)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = Path(last(done)["folder"])
    assert written(folder) == expected()
    assert json.loads((folder / "source.json").read_text())["source"] == f"LinoyTsaban/3d_icon@{SHA}"
    shutil.rmtree(tmp_path / "hf")
    assert last(offline(tmp_path / "hf", f"LinoyTsaban/3d_icon@{SHA}"))["folder"] == str(folder)


@pytest.mark.slow
def test_loose_pictures_of_a_repository_are_read_by_our_own_reader(tmp_path: Path) -> None:
    source = tmp_path / "set"
    (source / "train").mkdir(parents=True)
    for number, data in enumerate(PICTURES):
        (source / "train" / f"icon {number}.png").write_bytes(data)
    rows = [{"file_name": f"icon {n}.png", "prompt": text} for n, text in enumerate(CAPTIONS)]
    (source / "train" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    repository = hub_cache(tmp_path / "hf", source)
    done = offline(tmp_path / "hf", "LinoyTsaban/3d_icon")
    assert written(Path(last(done)["folder"])) == expected()
    refused = offline(tmp_path / "hf", "LinoyTsaban/3d_icon", "--column", "text")
    assert refused.returncode == 3 and last(refused)["columns"] == ["prompt"]
    rows[0]["file_name"] = "../../../../../secret.png"
    link = repository / "snapshots" / SHA / "train" / "metadata.jsonl"
    link.unlink()
    link.write_text("\n".join(map(json.dumps, rows)))
    shutil.rmtree(written_folder())
    outside = offline(tmp_path / "hf", "LinoyTsaban/3d_icon")
    assert outside.returncode == 3 and "leads out of the folder" in last(outside)["message"]


@pytest.mark.slow
def test_a_hub_that_cannot_be_reached_is_one_sentence(tmp_path: Path) -> None:
    done = offline(tmp_path / "hf", "nobody/nothing")
    assert done.returncode == 3 and "the hub cannot be reached" in last(done)["message"]


# -- cut off ----------------------------------------------------------------------------------------------------------


def test_a_kill_leaves_nothing_behind_that_is_taken_for_whole(tmp_path: Path) -> None:
    rows = [{"bytes": encoded(n % 8), "path": None} for n in range(400)]
    source = parquet_folder(tmp_path / "set", table(rows))
    command = [sys.executable, "-m", "trainer.materialise", str(source)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not list(written_folder().glob(".*.part/0*")) and time.monotonic() < end:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not list(written_folder().glob("[!.]*"))
    assert len(written(write(source))) == 400
    assert not list(written_folder().glob("*.part"))


def test_two_at_a_time_write_one_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trainer.materialise", str(parquet_folder(tmp_path / "set"))]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {child.communicate(timeout=60)[0].splitlines()[-1] for child in children}
    assert len(said) == 1 and '"end"' in said.pop()
