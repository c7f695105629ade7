"""Prompts added while a run trains: what is taken, which index each gets, what a damaged file does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.contract.run import added_prompts as added
from trainer.contract.run.added_prompts import (
    AddedPrompt,
    AddedPrompts,
    NotAdded,
    read_added,
    why_not,
    without_trigger,
    write_added,
)
from trainer.contract.run.rundir import RunDir

OWN = ("a TOK star", "a TOK heart")


def test_each_prompt_gets_an_index_after_the_configured_ones_and_keeps_it() -> None:
    one, first = AddedPrompts().with_prompt(" a TOK moon ", None, OWN)
    two, second = one.with_prompt("a TOK sun", True, OWN)
    again, third = two.with_prompt("a TOK moon", True, OWN)
    assert (first, second, third) == (
        AddedPrompt(2, "a TOK moon", False),
        AddedPrompt(3, "a TOK sun", True),
        AddedPrompt(2, "a TOK moon", True),
    )
    assert [one.index for one in again.kept] == [2, 3]
    dropped, _ = again.with_prompt("a TOK moon", False, OWN)
    assert [(one.index, one.kept) for one in dropped.prompts] == [(2, False), (3, True)]
    asked_once, _ = again.with_prompt("a TOK moon", None, OWN)
    assert asked_once == again  # once more does not end what is drawn from now on


def test_a_configured_prompt_is_no_added_one() -> None:
    same, found = AddedPrompts().with_prompt("a TOK heart", True, OWN)
    assert same == AddedPrompts()
    assert found.index == 1
    with pytest.raises(NotAdded, match=r"config\.toml"):
        AddedPrompts().with_prompt("a TOK heart", False, OWN)


def test_the_limits_are_said_with_what_to_do() -> None:
    full = AddedPrompts()
    for number in range(added.MAX_KEPT):
        full, _ = full.with_prompt(f"TOK {number}", True, OWN)
    with pytest.raises(NotAdded, match="--no-keep"):
        full.with_prompt("TOK more", True, OWN)
    full, _ = full.with_prompt("TOK 0", False, OWN)
    full, _ = full.with_prompt("TOK more", True, OWN)
    for number in range(added.MAX_KEPT, added.MAX_ADDED - 1):
        full, _ = full.with_prompt(f"TOK {number}", None, OWN)
    with pytest.raises(NotAdded, match="loratui generate"):
        full.with_prompt("TOK one too many", None, OWN)
    with pytest.raises(NotAdded, match="no such prompt"):
        full.with_prompt("TOK never added", False, OWN)


@pytest.mark.parametrize("text", ["", "   ", "x" * 501, "a\x1b[31m", "a\nb", "a\ud800", "a\x9b2J", "a\0b"])
def test_what_is_no_prompt_is_refused(text: str) -> None:
    assert why_not(text)
    with pytest.raises(NotAdded):
        AddedPrompts().with_prompt(text, None, OWN)


def test_emoji_and_other_scripts_are_prompts() -> None:
    assert not any(map(why_not, ["x" * 500, "Ein schöner TOK", "星の TOK", "TOK 👩‍🚀", "[b]TOK[/b] <lora:x:1>"]))


def test_a_missing_trigger_is_a_word_of_warning() -> None:
    assert "TOK" in without_trigger("a STOK dog", "TOK")
    assert without_trigger("a TOK dog", "TOK") == ""
    assert without_trigger("a TOK2 dog", "TOK, TOK2") == ""


def test_what_was_written_is_read_back_and_is_the_owners_alone(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert read_added(run, 2) == AddedPrompts()
    some = AddedPrompts((AddedPrompt(2, "a TOK moon 👩‍🚀", True), AddedPrompt(3, "TOK", False)))
    write_added(run, some)
    assert read_added(run, 2) == some
    assert run.prompts.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["prompts.json"]


def test_an_index_that_a_new_configured_prompt_took_is_given_up(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    write_added(
        run, AddedPrompts((AddedPrompt(2, "moon", True), AddedPrompt(3, "sun", True), AddedPrompt(5, "rain", False)))
    )
    found = read_added(run, 3)
    assert [(one.index, one.prompt) for one in found.prompts] == [(3, "sun"), (5, "rain"), (6, "moon")]


def test_a_damaged_file_is_said_and_damaged_entries_are_passed_over(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    for text in ('{"added": 3}', "[]", "{", "[" * 100_000, "\x00"):
        run.prompts.write_text(text)
        with pytest.raises(ValueError, match=r"prompts\.json"):
            read_added(run, 1)
    run.prompts.write_bytes(b" " * (added.MAX_BYTES + 1))
    with pytest.raises(ValueError, match="larger"):
        read_added(run, 1)
    good = {"index": 1, "prompt": "TOK", "kept": True}
    bad = [3, {}, {**good, "index": True}, {**good, "index": -1}, {**good, "prompt": "\x1b"}, {**good, "prompt": 1}]
    run.prompts.write_text(json.dumps({"added": [*bad, good, good, *({**good, "prompt": f"{i}"} for i in range(90))]}))
    found = read_added(run, 1)
    assert found.prompts[0] == AddedPrompt(1, "TOK", True)
    assert len({one.index for one in found.prompts}) == len(found.prompts) <= added.MAX_ADDED
    assert len(found.kept) == added.MAX_KEPT
