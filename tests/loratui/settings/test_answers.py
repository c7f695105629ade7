"""The answer file: everything wrong is said at once, with its line; what is written is read back the same."""

from __future__ import annotations

import contextlib
import os
import random
import stat
from pathlib import Path

import pytest

from loratui.settings.answers import (
    Answers,
    AnswersError,
    answers_text,
    parse_set,
    preset_values,
    read_answers,
    retriggered,
    write_answers,
)
from loratui.settings.problems import wrong_value
from loratui.settings.resolve import resolve
from loratui.settings.toml_text import key_lines
from tests.contract.documents.test_documents import mutated
from trainer.contract.settings.config import BY_KEY


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "answers.toml"
    path.write_text(text)
    with pytest.raises(AnswersError) as caught:
        read_answers(path)
    return caught.value.messages


def test_a_misspelt_key_is_named_with_its_line_and_what_was_meant(tmp_path: Path) -> None:
    text = 'schema = 1\npreset = "face"\n\n[train]\nrank = 8\nreslution = 64\n'
    assert problems(tmp_path, text) == ["answers.toml:6: train.reslution: unknown setting; did you mean 'resolution'?"]


def test_all_errors_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """schema = 1
preset = "fcae"
name = "my lora"
[dataset]
trigger = "my dog"
skip = [
  "a.jpg",
  7,
]
[train]
rank = 0
resolution = 100
precision = "bf17"
steps = "many"
seed = true
tokens = 3
[trian]
rank = 8
"""
    said = problems(tmp_path, text)
    assert [message.split(":")[1] for message in said] == ["2", "3", "5", "6", "11", "12", "13", "14", "15", "16", "17"]
    assert "did you mean 'face'?" in said[0]
    assert "letters, digits" in said[1]
    assert "write 'my_dog' instead of 'my dog'" in said[2]
    assert "dataset.skip: [" in said[3] and "list of texts" in said[3]
    assert said[4].endswith("train.rank: 0 is out of bounds; allowed is 1 to 1024")
    assert "128 is the nearest" in said[5]
    assert "did you mean 'bf16'?" in said[6]
    assert "'many' is not a whole number" in said[7]
    assert "true is not a whole number" in said[8]
    assert "did you mean 'pivotal.tokens'?" in said[9]
    assert said[10].endswith("[trian]: unknown table; did you mean 'train'?")


def test_starting_words_are_told_with_their_line_and_replay_in_either_form(tmp_path: Path) -> None:
    head = 'schema = 1\npreset = "object"\n[dataset]\ntrigger = "TOK, ZED"\n[pivotal]\ninit_words = '
    (said,) = problems(tmp_path, head + '"TOC = a dog"\n')
    assert said.startswith("answers.toml:6: pivotal.init_words: 'TOC = a dog' names no trigger;")
    for words in ("a brown dog", "TOK = a dog; ZED = a cat"):
        (tmp_path / "good.toml").write_text(f'{head}"{words}"\n')
        answers = read_answers(tmp_path / "good.toml")
        assert resolve(answers).config.pivotal.init_words == words


def test_a_syntax_error_is_told_with_its_line(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, "schema = 1\n[train\nrank = 8\n")
    assert said.startswith("answers.toml:2: not valid TOML")


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\x00", b"\xff\xd8\xff\xe0", b"a\0b = 1", b"", b"x = 1\n"])
def test_what_is_no_answer_file_is_called_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(AnswersError, match="not an answer file"):
        read_answers(path)


def test_a_missing_file_and_a_folder_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(AnswersError, match="there is no answer file"):
        read_answers(tmp_path / "nope.toml")
    with pytest.raises(AnswersError, match="is a folder"):
        read_answers(tmp_path)


def test_a_newer_schema_is_refused_before_anything_else_is_said(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, "schema = 2\n[train]\nnovelty = 8\n")
    assert said.startswith("answers.toml:1: schema: schema 2 is newer") and "update loratui" in said


def test_a_missing_schema_is_told_with_the_line_to_write(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, "[train]\nrank = 8\n")
    assert "write 'schema = 1'" in said


def test_the_trigger_must_stand_in_the_instance_prompt(tmp_path: Path) -> None:
    text = 'schema = 1\npreset = "face"\n[dataset]\ntrigger = "anna"\ninstance_prompt = "a photo of annabel"\n'
    (said,) = problems(tmp_path, text)
    assert said.startswith("answers.toml:5: dataset.instance_prompt: ") and "does not hold the trigger" in said


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    values = {
        "train.rank": 8,
        "dataset.path": '~/photos/"anna"',
        "dataset.skip": ("a b.jpg", "ü\n.jpg"),
        "name": "anna",
        "train.learning_rate": 0.5,
        "prodigy.growth_rate": float("inf"),
        "dataset.flip": True,
    }
    path = tmp_path / "answers.toml"
    write_answers(path, Answers("face", values))
    found = read_answers(path)
    assert found.preset == "face"
    assert {key: tuple(one) if isinstance(one, list) else one for key, one in found.values.items()} == values
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_tables_stand_in_the_order_of_their_declaration() -> None:
    text = answers_text(Answers("face", {"sample.steps": 5, "train.rank": 8, "dataset.path": "x", "name": "n"}))
    lines = [line for line in text.splitlines() if line]
    assert lines[0].startswith("# Written by loratui") and "loratui replay answers.toml" in lines[0]
    assert lines[1:4] == ["schema = 1", 'preset = "face"', 'name = "n"']
    assert [line for line in lines if line.startswith("[")] == ["[dataset]", "[train]", "[sample]"]


def test_only_what_the_person_chose_is_written() -> None:
    assert answers_text(Answers("face", {"train.rank": 8})).splitlines()[1:] == [
        "schema = 1",
        'preset = "face"',
        "",
        "[train]",
        "rank = 8",
    ]


def test_lines_are_right_past_lists_strings_and_inline_tables() -> None:
    text = '''# x
schema = 1
[dataset]
skip = [  # why
  "a]",
  "[train]",
]
path = """
rank = 9
"""
[train]
"rank" = 8
sample.deep = 1
export = { precision = "x", other = 2 }
'''
    found = key_lines(text)
    assert (found["schema"], found["dataset.skip"], found["dataset.path"], found["train.rank"]) == (2, 4, 8, 12)
    assert found["train"] == 11 and found["train.export.precision"] == 14
    assert "dataset.rank" not in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train.rank=16", ("train.rank", 16)),
        ("train.learning_rate=1", ("train.learning_rate", 1)),
        (" train.optimizer = adamw ", ("train.optimizer", "adamw")),
        ("name=2024", ("name", "2024")),
        ('dataset.skip=["a,b.jpg"]', ("dataset.skip", ["a,b.jpg"])),
        ("dataset.skip=a.jpg, b.jpg", ("dataset.skip", ["a.jpg", "b.jpg"])),
        ("dataset.instance_prompt=a TOK = art", ("dataset.instance_prompt", "a TOK = art")),
        ("dataset.flip=true", ("dataset.flip", True)),
    ],
)
def test_set_is_typed_by_the_declaration(text: str, expected: tuple[str, object]) -> None:
    assert parse_set(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train.rnk=16", "--set train.rnk: unknown setting; did you mean 'train.rank'?"),
        ("rank=16", "did you mean 'train.rank'?"),
        ("train.rank", "write it as KEY=VALUE"),
        ("train.rank=a", "is not a whole number (1 to 1024)"),
        ("train.rank=4096", "out of bounds"),
        ("dataset.flip=yes", "is not true or false"),
    ],
)
def test_a_bad_set_is_a_sentence(text: str, said: str) -> None:
    with pytest.raises(AnswersError) as caught:
        parse_set(text)
    assert said in str(caught.value)


def test_every_declared_setting_survives_a_round_trip(tmp_path: Path) -> None:
    values = {key: one.default for key, one in BY_KEY.items() if key != "preset"}
    values["concepts"] = [{"path": "rex", "trigger": "REX", "repeats": 3}, {"path": "ivy"}]
    write_answers(tmp_path / "all.toml", Answers("object", values))
    found = read_answers(tmp_path / "all.toml")
    assert set(found.values) == set(values) and found.values["concepts"] == values["concepts"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (".".join("a" * 20_000) + " = 1", "it has a key of more than 16 parts (line 2)"),
        ("".join(f"k{one} = 1\n" for one in range(60_000)), "it holds more than 5,000 keys"),
        ("[train]\nrank = " + "9" * 400, "it holds a number that is too large"),
        ("a = " + "[" * 5_000, "it is nested deeper than 64 levels (line 2)"),
    ],
)
def test_what_would_take_long_is_refused_with_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    assert problems(tmp_path, f"schema = 1\n{text}\n") == [f"answers.toml: {said}"]


def test_of_many_unknown_keys_the_first_are_named_and_the_rest_are_counted(tmp_path: Path) -> None:
    text = "schema = 1\n[train]\n" + "".join(f"rnk{one} = 1\n" for one in range(1_000))
    said = problems(tmp_path, text)
    assert len(said) == 41 and "answers.toml: 960 more keys that are not settings" in said
    assert said[1].startswith("answers.toml:3: train.rnk0: unknown setting")


def test_numbers_without_end_are_sentences_wherever_they_are_typed() -> None:
    huge = 10**400
    for key, value in (("train.rank", huge), ("train.learning_rate", huge), ("train.noise_offset", float("nan"))):
        (said,) = (one for one in [wrong_value(BY_KEY[key], value)] if one)
        assert "out of bounds" in said and len(said) < 150
    for written in ("9" * 400, "9" * 5_000, "[" * 5_000, "1e999", '"""', "a = 1", "\0"):
        for key in ("train.rank", "train.learning_rate"):
            with pytest.raises(AnswersError) as caught:
                parse_set(f"{key}={written}")
            assert len(str(caught.value)) < 200


def test_no_mutation_of_an_answer_file_is_more_than_a_sentence(tmp_path: Path) -> None:
    path, draws = tmp_path / "answers.toml", random.Random(5)
    raw = answers_text(Answers("face", {"name": "n", "train.rank": 8, "dataset.skip": ("a.jpg", "b.jpg")})).encode()
    for _ in range(150):
        path.write_bytes(mutated(raw, draws))
        with contextlib.suppress(AnswersError):
            read_answers(path)


def test_an_answer_file_in_utf16_is_read_and_a_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wide.toml").write_bytes('schema = 1\r\npreset = "face"\r\n'.encode("utf-16"))
    assert read_answers(tmp_path / "wide.toml").preset == "face"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AnswersError, match="it is a pipe and not a file"):
        read_answers(tmp_path / "pipe")


def test_the_article_goes_with_the_trigger() -> None:
    values = preset_values("face", {"dataset.trigger": "ohwx", "dataset.class_word": "woman"})
    assert values["dataset.instance_prompt"] == "a photo of an ohwx woman"
    assert preset_values("face", {"dataset.trigger": "ohwx"})["dataset.instance_prompt"] == "a photo of an ohwx"
    assert preset_values("face", {"dataset.trigger": "TOK"})["dataset.instance_prompt"] == "a photo of a TOK"
    assert retriggered(["a TOK, TOK and a TOK", "extra TOK"], "TOK", "anna") == [
        "an anna, anna and an anna",
        "extra anna",
    ]
    assert retriggered("an anna", "anna", "TOK") == "a TOK"
