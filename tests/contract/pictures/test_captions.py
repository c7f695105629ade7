"""Where captions stand: every place that programs write them, and what is said where it is not plain."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from trainer.contract.pictures.folder import Listing, list_pictures
from trainer.contract.pictures.problems import severity_of

NAMES = ("a.png", "b.png")
WORDS = {"a.png": "a TOK, on a shelf, red", "b.png": "a TOK; blue \u2028 light"}  # U+2028 ends no row
READ = {"a.png": "a TOK, on a shelf, red", "b.png": "a TOK; blue light"}
Write = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "set"
    draw(place)
    return place


def draw(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        Image.new("RGB", (8, 8), "red").save(folder / name)


def captions(listing: Listing) -> dict[str, str | None]:
    return {one.name: one.caption for one in listing.pictures}


def told(listing: Listing) -> list[tuple[str, str]]:
    return [(one.code, severity_of(one)) for one in listing.problems]


def rows(where: str = "file_name", what: str = "prompt") -> list[dict[str, Any]]:
    return [{where: name, what: words} for name, words in WORDS.items()]


def inside(folder: str) -> list[dict[str, Any]]:
    return [{**row, "file_name": f"{folder}/{row['file_name']}"} for row in rows()]


def lines(found: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)


def table(separator: str, quote: str = "", end: str = "\n", head: str = "file_name{0}prompt") -> str:
    body = "".join(f"{name}{separator}{quote}{words}{quote}{end}" for name, words in WORDS.items())
    return head.format(separator) + end + body


def beside(ending: str, make: Callable[[str], str] = str, whole: bool = False, below: str = "") -> Write:
    def write(folder: Path) -> None:
        (folder / below).mkdir(exist_ok=True)
        for name, words in WORDS.items():
            (folder / below / f"{name if whole else Path(name).stem}{ending}").write_text(make(words), "utf-8")

    return write


def file(name: str, text: str | bytes) -> Write:
    return lambda folder: (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


KEYED = {"a": {"caption": WORDS["a.png"]}, "b": {"caption": WORDS["b.png"]}}
PLACES: dict[str, Write] = {
    "txt": beside(".txt"),
    "TXT": beside(".TXT"),
    "Txt": beside(".Txt"),
    "whole name": beside(".txt", whole=True),
    "caption": beside(".caption"),
    "CAPTION": beside(".CAPTION"),
    "json": beside(".json", lambda words: json.dumps({"caption": words, "width": 8})),
    "json of the whole name": beside(".json", lambda words: json.dumps({"prompt": words}), whole=True),
    "yaml": beside(".yaml", lambda words: f'caption: "{words}"\nwidth: 8\n'),
    "folder captions": beside(".txt", below="captions"),
    "lines": file("metadata.jsonl", lines(rows())),
    "column text": file("metadata.jsonl", lines(rows(what="text"))),
    "column caption": file("metadata.jsonl", lines(rows(what="caption"))),
    "column image": file("metadata.jsonl", lines(rows(where="image"))),
    "pretty": file("metadata.jsonl", json.dumps(rows(), indent=1)),
    "JSON list": file("metadata.json", json.dumps(rows())),
    "numbered": file("metadata1000.jsonl", lines(rows())),
    "misspelt": file("metadata.json1", lines(rows())),
    "keyed by name": file("meta_cap.json", json.dumps(KEYED)),
    "captions.csv": file("captions.csv", table(",", '"', head="filename{0}caption")),
    "unquoted commas": file("metadata.csv", table(",")),
    "semicolons": file("metadata.csv", table(";", '"', "\r\n").encode("utf-8-sig")),
    "tabs": file("metadata.csv", table("\t")),
    "UTF-16 of a spreadsheet": file("metadata.csv", table("\t", end="\r\n").encode("utf-16")),
    "with the folder's name": file("metadata.jsonl", lines(inside("set"))),
    "above": file("../metadata.jsonl", lines(inside("set"))),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_plain_place_is_read_without_loss(folder: Path, place: str) -> None:
    PLACES[place](folder)
    found = list_pictures(folder)
    assert captions(found) == READ
    assert {severity for _, severity in told(found)} <= {"hint"}


def test_parquet_is_read(folder: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    write_table(arrow.Table.from_pylist(rows()), folder / "metadata.parquet")
    assert captions(list_pictures(folder)) == READ


def test_a_folder_in_a_split_reads_the_metadata_of_the_data_set(tmp_path: Path) -> None:
    draw(tmp_path / "images" / "train")
    (tmp_path / "metadata.jsonl").write_text(lines(inside("images/train")), "utf-8")
    assert captions(list_pictures(tmp_path / "images" / "train")) == READ


@pytest.mark.parametrize(
    ("write", "key"),
    [
        (file("metadata.jsonl", lines([{"file_name": "a.png", "short": "x", "long": "y z"}])), "long"),
        (beside(".tags"), ".tags"),
        (beside(".json", lambda words: json.dumps({"caption": words, "text": "other"})), "caption"),
        (
            lambda folder: [(folder / name).rename(folder / f"a photo of the TOK, {name}") for name in NAMES],
            "file_name",
        ),
    ],
)
def test_what_is_not_plain_is_a_warning_whose_key_reads_it(folder: Path, write: Write, key: str) -> None:
    write(folder)
    found = list_pictures(folder)
    assert set(captions(found).values()) == {None} and "warn" in {severity for _, severity in told(found)}
    assert all(key in f"{one.remedy} {one.value}" for one in found.problems)
    assert next(iter(captions(list_pictures(folder, key)).values()))


def test_two_tables_that_do_not_agree_are_told_and_not_read(folder: Path) -> None:
    (folder / "one.json").write_text(json.dumps(rows()))
    (folder / "two.json").write_text(json.dumps([{**row, "prompt": "another"} for row in rows()]))
    found = list_pictures(folder)
    assert set(captions(found).values()) == {None} and told(found) == [("captions-unread", "warn")]
    assert "one.json" in found.problems[0].message and "two.json" in found.problems[0].message


def test_two_rows_of_one_picture_are_told(folder: Path) -> None:
    (folder / "metadata.jsonl").write_text(lines([*rows(), {"file_name": "a.png", "prompt": "wrong"}]), "utf-8")
    found = list_pictures(folder)
    assert (
        captions(found) == READ and told(found) == [("caption-several", "warn")] and found.problems[0].file == "a.png"
    )


def test_a_problem_that_costs_no_picture_its_caption_is_mild(folder: Path) -> None:
    bad = lines([{"file_name": "gone.png", "prompt": "x"}]) + "no row\n" + '{"file_name": "a.png"}\n'
    (folder / "metadata.jsonl").write_text(lines(rows()) + bad, "utf-8")
    assert set(told(list_pictures(folder))) == {("metadata-without-picture", "hint"), ("metadata-bad-row", "hint")}
    (folder / "metadata.jsonl").write_text(bad)
    assert set(told(list_pictures(folder))) == {("metadata-without-picture", "warn"), ("metadata-bad-row", "warn")}
    beside(".txt")(folder)
    assert list_pictures(folder).problems == ()


@pytest.mark.parametrize("raw", [b"\0\0", b"[" * 100_000, b'"' * 200_000, b"\xff\xfe\0", b"{}", b"", b"x" * 200_000])
@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv", "a.json", "a.txt", "x.parquet", "captions.csv"])
def test_rubbish_is_no_crash_and_no_caption_of_others(folder: Path, name: str, raw: bytes) -> None:
    (folder / name).write_bytes(raw)
    assert captions(list_pictures(folder))["b.png"] is None


def test_links_pipes_and_names_of_the_greatest_length_are_no_crash(folder: Path) -> None:
    (folder / "a.txt").symlink_to("a.txt")
    (folder / "metadata.jsonl").symlink_to("nowhere")
    (folder / "captions").symlink_to("captions")
    os.mkfifo(folder / "b.caption")
    Image.new("RGB", (8, 8)).save(folder / f"{'n' * 251}.png")
    assert set(captions(list_pictures(folder)).values()) == {None}
    row = {"file_name": "a\0.png", "prompt": "x"}
    (folder / "captions.jsonl").write_text(json.dumps(row))
    assert set(captions(list_pictures(folder)).values()) == {None}


SECRET = "machine git.example login anna password hunter2"
CAPTION_PLACES = (
    "a.txt", "a.TXT", "a.png.txt", "a.caption", "a.json", "a.yaml", "captions/a.txt", "metadata.jsonl", "metadata.csv",
    "captions.csv", "captions.tsv", "prompts.parquet",
)  # fmt: skip


@pytest.mark.parametrize("place", CAPTION_PLACES)
@pytest.mark.parametrize("target", ["netrc", "/proc/self/environ", "pipe"])
def test_a_caption_that_leads_out_of_the_folder_is_named_and_not_read(folder: Path, place: str, target: str) -> None:
    os.mkfifo(folder.parent / "pipe")
    words = {".json": json.dumps(SECRET), ".yaml": f"caption: {SECRET}", ".jsonl": lines(rows())}
    words |= {".csv": table(","), ".tsv": table("\t")}
    (folder.parent / "netrc").write_text(words.get(Path(place).suffix, SECRET))
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).symlink_to(Path(target) if target.startswith("/") else folder.parent / target)
    listing = list_pictures(folder)
    assert set(captions(listing).values()) == {None}
    assert ("caption-outside", "warn") in told(listing)
    (problem,) = (one for one in listing.problems if one.code == "caption-outside")
    assert problem.message == f"{Path(place).name} is a link that leads out of the folder: it is not read"


def test_a_folder_of_captions_or_a_table_above_that_leads_out_is_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "a.txt").write_text(SECRET)
    (folder / "captions").symlink_to("../home")
    (tmp_path / "home" / "metadata.jsonl").write_text(lines(inside("images")))
    (tmp_path / "set" / "images").mkdir()
    draw(folder / "images")
    (folder / "metadata.jsonl").symlink_to("../home/metadata.jsonl")
    listing = list_pictures(folder)
    assert captions(listing)["a.png"] is None and ("caption-outside", "warn") in told(listing)
    assert set(captions(list_pictures(folder / "images")).values()) == {None}


def test_a_pipe_in_place_of_a_caption_is_named(folder: Path) -> None:
    os.mkfifo(folder / "a.txt")
    assert told(list_pictures(folder)) == [("caption-outside", "warn")]


def test_links_between_captions_of_one_folder_are_read(folder: Path) -> None:
    (folder / "a.txt").write_text("a TOK")
    (folder / "b.txt").symlink_to("a.txt")
    assert set(captions(list_pictures(folder)).values()) == {"a TOK"}


def test_full_width_letters_are_read_as_letters(folder: Path) -> None:
    (folder / "a.txt").write_text("\uff34\uff2f\uff2b\u306e\u5199\u771f \uff12", "utf-8")
    assert captions(list_pictures(folder))["a.png"] == "TOK\u306e\u5199\u771f 2"


COMPANIONS = ["a-masklabel.png", "a-condlabel.png", "a_mask.PNG", "a.depth.png", "A-Pose.png", "a.png.mask.png"]


@pytest.mark.parametrize("name", COMPANIONS)
def test_what_belongs_to_a_picture_is_left_out_with_a_count(folder: Path, name: str) -> None:
    Image.new("L", (8, 8)).save(folder / name, "PNG")
    found = list_pictures(folder)
    assert [one.name for one in found.pictures] == list(NAMES)
    assert told(found) == [("companions", "hint")] and found.problems[0].message.startswith("1 file belongs")


@pytest.mark.parametrize("name", ["carnival_mask.png", "mask.png", "amask.png", "a_masked.png"])
def test_a_picture_with_such_a_word_and_no_sibling_stays(folder: Path, name: str) -> None:
    Image.new("RGB", (8, 8)).save(folder / name)
    assert name in captions(list_pictures(folder))


def test_a_pose_that_has_words_of_its_own_stays(folder: Path) -> None:
    for name in ("a_pose", "a_mask"):
        Image.new("RGB", (8, 8)).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("a TOK that poses")
    assert list(captions(list_pictures(folder))) == ["a.png", "a_pose.png", "b.png"]
