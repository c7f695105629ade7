"""The draft on disk: private, whole, and never in the way of a start."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from loratui.draft import Draft, DraftStore


@pytest.fixture
def store(tmp_path: Path) -> DraftStore:
    return DraftStore(tmp_path / "state")


def test_a_draft_comes_back_as_it_was(store: DraftStore) -> None:
    values = {
        "dataset.path": "~/photos",
        "dataset.skip": ("a.jpg",),
        "prodigy.growth_rate": float("inf"),
        "train.rank": 8,
    }
    draft = Draft(step=3, preset="face", values=values, captions={"b.jpg": "a TOK"}, images=7, out="x")
    assert store.save(draft) == ""
    assert store.load().draft == draft
    assert store.load().trouble == ""


def test_only_its_owner_may_read_it(store: DraftStore) -> None:
    store.save(Draft(step=1))
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_no_draft_is_a_fresh_one(store: DraftStore) -> None:
    assert store.load().draft == Draft()
    assert not store.load().draft.begun


@pytest.mark.parametrize("raw", ["", "{", "[]", '{"step": "x"}', '{"unheard": 1}', "\x00", "[" * 10_000])
def test_a_damaged_file_is_kept_aside_and_said(store: DraftStore, raw: str) -> None:
    store.path.parent.mkdir()
    store.path.write_text(raw)
    loaded = store.load()
    assert loaded.draft == Draft()
    assert "damaged" in loaded.trouble
    (kept,) = store.path.parent.glob("draft.damaged-*.json")
    assert kept.read_text() == raw


def test_values_that_this_version_cannot_use_are_left_out_and_said(store: DraftStore) -> None:
    wrong = {"train.gone": 1, "train.batch": "many", "kind": "cat", "dataset.skip": 5, "sample.steps": 0}
    store.save(Draft(preset="gone", values={"train.rank": 8, **wrong}))
    loaded = store.load()
    assert loaded.draft.values == {"train.rank": 8}
    assert loaded.draft.preset == ""
    assert loaded.trouble


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    assert "could not be saved" in DraftStore(tmp_path / "state" / "x").save(Draft())


def test_none_takes_a_choice_back() -> None:
    draft = Draft().with_settings({"train.rank": 8, "train.batch": 2}).with_settings({"train.rank": None})
    assert draft.values == {"train.batch": 2}


def test_a_file_name_that_is_no_utf8_is_kept(tmp_path: Path) -> None:
    """A person who skips such a picture must not lose the draft, and with it the program."""
    name = os.fsdecode(b"raw\xff\x9b.jpg")
    store = DraftStore(tmp_path)
    assert store.save(Draft().with_values(dataset__skip=(name,))) == ""
    assert store.load().draft.skipped == (name,)
