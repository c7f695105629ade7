"""What a view reads of its caption: tags shuffled and left out, as a function of seed, step and sample alone."""

from __future__ import annotations

from collections import Counter

from trainer.contract.settings.captions import Caption
from trainer.data.tags import caption_seen
from trainer.ground import draws

TAGS = "a photo, TOK dog, red, grass,sky , sitting"


def seen(own: Caption, step: int, caption: str = TAGS, seed: int = 3) -> list[str]:
    return caption_seen(caption, own, ("TOK",), seed, (step, 1, 0)).split(", ")


def test_a_shuffled_caption_is_the_order_of_its_draws() -> None:
    """The oracle: the numbers that each tag drew, sorted; the first tag and the trigger's stand before them."""
    own = Caption(shuffle=True)
    for step in range(20):
        drawn = {place: draws.uniform(3, "tag-order", step, 1, 0, place) for place in (2, 3, 4, 5)}
        words = ["a photo", "TOK dog", "red", "grass", "sky", "sitting"]
        assert seen(own, step) == [
            "a photo",
            "TOK dog",
            *(words[place] for place in sorted(drawn, key=drawn.__getitem__)),
        ]
    orders = Counter(tuple(seen(own, step)) for step in range(2400))
    assert len(orders) == 24 and min(orders.values()) > 60  # every order of four, about as often


def test_a_tag_is_left_out_as_often_as_was_asked_and_the_trigger_never() -> None:
    found = Counter(tag for step in range(2000) for tag in seen(Caption(tag_dropout=0.25, keep=0), step))
    assert found["TOK dog"] == 2000
    assert all(0.72 < found[tag] / 2000 < 0.78 for tag in ("a photo", "red", "grass", "sky", "sitting"))
    kept = Counter(tag for step in range(200) for tag in seen(Caption(tag_dropout=0.9, keep=3), step))
    assert kept["a photo"] == kept["TOK dog"] == kept["red"] == 200 and kept["sky"] < 60
    for step in range(50):  # in the order in which they were written
        left = seen(Caption(tag_dropout=0.5, keep=0), step)
        assert left == [tag for tag in ("a photo", "TOK dog", "red", "grass", "sky", "sitting") if tag in left]


def test_something_is_always_left_and_nothing_changes_where_nothing_is_asked() -> None:
    alone = {tuple(seen(Caption(tag_dropout=0.99, keep=0), step, "red, blue")) for step in range(50)}
    assert ("red",) in alone and () not in alone and ("",) not in alone
    assert caption_seen(TAGS, Caption(keep=5), ("TOK",), 3, (1, 1, 0)) == TAGS
    assert seen(Caption(shuffle=True), 4, seed=5) != seen(Caption(shuffle=True), 4)
