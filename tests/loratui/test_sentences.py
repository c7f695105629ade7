"""Whole sentences in one write on a real terminal: no letter is lost or acts elsewhere, on each screen with a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loratui.conftest import Draw
from tests.loratui.screens.conftest import fake_run, training
from tests.ptys import Pty
from trainer.contract.run.control import Inbox
from trainer.contract.run.lock import RunLock

pytestmark = pytest.mark.slow
F2, DOWN = b"\x1bOQ", b"\x1b[B"


@pytest.fixture
def terminal(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none"}


def draft_in(home: Path) -> Callable[[], dict[str, object]]:
    """Reads the one draft that is on disk."""

    def read() -> dict[str, object]:
        found = list((home / "state" / "loratui" / "drafts").glob("*.json"))
        return json.loads(found[0].read_text()) if found else {}

    return read


def test_sentences_lead_through_the_wizard(tmp_path: Path, terminal: dict[str, str], draw_picture: Draw) -> None:
    folder = tmp_path / "photos of rex"
    folder.mkdir()
    for number in range(4):
        draw_picture(folder / f"{number}.png", number, (1100, 1100))
    own = {**terminal, "XDG_STATE_HOME": str(tmp_path / "state")}
    draft = draft_in(tmp_path)
    with Pty([sys.executable, "-m", "loratui"], tmp_path, own, (120, 36)) as pty:

        def send(keys: bytes, until: Callable[[], object]) -> None:
            pty.type(keys)
            pty.until(lambda _: bool(until()))

        pty.until(lambda wrote: b"Enter chooses a line" in wrote)
        send(b"\rphotos of rex\r", lambda: b"What do your pictures show" in pty.wrote)  # the welcome's line, the folder
        send(b"\r", lambda: b"0.png" in pty.wrote)
        pty.until(lambda wrote: b"space skips" in wrote)
        # below the whole set and four kinds of findings stands the first picture
        caption = b"a TOK dog, sitting (r) on q, x and f/w"
        send(DOWN * 5 + b"e" + caption + b"\r", lambda: draft().get("captions"))
        assert list(draft()["captions"].values()) == [caption.decode()]  # type: ignore[attr-defined]
        pty.wrote = b""
        send(F2 + b"y", lambda: list(folder.glob("*.txt")))
        assert [one.read_text() for one in folder.glob("*.txt")] == [caption.decode() + "\n"]
        pty.until(lambda wrote: b"to train on" in wrote)
        send(F2, lambda: b"which word stands for it" in pty.wrote)
        send(b"\x08" * 8 + b"REX\rred setter\r", lambda: b"red setter" in pty.wrote)
        send(F2, lambda: b"New findings" in pty.wrote)  # the caption has the word of before
        send(b"n", lambda: b"Which preset fits" in pty.wrote)
        # the preset, the search, the first row that it finds, its value
        send(b"\r/rank\r\r48\r", lambda: draft()["values"].get("train.rank") == 48)  # type: ignore[attr-defined]
        values = draft()["values"]
        assert isinstance(values, dict)
        assert (values["dataset.trigger"], values["dataset.class_word"]) == ("REX", "red setter")
        assert set(values) & {"train.steps", "train.batch"} == set()
        send(b"\x1b" + b"/base\r\r/" + b"/no model/here\r", lambda: b"no model/here" in pty.wrote)


def test_a_sentence_is_one_prompt_of_the_monitor(tmp_path: Path, terminal: dict[str, str]) -> None:
    run = fake_run(tmp_path / "runs" / "2026-11-23-1000-dog", training())
    run.config.write_text('[dataset]\ntrigger = "TOK"\ninstance_prompt = "a photo of a TOK dog"\n')
    lock = RunLock(run.lock)
    with Pty([sys.executable, "-m", "loratui", "attach", str(run.path)], tmp_path, terminal, (80, 24)) as pty:
        pty.until(lambda wrote: "● training".encode() in wrote)
        pty.type(b"ain space, quite (x) pale\r")
        sent: list[str] = []
        inbox = Inbox(run)

        def came(_: bytes) -> bool:
            sent.extend(str(one.args.get("prompt")) for one in inbox.take())
            return bool(sent)

        pty.until(came)
        assert sent == ["a photo of a TOK dog in space, quite (x) pale"]
        pty.type(b"q")
        assert pty.end() == 0
    lock.release()
