"""An address for notices is taken out of the arguments, and nothing of it can be said but its kind."""

from __future__ import annotations

import pytest

from trainer.contract.run.notify import NAME, addresses, kind_of, taken_out


@pytest.mark.parametrize(
    ("given", "rest", "found"),
    [
        (["--notify", "ntfy://a", "replay", "x"], ["replay", "x"], ["ntfy://a"]),
        (["replay", "x", "--notify=ntfy://a=b", "--notify", "json://c"], ["replay", "x"], ["ntfy://a=b", "json://c"]),
        (["caption", "--", "--notify", "x"], ["caption", "--", "--notify", "x"], []),
        (["replay", "--notify"], ["replay", "--notify"], []),  # typer says what is missing
        (["--notify="], ["--notify="], []),
        (["--notifyx", "a"], ["--notifyx", "a"], []),
    ],
)
def test_the_option_is_taken_out(given: list[str], rest: list[str], found: list[str]) -> None:
    assert taken_out(given) == (rest, found)


def test_only_the_kind_of_an_address_is_said() -> None:
    assert addresses({NAME: " ntfy://a\n json://b "}) == ("ntfy://a", "json://b") and addresses({}) == ()
    assert kind_of("ntfys://token@host/topic") == "ntfys"
    assert kind_of("secret") == kind_of("SECRET://x") == "an address without ://"
