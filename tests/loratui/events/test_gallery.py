"""Where one is among a run's pictures, and which of them the wall has room for."""

from __future__ import annotations

import pytest

from loratui.events.gallery import GalleryPictures, GalleryPlace, columns, moved, rows
from loratui.events.history import History


def drawn(*places: tuple[int, int]) -> GalleryPictures:
    """The pictures of a run that drew prompt `index` at `step`, in this order."""
    history = History()
    fields = {"type": "sample", "seed": 0, "prompt": "a TOK", "path": "samples/x.png", "thumb": "samples/x.jpg"}
    history.absorb([{**fields, "index": index, "step": step} for index, step in places])
    return GalleryPictures.of(history)


EVERY = drawn(*((index, step) for index in (0, 1) for step in range(0, 1001, 100)))


@pytest.mark.parametrize("count", range(2, 15))
def test_first_last_and_the_cursor_are_always_in_sight(count: int) -> None:
    for at in EVERY.steps:
        shown = columns(EVERY, count, at)
        assert len(shown) == min(count, len(EVERY.steps))
        assert list(shown) == sorted(set(shown))
        assert at in shown
        if count > 2:
            assert (shown[0], shown[-1]) == (0, 1000)


def test_the_cursors_step_takes_the_place_of_the_one_next_to_it() -> None:
    before = columns(EVERY, 4, 0)
    assert before == (0, 300, 700, 1000)
    assert [columns(EVERY, 4, at)[1:3] for at in (100, 400, 600, 900)] == [
        (100, 700),
        (400, 700),
        (300, 600),
        (300, 900),
    ]
    seen = set(before)
    for at in EVERY.steps:
        after = columns(EVERY, 4, at)
        assert len(set(after) - set(before)) <= 2  # one comes, and one of the spread is back in its place
        seen |= set(after)
        before = after
    assert seen == set(EVERY.steps)


def test_what_was_asked_for_in_between_takes_no_column_from_the_plan() -> None:
    pictures = drawn(*((index, step) for index in (0, 1) for step in (0, 100, 200, 300)), (2, 150), (2, 170))
    assert pictures.common == (0, 100, 200, 300)
    assert columns(pictures, 4, 300) == (0, 100, 200, 300)
    assert columns(pictures, 4, 150) == (0, 150, 200, 300)
    assert columns(pictures, 5, 150) == (0, 100, 150, 200, 300)
    assert columns(pictures, 9, 150) == (0, 100, 150, 170, 200, 300)


def test_the_arrow_keys_end_at_the_edges() -> None:
    assert moved(EVERY, GalleryPlace(0, 0), steps=-1) == GalleryPlace(0, 0)
    assert moved(EVERY, GalleryPlace(0, 900), steps=5) == GalleryPlace(0, 1000)
    assert moved(EVERY, GalleryPlace(0, 500), prompts=-1) == GalleryPlace(0, 500)
    assert moved(EVERY, GalleryPlace(0, 500), prompts=7) == GalleryPlace(1, 500)


def test_one_picture_goes_over_what_was_drawn_and_the_wall_over_its_holes_too() -> None:
    pictures = drawn((0, 0), (0, 100), (0, 200), (1, 130), (1, 200))
    assert moved(pictures, GalleryPlace(0, 0), prompts=1) == GalleryPlace(1, 130)
    assert moved(pictures, GalleryPlace(0, 0), prompts=1, all_steps=True) == GalleryPlace(1, 0)
    assert moved(pictures, GalleryPlace(1, 200), steps=-1) == GalleryPlace(1, 130)
    assert moved(pictures, GalleryPlace(1, 200), steps=-2, all_steps=True) == GalleryPlace(1, 100)
    assert pictures.at(GalleryPlace(1, 100)) is None
    assert pictures.base(1) is None
    assert pictures.base(0) is not None


def test_a_place_that_a_resume_took_back_becomes_the_nearest() -> None:
    pictures = drawn((0, 0), (0, 100))
    assert moved(pictures, GalleryPlace(3, 400)) == GalleryPlace(0, 100)
    assert moved(drawn(), GalleryPlace(3, 400), steps=1) == GalleryPlace(3, 400)
    assert drawn().newest is None


def test_the_rows_follow_the_cursor_and_no_further() -> None:
    prompts = (0, 1, 2, 5, 9)
    assert rows(prompts, 2, 0, 0) == (0, (0, 1))
    assert rows(prompts, 2, 2, 0) == (1, (1, 2))
    assert rows(prompts, 2, 1, 1) == (1, (1, 2))
    assert rows(prompts, 2, 9, 0) == (3, (5, 9))
    assert rows(prompts, 9, 9, 3) == (0, prompts)


def test_pictures_of_one_prompt_are_told_apart_by_their_seeds() -> None:
    """As a run with sample.count = 2 tells them; a prompt that stands alone is shown as it is, as in old runs."""
    history = History()
    fields = {"type": "sample", "path": "samples/x.png", "thumb": "samples/x.jpg", "prompt": "a TOK"}
    history.absorb([{**fields, "index": one, "seed": one, "step": step} for step in (0, 9) for one in (0, 1)])
    history.absorb([{**fields, "index": 2, "seed": 5, "step": 9, "prompt": "a house"}])
    pictures = GalleryPictures.of(history)
    assert [pictures.words_of(index) for index in pictures.prompts] == ["seed 0 · a TOK", "seed 1 · a TOK", "a house"]
