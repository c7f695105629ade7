"""Three persons from the shell to a sensible plan, in a real terminal, with the keys that it takes them counted."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.loratui.test_tmux import PHOTOS, Terminal, pytestmark, terminal

__all__ = ["pytestmark", "terminal"]

FACES = PHOTOS.parent / "whitehouse"
needs_photos = pytest.mark.skipif(not FACES.is_dir(), reason="../shared/photos is not on this machine")
PLAN = "Ready|No GPU here"


class Person:
    """Somebody at a keyboard: every key is counted, each letter of a word too."""

    def __init__(self, screen: Terminal) -> None:
        self.screen, self.keys = screen, 0
        screen.type(f"XDG_STATE_HOME=$PWD/state {sys.executable} -m loratui")
        screen.press("Enter")
        screen.settled("Start new")

    def press(self, *keys: str, until: str) -> None:
        self.keys += len(keys)
        self.screen.press(*keys)
        self.screen.settled(until)

    def type(self, words: str, until: str) -> None:
        self.keys += len(words)
        self.screen.type(words)
        self.screen.settled(until)

    def draft(self) -> dict[str, Any]:
        (path,) = self.screen.folder.glob("state/loratui/drafts/*.json")
        found: dict[str, Any] = json.loads(path.read_text())
        return found


@needs_photos
def test_a_first_time_person_with_seven_photographs_of_a_dog(terminal: Callable[[], Terminal], tmp_path: Path) -> None:
    shutil.copytree(PHOTOS, tmp_path / "dogs")
    first = min((tmp_path / "dogs").glob("*.jpg"))
    shutil.copy(first, first.with_name("copy.jpg"))
    with Image.open(first) as picture:
        picture.resize((400, 400)).crop((0, 0, 400, 300)).save(first.with_name("tiny.png"))
    one = Person(terminal())
    one.press("Enter", until="● Pictures")
    one.type("dogs", until="dogs")
    one.press("Enter", until="What do your pictures show")
    one.press("Enter", until="7 to train on")
    one.press("Down", "s", until="skip 1 picture")
    one.press("Enter", until="u takes it back")
    one.press("F2", until="● Subject|Skip them")
    if "Skip them" in one.screen.screen():
        one.press("Enter", until="● Subject")
    one.press("Enter", until="class word")
    one.type("dog", until="a photo of a TOK dog")
    one.press("F2", until="● Preset")
    one.press("F2", until="● Settings")
    one.press("F2", until=PLAN)
    values = one.draft()["values"]
    assert (values["kind"], values["dataset.trigger"], values["dataset.class_word"]) == ("object", "TOK", "dog")
    assert len(values["dataset.skip"]) == 1
    assert one.keys <= 20, one.keys


@needs_photos
def test_a_messy_folder_of_faces_comes_down_to_the_best(terminal: Callable[[], Terminal], tmp_path: Path) -> None:
    shutil.copytree(FACES, tmp_path / "faces")
    one = Person(terminal())
    one.press("Enter", until="● Pictures")
    one.type("faces", until="faces")
    one.press("Enter", until="about a face")
    one.press("Enter", until="to train on")
    one.press("b", until="Keep the best: how many")
    one.press("Enter", until="Keep these")
    one.press("Enter", until="u takes it back")
    one.press("F2", until="● Subject")
    one.press("F2", until="● Preset")
    one.press("F2", until="● Settings")
    one.press("F2", until="● Review")
    values = one.draft()["values"]
    assert values["kind"] == "face" and values["dataset.skip"]
    assert one.keys <= 18, one.keys


@needs_photos
def test_who_comes_from_kohya_names_the_folder_and_goes_on(terminal: Callable[[], Terminal], tmp_path: Path) -> None:
    folder = tmp_path / "kohya" / "10_ohwx dog"
    shutil.copytree(PHOTOS, folder)
    for place, picture in enumerate(folder.glob("*.jpg")):
        picture.with_suffix(".txt").write_text(f"ohwx dog, lying on the grass, {place}")
    one = Person(terminal())
    one.press("Enter", until="● Pictures")
    one.type("kohya", until="kohya")
    one.press("Enter", until="Should it learn this from your pictures")
    one.press("Enter", until="to train on")
    one.press("F2", until="● Subject")
    one.press("F2", until="● Preset")
    one.press("F2", until="● Settings")
    one.press("F2", until=PLAN)
    values = one.draft()["values"]
    found = (values["dataset.repeats"], values["dataset.trigger"], values["dataset.class_word"])
    assert found == (10, "ohwx", "dog") and values["dataset.path"].endswith("10_ohwx dog")
    assert one.keys <= 12, one.keys
