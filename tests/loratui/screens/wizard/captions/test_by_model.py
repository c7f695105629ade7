"""Captions by a model: which one is chosen, what would be fetched, what is said where none can be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList

from loratui.app import LoratuiApp
from loratui.settings.drafts.draft import Draft
from tests.hubplace import hub_at
from tests.loratui.chat_server import served
from tests.loratui.commands.captions.captioners import save_blip
from tests.loratui.screens.conftest import SIZES, at, on_row, opened, screen_text, until
from tests.loratui.screens.wizard.conftest import read, solve
from tests.warm.client import HUBLESS
from trainer.contract.captioning.known import KNOWN

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]


@pytest.fixture
def draft(photos: Path) -> Draft:
    return Draft(step=1, values={"dataset.path": "photos", "dataset.trigger": "TOK"})


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES[:1])  # where words have the least room
async def test_a_model_writes_the_captions_that_are_missing_and_they_are_edits(
    wizard: Wizard, draft: Draft, size: tuple[int, int], own_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_blip(own_place / "blip")
    app = wizard(draft)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        await solve(pilot, screen, "no-caption", "have a model")
        await at(pilot, "Chooser")
        assert "8.9 GB to download; needs a GPU with 11.1 GB free" in screen_text(app)
        await pilot.press("end")
        await until(pilot, lambda: "blip" in screen_text(app))
        shown = screen_text(app)
        assert "blip         one short sentence" in shown and "1 GB to download" in shown
        await pilot.press("home")
        await pilot.press("enter")  # nothing is fetched without a yes
        await at(pilot, "Confirm")
        await until(pilot, lambda: "Qwen/Qwen3-VL-4B-Instruct: 8.9 GB to download" in screen_text(app))
        await pilot.press("n")
        await at(pilot, "PicturesScreen")
        assert app.draft.captions == {}
        screen.start_captioning(str(own_place / "blip"))
        await until(pilot, lambda: bool(app.draft.captions), 90)
        (words,) = app.draft.captions.values()
        assert words.startswith("TOK") and list(app.draft.captions) == ["dog_4.png"]
        assert not Path("photos/dog_4.txt").exists()
        await pilot.press("u")
        assert app.draft.captions == {}


@pytest.fixture
def warm_captioner(warm_trainer: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A captioner starts warm, for it asks no hub; `test_a_model_writes...` has the real start."""
    monkeypatch.setenv(HUBLESS, "1")


@pytest.mark.slow
@pytest.mark.usefixtures("warm_captioner")
@pytest.mark.parametrize("size", SIZES[:1])  # where words have the least room
async def test_a_server_captions_and_another_host_only_after_a_yes_to_its_name(
    wizard: Wizard, draft: Draft, size: tuple[int, int]
) -> None:
    app = wizard(draft)
    with served() as server:
        async with app.run_test(size=size) as pilot:
            screen = await opened(pilot)

            async def give(address: str) -> None:
                await solve(pilot, screen, "no-caption", "have a model")
                chooser = await at(pilot, "Chooser")
                names = [name for name, _ in chooser._lines]
                assert names[2] == "server", names
                chooser.query_one(OptionList).highlighted = 2
                await pilot.press("enter")
                form = await at(pilot, "Form")
                form.query(Input).first().value = address
                await pilot.press("enter")

            await give("ftp://127.0.0.1/v1")
            await until(pilot, lambda: "✗ ftp" in screen_text(app))
            await pilot.press("escape", "d")
            await at(pilot, "PicturesScreen")
            for key in ("escape", "enter", "n"):  # it starts on no
                await give(server.called("0.0.0.0"))
                asked = await at(pilot, "Confirm")
                assert "Send 1 picture to 0.0.0.0?" in screen_text(app)
                assert "1 picture will leave this machine for 0.0.0.0" in str(asked._body)
                await pilot.press(key)
                await at(pilot, "PicturesScreen")
                assert not server.lines
            await give(server.called("0.0.0.0"))
            await at(pilot, "Confirm")
            await pilot.press("y")
            await until(pilot, lambda: bool(app.draft.captions), 90)
            assert app.draft.captions == {"dog_4.png": "TOK, a red star on grey ground"} and len(server.asked) == 1
            await pilot.press("u")
            await give(server.address)  # one's own is not asked about
            await until(pilot, lambda: bool(app.draft.captions), 90)
            assert len(server.asked) == 2


async def test_without_a_hub_the_list_says_what_is_here_and_each_way_out_leads_on(
    wizard: Wizard, draft: Draft, own_place: Path, monkeypatch: pytest.MonkeyPatch, sdxl_hub: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    cache = hub_at(monkeypatch, own_place / "hf")
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await solve(pilot, screen, "no-caption", "have a model")
        chooser = await at(pilot, "Chooser")
        assert [name for name, _ in chooser._lines][:2] == ["server", "folder"]
        assert "The hub cannot be reached, so no model can be fetched. None of these models is on this disk." in read(
            app
        )
        assert "Connect this machine to the internet and come back here, or take the line" in read(app)
        await pilot.press("escape")
        here = KNOWN["blip"]
        save_blip(cache / f"models--{here.repo.replace('/', '--')}" / "snapshots" / (here.revision or ""))
        await solve(pilot, screen, "no-caption", "have a model")
        chooser = await at(pilot, "Chooser")
        names = [name for name, _ in chooser._lines]
        assert names[:3] == ["blip", "server", "folder"] and len(names) == len(KNOWN) + 2
        assert "Only those on this disk can caption" in read(app) and "on this disk" in chooser._lines[0][1].plain
        assert all("cannot be fetched now" in shown.plain for _, shown in chooser._lines[3:])
        chooser.query_one(OptionList).highlighted = names.index("florence-2")
        await pilot.press("enter")
        await at(pilot, "Question")
        assert "is not completely on this disk, and the hub cannot be reached" in read(app)
        assert "connect this machine to the internet and try again, or take a model that is on this disk" in read(app)
        await pilot.press("m")
        await at(pilot, "Chooser")
        await pilot.press("end", "enter")
        await at(pilot, "Question")
        await pilot.press("w")
        assert (await at(pilot, "CaptionWorkbench"))._names == ("dog_4.png",)
        await pilot.press("escape", "escape")  # out of the caption, out of the captions
        await at(pilot, "PicturesScreen")
        screen._agree(KNOWN["florence-2"])
        await at(pilot, "Question")
        monkeypatch.setenv("HF_ENDPOINT", sdxl_hub)  # the network is back
        await pilot.press("t")
        await at(pilot, "Confirm")
        assert "Download florence-2?" in screen_text(app)


@pytest.mark.usefixtures("warm_captioner")
async def test_a_folder_of_ones_own_is_looked_at_before_it_captions(
    wizard: Wizard, draft: Draft, own_place: Path
) -> None:
    (own_place / "empty").mkdir()
    save_blip(own_place / "blip")
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        screen._ask_folder()
        form = await at(pilot, "Form")
        for typed, said in (("nowhere", "There is no folder"), ("empty", "holds no whole model")):
            form.query_one(Input).value = str(own_place / typed)
            await pilot.press("enter")
            await until(pilot, lambda said=said: said in screen_text(app))
        form.query_one(Input).value = str(own_place / "blip")
        await pilot.press("enter")
        await until(pilot, lambda: bool(app.draft.captions), 90)


async def test_a_model_that_cannot_be_had_says_why_and_e_on_a_kind_shows_its_captions(
    wizard: Wizard, draft: Draft
) -> None:
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        screen.start_captioning("./nowhere")
        await at(pilot, "Question")
        assert "there is no such folder" in screen_text(app) and "--" not in screen_text(app)
        await pilot.press("escape")
        await at(pilot, "PicturesScreen")
        assert app.draft.captions == {}
        await on_row(pilot, screen, "no-caption")
        await pilot.press("e")
        bench = await at(pilot, "CaptionWorkbench")
        assert bench._names == ("dog_4.png",)
