"""A prompt as each user interface takes it for plain words: what has a meaning there is written so that it has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from trainer.contract.run.interface_prompts import (
    a1111_prompt,
    comfyui_prompt,
    invokeai_prompt,
    is_invokeai_name,
    swarmui_prompt,
)

PROMPT = r"a (small) TOK, [red], {blue|green} AND \(done\)."


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (a1111_prompt, r"a \(small\) t_emb, \[red\], {blue|green} and \(done\)."),
        (comfyui_prompt, r"a \(small\) embedding:t_emb , [red], \{blue|green\} AND \(done\)."),
        (invokeai_prompt, r"a \(small\) <t_emb>, [red], blue|green AND \(done\)."),
        (swarmui_prompt, r"a \(small\) <embed:t_emb>, \[red\], {blue|green} AND \(done\)."),
    ],
)
def test_what_has_a_meaning_is_written_as_plain_letters(
    written: Callable[[str, Mapping[str, str]], str], expected: str
) -> None:
    assert written(PROMPT, {"TOK": "t_emb"}) == expected
    assert written(expected, {}) == expected  # once is enough


def test_a_name_with_capitals_that_mean_something_stays() -> None:
    assert a1111_prompt("TOK AND AND-2", {"TOK": "x-AND-y_emb"}) == "x-AND-y_emb and and-2"
    assert a1111_prompt("An ohwx woman, not an ohwx", {"ohwx": "woman_emb"}) == "A woman_emb woman, not a woman_emb"
    assert comfyui_prompt("a TOK dog", {"TOK": "ida_emb"}) == "an embedding:ida_emb dog"
    assert a1111_prompt("a BREAK here", {"BREAK": "b_emb"}) == "a b_emb here"
    assert invokeai_prompt("a { alone", {}) == "a { alone"  # no pair: no choice


def test_invokeai_looks_for_latin_letters_alone() -> None:
    assert is_invokeai_name("anna_TOK2_emb") and not is_invokeai_name("anna_猫_emb")
