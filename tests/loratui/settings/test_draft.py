"""Drafts on disk: private, whole, several, and never in the way of a start or of another window."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import KEPT, DraftStore


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
    store.save(Draft(values={"train.rank": 8}))
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_no_draft_is_a_fresh_one(store: DraftStore) -> None:
    assert store.load().draft == Draft()
    assert not store.load().draft.begun


@pytest.mark.parametrize(
    "raw", ["", "{", "[]", '{"step": "x"}', '{"images": -4}', '{"unheard": 1}', "\x00", "[" * 10_000]
)
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
    assert "could not be saved" in DraftStore(tmp_path / "state" / "x").save(begun(8))


def test_none_takes_a_choice_back() -> None:
    draft = Draft().with_settings({"train.rank": 8, "train.batch": 2}).with_settings({"train.rank": None})
    assert draft.values == {"train.batch": 2}


def test_a_file_name_that_is_no_utf8_is_kept(tmp_path: Path) -> None:
    """A person who skips such a picture must not lose the draft, and with it the program."""
    name = os.fsdecode(b"raw\xff\x9b.jpg")
    store = DraftStore(tmp_path)
    assert store.save(Draft().with_values(dataset__skip=(name,))) == ""
    assert store.load().draft.skipped == (name,)


def begun(rank: int) -> Draft:
    return Draft(step=4, values={"train.rank": rank})


def test_a_new_start_keeps_the_old_draft_and_the_newest_stands_first(store: DraftStore) -> None:
    for rank in (8, 16):
        store.begin(Draft())
        assert store.save(begun(rank)) == ""
        os.utime(store.path, (rank, rank))
    assert [one.draft.values["train.rank"] for one in store.all().kept] == [16, 8]
    store.clear()  # it became a run
    assert [one.draft.values["train.rank"] for one in store.all().kept] == [8]


def test_a_start_without_a_choice_leaves_no_file(store: DraftStore) -> None:
    store.begin(Draft())
    assert store.save(Draft(step=1)) == ""
    assert store.all().kept == ()


def test_the_same_answers_twice_are_one_draft(store: DraftStore) -> None:
    for _ in range(2):
        store.begin(begun(8))
        store.save(begun(8))
    assert len(store.all().kept) == 1


def test_with_a_new_draft_the_oldest_goes(store: DraftStore) -> None:
    for rank in range(1, KEPT + 3):
        store.begin(Draft())
        store.save(begun(rank))
        os.utime(store.path, (rank, rank))
    assert [one.draft.values["train.rank"] for one in store.all().kept] == list(range(KEPT + 2, 2, -1))


def test_the_one_draft_of_an_earlier_version_is_taken_over(store: DraftStore) -> None:
    store.path.parent.mkdir()
    store.path.write_text(json.dumps(asdict(begun(8))))
    (kept,) = store.all().kept
    assert kept.draft == begun(8)
    assert not (store.path.parent / "draft.json").exists()
    assert store.take(kept.key).draft == begun(8)


def test_a_draft_open_in_another_process_is_gone_on_with_as_a_copy(store: DraftStore, tmp_path: Path) -> None:
    store.save(begun(8))
    key = store.open_key
    store.leave()
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom loratui.settings.drafts.store import DraftStore\n"
        f"store = DraftStore(Path({str(tmp_path / 'state')!r}))\nstore.take({key!r})\nprint('open', flush=True)\n"
        "time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as other:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        assert [one.busy for one in store.all().kept] == [True]
        assert not store.forget(key)
        loaded = store.take(key)
        assert loaded.draft == begun(8) and "another window" in loaded.trouble
        store.save(begun(64))
        ranks = {one.key: one.draft.values["train.rank"] for one in store.all().kept}
        assert ranks == {key: 8, store.open_key: 64}
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert not [one for one in store.all().kept if one.busy]  # the kernel let go of the lock
    assert store.take(key).trouble == ""
    assert store.forget(key) and len(store.all().kept) == 1


def test_a_damaged_draft_among_good_ones_is_named_once(store: DraftStore) -> None:
    store.save(begun(8))
    bad = store.path.with_name("draft-20260101-000000-aa.json")
    bad.write_text("{half")
    found = store.all()
    assert [one.draft for one in found.kept] == [begun(8)]
    assert len(found.troubles) == 1 and "damaged" in found.troubles[0]
    assert store.all().troubles == ()


def test_many_damaged_drafts_are_one_sentence_with_their_count(store: DraftStore) -> None:
    store.save(begun(8))
    for number in range(19):
        store.path.with_name(f"draft-20260101-0000{number:02}-aa.json").write_text("{half")
    (said,) = store.all().troubles
    assert said == ("19 saved drafts were damaged; they are left out. The old files are kept as draft.damaged-*.json.")
    assert len(list(store.path.parent.glob("draft.damaged-*.json"))) == 19
    for path in (store.path.with_name("draft-20260101-000009-cc.json"), store.path.parents[1] / "draft.json"):
        path.write_text("{half")
    (said,) = store.all().troubles
    assert said.startswith("2 saved drafts were damaged")


def test_many_drafts_that_cannot_be_read_are_one_sentence_too(
    store: DraftStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        store.begin(Draft())
        store.save(begun(number + 1))

    def refused(path: Path) -> Draft:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("loratui.settings.drafts.store.read_draft", refused)
    (said,) = store.all().troubles
    assert said.startswith("3 drafts cannot be read: ") and said.endswith(".json and 2 others)")
