"""The caption workbench: everything by keyboard, nothing lost by Escape, no file without the question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from loratui.app import LoratuiApp
from loratui.curation.report import Report
from loratui.screens.wizard.captions.caption_field import CaptionField
from loratui.screens.wizard.captions.workbench import CaptionWorkbench
from loratui.settings.drafts.draft import Draft
from loratui.widgets.longlist import LongList
from tests.loratui.screens.conftest import HOSTILE, SIZES, assert_snapshot, at, on_row, opened, screen_text, until

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]


@pytest.fixture
def draft(photos: Path) -> Draft:
    return Draft(step=1, values={"dataset.path": "photos", "kind": "object", "dataset.trigger": "TOK"})


async def bench_on(pilot: Pilot[Any], row: str | None) -> Any:
    """The workbench, opened on a row of the pictures."""
    screen = await opened(pilot)
    await on_row(pilot, screen, row)
    await pilot.press("e")
    bench = await at(pilot, "CaptionWorkbench")
    assert pilot.app.focused is bench.query_one(CaptionField)  # what is typed is words, whatever the row was
    if row is None:
        await pilot.press("escape")
    return bench


def captions(bench: Any) -> dict[str, str]:
    return dict(bench.captions.now)


@pytest.mark.parametrize("size", SIZES)
async def test_it_shows_a_large_picture_beside_its_caption(wizard: Wizard, draft: Draft, size: tuple[int, int]) -> None:
    app = wizard(draft)
    async with app.run_test(size=size) as pilot:
        bench = await bench_on(pilot, "dog_1.png")
        await until(pilot, lambda: bench.query_one("#bench-thumb").shown)
        width, height = bench.query_one("#bench-thumb").size
        assert width * height > size[0] * size[1] / 3  # cells
        await pilot.press("escape", "space", "up")
        bench.query_one("#bench-thumb").display = False  # pixels are half blocks of any colour
        await pilot.pause()
        assert_snapshot(app, "captions")


async def test_what_is_typed_is_kept_by_every_way_out_and_taken_back(wizard: Wizard, draft: Draft) -> None:
    app = wizard(draft)
    async with app.run_test() as pilot:
        bench = await bench_on(pilot, "dog_3.png")
        await pilot.press(*", q on u", "enter")  # letters of commands are letters here
        assert bench.here == "dog_4.png" and "picture 3, q on u" in captions(bench)["dog_3.png"]
        await pilot.press(*"a TOK dog", "pageup")
        assert bench.here == "dog_3.png"
        await pilot.press(*" x", "escape")
        assert app.focused is bench.listed
        kept = {"dog_3.png": "a TOK dog, picture 3, q on u x", "dog_4.png": "a TOK dog"}
        assert app.draft.captions == kept == app.store.load().draft.captions
        await pilot.press("escape")
        screen = await at(pilot, "PicturesScreen")
        assert "2 edited captions not in a file yet: F2 asks" in screen_text(app)
        await pilot.press("u", "u")  # one decision for each stay at a picture
        assert app.draft.captions == {"dog_3.png": "a TOK dog, picture 3, q on u"}
        await pilot.press("u")
        assert app.draft.captions == {} and app.screen is screen
        await pilot.press("e", "z", "ctrl+q")
    assert [one.endswith("z") for one in app.store.load().draft.captions.values()] == [True]
    assert not Path("photos/dog_4.txt").exists()


async def test_what_is_typed_is_on_disk_before_the_picture_is_left(
    wizard: Wizard, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loratui.screens.wizard.captions.workbench.REST", 0.05)
    app = wizard(draft)
    async with app.run_test() as pilot:
        bench = await bench_on(pilot, "dog_4.png")
        await pilot.press(*"a dog")
        await until(pilot, lambda: app.store.load().draft.captions == {"dog_4.png": "a dog"})
        await pilot.press(*" runs")
        await until(pilot, lambda: app.store.load().draft.captions == {"dog_4.png": "a dog runs"})
        await pilot.press("ctrl+z")
        assert bench.query_one(CaptionField).text != "a dog runs"  # typing is undone where one types
        await pilot.press("escape", "u")
        assert app.draft.captions == {}
        # back to what the file holds is no edit
        await pilot.press("up", "e", "x", "backspace", "escape")
        assert app.draft.captions == {}


async def test_the_tokens_and_the_trigger_are_told(wizard: Wizard, draft: Draft) -> None:
    app = wizard(draft.with_settings({"model.base": "sdxl-small"}))
    async with app.run_test() as pilot:
        bench = await bench_on(pilot, "dog_4.png")
        field = bench.query_one(CaptionField)
        assert "0 of 75 tokens" in str(field.border_title) and "without TOK" in str(field.border_subtitle)
        await pilot.press(*"a TOK dog")
        assert "about" not in str(field.border_title) and "✓ trigger" in str(field.border_subtitle)
        assert [str(one.style) for one in field.get_line(0).spans] == ["bold reverse"]
        assert field.get_line(0).plain[slice(*field.get_line(0).spans[0][:2])] == "TOK"
        field.insert(" 1" * 90)
        await until(pilot, lambda: "not read" in str(field.border_title))
        await pilot.press("escape", "f")
        chooser = await at(pilot, "Chooser")
        assert "longer than 75 tokens (1)" in screen_text(app)
        chooser.query_one(OptionList).highlighted = 3
        await pilot.press("enter")
        await until(pilot, lambda: bench._names == ("dog_4.png",))


async def test_words_are_replaced_over_all_or_over_the_marked(wizard: Wizard, draft: Draft) -> None:
    app = wizard(draft)
    async with app.run_test() as pilot:
        bench = await bench_on(pilot, None)
        before = captions(bench)
        await pilot.press("r")
        window = await at(pilot, "ReplaceWindow")
        await pilot.press(*"a tok")
        assert "4 places in 4 captions" in screen_text(app)
        await pilot.press("f4")
        assert "Not in any of 5 captions" in screen_text(app)
        await pilot.press("enter", "enter")
        assert app.screen is window and "✗ No caption holds these words" in screen_text(app)
        await pilot.press("f4", *"the TOK", "enter")
        await at(pilot, "CaptionWorkbench")
        assert captions(bench)["dog_2.png"] == "the TOK dog, picture 2" and len(app.draft.captions) == 4
        await pilot.press("u")
        assert captions(bench) == before and app.draft.captions == {}
        await pilot.press("home", "space", "space", "r", *"dog", "enter", *"cat", "enter")
        assert sorted(app.draft.captions) == ["dog_0.png", "dog_1.png"]
        await pilot.press(
            "u", "r", *"x", "escape", "escape", "enter"
        )  # Escape asks; the painted answer goes on writing
        assert [one.value for one in app.screen.query(Input)] == ["x", ""]
        await pilot.press("escape", "d")
        assert app.screen is bench


async def test_words_are_put_around_captions(wizard: Wizard, draft: Draft) -> None:
    app = wizard(draft)
    async with app.run_test() as pilot:
        bench = await bench_on(pilot, None)
        await pilot.press("b", *"photo of", "enter", *", outdoors", "enter")
        assert captions(bench)["dog_0.png"] == "photo of a TOK dog, picture 0, outdoors"
        assert captions(bench)["dog_4.png"] == "photo of, outdoors"
        await pilot.press("b", *"photo of", "enter", "enter")
        assert "changes no caption" in screen_text(app)


async def test_tags_are_counted_added_taken_out_and_marked(wizard: Wizard, draft: Draft) -> None:
    app = wizard(draft)
    async with app.run_test() as pilot:
        bench = await bench_on(pilot, None)
        await pilot.press("t")
        await at(pilot, "TagList")
        assert "4 of 5" in screen_text(app)
        await pilot.press("a")
        assert captions(bench)["dog_4.png"] == "a TOK dog"
        await pilot.press("n", *"grass, sun", "enter")
        assert captions(bench)["dog_0.png"] == "a TOK dog, picture 0, grass, sun"
        await pilot.press("home", "x")
        assert captions(bench)["dog_4.png"] == "grass, sun"
        await pilot.press("u", "u", "u")
        assert app.draft.captions == {}
        await pilot.press("end", "m")
        await at(pilot, "CaptionWorkbench")
        assert "Marked: 1 picture with" in screen_text(app) and len(bench._marked) == 1


async def test_files_are_written_by_the_question_alone(wizard: Wizard, draft: Draft) -> None:
    app = wizard(draft)
    async with app.run_test() as pilot:
        bench = await bench_on(pilot, "dog_4.png")
        await pilot.press(*"a TOK dog", "f2")
        await at(pilot, "Question")
        assert "dog_4.txt (new file)" in screen_text(app)
        await pilot.press("escape")
        assert app.screen is bench and app.draft.captions == {"dog_4.png": "a TOK dog"}
        await pilot.press("f2", "y")
        screen = await at(pilot, "PicturesScreen")
        assert Path("photos/dog_4.txt").read_text() == "a TOK dog\n"
        await until(pilot, lambda: next(iter(screen._report.pictures[4:])).caption == "a TOK dog")
        assert app.draft.captions == {}


async def test_a_finding_opens_its_own_pictures_and_words_are_searched(wizard: Wizard, draft: Draft) -> None:
    Path("photos/dog_1.txt").write_text("a brown dog")
    app = wizard(draft)
    async with app.run_test() as pilot:
        bench = await bench_on(pilot, "trigger-missing")
        assert bench._names == ("dog_1.png",) and "those of the finding" in screen_text(app)
        await pilot.press("escape", "slash", *"PICTURE 2", "enter")
        assert bench._names == ("dog_2.png",)
        await pilot.press("slash", "end", *"zz", "enter")
        assert bench._names == () and "f shows all" in screen_text(app)
        for key in ("e", "space", "asterisk", "r", "escape", "u", "v", "t", "escape"):
            await pilot.press(key)  # nothing is under the cursor
        assert app.screen is bench and app.draft.captions == {}


async def test_hostile_captions_are_inert_and_stay_as_they_are(wizard: Wizard, draft: Draft) -> None:
    Path("photos/dog_0.txt").write_text(HOSTILE)
    app = wizard(draft)
    async with app.run_test() as pilot:
        bench = await bench_on(pilot, "dog_0.png")
        assert not set(screen_text(app)) & {"\x1b", "\x07", "\x9b"} and "[@click=app" in screen_text(app)
        await pilot.press("enter", "escape")
        assert app.draft.captions == {}
        bench.query_one(CaptionField).insert("x\x1b]0;y\x07\nz")
        await pilot.pause()
        assert not set(screen_text(app)) & {"\x1b", "\x07", "\x9b"}
        await pilot.press("e", "escape")
        assert "\n" not in app.draft.captions["dog_1.png"] and "\x1b" not in app.draft.captions["dog_1.png"]


async def test_of_two_thousand_captions_only_those_in_sight_are_drawn(wizard: Wizard, draft: Draft) -> None:
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        one = screen._report.pictures[0]
        many = tuple(replace(one, name=f"p{n:04}.png", caption=f"a TOK dog, {n}") for n in range(2000))
        report: Report = replace(screen._report, pictures=many)
        bench = CaptionWorkbench(app.draft, app.session, report, screen.edit)
        await app.push_screen(bench)
        await pilot.press("escape")
        drawn: list[int] = []
        own = bench.listed._draw
        bench.listed._draw = lambda place, width: drawn.append(place) or own(place, width)
        built = len(bench.query("*"))
        await pilot.press("down")
        assert len(drawn) <= 2 * bench.listed.size.height
        await pilot.press("end", "pageup", "asterisk")
        await pilot.press("r", *"dog", "enter", *"cat", "enter")
        assert len(app.draft.captions) == 2000 and len(bench.query("*")) == built
        assert len(drawn) <= 12 * bench.listed.size.height
        await pilot.press("f2")
        await at(pilot, "Question")
        assert "Write 2,000 caption files?" in screen_text(app)


def test_the_list_is_always_within_its_rows() -> None:
    listed = LongList(lambda place, width: None, "")  # type: ignore[arg-type, return-value]
    listed.show(0)
    assert listed.place == 0
    listed.show(5, 9)
    assert listed.place == 4
