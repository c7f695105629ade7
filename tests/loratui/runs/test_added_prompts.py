"""A prompt of one's own from the command line: what is sent, what is refused, what a run says of itself."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from loratui.errors import Refusal
from loratui.runs.added_prompts import sample_arguments, trigger_and_prompt, words_on
from tests.loratui.conftest import LoraTUI
from trainer.contract.run.control import Command, Inbox
from trainer.contract.run.events import EventLog
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir


def test_the_arguments_of_the_command() -> None:
    assert sample_arguments(None) == {}
    assert sample_arguments("a TOK") == {"prompt": "a TOK"}
    assert sample_arguments("a TOK", True) == {"prompt": "a TOK", "keep": True}
    assert sample_arguments("a TOK", False) == {"prompt": "a TOK", "keep": False}


@pytest.mark.parametrize(
    ("prompt", "keep"), [("", None), (" ", True), ("a\x1b[2J", None), ("x" * 501, None), (None, True)]
)
def test_what_the_trainer_would_not_take_is_refused_at_once(prompt: str | None, keep: bool | None) -> None:
    with pytest.raises(Refusal, match="--"):
        sample_arguments(prompt, keep)


def test_the_line_starts_with_what_the_run_is_asked_with(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert trigger_and_prompt(run) == ("", "")
    for text, found in (
        ('[dataset]\ntrigger = "TOK"\ninstance_prompt = "a photo of a TOK dog"', ("TOK", "a photo of a TOK dog ")),
        ('[dataset]\ntrigger = "TOK, TOK2"\ninstance_prompt = "a dog"', ("TOK, TOK2", "TOK ")),
        ('[dataset]\ntrigger = "\\u001b[2J"', ("␛[2J", "␛[2J ")),
        ("[dataset]\ntrigger = 3", ("", "")),
        ("dataset = 3", ("", "")),
        ("[[[", ("", "")),
        ('[dataset]\ntrigger = ","', ("", "")),
    ):
        run.config.write_text(text)
        assert trigger_and_prompt(run) == found


def test_what_is_said_while_typing() -> None:
    assert words_on("a TOK", "TOK") == ("ready", "good")
    assert words_on("a dog", "TOK")[1] == "warn"
    assert words_on("", "TOK")[1] == "bad"
    assert words_on("a dog", "") == ("ready", "good")


def test_the_command_reaches_the_inbox_and_its_answer_is_printed(loratui: LoraTUI, tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.path.mkdir()
    run.config.write_text("")
    lock, log = RunLock(run.lock), EventLog(run.events)
    taken: list[Command] = []

    def answer() -> None:
        while not taken:
            taken.extend(Inbox(run).take())
            time.sleep(0.02)
        log.emit("command", id=taken[0].id, cmd="sample", ok=True, message="1 picture at step 4")

    trainer = threading.Thread(target=answer, daemon=True)
    trainer.start()
    try:
        done = loratui("sample", run.path, "--prompt", "a TOK at sea", "--keep")
    finally:
        lock.release()
    assert done.stdout == "sample: 1 picture at step 4\n"
    assert [(one.cmd, one.args) for one in taken] == [("sample", {"prompt": "a TOK at sea", "keep": True})]
    refused = loratui("sample", run.path, "--no-keep")
    assert refused.returncode == 2
    assert "go with --prompt" in refused.stderr
    trainer.join(10)
    log.close()
