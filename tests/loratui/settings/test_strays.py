"""What a killed loratui left half-written in a person's own folders is gone when the next one works there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from loratui.curation.contact_sheet import write_contact_sheet
from loratui.curation.report import Report
from loratui.runs.launch import create_run
from loratui.settings.answers import Answers, write_answers
from loratui.settings.drafts.store import DraftStore, state_dir
from loratui.settings.own_presets import found_presets, preset_folder
from loratui.settings.preferences import keep_shade
from loratui.settings.recent_bases import remember_base
from loratui.settings.recents import remember
from loratui.settings.resolve import resolve
from tests.outside import ended_process

ANSWERS = Answers("object", {"name": "x", "dataset.path": "/pictures"})
HERE = Path("here")
NEXT: dict[str, tuple[Callable[[], Path], Callable[[], object]]] = {
    "drafts": (lambda: state_dir() / "drafts", lambda: DraftStore().all()),
    "the folder of the drafts": (state_dir, lambda: DraftStore().load()),
    "light or dark": (state_dir, lambda: keep_shade("dark")),
    "pictures used last": (state_dir, lambda: remember("/pictures")),
    "base models used last": (state_dir, lambda: remember_base("/model")),
    "presets": (preset_folder, found_presets),
    "answers": (lambda: HERE, lambda: write_answers(HERE / "answers.toml", ANSWERS)),
    "a run's folder": (lambda: HERE, lambda: create_run(resolve(ANSWERS), ANSWERS, HERE)),
    "a contact sheet": (lambda: HERE, lambda: write_contact_sheet(Report(HERE, "object", ()), HERE / "a.png")),
}


@pytest.mark.parametrize("place", NEXT)
def test_strays_of_a_killed_one_are_swept(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    folder, act = NEXT[place]
    stray = folder() / f".loratui-{ended_process()}-0123456789ab.part"
    stray.parent.mkdir(parents=True)
    stray.write_text("half")
    living = stray.with_name(f".loratui-{os.getppid()}-0123456789ab.part")
    living.write_text("of a living one")
    if place == "a run's folder":
        living.unlink()
    act()
    assert not stray.exists()
    assert living.exists() or place == "a run's folder"
