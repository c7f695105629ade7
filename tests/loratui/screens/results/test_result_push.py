"""From the result to the hub: what is asked, what is only read about, and what a real server on 127.0.0.1 gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.loratui.basemodels.fakehub import fake_hub
from tests.loratui.results.test_push import png
from tests.loratui.screens.conftest import at, screen_text, until
from tests.loratui.screens.results.test_result import fill, make_run, result
from trainer.contract.run.rundir import RunDir

pytestmark = pytest.mark.slow


@pytest.fixture
def run(own_place: Path) -> RunDir:
    return make_run(own_place / "runs" / "2026-11-23-1000-dog")


@pytest.fixture
def hub_place(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A hub on 127.0.0.1 and nobody logged in to it."""
    monkeypatch.setenv("HF_HOME", str(own_place / "hf"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with fake_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


async def test_a_push_shows_the_refusal_and_the_link(
    run: RunDir, hub_place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with result(run) as (app, pilot, _):
        await send(pilot, "club/dog", "private", "refuse")
        job = await at(pilot, "JobScreen")
        await until(pilot, lambda: job.failed)
        assert "not logged in to the hub: 'hf auth login', or set HF_TOKEN" in screen_text(app)
        await pilot.press("escape")
        await at(pilot, "ResultScreen")
        assert hub_place.files == {}
        token = "hf_" + "Ab1" * 12
        monkeypatch.setenv("HF_TOKEN", token)
        await send(pilot, "club/dog", "public", "update")
        await at(pilot, "CopyBox")
        assert app.clipboard == f"{hub_place.url}/club/dog"
        assert token not in screen_text(app)
        await pilot.press("escape")
        await at(pilot, "ResultScreen")
        assert f"On the hub: {hub_place.url}/club/dog" in screen_text(app)
    assert hub_place.repositories == {"club/dog": "public"}
    assert sorted(hub_place.files) == sorted(
        str(path.relative_to(run.export)) for path in run.export.rglob("*") if path.is_file()
    )


async def send(pilot: Pilot[Any], *values: str) -> None:
    await pilot.press("u")
    await at(pilot, "Form")
    await fill(pilot, *values)
    await at(pilot, "Confirm")
    await pilot.press("tab", "enter")


async def test_what_was_found_is_sent_only_by_a_yes_of_its_own(
    run: RunDir, hub_place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.export / "README.md").write_text("by ann@mail.berlin, base = /home/bob/models")
    monkeypatch.setenv("HF_TOKEN", "hf_" + "Ab1" * 12)
    async with result(run) as (app, pilot, _):
        await pilot.press("u")
        await at(pilot, "Form")
        await fill(pilot, "club/dog", "private", "refuse")
        question = await at(pilot, "Confirm")
        await pilot.press("end")
        await pilot.pause()
        assert "This tells others more than the LoRA. Send it?" in screen_text(app)
        assert question.focused is not None and "Send nothing" in str(question.focused.label)
        await pilot.press("enter")
        await at(pilot, "Form")  # what was typed is still there
        await pilot.press("escape", "d")
        await at(pilot, "ResultScreen")
        assert hub_place.files == {}
        await send(pilot, "club/dog", "private", "refuse")
        await at(pilot, "CopyBox")
    assert "README.md" in hub_place.files


async def test_what_must_not_go_is_only_read_about(run: RunDir) -> None:
    (run.export / "README.md").write_text("base = /home/bob/models")
    (run.export / "sample-0.png").write_bytes(png() + b"more")
    async with result(run) as (app, pilot, _):
        await pilot.press("u")
        await at(pilot, "Form")
        await fill(pilot, "a/b/c", "private", "refuse")
        await at(pilot, "Form")
        assert "✗ repository: owner/name in letters" in screen_text(app)
        await fill(pilot, "dog", "everyone", "refuse")
        await at(pilot, "Form")
        assert "✗ visibility: private or public" in screen_text(app)
        await fill(pilot, "dog", "private", "refuse")
        await at(pilot, "Reader")
        await pilot.press("end")
        await pilot.pause()
        assert "README.md: it names a person's home folder" in screen_text(app)
