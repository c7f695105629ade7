"""What is done to many captions at once: words in, words out."""

from __future__ import annotations

import pytest

from loratui.curation.captions.bulk import Around, Replacement, changes
from loratui.curation.captions.tags import TagCount, holding, tag_counts, tags_of, with_tag, without_tag
from loratui.curation.captions.views import Captions, View, shown, targets
from trainer.contract.captioning.tokens import TokenCount

CAPTIONS = {"a": "TOK, red hat, smiling", "b": "TOK, red hat", "c": "a cat in a Red hat, TOK", "d": ""}


@pytest.mark.parametrize(
    ("what", "before", "after"),
    [
        (Replacement("cat", "dog"), "a cat, a Cat, a caterpillar", "a dog, a dog, a dogerpillar"),
        (Replacement("cat", "dog", whole_words=True), "a cat, a caterpillar", "a dog, a caterpillar"),
        (Replacement("cat", "dog", same_case=True), "a cat, a Cat", "a dog, a Cat"),
        (Replacement("a b", "c"), "x a  b y", "x c y"),  # spaces are one
        (Replacement("red hat"), "TOK, red hat, smiling", "TOK, smiling"),
        (Replacement("red hat"), "red hat", ""),
        (Replacement("(", r"\1"), "a (b", r"a \1b"),  # no pattern, no group
        (Replacement("", "x"), "a", "a"),
        (Replacement("  ", "x"), "a b", "a b"),
    ],
)
def test_words_are_replaced(what: Replacement, before: str, after: str) -> None:
    assert what(before) == after


@pytest.mark.parametrize(
    ("what", "before", "after"),
    [
        (Around("TOK,", ""), "a dog", "TOK, a dog"),
        (Around("TOK,", ""), "TOK, a dog", "TOK, a dog"),
        (Around("", ", outdoors"), "a dog", "a dog, outdoors"),
        (Around("", "outdoors"), "a dog", "a dog outdoors"),
        (Around("", ", outdoors"), "a dog, outdoors", "a dog, outdoors"),
        (Around("", ", outdoors"), "", "outdoors"),
        (Around("photo of", ", outdoors"), "", "photo of, outdoors"),
        (Around("TOK,", ""), "", "TOK"),
        (Around("TOK,", ""), "TOK", "TOK"),
        (Around("TOK,", ", outdoors"), "", "TOK, outdoors"),
        (Around("TOK,", "outdoors"), "", "TOK, outdoors"),
        (Around("TOK,", "outdoors"), "TOK, outdoors", "TOK, outdoors"),
    ],
)
def test_words_are_put_around(what: Around, before: str, after: str) -> None:
    assert what(before) == after
    assert what(after) == after  # twice is once


def test_only_what_changes_is_a_change() -> None:
    assert changes(CAPTIONS, ["a", "b", "d"], Replacement("smiling", "sad")) == {"a": "TOK, red hat, sad"}
    assert changes({"a": "x\n y"}, ["a"], lambda text: text) == {}


def test_tags_are_the_parts_between_commas() -> None:
    assert tags_of(" a ,, b c,a,") == ("a", "b c")
    found = tag_counts(CAPTIONS, CAPTIONS)
    assert found[:2] == (TagCount("TOK", 3), TagCount("red hat", 2))
    assert [one.tag for one in found[2:]] == ["a cat in a Red hat", "smiling"]
    assert holding(CAPTIONS, ["a", "b", "c"], "red hat") == ("a", "b")


def test_a_tag_is_put_once_and_taken_out_whole() -> None:
    assert with_tag("a, b", "b") == "a, b"
    assert with_tag("a, b,", "c, b, d") == "a, b, c, d"
    assert with_tag("", "c") == "c"
    assert without_tag("a, b, a b", "a") == "b, a b"
    assert without_tag("a,  b", "c") == "a,  b"  # not touched


def test_views_show_what_is_to_do_and_changes_are_for_the_marked_or_all() -> None:
    captions = Captions(CAPTIONS, {"d": "one two three", "b": ""})

    def count(text: str) -> TokenCount:
        return TokenCount(100 if "three" in text else 5, True)

    def of(kind: str, words: str = "") -> tuple[str, ...]:
        return shown(captions, list(CAPTIONS), View(kind, words), "TOK", count, 75, {"c"})

    assert of("") == ("a", "b", "c", "d")
    assert (of("empty"), of("edited"), of("long")) == (("b",), ("b", "d"), ("d",))
    assert (of("untriggered"), of("chosen"), of("words", "RED")) == (("d",), ("c",), ("a", "c"))
    assert captions.now["d"] == "one two three" and captions.of("x") == ""
    assert targets(["a", "b"], {"b", "z"}) == ("b",)
    assert targets(["a", "b"], {"z"}) == ("a", "b")
